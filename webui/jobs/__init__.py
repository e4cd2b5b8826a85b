"""Durable jobs: stored, ordered, run by a worker, filed, and told of while they run."""

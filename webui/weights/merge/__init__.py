"""Merging checkpoints tensor by tensor, in memory that does not grow with the files."""

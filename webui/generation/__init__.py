"""The worker's side: from a request to finished pictures."""

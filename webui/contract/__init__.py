"""The words that the server and the worker owe each other: requests, items, events."""

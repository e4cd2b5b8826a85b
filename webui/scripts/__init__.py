"""Built-in scripts, registered through the public door."""

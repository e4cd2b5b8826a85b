"""Built-in always-on effects, registered through the public door; forms are torch-free."""

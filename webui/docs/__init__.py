"""The documentation, shipped with the program; some of its pages are generated."""

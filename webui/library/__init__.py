"""Model files on disk, known without torch."""

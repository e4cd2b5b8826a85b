"""Models in memory: families, loading, what sits on the device, and patches."""

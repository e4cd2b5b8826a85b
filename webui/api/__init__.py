"""The HTTP face: the native job API, the older /sdapi surface, and the guard around everything."""

"""Pictures as values and files: decoding, geometry, grids, metadata, names, storage."""

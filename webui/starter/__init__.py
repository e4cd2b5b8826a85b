"""The starter model: procedural scenes, and the training that turns them into a checkpoint."""

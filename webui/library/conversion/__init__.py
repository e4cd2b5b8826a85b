"""Pickled model files become safetensors, in a process of their own that can call nothing.

`pickled` reads the pickle language into plain data, `archives` the containers that torch wrote it
into, `selection` finds the tensors that are the model, `child` runs all three behind `walls`, and
`process` is what the rest of the house calls.
"""

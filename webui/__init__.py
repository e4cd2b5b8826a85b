"""Palimpsest: a browser UI for Stable Diffusion, rebuilt on diffusers modules and Gradio 6."""

__version__ = "0.1.0"

"""The families that denoise with a transformer."""

from webui.weights.families.rows import ModelFamily

TRANSFORMERS: tuple[ModelFamily, ...] = ()

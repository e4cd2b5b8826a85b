"""A VAE's file in the names of diffusers becomes one in the names that checkpoints have."""

from pathlib import Path

from safetensors.torch import load_file, save_file

from webui.errors import ModelMismatch
from webui.library.headers import read_header
from webui.weights.naming import original_vae

MARK, LEVEL = "decoder.up_blocks.", "encoder.down_blocks."
RENAMED = ".vae.safetensors"


def renamed_vae(path: Path, folder: Path) -> Path:
    """The file itself, or a copy of it under original names in `folder`.

    Raises ModelMismatch where there are no such names for one of its tensors.
    """
    header = read_header(path)
    if not header.has(MARK):
        return path
    levels = {name.removeprefix(LEVEL).split(".")[0] for name in header.names(LEVEL)}
    try:
        state = original_vae(load_file(path), len(levels))
    except KeyError as error:
        raise ModelMismatch(
            "The VAE is built in a way that checkpoints have no names for.", str(error)
        ) from error
    copy = folder / RENAMED
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, copy)
    return copy

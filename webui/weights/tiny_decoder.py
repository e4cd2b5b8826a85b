"""Small decoders (TAESD and its siblings) from files that people have, to show unfinished latents.

The layout is that of madebyollin's TAESD: half of an autoencoder with 64 channels throughout.
"""

from pathlib import Path

from diffusers.models.autoencoders.vae import DecoderTiny
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from webui.errors import StorageError, UnsupportedModel
from webui.library.headers import read_header

BLOCKS = (3, 3, 3, 1)
WIDTHS = (64, 64, 64, 64)
LAYERS = "layers."
PREFIXES = ("taesd_decoder.", "decoder.layers.", "")
"""What the decoder's names begin with: in whole files, in those of diffusers, and alone."""

FIRST = {"decoder.layers.": 0}
"""The first layer's number; where none is given here, a layer that clamps comes before it."""


def load_tiny_decoder(path: Path) -> nn.Module:
    """A network from scaled latents (B, C, h, w) to pixels (B, 3, 8h, 8w) in [-1, 1], float32.

    Raises UnsupportedModel where the file holds no such decoder, StorageError.
    """
    header = read_header(path)
    prefix = next((p for p in PREFIXES if _first(p) in header.tensors), None)
    if prefix is None:
        raise UnsupportedModel(f"{path.name} holds no small decoder for previews.")
    shape = header.shape(_first(prefix))
    assert shape is not None
    state: dict[str, Tensor] = {}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            for name in header.names(prefix):
                number, _, rest = name.removeprefix(prefix).partition(".")
                if number.isdecimal():
                    place = int(number) - FIRST.get(prefix, 1)
                    state[f"{LAYERS}{place}.{rest}"] = file.get_tensor(name).float()
        decoder = DecoderTiny(shape[1], 3, BLOCKS, WIDTHS, 2, "relu", "nearest")
        decoder.load_state_dict(state)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{path.name} could not be read.", str(error)) from error
    except (IndexError, RuntimeError) as error:
        raise UnsupportedModel(f"{path.name} does not fit as a decoder.", str(error)) from error
    return decoder.eval().requires_grad_(False)


def _first(prefix: str) -> str:
    return f"{prefix}{FIRST.get(prefix, 1)}.weight"

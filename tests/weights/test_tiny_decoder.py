"""Small decoders for previews, in the names that their files have."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from webui.errors import UnsupportedModel
from webui.weights.tiny_decoder import load_tiny_decoder


def decoder_of(channels: int) -> AutoencoderTiny:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return AutoencoderTiny(latent_channels=channels).eval()


def named(model: AutoencoderTiny, form: str) -> dict[str, torch.Tensor]:
    """The tensors as the files have them: TAESD counts its clamp as layer 0 of the decoder."""
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if form == "diffusers":
        return state
    found = {}
    for name, tensor in state.items():
        half, _, rest = name.partition(".layers.")
        number, _, inside = rest.partition(".")
        if half == "decoder":
            prefix = "taesd_decoder." if form == "whole" else ""
            found[f"{prefix}{int(number) + 1}.{inside}"] = tensor
        elif form == "whole":
            found[f"taesd_encoder.{rest}"] = tensor
    return found


@pytest.mark.parametrize("channels", [4, 16])
@pytest.mark.parametrize("form", ["diffusers", "whole", "alone"])
def test_every_layout_decodes_as_the_library_does(tmp_path: Path, form: str, channels: int) -> None:
    model = decoder_of(channels)
    save_file(named(model, form), tmp_path / "taesd.safetensors")
    latent = torch.randn(1, channels, 6, 5, generator=torch.Generator().manual_seed(1)) * 3
    with torch.inference_mode():
        shown = load_tiny_decoder(tmp_path / "taesd.safetensors")(latent)
        expected = model.decode(latent).sample
    assert shown.shape == (1, 3, 48, 40)
    assert torch.equal(shown, expected)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(UnsupportedModel, match="no small decoder"):
        load_tiny_decoder(path)
    state = named(decoder_of(4), "alone")
    save_file({n: t for n, t in state.items() if not n.startswith("19.")}, path)
    with pytest.raises(UnsupportedModel, match="does not fit"):
        load_tiny_decoder(path)

"""A small network that shows latents as pictures while they are still being made."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from webui.errors import UnsupportedModel
from webui.library.headers import read_header

FOLDER = "previewer"
FILE = "diffusion_pytorch_model.safetensors"
WIDTH = 32


class Previewer(nn.Module):
    """Scaled latents (B, C, h, w) to pixels (B, 3, 4h, 4w) in about [-1, 1]."""

    def __init__(self, channels: int = 4, width: int = WIDTH) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.near = nn.Conv2d(width, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """Show a latent, each side four times larger."""
        seen = functional.silu(self.enter(latent))
        seen = seen + functional.silu(self.near(seen))
        seen = functional.interpolate(seen, scale_factor=2.0, mode="nearest")
        seen = functional.silu(self.middle(seen))
        seen = functional.interpolate(seen, scale_factor=2.0, mode="nearest")
        return self.leave(seen)


def load_previewer(folder: Path) -> Previewer | None:
    """Load the previewer in `folder`, single precision, on the CPU; None where there is none.

    Raises UnsupportedModel where its tensors do not fit.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    shape = read_header(path).shape("enter.weight")
    state = {name: tensor.float() for name, tensor in load_file(path).items()}
    try:
        if shape is None:
            raise ValueError("enter.weight is missing")
        previewer = Previewer(channels=shape[1], width=shape[0])
        previewer.load_state_dict(state)
    except (ValueError, IndexError, RuntimeError) as error:
        raise UnsupportedModel("The model's previewer does not fit.", str(error)) from error
    return previewer.eval().requires_grad_(False)

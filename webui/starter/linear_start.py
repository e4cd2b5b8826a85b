"""An autoencoder that averages 8x8 blocks and interpolates back before it has learned anything.

From random weights this small autoencoder hardly learns, so its first weights are written by
hand: colours travel as plus/minus pairs, because silu(x) - silu(-x) = x, beside two large
constants that make the last group norm a fixed scale. Residual branches begin at zero.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import nn

CARRIED = 8
CONSTANT = 4.0
LOGVAR = -6.0


@torch.no_grad()
def start_linear(model: AutoencoderKL) -> None:
    """Write the linear start into ``model``, in place."""
    for module in model.modules():
        name = type(module).__name__
        if name == "ResnetBlock2D":
            quiet_residual(module)
        elif name == "Attention":
            nn.init.zeros_(module.to_out[0].weight)
            nn.init.zeros_(module.to_out[0].bias)
        elif name == "Downsample2D":
            carry_through(module.conv, torch.full((2, 2), 0.25))
        elif name == "Upsample2D":
            side = torch.tensor((0.25, 0.5, 0.25))
            carry_through(module.conv, side[:, None] * side[None])
    copy_colours(model.encoder.conv_in)
    copy_colours(model.decoder.conv_in)
    gather_colours(model.encoder.conv_out, 128)
    gather_colours(model.decoder.conv_out, 16)
    model.encoder.conv_out.bias[4:] = LOGVAR
    copy_identity(model.quant_conv)
    copy_identity(model.post_quant_conv)


def quiet_residual(block: nn.Module) -> None:
    """Zero the last convolution of a residual block and make its shortcut a copy."""
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    if block.conv_shortcut is not None:
        carry_through(block.conv_shortcut, torch.ones(1, 1))


def carry_through(conv: nn.Conv2d, kernel: torch.Tensor) -> None:
    """Let ``conv`` apply ``kernel`` to each carried channel; the others stay random."""
    conv.weight[:CARRIED] = 0
    conv.bias[:CARRIED] = 0
    rows, columns = kernel.shape
    for channel in range(CARRIED):
        conv.weight[channel, channel, :rows, :columns] = kernel


def copy_colours(conv: nn.Conv2d) -> None:
    """Copy three input channels as plus/minus pairs and add two opposite constants."""
    conv.weight[:CARRIED] = 0
    conv.bias[:CARRIED] = 0
    for channel in range(3):
        conv.weight[channel, channel, 1, 1] = 1.0
        conv.weight[channel + 3, channel, 1, 1] = -1.0
    conv.bias[6], conv.bias[7] = CONSTANT, -CONSTANT


def gather_colours(conv: nn.Conv2d, width: int) -> None:
    """Undo the pairs after group norm and silu over ``width`` channels."""
    scale = (2 * CONSTANT**2 / width) ** 0.5
    conv.weight *= 0.1
    conv.weight[:3] = 0
    conv.bias[:] = 0
    for channel in range(3):
        conv.weight[channel, channel, 1, 1] = scale
        conv.weight[channel, channel + 3, 1, 1] = -scale


def copy_identity(conv: nn.Conv2d) -> None:
    """Make a 1x1 convolution the identity."""
    nn.init.zeros_(conv.bias)
    conv.weight[:] = torch.eye(conv.weight.shape[0])[:, :, None, None]

"""The original names of Stable Diffusion's tensors, from diffusers' names, for any block counts.

The original files number the blocks of a network in one row: a level of the way down takes as
many numbers as it has layers, and one more for the step to the next level; a level of the way up
takes one more than it has layers. So the numbers follow from the layers of a block alone.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

State = dict[str, Tensor]

UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "controlnet_mid_block": "middle_block_out.0",
    "controlnet_cond_embedding.conv_in": "input_hint_block.0",
}
UNET_INNER = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_ENDS = {
    "encoder.conv_norm_out": "encoder.norm_out",
    "decoder.conv_norm_out": "decoder.norm_out",
}
VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
BLOCK = re.compile(
    r"(?:(down|up)_blocks\.(\d+)|(mid)_block)\."
    r"(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def original_unet(state: Mapping[str, Tensor], layers: int) -> State:
    """A UNet's tensors, or a ControlNet's, under their original names without prefix.

    `layers` is the configuration's `layers_per_block`. Raises KeyError for names of no such
    network.
    """
    hints = sum(name.startswith("controlnet_cond_embedding.blocks.") for name in state) // 2
    attended = {name.rsplit(".attentions.", 1)[0] for name in state if ".attentions." in name}

    def rename(stem: str) -> str:
        if stem in UNET_ENDS:
            return UNET_ENDS[stem]
        if stem == "controlnet_cond_embedding.conv_out":
            return f"input_hint_block.{2 * hints + 2}"
        if found := re.fullmatch(r"controlnet_cond_embedding\.blocks\.(\d+)", stem):
            return f"input_hint_block.{2 * int(found[1]) + 2}"
        if found := re.fullmatch(r"controlnet_down_blocks\.(\d+)", stem):
            return f"zero_convs.{found[1]}.0"
        return _unet_block(stem, layers, attended)

    return _renamed(state, rename)


def _unet_block(stem: str, layers: int, attended: set[str]) -> str:
    found = BLOCK.fullmatch(stem)
    if found is None:
        raise KeyError(stem)
    side, level, _, kind, index, inner = found.groups()
    inner = UNET_INNER.get(inner, inner) if kind == "resnets" else inner
    if side is None:
        return f"middle_block.{2 * int(index) + (kind == 'attentions')}.{inner}"
    if side == "down":
        number = 1 + int(level) * (layers + 1)
        if kind == "downsamplers":
            return f"input_blocks.{number + layers}.0.op"
        return f"input_blocks.{number + int(index)}.{int(kind == 'attentions')}.{inner}"
    number = int(level) * (layers + 1)
    if kind == "upsamplers":
        place = 1 + (f"up_blocks.{level}" in attended)
        return f"output_blocks.{number + layers}.{place}.{inner}"
    return f"output_blocks.{number + int(index)}.{int(kind == 'attentions')}.{inner}"


def original_vae(state: Mapping[str, Tensor], levels: int) -> State:
    """An autoencoder's tensors under their original names without prefix.

    `levels` is the number of its `block_out_channels`. The original counts the decoder's levels
    from the picture, and writes the attention's matrices as 1x1 convolutions. Raises KeyError.
    """

    def rename(stem: str) -> str:
        if stem in VAE_ENDS or "block" not in stem:
            return VAE_ENDS.get(stem, stem)
        side, _, inside = stem.partition(".")
        return f"{side}.{_vae_block(inside, levels)}"

    renamed = _renamed(state, rename)
    matrices = re.compile(r".*\.attn_1\.(q|k|v|proj_out)\.weight")
    return {n: t[:, :, None, None] if matrices.fullmatch(n) else t for n, t in renamed.items()}


def _vae_block(stem: str, levels: int) -> str:
    found = BLOCK.fullmatch(stem)
    if found is None:
        raise KeyError(stem)
    side, level, _, kind, index, inner = found.groups()
    inner = inner.replace("conv_shortcut", "nin_shortcut")
    if side is None and kind == "attentions":
        return f"mid.attn_1.{VAE_ATTENTION[inner]}"
    if side is None:
        return f"mid.block_{int(index) + 1}.{inner}"
    number = int(level) if side == "down" else levels - 1 - int(level)
    if kind == "resnets":
        return f"{side}.{number}.block.{index}.{inner}"
    return f"{side}.{number}.{side}sample.{inner}"


def _renamed(state: Mapping[str, Tensor], rename: Callable[[str], str]) -> State:
    """Rename every module and keep the last word: weight or bias."""
    result: State = {}
    for name, tensor in state.items():
        stem, _, word = name.rpartition(".")
        result[f"{rename(stem)}.{word}"] = tensor
    return result

"""Modules from a configuration and named tensors, with every tensor accounted for."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from webui.errors import UnsupportedModel
from webui.weights.families import Part
from webui.weights.towers import is_open_clip, transformers_tower

State = dict[str, Tensor]

INNER = "text_model."
POSITIONS = "position_ids"
TOWERS = ("CLIPTextModel", "CLIPTextModelWithProjection")
SHOWN = 4
FAULTS = ("missing", "unknown", "of another shape")


def _unet(config: dict[str, Any]) -> nn.Module:
    return cast(nn.Module, UNet2DConditionModel.from_config(config))


def _autoencoder(config: dict[str, Any]) -> nn.Module:
    return cast(nn.Module, AutoencoderKL.from_config(config))


def _clip(config: dict[str, Any]) -> nn.Module:
    return CLIPTextModel(CLIPTextConfig.from_dict(config))


def _projecting_clip(config: dict[str, Any]) -> nn.Module:
    return CLIPTextModelWithProjection(CLIPTextConfig.from_dict(config))


BUILDERS: Mapping[str, Callable[[dict[str, Any]], nn.Module]] = {
    "UNet2DConditionModel": _unet,
    "AutoencoderKL": _autoencoder,
    "CLIPTextModel": _clip,
    "CLIPTextModelWithProjection": _projecting_clip,
}
"""The only classes that a model folder can ask for; nothing is ever imported by name."""


def build(part: Part, config: dict[str, Any], state: State) -> nn.Module:
    """Make the module of `part` around the tensors of `state`, which are taken as they are.

    Raises UnsupportedModel where a tensor is missing, left over or of another shape.
    """
    named = config.get("_class_name") or next(iter(config.get("architectures") or ()), part.kind)
    if named != part.kind:
        raise UnsupportedModel(
            f"The model's {part.folder.replace('_', ' ')} is a {named}; "
            f"its family has a {part.kind} there."
        )
    # Buffers are made for real: some, such as position ids, are in no file.
    with init_empty_weights(include_buffers=False):
        module = BUILDERS[part.kind](config)
    state = _renamed(module, state)
    _check(part, module, state)
    module.load_state_dict(state, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def converted(part: Part, config: dict[str, Any], state: State) -> State:
    """The tensors of a single file's part, without its prefix, under diffusers' names.

    Raises UnsupportedModel where the converter left tensors behind.
    """
    if part.kind in TOWERS:
        projects = part.kind != "CLIPTextModel"
        return transformers_tower(state, projects) if is_open_clip(set(state)) else state
    convert = CONVERTERS[part.kind]
    try:
        result: State = convert({part.prefix + name: t for name, t in state.items()}, config)
    except (KeyError, IndexError, ValueError) as error:
        raise UnsupportedModel(
            f"The file's {part.folder} is not built as its family's are.",
            f"{type(error).__name__}: {error}",
        ) from error
    # Names change, shapes may (1x1 convolutions become matrices), the count of numbers must not.
    left = sum(t.numel() for t in state.values()) - sum(t.numel() for t in result.values())
    if left:
        raise UnsupportedModel(
            f"The file's {part.folder} holds tensors of an unknown kind.",
            f"{left} of its numbers have no place; {_sample(state)}",
        )
    return result


CONVERTERS: Mapping[str, Callable[[State, dict[str, Any]], State]] = {
    "UNet2DConditionModel": convert_ldm_unet_checkpoint,
    "AutoencoderKL": convert_ldm_vae_checkpoint,
}


def _renamed(module: nn.Module, state: State) -> State:
    """Add or drop the inner name that transformers 5 has in some CLIP classes and not in others."""
    nested = any(name.startswith(INNER) for name in module.state_dict())
    result: State = {}
    for name, tensor in state.items():
        if name.endswith(POSITIONS):
            continue
        bare = name.removeprefix(INNER)
        inner = nested and bare.startswith(("embeddings.", "encoder.", "final_layer_norm."))
        result[INNER + bare if inner else bare] = tensor
    return result


def _check(part: Part, module: nn.Module, state: State) -> None:
    wanted = {name: tuple(t.shape) for name, t in module.state_dict().items()}
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    misfits = [
        f"{name} {tuple(state[name].shape)} for {shape}"
        for name, shape in wanted.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    faults = [
        f"{len(names)} {what}: {', '.join(names[:SHOWN])}"
        for what, names in zip(FAULTS, (missing, unknown, misfits), strict=True)
        if names
    ]
    if faults:
        raise UnsupportedModel(
            f"The tensors of the {part.folder.replace('_', ' ')} do not fit its family "
            f"({len(missing)} missing, {len(unknown)} unknown, {len(misfits)} of another shape).",
            "; ".join(faults),
        )


def placed(module: nn.Module, device: torch.device | None, dtype: torch.dtype) -> nn.Module:
    """Bring a module to device and dtype, tensor by tensor, so that memory never holds it twice.

    Without a device it stays as it was read.
    """
    if device is None:
        return module
    # The libraries' own versions of this method talk about loading by their own means.
    return nn.Module.to(module, device=device, dtype=dtype)


def _sample(state: State) -> str:
    return f"{len(state)} tensors, such as {', '.join(sorted(state)[:SHOWN])}"

"""Modules from a configuration and named tensors, with every tensor accounted for."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from webui.errors import UnsupportedModel
from webui.weights.families import NETWORK, Part
from webui.weights.towers import is_open_clip, transformers_tower
from webui.weights.transformer_names import diffusers_flux, diffusers_sd3

State = dict[str, Tensor]

INNER = "text_model."
POSITIONS = "position_ids"
PROJECTION = "text_projection.weight"
SCALE = "logit_scale"
DIFFUSERS_VAE = "decoder.up_blocks."
"""What an autoencoder's names begin with in diffusers' layout only."""
T5_WORDS = ("shared.weight", "encoder.embed_tokens.weight")
WORD_SHARERS = ("T5EncoderModel",)
"""Text encoders whose words have two names, and are one matrix."""
TOWERS = ("CLIPTextModel", "CLIPTextModelWithProjection")
SHOWN = 4
FAULTS = ("missing", "unknown", "of another shape")


def _unet(config: dict[str, Any]) -> nn.Module:
    return cast(nn.Module, UNet2DConditionModel.from_config(config))


def _autoencoder(config: dict[str, Any]) -> nn.Module:
    return cast(nn.Module, AutoencoderKL.from_config(config))


def _clip(config: dict[str, Any]) -> nn.Module:
    return CLIPTextModel(CLIPTextConfig.from_dict(config))


def _flux(config: dict[str, Any]) -> nn.Module:
    return cast(nn.Module, FluxTransformer2DModel.from_config(config))


def _sd3(config: dict[str, Any]) -> nn.Module:
    return cast(nn.Module, SD3Transformer2DModel.from_config(config))


def _t5(config: dict[str, Any]) -> nn.Module:
    return T5EncoderModel(T5Config.from_dict(config))


def _projecting_clip(config: dict[str, Any]) -> nn.Module:
    return CLIPTextModelWithProjection(CLIPTextConfig.from_dict(config))


BUILDERS: Mapping[str, Callable[[dict[str, Any]], nn.Module]] = {
    "UNet2DConditionModel": _unet,
    "AutoencoderKL": _autoencoder,
    "CLIPTextModel": _clip,
    "CLIPTextModelWithProjection": _projecting_clip,
    "FluxTransformer2DModel": _flux,
    "SD3Transformer2DModel": _sd3,
    "T5EncoderModel": _t5,
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
    with _emptily(part.kind):
        module = BUILDERS[part.kind](config)
    shares = part.kind in WORD_SHARERS
    state = _shared_words(state) if shares else _renamed(module, state)
    _check(part, module, state)
    module.load_state_dict(state, strict=True, assign=True)
    if shares:
        cast("Any", module).set_input_embeddings(cast("Any", module).shared)
    return module.eval().requires_grad_(False)


def _emptily(kind: str) -> AbstractContextManager[Any]:
    """Modules made inside have no memory for weights.

    Buffers are made for real, since some, such as position ids, are in no file; but transformers
    have theirs in their files, and making them takes seconds.
    """
    if kind in RENAMERS:
        return torch.device("meta")
    return cast("AbstractContextManager[Any]", init_empty_weights(include_buffers=False))


def converted(part: Part, config: dict[str, Any], state: State) -> State:
    """The tensors of a single file's part, without its prefix, under diffusers' names.

    Raises UnsupportedModel where the converter left tensors behind.
    """
    if part.kind in TOWERS:
        projects = part.kind != "CLIPTextModel"
        if is_open_clip(set(state)):
            return transformers_tower(state, projects)
        return _projected(state, projects, config["hidden_size"])
    if part.kind in WORD_SHARERS:
        return state
    if part.kind in RENAMERS:
        return RENAMERS[part.kind](state)
    if any(name.startswith(DIFFUSERS_VAE) for name in state):
        return state
    convert = CONVERTERS[part.kind]
    prefix = NETWORK if part.kind == "UNet2DConditionModel" else ""  # what the converter looks for
    try:
        result: State = convert({prefix + name: t for name, t in state.items()}, config)
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


def _projected(state: State, projects: bool, width: int) -> State:
    """A CLIP's tensors with the projection that its class has: none, or as it is without one."""
    kept = {name: t for name, t in state.items() if name not in (PROJECTION, SCALE)}
    if projects:
        like = next(iter(state.values()))
        kept[PROJECTION] = state.get(PROJECTION, torch.eye(width, dtype=like.dtype))
    return kept


def _shared_words(state: State) -> State:
    """T5's tensors with its words under both of their names."""
    kept = {name: tensor for name, tensor in state.items() if name != SCALE}
    named = [kept[name] for name in T5_WORDS if name in kept]
    return kept | dict.fromkeys(T5_WORDS, named[0]) if named else kept


RENAMERS: Mapping[str, Callable[[State], State]] = {
    "FluxTransformer2DModel": diffusers_flux,
    "SD3Transformer2DModel": diffusers_sd3,
}

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

"""Autoencoders from files of their own, for models that work with the same kind of latents."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors import SafetensorError

from webui.errors import ModelMismatch, StorageError, UnsupportedModel
from webui.weights.architecture import fitted_config
from webui.weights.assembly import build, converted
from webui.weights.checkpoint import Checkpoint
from webui.weights.memory import DTYPES
from webui.weights.parts import VAE_PREFIXES
from webui.weights.quantised.files import open_tensors

INSIDE = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
"""What the names of an autoencoder's weights begin with; files hold leftovers of training too."""


def load_vae(path: Path, checkpoint: Checkpoint) -> AutoencoderKL:
    """The autoencoder in `path`, to serve `checkpoint`; its weights stay as they are stored.

    Raises UnsupportedModel, ModelMismatch where its latents have other channels, StorageError.
    """
    try:
        vae = _read(path, checkpoint)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"The VAE {path.name} could not be read.", str(error)) from error
    config: Any = vae.config
    if config.latent_channels != checkpoint.latent.channels:
        raise ModelMismatch(
            f"The VAE {path.name} has latents of {config.latent_channels} channels; "
            f"{checkpoint.title} works with {checkpoint.latent.channels}."
        )
    return vae


def _read(path: Path, checkpoint: Checkpoint) -> AutoencoderKL:
    file = open_tensors(path)
    prefix = next(
        (p for p in VAE_PREFIXES if f"{p}decoder.conv_in.weight" in file.header.tensors), None
    )
    if prefix is None:
        raise UnsupportedModel(f"{path.name} holds no autoencoder (VAE) of a kind known here.")
    part = replace(checkpoint.family.vae, prefix=prefix)
    names = [n for n in file.header.names(prefix) if n.removeprefix(prefix).startswith(INSIDE)]
    read = file.read(names, DTYPES["float32"])
    state = {name.removeprefix(prefix): tensor for name, tensor in read.items()}
    config = fitted_config(part, file.header)
    return cast(AutoencoderKL, build(part, config, converted(part, config, state)))

"""From a file to a Checkpoint: no pickle, no network, no code from the model's folder."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from webui.errors import StorageError, UnsupportedModel
from webui.library.companions import NOTHING, Surroundings
from webui.library.embedded import embedded_part, embedded_parts
from webui.library.headers import Header
from webui.weights.architecture import fitted_config, read_config
from webui.weights.assembly import build, converted, placed
from webui.weights.checkpoint import Checkpoint, ModuleNetwork, Vocabulary
from webui.weights.families import (
    FAMILIES,
    Defaults,
    LatentFormat,
    ModelFamily,
    Part,
    identify,
    identify_folder,
)
from webui.weights.families.marks import NAME
from webui.weights.folders import (
    CARD,
    apply_card,
    apply_said,
    place_of,
    read_json,
    read_states,
    weight_files,
)
from webui.weights.networks import FluxNetwork, SD3Network, UNetNetwork
from webui.weights.parts import Held, gather_parts, look_about, look_beside
from webui.weights.predictions import prediction_kind, read_prediction
from webui.weights.previewer import FOLDER as PREVIEWER
from webui.weights.previewer import load_previewer
from webui.weights.quantised.files import open_tensors
from webui.weights.telling import told_header
from webui.weights.words import words_of_file, words_of_folder

log = logging.getLogger(__name__)

ALPHAS = "alphas_cumprod"
IGNORED = re.compile(
    r"model_ema\.|betas$|(alphas|sqrt_|log_|posterior_).*|v_pred$|ztsnr$|logvar$"
    r"|first_stage_model\.loss\.|cond_stage_model\.(logit_scale|transformer\.text_projection)"
    r"|conditioner\.embedders\.\d\.(logit_scale|transformer\.text_projection)|denoiser\.sigmas$"
    r"|.*\.position_ids$|.*\.model\.(logit_scale|attn_mask)$|text_encoders\.\w+\.logit_scale$"
)
"""Names in single files that are no weights of ours: averages, schedules, training's leftovers."""

NETWORKS: Mapping[str, Callable[[nn.Module], ModuleNetwork]] = {
    "UNet2DConditionModel": UNetNetwork,
    "SD3Transformer2DModel": SD3Network,
    "FluxTransformer2DModel": FluxNetwork,
}

KEPT_PACKED = ("FluxTransformer2DModel", "SD3Transformer2DModel", "T5EncoderModel")
"""Parts so large that weights of few bits stay as they are, and are unpacked at each use."""


def load_checkpoint(
    path: Path,
    device: torch.device | str | None,
    dtype: torch.dtype,
    title: str = "",
    sha256: str | None = None,
    about: Surroundings = NOTHING,
    families: Sequence[ModelFamily] = FAMILIES,
) -> Checkpoint:
    """Load the model at `path`, a folder in diffusers layout or one .safetensors file.

    Each part is read as stored and cast when it is whole, so that no more than one part is ever
    in memory twice. Without a device the weights stay as they are stored, mapped from their files,
    and `dtype` only tells which files suit it. A single file may lack parts that lie about it.
    Raises UnsupportedModel, Unavailable, StorageError.
    """
    started = time.perf_counter()
    title = title or path.name
    try:
        where = None if device is None else torch.device(device)
        if path.is_dir():
            checkpoint = _load_folder(path, where, dtype, families)
        else:
            checkpoint = _load_file(path, where, dtype, about, families)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"The model {title} could not be read.", str(error)) from error
    seconds = time.perf_counter() - started
    log.info("loaded %s (%s) in %.1f s", title, checkpoint.family.label, seconds)
    return replace(checkpoint, title=title, sha256=sha256)


# ------------------------------------------------------------------------------- diffusers layout


def _load_folder(
    folder: Path,
    device: torch.device | None,
    dtype: torch.dtype,
    families: Sequence[ModelFamily],
) -> Checkpoint:
    index = read_json(folder / "model_index.json")
    network = "transformer" if "transformer" in index else "unet"
    scheduler = read_json(place_of(folder, "scheduler") / "scheduler_config.json")
    kind = prediction_kind(scheduler)
    config = read_json(place_of(folder, network) / "config.json")
    family = _complete(identify_folder(index, config, kind, folder.name, families), index)

    def part(part: Part) -> nn.Module:
        place = place_of(folder, part.folder)
        state = read_states(weight_files(place, dtype))
        return placed(build(part, read_json(place / "config.json"), state), device, dtype)

    checkpoint = _assembled(
        family,
        modules=[part(p) for p in (family.network, family.vae, *family.encoders)],
        vocabularies=[words_of_folder(e, place_of(folder, e.tokenizer)) for e in family.encoders],
        prediction=read_prediction(scheduler, kind),
    )
    return replace(
        checkpoint,
        defaults=apply_card(folder / CARD, _native(checkpoint)),
        previewer=load_previewer(place_of(folder, PREVIEWER)),
    )


def _complete(family: ModelFamily, index: Mapping[str, Any]) -> ModelFamily:
    """The family without the text encoders that it can do without, and that the folder lacks."""
    held = (e for e in family.encoders if not e.optional or (index.get(e.folder) or [None])[0])
    return replace(family, encoders=tuple(held))


def _native(checkpoint: Checkpoint) -> Defaults:
    """The size that the network was trained at, as its configuration tells."""
    config: Any = checkpoint.network.module.config
    size = config.get("sample_size")
    if not isinstance(size, int):
        return checkpoint.defaults
    side = size * checkpoint.latent.factor
    return replace(checkpoint.defaults, width=side, height=side)


# ------------------------------------------------------------------------------------ single files


def _load_file(
    path: Path,
    device: torch.device | None,
    dtype: torch.dtype,
    about: Surroundings,
    families: Sequence[ModelFamily],
) -> Checkpoint:
    file = open_tensors(path)
    header = file.header.marked({**told_header(path).metadata, NAME: path.stem})
    family = identify(header, path.name, families)
    own = embedded_parts(header)
    family, held = gather_parts(family, file, look_beside(about.chosen), look_about(about.found))
    configs = [
        fitted_config(one.part, one.file.header)
        if own is None
        else embedded_part(own, one.part.folder)
        for one in held
    ]
    folders = (*dict.fromkeys(one.file.path.parent for one in held), *about.folders)
    vocabularies = [
        words_of_file(encoder, config, own, folders, about.fetch)
        for encoder, config in zip(family.encoders, configs[2:], strict=True)
    ]
    _report_unused(header, [one.part for one in held if one.file is file], path.name)
    modules = [
        _module(one, config, device, dtype) for one, config in zip(held, configs, strict=True)
    ]
    scheduler = read_config(family.scheduler) if own is None else embedded_part(own, "scheduler")
    prediction = read_prediction(
        scheduler,
        family.prediction,
        alphas_cumprod=_own_schedule(path, header),
        zero_terminal="ztsnr" in header.tensors and family.prediction == "v_prediction",
    )
    checkpoint = _assembled(family, modules, vocabularies, prediction)
    if own is None:
        return checkpoint
    return replace(
        checkpoint, defaults=apply_said(own.get(CARD, {}), _native(checkpoint), path.name)
    )


def _module(
    held: Held, config: dict[str, Any], device: torch.device | None, dtype: torch.dtype
) -> nn.Module:
    part = held.part
    names = [name for name in held.file.header.names(part.prefix) if not IGNORED.match(name)]
    read = held.file.read(names, dtype, keep=part.kind in KEPT_PACKED)
    state = {name.removeprefix(part.prefix): tensor for name, tensor in read.items()}
    return placed(build(part, config, converted(part, config, state)), device, dtype)


def _report_unused(header: Header, parts: Iterable[Part], name: str) -> None:
    """Say which tensors belong to no part; inside the parts every tensor must find its place."""
    prefixes = tuple(part.prefix for part in parts)
    unused = [n for n in header.tensors if not n.startswith(prefixes) and not IGNORED.match(n)]
    if unused:
        log.warning(
            "%s holds %d tensors that are not used, such as %s",
            name,
            len(unused),
            ", ".join(unused[:4]),
        )


def _own_schedule(path: Path, header: Header) -> Tensor | None:
    """The file's own noise schedule; in half precision it is too coarse to be meant."""
    info = header.tensors.get(ALPHAS)
    if info is None or info.dtype not in ("F32", "F64") or len(info.shape) != 1:
        return None
    with safe_open(path, framework="pt", device="cpu") as file:
        alphas: Tensor = file.get_tensor(ALPHAS)
    falling = bool((alphas[1:] < alphas[:-1]).all())
    return alphas if falling and alphas[-1] > 0 and alphas[0] < 1 else None


# -------------------------------------------------------------------------------------------- both


def _assembled(
    family: ModelFamily,
    modules: list[nn.Module],
    vocabularies: list[Vocabulary],
    prediction: Any,
) -> Checkpoint:
    network, vae, *encoders = modules
    vae = cast("AutoencoderKL", vae)
    for encoder, vocabulary in zip(encoders, vocabularies, strict=True):
        rows = cast("nn.Embedding", encoder.get_input_embeddings()).num_embeddings  # type: ignore
        if rows < len(vocabulary):
            raise UnsupportedModel(
                f"The model's tokenizer has {len(vocabulary)} words, its text encoder only {rows}."
            )
    return Checkpoint(
        family=family,
        network=NETWORKS[family.network.kind](network),
        vae=vae,
        text_encoders=tuple(encoders),
        vocabularies=tuple(vocabularies),
        prediction=prediction,
        latent=_latent(family.latent, vae),
        defaults=family.defaults,
        title="",
    )


def _latent(usual: LatentFormat, vae: AutoencoderKL) -> LatentFormat:
    config: Any = vae.config
    return LatentFormat(
        channels=config.latent_channels,
        scale=config.scaling_factor or usual.scale,
        shift=config.shift_factor or 0.0,
        factor=2 ** (len(config.block_out_channels) - 1),
    )

"""Which file each part of a model comes from: the model's own, one that was chosen, or a find.

Transformers are published alone, beside autoencoders and text encoders that many models share.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webui.errors import StorageError, UnsupportedModel
from webui.library.headers import Header
from webui.library.identify import Identity, identify
from webui.weights.families import ModelFamily, Part, TextEncoder
from webui.weights.quantised.files import TensorFile, open_tensors

log = logging.getLogger(__name__)

VAE_PREFIXES = ("first_stage_model.", "vae.", "")
"""What the names of an autoencoder start with in whole models and in files of its own."""

PLAIN = {"clip": ("clip_l", "clip_g"), "t5": ("t5xxl",)}
"""Text encoders of unusual width: the towers that they may stand for."""

FILES = {"clip_l": "CLIP-L", "clip_g": "CLIP-G", "t5xxl": "T5"}


@dataclass(frozen=True, eq=False)
class Held:
    """A part with the prefix that it has in `file`, which holds it."""

    part: Part
    file: TensorFile


@dataclass(frozen=True, eq=False)
class Beside:
    """A file with a part of models, and what it is."""

    file: TensorFile
    identity: Identity


def look_beside(paths: Sequence[Path]) -> list[Beside]:
    """The files at `paths` with what they are. Raises UnsupportedModel, StorageError."""
    files = [open_tensors(path) for path in paths]
    return [Beside(file, identify(file.header)) for file in files]


def look_about(paths: Sequence[Path]) -> list[Beside]:
    """The same without those that cannot be read: nobody asked for them."""
    looked: list[Beside] = []
    for path in paths:
        try:
            looked += look_beside([path])
        except (UnsupportedModel, StorageError) as error:
            log.info("%s is passed over: %s", path, error.sentence)
    return looked


def gather_parts(
    family: ModelFamily,
    main: TensorFile,
    chosen: Sequence[Beside] = (),
    found: Sequence[Beside] = (),
) -> tuple[ModelFamily, tuple[Held, ...]]:
    """Network, autoencoder and text encoders, each from the file that it shall come from.

    What is `chosen` replaces the model's own; of what was `found` lying about, the first that fits
    fills a gap. The family comes back without the text encoders that it can do without and that
    nobody has. Raises UnsupportedModel where a part is missing, or something chosen fits nowhere.
    """
    taken: list[Beside] = []
    channels = family.latent.channels
    held: list[Held] = [Held(_network(family.network, main.header), main)]
    missing: list[str] = []
    encoders: list[TextEncoder] = []
    for part in (family.vae, *family.encoders):
        got = _one(part, channels, chosen, taken) or _own(part, main)
        got = got or _one(part, channels, found, taken)
        optional = isinstance(part, TextEncoder) and part.optional
        if got is None and not optional:
            missing.append(_called(part))
        if got is not None:
            held.append(got)
            encoders += [part] if isinstance(part, TextEncoder) else []
    _check(main.path.name, missing, [one for one in chosen if one not in taken], family)
    return replace(family, encoders=tuple(encoders)), tuple(held)


def _network(part: Part, header: Header) -> Part:
    """The network's part; published alone, its names have no prefix."""
    return part if header.has(part.prefix) else replace(part, prefix="")


def _own(part: Part, main: TensorFile) -> Held | None:
    if isinstance(part, TextEncoder):
        return Held(part, main) if main.header.has(part.prefix) else None
    prefix = _vae_prefix(main.header, part.prefix)
    # A file without any prefix is the network alone: its names are not the autoencoder's.
    return None if prefix is None else Held(replace(part, prefix=prefix), main)


def _one(part: Part, channels: int, files: Sequence[Beside], taken: list[Beside]) -> Held | None:
    for one in files:
        if one not in taken and _serves(one.identity, part, channels):
            taken.append(one)
            prefix = "" if isinstance(part, TextEncoder) else _vae_prefix(one.file.header) or ""
            return Held(replace(part, prefix=prefix), one.file)
    return None


def _serves(identity: Identity, part: Part, channels: int) -> bool:
    if not isinstance(part, TextEncoder):
        return identity.kind == "vae" and identity.variant == f"kl{channels}"
    if identity.kind != "text_encoder" or not part.tower:
        return False
    return part.tower in (identity.variant, *PLAIN.get(identity.variant, ()))


def _vae_prefix(header: Header, usual: str = "") -> str | None:
    for prefix in (usual, *VAE_PREFIXES):
        if f"{prefix}decoder.conv_in.weight" in header.tensors:
            return prefix
    return None


def _called(part: Part) -> str:
    if not isinstance(part, TextEncoder):
        return "a VAE"
    return FILES.get(part.tower, f"a {part.folder.replace('_', ' ')}")


def _check(name: str, missing: Sequence[str], left: Sequence[Beside], family: ModelFamily) -> None:
    if left:
        file, identity = left[0].file.path.name, left[0].identity
        what = " ".join(filter(None, (identity.variant, identity.kind.replace("_", " "))))
        raise UnsupportedModel(
            f"{file} was chosen as a part of the model, but it is {what}, for which {family.label} "
            "has no use."
        )
    if missing:
        listed = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
        raise UnsupportedModel(
            f"{name} lacks {listed}, and none was found. Put the files into models/VAE and "
            "models/text_encoder, or choose them under VAE and Text encoders."
        )

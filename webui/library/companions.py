"""What completes a model that is published in pieces: VAE, text encoders, a tokenizer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webui.contract.vocabulary import nearest
from webui.errors import NotFound
from webui.library.catalog import Catalog, ModelFile
from webui.library.folders import NAMES

SPLIT = ("flux", "sd3_medium", "sd35_medium", "sd35_large")
"""Families whose models are published in pieces."""
WIDE_VAE = "kl16"
"""The autoencoders of those families: all alike but for the numbers in them."""
FAVOURED = {"flux": ("flux", "ae"), "sd3": ("sd3", "sd_3", "sd-3", "stable-diffusion-3")}
"""What names of the right autoencoders hold, or are."""
FIRST_OF_ALL = ("fp16", "bf16", "f16")
"""What names of text encoders hold that lost nothing to rounding."""


@dataclass(frozen=True)
class Surroundings:
    """What lies about a model.

    Attributes:
        chosen: text encoders that replace the model's own.
        found: files that may fill gaps, the likeliest first.
        folders: where T5's tokenizer may lie.
        fetch: brings the tokenizer where none lies there, and returns its file; None for nobody.
    """

    chosen: tuple[Path, ...] = ()
    found: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    fetch: Callable[[], Path] | None = field(default=None, compare=False)


NOTHING = Surroundings()


def surroundings(catalog: Catalog, model: ModelFile, chosen: Sequence[str]) -> Surroundings:
    """What there is to complete `model`; the text encoders named `chosen` come first.

    Raises NotFound for a name that no text encoder has.
    """
    if model.layout != "single_file":
        return NOTHING
    paths = tuple(_resolve(catalog, name).path for name in chosen)
    family = "" if model.identity is None else model.identity.family
    if family not in SPLIT:
        return Surroundings(paths)
    vaes = [v for v in catalog.files("vae") if v.identity and v.identity.variant == WIDE_VAE]
    texts = catalog.files("text_encoder")
    found = (*sorted(vaes, key=lambda v: _foreign(v, family)), *sorted(texts, key=_rounded))
    return Surroundings(paths, tuple(one.path for one in found), _tokenizer_folders(catalog))


def _resolve(catalog: Catalog, name: str) -> ModelFile:
    found = catalog.find("text_encoder", name)
    if found is None:
        names = [file.name for file in catalog.files("text_encoder")]
        raise NotFound("text encoder", name, nearest(names, name), "model.text_encoders")
    return found


def _foreign(vae: ModelFile, family: str) -> int:
    """0 for an autoencoder that is named for the family, 2 for one named for another."""
    own = "flux" if family == "flux" else "sd3"
    for kind, names in FAVOURED.items():
        stem = vae.stem.casefold()
        if any(stem == name or (len(name) > 2 and name in stem) for name in names):
            return 0 if kind == own else 2
    return 1


def _rounded(encoder: ModelFile) -> bool:
    stem = encoder.stem.casefold()
    return not any(mark in stem for mark in FIRST_OF_ALL)


def _tokenizer_folders(catalog: Catalog) -> tuple[Path, ...]:
    names = NAMES["text_encoder"]
    return tuple(path for f in catalog.folders for name in names if (path := f / name).is_dir())

"""Autoencoders and preview decoders among the model files, by what a request calls them."""

from collections.abc import Iterator

from webui.contract.events import Word
from webui.contract.vocabulary import NO_VAE, VAES, nearest
from webui.errors import NotFound
from webui.library.catalog import Catalog, ModelFile

TINY = "taesd"
"""What the variants of small decoders start with."""


def vae_words(catalog: Catalog) -> tuple[Word, ...]:
    """What a request can name as its VAE: none, or a file."""
    return (*VAES, *(Word(id=f.name, label=f.name, aliases=f.aliases) for f in _vaes(catalog)))


def chosen_vae(catalog: Catalog, name: str, checkpoint: ModelFile) -> ModelFile | None:
    """The file called `name`; for an empty name the one that lies beside the checkpoint.

    None stands for the checkpoint's own. Raises NotFound.
    """
    if name == NO_VAE:
        return None
    if not name:
        return catalog.paired_vae(checkpoint)
    found = catalog.find("vae", name)
    if found is None:
        raise NotFound("VAE", name, nearest([f.name for f in _vaes(catalog)], name), "model.vae")
    return found


def tiny_decoder(catalog: Catalog, channels: int, sdxl: bool) -> ModelFile | None:
    """A small decoder for latents of `channels`, for previews; None where there is no file.

    Those for SDXL have the same shapes as those for its elders: only their names tell them apart.
    """
    variant = TINY if channels == 4 else f"{TINY}{channels}"
    fitting = [
        file
        for file in catalog.files("vae")
        if file.identity is not None
        and file.identity.variant == variant
        and "encoder" not in file.path.stem.casefold()
        and (channels != 4 or ("xl" in file.path.stem.casefold()) == sdxl)
    ]
    return fitting[0] if fitting else None


def _vaes(catalog: Catalog) -> Iterator[ModelFile]:
    for file in catalog.files("vae"):
        if file.identity is None or not file.identity.variant.startswith(TINY):
            yield file

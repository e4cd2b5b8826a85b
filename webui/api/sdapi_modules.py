"""VAEs and text encoders on the older surface: Forge's additional modules, and their lists."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from webui.api.sdapi_samplers import Words
from webui.contract.events import Word
from webui.contract.vocabulary import NO_VAE, find, nearest
from webui.errors import InvalidRequest, NotFound
from webui.library.catalog import Catalog, ModelFile
from webui.library.identify import Kind

OPTION = "forge_additional_modules"


def module_values(value: Any, words: Words) -> dict[str, Any]:
    """The VAE and the text encoders that a list of names or paths means, by our paths.

    Raises InvalidRequest for what is no list, NotFound for a name that no file has.
    """
    if not isinstance(value, list) or not all(
        isinstance(name, str) for name in cast("list[Any]", value)
    ):
        raise InvalidRequest(OPTION, f"{OPTION} is a list of names.")
    vaes = [word for word in words.get("vaes", ()) if word.id != NO_VAE]
    encoders = words.get("text_encoders", ())
    found: dict[str, Any] = {"model.vae": "", "model.text_encoders": ()}
    for name in cast("list[str]", value):
        vae, encoder = _named(vaes, name), _named(encoders, name)
        if vae is not None:
            found["model.vae"] = vae.id
        elif encoder is not None:
            found["model.text_encoders"] += (encoder.id,)
        else:
            known = [word.id for word in (*vaes, *encoders)]
            raise NotFound("VAE or text encoder", name, nearest(known, name), OPTION)
    return found


def list_files(catalog: Catalog, kinds: Sequence[Kind]) -> list[dict[str, str]]:
    """The files of `kinds` in the older shape: the name of the file, and its path."""
    files: list[ModelFile] = [file for kind in kinds for file in catalog.files(kind)]
    return [{"model_name": file.path.name, "filename": str(file.path)} for file in files]


def vae_fields(fields: Mapping[str, str]) -> dict[str, str | None]:
    """What an answer tells of the VAE that was used, from a picture's infotext."""
    return {"sd_vae_name": fields.get("VAE"), "sd_vae_hash": fields.get("VAE hash")}


def _named(words: Sequence[Word], name: str) -> Word | None:
    """The word called `name`; clients also send the paths that the list gave them."""
    file = name.replace("\\", "/").rpartition("/")[2]
    return find(words, name) or find(words, file)

"""Civitai: what a version of a model holds, by its public API.

https://developer.civitai.com/site/reference/model-versions describes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from webui.errors import InvalidRequest
from webui.library.download.addresses import CivitaiAddress
from webui.library.download.client import Client
from webui.library.download.orders import (
    Find,
    Order,
    Wanted,
    is_model_name,
    make_find,
    plain_text,
    safe_name,
)
from webui.library.identify import Kind
from webui.library.sidecars import LONGEST_TEXT, MARKUP

KINDS: Mapping[str, Kind] = {
    "checkpoint": "checkpoint",
    "lora": "lora",
    "locon": "lora",
    "dora": "lora",
    "textualinversion": "embedding",
    "controlnet": "controlnet",
    "vae": "vae",
    "upscaler": "upscaler",
    "textencoder": "text_encoder",
}
"""The site's types that are something here."""
OTHER_TYPES = ("training data", "config", "archive")
SELECTING = {"format": "format", "size": "size", "fp": "fp"}
USES = {"Image": "selling pictures", "Rent": "paid services", "RentCivit": "paid services there",
        "Sell": "selling the model"}  # fmt: skip
PASSED = ("Success", "Pending", None)
"""What the site's scan of a file may say."""
MOST_WORDS = 40


def find_on_civitai(client: Client, asked: CivitaiAddress) -> Find:
    """What can be had of a model. Raises what `Client.ask` raises, and InvalidRequest."""
    base = client.sites.civitai
    version, model = _read(client, asked)
    number, owner = _count(version.get("id")), _count(version.get("modelId") or model.get("id"))
    name, kind = plain_text(model.get("name")), _kind(model)
    source = f"{base}/models/{owner}?modelVersionId={number}"
    words = _words(version.get("trainedWords"))
    told = _sidecar(version, model, words)
    orders = [
        Order(title=name, source=source, kind=_kind(file, kind), files=(wanted,), told=told)
        for file in _chosen(_objects(version.get("files")), asked)
        if (wanted := _wanted(file, base, number)) is not None
    ]
    if not orders:
        raise InvalidRequest("address", f"There is no model file of {name or 'that'} to be had.")
    return make_find(
        orders,
        title=" ".join(w for w in (name, plain_text(version.get("name"))) if w) or source,
        source=source,
        licence=_licence(model),
        base=plain_text(version.get("baseModel")),
        words=words,
        about=str(told["description"])[:1000],
        notices=_notices(version),
    )


def _read(client: Client, asked: CivitaiAddress) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The version, and the model that it belongs to."""
    base = client.sites.civitai
    version: Mapping[str, Any] = {}
    if asked.version:
        version = client.ask(f"{base}/api/v1/model-versions/{asked.version}")
    number = asked.model or _count(version.get("modelId"))
    model = (
        client.ask(f"{base}/api/v1/models/{number}") if number else _object(version.get("model"))
    )
    if not version:
        # The newest version stands first.
        versions = _objects(model.get("modelVersions"))
        version = versions[0] if versions else version
    return version, model


def _wanted(file: Mapping[str, Any], base: str, version: int) -> Wanted | None:
    """What to fetch; None for a file that is no model, or that the site itself found wanting."""
    name = safe_name(str(file.get("name") or ""))
    scans = (file.get("pickleScanResult"), file.get("virusScanResult"))
    if not is_model_name(name) or any(scan not in PASSED for scan in scans):
        return None
    url = file.get("downloadUrl")
    if not isinstance(url, str) or not url.startswith(f"{base}/"):
        url = f"{base}/api/download/models/{version}"
    hashes = _object(file.get("hashes"))
    sha256 = str(hashes.get("SHA256") or "").casefold()
    # The size is told in rounded kilobytes; the server's own word is what counts.
    return Wanted(url=url, name=name, sha256=sha256 if len(sha256) == 64 else "", size=_size(file))


def _chosen(files: Sequence[Mapping[str, Any]], asked: CivitaiAddress) -> list[Mapping[str, Any]]:
    """The version's models, the main one first; only those that the address describes."""
    files = [f for f in files if str(f.get("type", "")).casefold() not in OTHER_TYPES]
    wanted = [(SELECTING[n], v) for n, v in asked.wanted if n in SELECTING]
    described = [
        f
        for f in files
        if all(
            str(_object(f.get("metadata")).get(n, v)).casefold() == v.casefold() for n, v in wanted
        )
    ]
    return sorted(described or files, key=lambda file: not file.get("primary"))


def _sidecar(
    version: Mapping[str, Any], model: Mapping[str, Any], words: Sequence[str]
) -> dict[str, Any]:
    """What the card is made of, in the shape that helpers of the older UI keep beside a model."""
    return {
        "id": _count(version.get("id")),
        "modelId": _count(version.get("modelId") or model.get("id")),
        "name": plain_text(version.get("name")),
        "baseModel": plain_text(version.get("baseModel")),
        "description": _paragraphs(version.get("description"))
        or _paragraphs(model.get("description")),
        "trainedWords": list(words),
        "model": {
            "name": plain_text(model.get("name")),
            "type": plain_text(model.get("type")),
            "tags": list(_words(model.get("tags"))),
        },
    }


def _licence(model: Mapping[str, Any]) -> str:
    """What its maker allows, as a sentence; the base model's own licence holds besides."""
    if "allowCommercialUse" not in model:
        return ""
    told = model.get("allowCommercialUse")
    listed = cast("list[Any]", told) if isinstance(told, list) else [told]
    uses = [USES[str(use)] for use in listed if str(use) in USES]
    said = [f"commercial use: {', '.join(uses) or 'none'}"]
    said += ["credit is due"] if not model.get("allowNoCredit", True) else []
    said += ["no derivatives"] if not model.get("allowDerivatives", True) else []
    return "; ".join(said)


def _notices(version: Mapping[str, Any]) -> tuple[str, ...]:
    if version.get("availability") == "EarlyAccess" or version.get("usageControl") == "Generation":
        return ("Its maker does not give this version to everybody (yet).",)
    return ()


def _kind(told: Mapping[str, Any], otherwise: Kind = "unknown") -> Kind:
    return KINDS.get(str(told.get("type", "")).replace(" ", "").casefold(), otherwise)


def _paragraphs(value: Any) -> str:
    return (
        MARKUP.sub(" ", value[: 4 * LONGEST_TEXT]).strip()[:LONGEST_TEXT]
        if isinstance(value, str)
        else ""
    )


def _words(value: Any) -> tuple[str, ...]:
    listed = cast("list[Any]", value)[:MOST_WORDS] if isinstance(value, list) else []
    return tuple(text for text in map(plain_text, listed) if text)


def _size(file: Mapping[str, Any]) -> int:
    told = file.get("sizeKB")
    return int(told * 1024) if isinstance(told, int | float) and 0 < told < 1e10 else 0


def _object(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    return [_object(each) for each in cast("list[Any]", value)] if isinstance(value, list) else []


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0

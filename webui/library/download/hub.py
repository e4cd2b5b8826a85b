"""Hugging Face: what a repository holds, by its public API.

https://huggingface.co/docs/hub/api describes it; the answers' shape is that of huggingface_hub.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from webui.errors import InvalidRequest
from webui.library.download.addresses import HubAddress
from webui.library.download.client import Client
from webui.library.download.orders import (
    Find,
    Order,
    Wanted,
    is_model_name,
    is_pickled,
    make_find,
    plain_text,
    safe_name,
)
from webui.library.identify import Kind

INDEX = "model_index.json"
KINDS: Mapping[str, Kind] = {
    "lora": "lora",
    "controlnet": "controlnet",
    "textual_inversion": "embedding",
    "vae": "vae",
}
"""Tags that say what a repository is."""
NEEDED = (".json", ".txt", ".safetensors", ".model")
WEIGHTS = ".safetensors"
WHOLE = ("diffusion_pytorch_model", "model")
PARTS = (
    *("scheduler", "unet", "transformer", "vae"),
    *("text_encoder", "text_encoder_2", "text_encoder_3"),
    *("tokenizer", "tokenizer_2", "tokenizer_3"),
)
"""What a folder in diffusers layout is read for; checkers and extractors are not fetched."""
NAMELESS = ("diffusion_pytorch_model", "model", "pytorch_model", "pytorch_lora_weights",
            "adapter_model", "learned_embeds")  # fmt: skip
"""Stems that every second repository uses; such a file is called after its repository."""
LARGEST_TEXT = 32_000_000
"""Bytes of a configuration or vocabulary."""


def find_on_hub(client: Client, asked: HubAddress) -> Find:
    """What can be had from a repository. Raises what `Client.ask` raises, and InvalidRequest."""
    base = client.sites.hub
    revision = f"/revision/{quote(asked.revision, safe='')}" if asked.revision else ""
    told = client.ask(f"{base}/api/models/{asked.repo}{revision}?blobs=true")
    commit = plain_text(told.get("sha")) or asked.revision or "main"
    files = _files(told, f"{base}/{asked.repo}/resolve/{quote(commit, safe='')}")
    kind, source = _kind(told), f"{base}/{asked.repo}"
    card = _sidecar(told)
    orders = list(_singles(files, asked.path, kind, source, card))
    folder = _folder(files, asked.repo, source) if not asked.path else None
    if folder is not None:
        orders.insert(0, folder)
    if not orders:
        raise InvalidRequest(
            "address", f"There is no model file in {asked.repo} that is read here."
        )
    labels = [f"The whole model: {folder.name}"] if folder is not None else []
    labels += [_path_of(order.files[0], files) for order in orders[len(labels) :]]
    return make_find(
        orders,
        labels,
        title=asked.repo,
        source=source,
        licence=_licence(told),
        base=str(card.get("sd version", "")),
        words=tuple(w for w in (plain_text(card.get("activation text")),) if w),
        notices=_notices(told),
    )


def _files(told: Mapping[str, Any], base: str) -> dict[str, Wanted]:
    """Every file of the repository by its path."""
    found: dict[str, Wanted] = {}
    for each in _objects(told.get("siblings")):
        path, lfs = each.get("rfilename"), each.get("lfs")
        if not isinstance(path, str) or ".." in path.split("/"):
            continue
        more: Mapping[str, Any] = cast("dict[str, Any]", lfs) if isinstance(lfs, dict) else {}
        found[path] = Wanted(
            url=f"{base}/{quote(path)}",
            name=safe_name(path),
            size=_count(more.get("size") or each.get("size")),
            sha256=_hash(more.get("sha256")),
        )
    return found


def _singles(
    files: Mapping[str, Wanted], path: str, kind: Kind, source: str, card: dict[str, Any]
) -> Iterable[Order]:
    """Every file that is a model by itself: those at the top, or what the address names."""
    for name, file in files.items():
        asked = name == path or name.startswith(f"{path}/") if path else "/" not in name
        if is_model_name(name) and asked and (path == name or not _is_shard(name)):
            yield Order(
                title=name.rpartition("/")[2],
                source=source,
                kind=kind,
                files=(_named(file, source),),
                told={} if is_pickled(name) else card,
            )


def _named(file: Wanted, source: str) -> Wanted:
    stem, _, ending = file.name.rpartition(".")
    if stem.partition(".")[0].casefold() not in NAMELESS:
        return file
    repo = source.rpartition("/")[2]
    return file.model_copy(update={"name": safe_name(f"{repo}.{ending}")})


def _folder(files: Mapping[str, Wanted], repo: str, source: str) -> Order | None:
    """The repository as a folder in diffusers layout; None where it is none."""
    if INDEX not in files:
        return None
    chosen = {INDEX: files[INDEX]}
    for part in PARTS:
        inside = {n: f for n, f in files.items() if n.startswith(f"{part}/") and n.count("/") == 1}
        weights = _weights(part, inside)
        for name, file in inside.items():
            small = not name.endswith(WEIGHTS) and file.size <= LARGEST_TEXT
            if name in weights or (small and name.endswith(NEEDED) and ".index." not in name):
                chosen[name] = file
    if not any(name.endswith(WEIGHTS) for name in chosen):
        return None
    kept = tuple(
        file.model_copy(update={"name": "/".join(safe_name(piece) for piece in name.split("/"))})
        for name, file in chosen.items()
    )
    name = safe_name(repo.replace("/", "--"))
    return Order(title=repo, source=source, kind="checkpoint", folder=name, files=kept)


def _weights(part: str, inside: Mapping[str, Wanted]) -> set[str]:
    """The names of one part's weights: in half precision where they are published so."""
    for variant in (".fp16", ""):
        for stem in WHOLE:
            whole = f"{part}/{stem}{variant}{WEIGHTS}"
            index = f"{part}/{stem}{WEIGHTS}.index{variant}.json"
            if whole in inside:
                return {whole}
            if index in inside:
                shards = (n for n in inside if n.startswith(f"{part}/{stem}") and _is_shard(n))
                return {index, *(n for n in shards if (".fp16" in n) == bool(variant))}
    return set()


def _is_shard(name: str) -> bool:
    return "-of-" in name


def _sidecar(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the repository's card says, in the names of the older UI's files beside models."""
    card = _object(told.get("cardData"))
    base = card.get("base_model")
    first = next(iter(cast("list[Any]", base)), "") if isinstance(base, list) else base
    said = {
        "sd version": plain_text(first),
        "activation text": plain_text(card.get("instance_prompt")),
        "description": plain_text(told.get("id")),
    }
    return {name: text for name, text in said.items() if text}


def _kind(told: Mapping[str, Any]) -> Kind:
    tags = told.get("tags")
    words = cast("list[Any]", tags) if isinstance(tags, list) else []
    found: list[Kind] = [kind for tag, kind in KINDS.items() if tag in words]
    return found[0] if found else "unknown"


def _licence(told: Mapping[str, Any]) -> str:
    card = _object(told.get("cardData"))
    return plain_text(card.get("license_name")) or plain_text(card.get("license"))


def _notices(told: Mapping[str, Any]) -> tuple[str, ...]:
    if not told.get("gated"):
        return ()
    return (
        "Its owner asks you to accept terms on the model's page first; then it is fetched with "
        "the token of your account in HF_TOKEN.",
    )


def _object(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [_object(each) for each in listed]


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _hash(value: Any) -> str:
    text = value.casefold() if isinstance(value, str) else ""
    return text if len(text) == 64 and all(c in "0123456789abcdef" for c in text) else ""


def _path_of(file: Wanted, files: Mapping[str, Wanted]) -> str:
    return next((name for name, other in files.items() if other.url == file.url), file.name)

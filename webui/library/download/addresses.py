"""What a person gives: a repository's name, or an address of one of the sites or of any file."""

import re
from dataclasses import dataclass

import httpx

from webui.errors import InvalidRequest

HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
CIVITAI_HOSTS = ("civitai.com", "www.civitai.com", "civitai.green", "civitai.red")
REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"[\w.-][\w./-]{0,199}", re.ASCII)
AIR = re.compile(r"urn:air:[\w.-]+:[\w.-]+:civitai:(\d{1,12})(?:@(\d{1,12}))?", re.IGNORECASE)
NUMBER = re.compile(r"\d{1,12}")
OTHER_KINDS = ("datasets", "spaces", "collections", "docs", "api", "papers", "settings", "blog")
SELECTING = ("type", "format", "size", "fp")


@dataclass(frozen=True)
class HubAddress:
    """A repository on Hugging Face, or the file or folder `path` in it."""

    repo: str
    revision: str = ""
    path: str = ""


@dataclass(frozen=True)
class CivitaiAddress:
    """A model on Civitai, a version of it, or one by `wanted`, as (name, value) pairs."""

    model: int = 0
    version: int = 0
    wanted: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FileAddress:
    """A file anywhere."""

    url: str


Found = HubAddress | CivitaiAddress | FileAddress


def read_address(text: str, hub: str = "", civitai: str = "") -> Found:
    """What `text` names; `hub` and `civitai` are further addresses of the two sites.

    Raises InvalidRequest.
    """
    text = text.strip()
    plain = text.removeprefix("hf:").removeprefix("//")
    repo, _, revision = plain.partition("@")
    if REPO.fullmatch(repo) and (not revision or _is_revision(revision)):
        return HubAddress(repo, revision)
    if air := AIR.fullmatch(text):
        return CivitaiAddress(int(air[1]), int(air[2] or 0))
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise _unread(text) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise _unread(text)
    host = url.netloc.decode("ascii").casefold()
    if host in (*HUB_HOSTS, _host(hub)):
        return _read_hub(url)
    if host in (*CIVITAI_HOSTS, _host(civitai)):
        return _read_civitai(url)
    return FileAddress(text)


def _read_hub(url: httpx.URL) -> HubAddress:
    pieces = [piece for piece in url.path.split("/") if piece]
    repo, rest = "/".join(pieces[:2]), pieces[2:]
    if repo.partition("/")[0] in OTHER_KINDS or not REPO.fullmatch(repo):
        raise InvalidRequest("address", "That is no page of a model on Hugging Face.")
    if not rest:
        return HubAddress(repo)
    action, revision, path = rest[0], "/".join(rest[1:2]), "/".join(rest[2:])
    if action not in ("tree", "blob", "resolve", "raw") or not _is_revision(revision):
        raise InvalidRequest("address", "That is no page of a model's files on Hugging Face.")
    if ".." in rest:
        raise InvalidRequest("address", "That is no file of a model on Hugging Face.")
    return HubAddress(repo, revision, path)


def _read_civitai(url: httpx.URL) -> CivitaiAddress:
    pieces = [piece for piece in url.path.split("/") if piece]
    wanted = tuple((n, str(url.params[n])) for n in SELECTING if n in url.params)
    if pieces[:3] == ["api", "download", "models"] and _is_number(pieces[3:4]):
        return CivitaiAddress(version=int(pieces[3]), wanted=wanted)
    if pieces[:2] == ["api", "v1"]:
        pieces = pieces[2:]
    if pieces[:1] == ["model-versions"] and _is_number(pieces[1:2]):
        return CivitaiAddress(version=int(pieces[1]))
    if pieces[:1] == ["models"] and _is_number(pieces[1:2]):
        version = str(url.params.get("modelVersionId", ""))
        return CivitaiAddress(int(pieces[1]), int(version) if NUMBER.fullmatch(version) else 0)
    raise InvalidRequest("address", "That is no page of a model on Civitai.")


def _is_number(pieces: list[str]) -> bool:
    return bool(pieces) and NUMBER.fullmatch(pieces[0]) is not None


def _is_revision(text: str) -> bool:
    return REVISION.fullmatch(text) is not None and ".." not in text


def _host(base: str) -> str:
    return httpx.URL(base).netloc.decode("ascii").casefold() if base else ""


def _unread(text: str) -> InvalidRequest:
    return InvalidRequest(
        "address",
        f"{text[:60]!r} is neither an address (https://...) nor a Hugging Face name (owner/model).",
    )

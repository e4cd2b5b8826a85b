"""The lists of the older surface: what there is to choose from, in the older shapes."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import psutil
from fastapi import APIRouter

from webui.api.parts import Parts
from webui.api.sdapi_modules import list_files
from webui.api.sdapi_scripts import describe_script
from webui.contract.events import Word
from webui.errors import NotFound, Unavailable
from webui.library.embeddings import EmbeddingCatalog
from webui.library.hypernetworks import HypernetworkCatalog
from webui.library.towers import clip_widths
from webui.settings import Settings

NOTHING_HERE: dict[str, Any] = {
    "face-restorers": [],
    "realesrgan-models": [],
    "extensions": [],
}
"""Lists that clients ask for at their start and that are empty on this server."""

REFRESHES = ("refresh-checkpoints", "refresh-vae", "refresh-embeddings", "refresh-loras")


def list_routes(parts: Parts) -> APIRouter:
    """GET routes under /sdapi/v1 that list things, and the refreshes."""
    router = APIRouter(prefix="/sdapi/v1", tags=["older surface"])
    embeddings = EmbeddingCatalog(parts.catalog.shelf, parts.catalog.hashes)
    hypernetworks = HypernetworkCatalog(parts.catalog.shelf)
    answers: dict[str, Callable[[], Any]] = {
        "samplers": lambda: [_sampler(w) for w in parts.words()["samplers"]],
        "schedulers": lambda: [_scheduler(w) for w in parts.words()["schedules"]],
        "upscalers": lambda: _upscalers(parts.words()["hires_upscalers"]),
        "latent-upscale-modes": lambda: _latent_modes(parts.words()["hires_upscalers"]),
        "sd-models": lambda: _models(parts),
        "sd-vae": lambda: list_files(parts.catalog, ["vae"]),
        "sd-modules": lambda: list_files(parts.catalog, ["vae", "text_encoder"]),
        "loras": lambda: _loras(parts),
        "hypernetworks": lambda: [
            {"name": file.name, "path": str(file.path)} for file in hypernetworks.files()
        ],
        "embeddings": lambda: _embeddings(parts, embeddings),
        "prompt-styles": lambda: _styles(parts),
        "cmd-flags": lambda: cmd_flags(parts.settings()),
        "memory": read_memory,
        "scripts": lambda: _scripts(parts),
        "script-info": lambda: _script_info(parts),
    }
    for name, ask in answers.items():
        _add(router, name, ask)
    for name, empty in NOTHING_HERE.items():
        _add(router, name, lambda empty=empty: empty)
    for name in REFRESHES:
        router.add_api_route(
            f"/{name}", parts.catalog.shelf.refresh, methods=["POST"], name=name, operation_id=name
        )
    return router


def cmd_flags(settings: Settings) -> dict[str, Any]:
    """How the server was started, without login and folders."""
    server = settings.server.model_dump(mode="json", exclude={"auth"})
    engine = settings.engine.model_dump(mode="json")
    return (
        server
        | {
            "api": True,
            "nowebui": False,
            "api_auth": None,
            "gradio_auth": None,
            "ckpt": engine.pop("checkpoint") or None,
        }
        | engine
    )


def read_memory() -> dict[str, Any]:
    """This machine's memory in bytes; the device belongs to the worker, which is not asked."""
    total = psutil.virtual_memory().total
    used = psutil.Process().memory_info().rss
    ram = {"free": total - used, "used": used, "total": total}
    return {"ram": ram, "cuda": {"error": "The device's memory is looked after by the worker."}}


def _add(router: APIRouter, name: str, ask: Callable[[], Any]) -> None:
    router.add_api_route(f"/{name}", lambda: ask(), methods=["GET"], name=name, operation_id=name)


def _sampler(word: Word) -> dict[str, Any]:
    return {"name": word.label, "aliases": list(word.aliases), "options": dict(word.options)}


def _scheduler(word: Word) -> dict[str, Any]:
    return {
        "name": word.id,
        "label": word.label,
        "aliases": list(word.aliases) or None,
        "default_rho": 7.0 if word.id == "karras" else 1.0 if word.id == "polyexponential" else -1,
        "need_inner_model": word.id == "sgm_uniform",
    }


def _is_latent(word: Word) -> bool:
    return word.id.startswith("latent")


def _upscalers(words: tuple[Word, ...]) -> list[dict[str, Any]]:
    names = ["None", *(word.label for word in words if not _is_latent(word))]
    empty = {"model_name": None, "model_path": None, "model_url": None, "scale": 4}
    return [{"name": name, **empty} for name in names]


def _latent_modes(words: tuple[Word, ...]) -> list[dict[str, str]]:
    return [{"name": word.label} for word in words if _is_latent(word)]


def _models(parts: Parts) -> list[dict[str, Any]]:
    return [
        {
            "title": file.title,
            "model_name": file.stem,
            "hash": file.sha256[:10] if file.sha256 else None,
            "sha256": file.sha256,
            "filename": str(file.path),
            "config": None,
        }
        for file in parts.catalog.checkpoints()
    ]


def _loras(parts: Parts) -> list[dict[str, Any]]:
    return [
        {
            "name": file.name,
            "alias": file.alias or file.name,
            "path": str(file.path),
            "metadata": file.metadata(),
        }
        for file in parts.adapters.files()
    ]


def _embeddings(parts: Parts, catalog: EmbeddingCatalog) -> dict[str, dict[str, Any]]:
    """Those that fit the checkpoint in use, and the others."""
    widths: Mapping[str, int] = {}
    with suppress(NotFound, Unavailable):
        widths = clip_widths(parts.catalog.resolve(parts.settings().engine.checkpoint))
    told: dict[str, dict[str, Any]] = {"loaded": {}, "skipped": {}}
    for file in catalog.files():
        vectors = catalog.vectors(file)
        if vectors is None:
            continue
        place = "loaded" if vectors.fit(widths) else "skipped"
        told[place][file.name] = {
            "step": None,
            "sd_checkpoint": None,
            "sd_checkpoint_name": None,
            "shape": vectors.shape,
            "vectors": vectors.count,
        }
    return told


def _styles(parts: Parts) -> list[dict[str, Any]]:
    return [
        {"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt}
        for s in parts.styles()
    ]


def _scripts(parts: Parts) -> dict[str, list[str]]:
    return {
        mode: [
            *(effect.label.lower() for effect in parts.effects()),
            *(s.label.lower() for s in parts.scripts() if mode in s.modes),
        ]
        for mode in ("txt2img", "img2img")
    }


def _script_info(parts: Parts) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for mode in ("txt2img", "img2img"):
        here = mode == "img2img"
        listed += [
            describe_script(e.label, e.args_type, is_img2img=here, is_alwayson=True)
            for e in parts.effects()
        ]
        listed += [
            describe_script(s.label, s.args_type, is_img2img=here, is_alwayson=False)
            for s in parts.scripts()
            if mode in s.modes
        ]
    return listed

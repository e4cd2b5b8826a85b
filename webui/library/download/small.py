"""Small files that a model needs and no model file holds: fetched once, when one is missing."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from webui.contract.worker import EngineConfig
from webui.errors import StorageError, Unavailable, WebuiError
from webui.library.download.client import Client, Sites
from webui.library.download.fetching import fetch_file, forget_part
from webui.library.download.orders import Wanted
from webui.library.folders import folder_for

log = logging.getLogger(__name__)

T5 = Wanted(
    url="google/t5-v1_1-xxl/resolve/main/spiece.model",
    name="spiece.model",
    size=791_656,
    sha256="d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86",
)
"""The vocabulary of every T5 text encoder; its address is below the hub's."""
T5_FOLDER = "t5_tokenizer"


def tokenizer_source(config: EngineConfig) -> Callable[[], Path] | None:
    """What brings T5's vocabulary when a model needs it; None where the settings forbid that."""
    if not config.hub:
        return None
    sites = Sites(hub=config.hub, private_hosts=config.private_hosts, data_dir=config.data_dir)
    return lambda: fetch_t5_tokenizer(config.models_dir, sites)


def fetch_t5_tokenizer(models_dir: Path, sites: Sites, wanted: Wanted = T5) -> Path:
    """Bring T5's vocabulary into the text encoders' folder; returns its file.

    Raises Unavailable, which says what to do without a connection.
    """
    target = folder_for(models_dir, "text_encoder") / T5_FOLDER / wanted.name
    if target.is_file():
        return target
    part = target.with_name(f".{wanted.name}.{os.getpid()}.part")
    whole = wanted.model_copy(update={"url": f"{sites.hub}/{wanted.url}"})
    log.info("fetching %s from %s: a model needs it", wanted.name, sites.hub)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with Client(sites) as client:
            fetch_file(client, whole, part)
        part.replace(target)
    except (WebuiError, OSError) as error:
        raise _offline(error) from error
    finally:
        forget_part(part)
    return target


def _offline(error: Exception) -> Unavailable:
    reason = error if isinstance(error, WebuiError) else StorageError("It could not be written.")
    return Unavailable(
        "The model reads prompts with T5, whose tokenizer (0.8 MB) is not here and could not be "
        f"fetched: {reason.sentence} Put tokenizer.json or spiece.model of google/t5-v1_1-xxl (or "
        "of any FLUX or SD 3 folder) into models/text_encoder.",
        reason.detail,
    )

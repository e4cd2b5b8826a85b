"""What is known of a model file from its header, and how that is kept for the next start."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from webui.errors import StorageError, WebuiError
from webui.library.hashes import old_hash
from webui.library.headers import Header, read_header
from webui.library.identify import KINDS, Identity, identify

log = logging.getLogger(__name__)

VERSION = 2
"""Raised when identification learns something, so that files are looked at again."""
Stamp = tuple[int, int, int]
"""Size in bytes, time of the last change in nanoseconds, inode."""

FACTS = (
    "ss_output_name",
    "ss_base_model_version",
    "sshs_model_hash",
    "modelspec.title",
    "modelspec.architecture",
    "modelspec.prediction_type",
    "modelspec.trigger_phrase",
    "modelspec.tags",
)
"""The keys of a header's free text that are worth keeping."""
FACT_LETTERS = 300


@dataclass(frozen=True)
class Finding:
    """What one file is.

    Attributes:
        identity: kind, family and variant.
        problem: the sentence about a file that was refused, else empty.
        facts: what of `FACTS` the header tells, cut to `FACT_LETTERS`.
        old_hash: of a checkpoint, the eight letters that oldest infotexts call it by.
    """

    identity: Identity
    problem: str = ""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    old_hash: str = ""


Findings = dict[str, tuple[Stamp, Finding]]
"""By path as text."""


def find(path: Path) -> Finding:
    """Read the header of the file at `path`; raises StorageError where it cannot be read now."""
    try:
        header = read_header(path)
        identity = identify(header)
        letters = old_hash(path) if identity.kind == "checkpoint" else ""
        return Finding(identity, facts=_facts(header), old_hash=letters)
    except OSError as error:
        raise StorageError(f"The model file {path.name} could not be read.", str(error)) from error
    except StorageError:
        raise
    except WebuiError as error:
        return Finding(Identity("unknown"), error.sentence)


def stamp_of(path: Path) -> Stamp:
    """What changes when the file is replaced; raises OSError where it is gone."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def load_findings(cache: Path) -> Findings:
    """What was remembered; nothing where that cannot be read or was written by another version."""
    try:
        loaded = cast("dict[str, Any]", json.loads(cache.read_bytes()))
        if loaded["version"] != VERSION:
            return {}
        return {path: read_entry(*told) for path, told in loaded["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def save_findings(cache: Path, findings: Findings) -> None:
    """Replace the file `cache` as a whole; where that fails, the log says so."""
    files = {path: write_entry(*told) for path, told in findings.items()}
    fresh = cache.with_name(f"{cache.name}.{os.getpid()}.tmp")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps({"version": VERSION, "files": files}), encoding="ascii")
        fresh.replace(cache)
    except OSError as error:  # a lost cache costs time, not models
        log.warning("what the model files are could not be remembered: %s", error)


def write_entry(stamp: Stamp, finding: Finding) -> list[Any]:
    """A stamp with its finding as JSON."""
    return [stamp, asdict(finding)]


def read_entry(stamp: list[int], told: dict[str, Any]) -> tuple[Stamp, Finding]:
    """The reverse of `write_entry`; raises ValueError, TypeError or KeyError for anything else."""
    size, mtime, inode = stamp
    known = told["identity"]
    if known["kind"] not in KINDS:
        raise ValueError(f"no kind {known['kind']}")
    identity = Identity(known["kind"], known["family"], known["variant"], tuple(known["parts"]))
    return (size, mtime, inode), Finding(
        identity, told["problem"], dict(told["facts"]), told["old_hash"]
    )


def _facts(header: Header) -> dict[str, str]:
    told = ((name, header.metadata.get(name, "").strip()) for name in FACTS)
    return {name: text[:FACT_LETTERS] for name, text in told if text and text != "None"}

"""config.json: read without fear, written atomically, never losing what it does not know."""

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from filelock import FileLock
from pydantic import BaseModel, ValidationError

from webui.contract.fields import Leaf, get, nest, walk
from webui.errors import StorageError
from webui.settings.declaration import Settings
from webui.settings.texts import checked

VERSION = 1
LARGEST = 4 * 1024 * 1024
"""Bytes; a settings file above this is taken for a broken one."""

log = logging.getLogger(__name__)

Tree = dict[str, Any]


class SettingsFile:
    """The settings file at `path`.

    Only values that a person set are in it, so that better defaults reach everybody. Keys it does
    not know stay where they are. Beside it lie the last good copy (`config.json.good`), broken
    ones (`config.json.bad-DATE`) and a lock for writers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._good = path.with_name(path.name + ".good")
        self._lock = FileLock(path.with_name(path.name + ".lock"))

    def load(self, base: Settings | None = None) -> Settings:
        """`base` (the defaults) with the file's values; a wrong value is logged and left out."""
        settings = base or Settings()
        for path, value in self._values(self.read()).items():
            settings = self._accept(settings, path, value)
        return settings

    def read(self) -> Tree:
        """The file's content; empty where there is none, the last good one where it is broken."""
        try:
            text = self._read_text(self.path)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"The settings file {self.path} cannot be read.") from error
        try:
            tree = _parse(text)
        except ValueError as error:
            return self._recover(str(error))
        self._note_version(tree)
        self._keep_good(text)
        return tree

    def update(self, values: Mapping[str, Any], onto: Settings | None = None) -> Settings:
        """Keep `values` by path in the file; returns `onto` (the file's settings) with them.

        Raises InvalidRequest for a wrong value, before anything is written, and StorageError.
        """
        result = checked(onto or self.load(), values, "The settings file")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock.acquire(timeout=10):
                tree = self.read()
                tree.setdefault("version", VERSION)
                for path in values:
                    _put(tree, path, _plain(get(result, path)))
                text = json.dumps(tree, indent=4, ensure_ascii=False) + "\n"
                write_atomically(self.path, text)
                self._keep_good(text)
        except (OSError, TimeoutError) as error:
            sentence = f"The settings file {self.path} cannot be written."
            raise StorageError(sentence, repr(error)) from error
        return result

    def _values(self, tree: Tree) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for leaf in walk(Settings):
            group, name = leaf.path.split(".")
            part = tree.get(group)
            if isinstance(part, dict) and name in part:
                values[leaf.path] = self._located(leaf, cast("Tree", part)[name])
        return values

    def _located(self, leaf: Leaf, value: Any) -> Any:
        here = self.path.parent.absolute()
        if leaf.annotation in (Path, Path | None) and isinstance(value, str):
            return here / Path(value).expanduser()
        if leaf.annotation == tuple[Path, ...] and isinstance(value, list):
            given = cast("list[Any]", value)
            return [here / Path(v).expanduser() if isinstance(v, str) else v for v in given]
        return value

    def _accept(self, settings: Settings, path: str, value: Any) -> Settings:
        try:
            return nest(settings, {path: value})
        except ValidationError as error:
            log.warning(
                "%s: %s cannot be %r (%s); left as it was.",
                self.path.name, path, value, error.errors()[0]["msg"],
            )  # fmt: skip
            return settings

    def _read_text(self, path: Path) -> bytes:
        with path.open("rb") as stream:
            return stream.read(LARGEST + 1)

    def _recover(self, reason: str) -> Tree:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        aside = self.path.with_name(f"{self.path.name}.bad-{stamp}")
        try:
            good = self._read_text(self._good)
            tree = _parse(good)
        except (OSError, ValueError):
            good, tree = b"", {}
        try:
            self.path.replace(aside)
            if good:
                write_atomically(self.path, good.decode("utf-8-sig"))
        except OSError as error:
            log.warning("The broken settings file could not be moved aside: %s", error)
        source = "the last good copy" if good else "the defaults"
        log.warning(
            "%s could not be read (%s); it was kept as %s, and %s is used.",
            self.path, reason, aside.name, source,
        )  # fmt: skip
        return tree

    def _note_version(self, tree: Tree) -> None:
        version = tree.get("version", VERSION)
        if isinstance(version, int) and version > VERSION:
            log.warning("%s was written by a newer version; what it knows is used.", self.path)

    def _keep_good(self, text: bytes | str) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        try:
            if not self._good.exists() or self._good.read_bytes() != data:
                write_atomically(self._good, data.decode("utf-8-sig"))
        except OSError as error:
            log.info("No copy of the settings could be kept: %s", error)


def write_atomically(path: Path, text: str) -> None:
    """Replace the file at `path` as a whole: readers see the old text or the new, never a mix."""
    handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _parse(data: bytes) -> Tree:
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    if not data.strip():
        raise ValueError("it is empty")
    try:
        tree = json.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(tree, dict):
        raise ValueError("it does not hold an object")
    return cast("Tree", tree)


def _put(tree: Tree, path: str, value: Any) -> None:
    group, name = path.split(".")
    if not isinstance(tree.get(group), dict):
        tree[group] = {}
    tree[group][name] = value


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return str(value)
    return (
        [_plain(v) for v in cast("tuple[Any, ...]", value)] if isinstance(value, tuple) else value
    )

"""Pictures as files: encoding with the infotext inside, and writing that is never half done."""

import contextlib
import errno
import io
import os
import secrets
import sys
import time
from pathlib import Path

from PIL import Image

from webui.errors import InvalidRequest, StorageError
from webui.images.decode import flatten
from webui.images.headers import Format, sniff
from webui.images.metadata import exif_bytes, png_info, read_infotext, read_metadata
from webui.images.naming import FileNamer, NameFacts, NamePatterns, facts_of

__all__ = [
    "AtomicFile",
    "FileNamer",
    "NameFacts",
    "NamePatterns",
    "encode_image",
    "facts_of",
    "format_for",
    "media_type",
    "media_type_of",
    "read_infotext",
    "read_metadata",
    "remove_leftovers",
    "write_file",
]

_MEDIA_TYPES: dict[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}
_LONGEST_SIDE: dict[Format, int] = {"jpg": 65_535, "webp": 16_383, "avif": 16_384}
_JPEG_EXIF_LIMIT = 65_533 - len(b"Exif\0\0")
_LEFTOVER = ".*.part"


def media_type(format: str) -> str:
    """The media type of a format name, as "image/jpeg" for "jpg"; raises InvalidRequest."""
    return _MEDIA_TYPES[_format(format)]


def media_type_of(data: bytes) -> str:
    """The media type of encoded picture bytes; "application/octet-stream" for anything else."""
    return _MEDIA_TYPES.get(sniff(data) or "", "application/octet-stream")


def format_for(image: Image.Image, format: str, infotext: str = "") -> Format:
    """The format a picture is really written in: PNG where the wished one cannot hold it.

    JPEG, WebP and AVIF have a longest side, and JPEG a longest text.
    """
    wished = _format(format)
    if max(image.size) > _LONGEST_SIDE.get(wished, sys.maxsize):
        return "png"
    if wished == "jpg" and len(exif_bytes(infotext)) > _JPEG_EXIF_LIMIT:
        return "png"
    return wished


def encode_image(
    image: Image.Image,
    format: str = "png",
    infotext: str = "",
    quality: int = 90,
) -> bytes:
    """The bytes of a picture file with `infotext` inside, in the format that `format_for` gives.

    JPEG has no transparency: it is laid over white. `quality` (1 to 100) is for all but PNG.
    """
    kind = format_for(image, format, infotext)
    stream = io.BytesIO()
    if kind == "png":
        image.save(stream, "PNG", pnginfo=png_info(infotext))
    elif kind == "jpg":
        flatten(image).save(stream, "JPEG", quality=quality, exif=exif_bytes(infotext))
    else:
        image.save(stream, kind.upper(), quality=quality, exif=exif_bytes(infotext))
    return stream.getvalue()


class AtomicFile:
    """One file, written so that at every moment it is whole or not there, in separate steps.

    `write` makes a temporary file beside it and forces it to the disk, `publish` gives it its
    name, `settle` forces the folder to the disk. A crash between two steps leaves at most a
    temporary file, which `remove_leftovers` takes away. Steps raise StorageError.

    `key` makes the temporary name the same every time, for a writer that alone writes this target
    and clears up after itself.
    """

    def __init__(self, target: Path, key: str = "") -> None:
        self.target = target
        self.temporary = target.with_name(f".{key or secrets.token_hex(8)}.part")
        self._own = bool(key)

    def write(self, data: bytes) -> None:
        """Write `data` into the temporary file and wait until the disk has it."""
        try:
            _make_folder(self.target.parent)
            if self._own:
                # What an earlier try left, or a link laid in its place, is not written into.
                self.temporary.unlink(missing_ok=True)
            with self.temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.discard()
            raise _storage_error(error, self.target) from error

    def publish(self, replace: bool = False) -> None:
        """Give the file its name; an existing file is kept and StorageError raised.

        `replace` overwrites it instead.
        """
        try:
            if replace:
                _replace(self.temporary, self.target)
            else:
                _rename_new(self.temporary, self.target)
        except OSError as error:
            self.discard()
            raise _storage_error(error, self.target) from error

    def settle(self) -> None:
        """Wait until the disk has the file's name; a no-op where folders cannot be forced."""
        try:
            _flush_folder(self.target.parent)
        except OSError as error:
            raise _storage_error(error, self.target) from error

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        with contextlib.suppress(OSError):
            self.temporary.unlink(missing_ok=True)


def write_file(target: Path, data: bytes, replace: bool = False) -> None:
    """All steps of `AtomicFile` in one; raises StorageError."""
    file = AtomicFile(target)
    file.write(data)
    file.publish(replace)
    file.settle()


def remove_leftovers(folder: Path, older_than_s: float = 0.0) -> int:
    """Remove the temporary files of interrupted writes below `folder`; returns how many."""
    removed = 0
    newest = time.time() - older_than_s
    for path in list(folder.rglob(_LEFTOVER)) if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.is_file() and path.lstat().st_mtime <= newest:
                path.unlink()
                removed += 1
    return removed


def _format(name: str) -> Format:
    wanted = name.lower().lstrip(".")
    known: dict[str, Format] = {
        "png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp", "avif": "avif",
    }  # fmt: skip
    if wanted not in known:
        raise InvalidRequest("saving.format", f"{name!r} is not one of png, jpg, webp, avif.")
    return known[wanted]


def _make_folder(folder: Path) -> None:
    """Make a folder with its parents, and wait until the disk has their names."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        _flush_folder(place.parent)


def _flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder; a no-op where folders cannot be forced."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse fsync on a folder; the names are in place anyway.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _rename_new(source: Path, target: Path) -> None:
    """Rename where the target must not exist yet; raises FileExistsError."""
    if os.name == "nt":
        source.rename(target)  # On Windows a rename never overwrites.
        return
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this file system: claim the name, then replace the claim.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        source.replace(target)
        return
    # The file has its name now; a temporary one that stays behind is swept up later.
    with contextlib.suppress(OSError):
        source.unlink()


def _replace(source: Path, target: Path) -> None:
    """Replace; tried again for a second on Windows, where a virus scanner may hold the file."""
    for pause in (0.05, 0.1, 0.2, 0.3, 0.4) if os.name == "nt" else ():
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    source.replace(target)


def _storage_error(error: OSError, target: Path) -> StorageError:
    if isinstance(error, FileExistsError):
        return StorageError(f"{target.name} exists already and is not overwritten.", repr(error))
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return StorageError(f"The disk is full: {target.name} could not be written.", repr(error))
    return StorageError(
        f"{target.name} could not be written: {error.strerror or error}.", repr(error)
    )

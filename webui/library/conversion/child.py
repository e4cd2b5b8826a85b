"""What runs in the process of its own: one pickled file in, one safetensors file out.

Its last word is the number of `tensors`.
"""

import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from webui.errors import StorageError, UnsupportedModel, WebuiError
from webui.library.conversion.archives import open_archive, tensor_pieces
from webui.library.conversion.pickled import Damaged
from webui.library.conversion.selection import notes_as_metadata, select_weights
from webui.library.conversion.walls import (
    Walled,
    bound_resources,
    close_the_door,
    leave_network,
)
from webui.library.entries import TensorInfo
from webui.library.errands import Meter, complain, tell
from webui.library.tensorfile import byte_size, sync_file, write_tensors

MORE = 2
"""A file may grow this many times: tensors that share their numbers are written apart."""
ROOM = 1 << 24

BROKEN = (Damaged, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError)
TOO_MUCH = (MemoryError, RecursionError, OverflowError)


def main(arguments: list[str]) -> int:
    """Convert `arguments`: source, output, the source's name, seconds. Returns the exit code."""
    source, output, name, seconds = arguments
    most = Path(source).stat().st_size * MORE + ROOM
    with Path(source).open("rb") as stream, Path(output).open("xb") as out:
        leave_network()
        bound_resources(int(seconds), most)
        close_the_door()
        try:
            tensors = _convert(stream, out, name, most)
        except WebuiError as error:
            return complain(error)
        except TOO_MUCH as error:
            return complain(_damaged(name, "it takes too much memory", error))
        except Walled as error:
            return complain(_damaged(name, "it tried to do something", error))
        except zipfile.BadZipFile as error:
            return complain(_damaged(name, "its archive is broken", error))
        except OSError as error:
            return complain(StorageError(f"{name} could not be converted: {error.strerror}."))
        except BROKEN as error:
            return complain(_damaged(name, str(error)[:200], error))
        tell(tensors=tensors)
    return 0


def _convert(stream: BinaryIO, out: BinaryIO, name: str, most: int) -> int:
    archive = open_archive(stream)
    tensors, notes = select_weights(archive.content)
    infos = {key: TensorInfo(tensor.dtype, tensor.shape) for key, tensor in tensors.items()}
    total = sum(byte_size(info) for info in infos.values())
    if total > most:
        raise Damaged(f"its tensors would take {total} bytes")
    meter = Meter(total)

    def pieces(key: str) -> Iterator[bytes]:
        for piece in tensor_pieces(archive.numbers, tensors[key]):
            yield piece
            meter.add(len(piece))

    write_tensors(out, infos, notes_as_metadata(notes, name), pieces)
    sync_file(out)
    return len(tensors)


def _damaged(name: str, reason: str, error: BaseException) -> UnsupportedModel:
    return UnsupportedModel(
        f"{name} is damaged, or made to do harm: {reason}. It was not converted.",
        f"{type(error).__name__}: {error}",
    )


def run() -> None:
    """Convert what the command line says, and end at once: nothing is left to be tidied up."""
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)

import errno
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.images.pictures import encoded, gradient
from webui.contract.request import Blob
from webui.errors import InvalidRequest, NotFound, StorageError
from webui.images.blobs import BlobStore
from webui.images.storage import AtomicFile, media_type, remove_leftovers, write_file

PICTURE = encoded(gradient())


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_file_is_there_only_after_it_was_published(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a" / "x.png")
    file.write(b"data")
    assert not file.target.exists()
    assert file.temporary.read_bytes() == b"data"
    file.publish()
    assert file.target.read_bytes() == b"data"
    file.settle()
    assert names(tmp_path) == ["a/x.png"]


def test_an_existing_file_is_never_overwritten_unless_asked(tmp_path: Path) -> None:
    target = tmp_path / "x.png"
    write_file(target, b"first")
    with pytest.raises(StorageError, match="exists already"):
        write_file(target, b"second")
    assert target.read_bytes() == b"first"
    write_file(target, b"third", replace=True)
    assert target.read_bytes() == b"third"
    assert names(tmp_path) == ["x.png"]


def test_without_hard_links_an_existing_file_is_kept_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_file(tmp_path / "x", b"first")
    with pytest.raises(StorageError, match="exists already"):
        write_file(tmp_path / "x", b"second")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert names(tmp_path) == ["x"]


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        write_file(tmp_path / "x.png", b"data")
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["write", "publish", "settle"])
def test_a_process_killed_between_steps_leaves_the_whole_file_or_none(
    tmp_path: Path, step: str
) -> None:
    target = tmp_path / "x.png"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from webui.images.storage import AtomicFile\n"
        f"file = AtomicFile(Path({str(target)!r}))\n"
        "for step in ('write', 'publish', 'settle'):\n"
        "    file.write(b'whole') if step == 'write' else getattr(file, step)()\n"
        f"    if step == {step!r}: os._exit(9)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    assert done.returncode == 9
    if step == "write":
        assert not target.exists()
        assert remove_leftovers(tmp_path) == 1
        assert names(tmp_path) == []
    else:
        assert target.read_bytes() == b"whole"
        assert remove_leftovers(tmp_path) == 0


def test_fresh_temporary_files_of_running_writers_are_left_alone(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "x")
    file.write(b"1")
    assert remove_leftovers(tmp_path, older_than_s=3600) == 0
    file.discard()
    file.discard()
    assert names(tmp_path) == []


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        media_type("gif")
    assert media_type(".JPEG") == "image/jpeg"


def test_a_blob_is_kept_once_under_its_hash(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    blob = store.put(PICTURE, "source.image")
    assert blob.sha256 == hashlib.sha256(PICTURE).hexdigest()
    assert store.put(PICTURE, "source.image") == blob
    assert store.read(blob) == PICTURE
    assert store.has(blob)
    assert names(tmp_path) == [f"{blob.sha256[:2]}/{blob.sha256[2:4]}/{blob.sha256}"]


@pytest.mark.parametrize("data", [PICTURE[:-40], b"no picture", b""], ids=["cut", "text", "empty"])
def test_what_is_no_whole_picture_is_not_kept(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        BlobStore(tmp_path).put(data, "source.image")
    assert caught.value.field == "source.image"
    assert names(tmp_path) == []


def test_a_missing_blob_and_a_changed_one_are_told_apart(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(NotFound):
        store.read(Blob(sha256="0" * 64))
    blob = store.put(PICTURE, "f")
    store.path(blob).write_bytes(PICTURE[:-1] + b"x")
    with pytest.raises(StorageError, match="damaged"):
        store.read(blob)
    assert store.put(PICTURE, "f") == blob
    assert store.read(blob) == PICTURE


def test_a_link_in_the_place_of_a_blob_is_not_followed(tmp_path: Path) -> None:
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system cannot refuse links")
    store = BlobStore(tmp_path / "blobs")
    blob = store.put(PICTURE, "f")
    (tmp_path / "secret").write_bytes(PICTURE)
    store.path(blob).unlink()
    store.path(blob).symlink_to(tmp_path / "secret")
    with pytest.raises(StorageError):
        store.read(blob)


def test_pruning_removes_what_is_old_and_not_referred_to(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    kept, old, fresh = (store.put(encoded(gradient(n, n)), "f") for n in (8, 9, 10))
    for blob in (kept, old):
        os.utime(store.path(blob), (1, 1))
    assert store.prune({kept.sha256}, older_than_s=60) == 1
    assert [store.has(blob) for blob in (kept, old, fresh)] == [True, False, True]


def test_putting_again_makes_a_blob_young(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    blob = store.put(PICTURE, "f")
    os.utime(store.path(blob), (1, 1))
    store.put(PICTURE, "f")
    assert store.prune(set(), older_than_s=60) == 0
    assert store.has(blob)


def test_many_threads_may_put_the_same_picture(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    threads = [threading.Thread(target=store.put, args=(PICTURE, "f")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(tmp_path)) == 1


def test_a_link_in_the_place_of_a_keyed_temporary_file_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    file = AtomicFile(tmp_path / "x", "key")
    try:
        file.temporary.symlink_to(tmp_path / "secret")
    except OSError:
        pytest.skip("this system makes no links")
    file.write(b"data")
    file.publish()
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert (tmp_path / "x").read_bytes() == b"data"

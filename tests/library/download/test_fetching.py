"""A file brought over lines that are cut, by servers of every kind."""

import hashlib
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.library.download.serving import Site, endless, redirect, serve, status, whole
from webui.errors import InvalidRequest, StorageError, Unavailable, UnsupportedModel
from webui.library.download.client import Client, Sites
from webui.library.download.fetching import fetch_file
from webui.library.download.orders import Wanted

BODY = bytes(range(256)) * 2000
HASH = hashlib.sha256(BODY).hexdigest()
NAME = "model.safetensors"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "0.part"


def fetch(
    site: Site, part: Path, size: int = 0, sha256: str = "", path: str = "/file"
) -> list[int]:
    told: list[int] = []
    sites = Sites(private_hosts=(site.host,), data_dir=part.parent)
    wanted = Wanted(url=f"{site.base}{path}", name=NAME, size=size, sha256=sha256)
    with Client(sites) as client:
        fetch_file(client, wanted, part, told.append, pause=0)
    return told


def test_a_whole_file_arrives_and_is_told_of(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(BODY)
    assert fetch(site, part, len(BODY), HASH)[-1] == len(BODY)
    assert part.read_bytes() == BODY
    assert site.ranges() == [""]


def test_a_line_that_is_cut_is_gone_on_with_where_it_was(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(BODY, cuts=[100_000, 50_000])
    fetch(site, part, len(BODY), HASH)
    assert part.read_bytes() == BODY
    assert site.ranges() == ["", "bytes=100000-", "bytes=150000-"]
    assert [headers.get("if-range") for _, headers in site.asked] == [None, '"one"', '"one"']


def test_a_line_that_is_cut_again_and_again_ends_in_a_sentence_and_the_part_stays(
    site: Site, part: Path
) -> None:
    site.answers["/file"] = whole(BODY, cuts=[100_000, *[0] * 20])
    with pytest.raises(Unavailable, match="was cut"):
        fetch(site, part, len(BODY), HASH)
    assert part.stat().st_size == 100_000
    site.answers["/file"] = whole(BODY)
    fetch(site, part, len(BODY), HASH)
    assert part.read_bytes() == BODY
    assert site.ranges()[-1] == "bytes=100000-"


def test_a_network_that_is_gone_for_a_while_is_waited_for(site: Site, part: Path) -> None:
    asked: list[str] = []

    def look(host: str, port: int) -> list[str]:
        asked.append(host)
        if 2 <= len(asked) <= 4:
            raise OSError("the network is down")
        return ["127.0.0.1"]

    site.answers["/file"] = whole(BODY, cuts=[1000])
    sites = Sites(private_hosts=("models.test",), data_dir=part.parent)
    wanted = Wanted(url=f"http://models.test:{site.port}/file", name=NAME, size=len(BODY))
    with Client(sites, look) as client:
        fetch_file(client, wanted, part, pause=0)
    assert part.read_bytes() == BODY
    assert len(asked) == 5


def test_another_version_is_fetched_from_its_beginning(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(b"old" * 100_000, etag='"old"', cuts=[1000, *[0] * 20])
    with pytest.raises(Unavailable):
        fetch(site, part)
    site.answers["/file"] = whole(BODY, etag='"new"')
    fetch(site, part)
    assert part.read_bytes() == BODY


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_mark_or_a_checksum_nothing_is_gone_on_with(
    site: Site, part: Path, etag: str
) -> None:
    site.answers["/file"] = whole(BODY, etag=etag, cuts=[1000])
    fetch(site, part)
    assert part.read_bytes() == BODY
    assert site.ranges() == ["", ""]


def test_a_checksum_vouches_where_there_is_no_mark(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(BODY, etag="", cuts=[1000])
    fetch(site, part, len(BODY), HASH)
    assert site.ranges() == ["", "bytes=1000-"]


def test_a_server_that_ignores_ranges_sends_it_all_again(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(BODY, ranges=False, cuts=[1000])
    fetch(site, part, len(BODY), HASH)
    assert part.read_bytes() == BODY


def test_the_wrong_piece_is_thrown_away(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(BODY, cuts=[1000, *[0] * 20])
    with pytest.raises(Unavailable):
        fetch(site, part)

    def wrong(handler) -> None:
        if "Range" not in handler.headers:
            return whole(BODY)(handler)
        return status(206, Content_Range="bytes 5-9/10")(handler)

    site.answers["/file"] = wrong
    fetch(site, part)
    assert part.read_bytes() == BODY


def test_a_part_that_is_already_whole_is_only_checked(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(BODY)
    part.write_bytes(BODY)
    fetch(site, part, len(BODY), HASH)
    assert site.ranges() == [f"bytes={len(BODY)}-"]
    fetch(site, part, len(BODY), HASH)
    assert len(site.asked) == 1


def test_a_wrong_hash_is_refused_and_the_file_removed(site: Site, part: Path) -> None:
    site.answers["/file"] = whole(BODY)
    with pytest.raises(UnsupportedModel, match="SHA-256"):
        fetch(site, part, len(BODY), "0" * 64)
    assert list(part.parent.iterdir()) == []


def test_a_login_page_is_no_model(site: Site, part: Path) -> None:
    site.answers["/file"] = redirect("/login")
    site.answers["/login"] = whole(b"<html>Log in", kind="text/html; charset=utf-8")
    with pytest.raises(UnsupportedModel, match="web page"):
        fetch(site, part)
    assert not part.exists()


@pytest.mark.parametrize("size", [0, 300_000])
def test_a_body_without_an_end_is_ended(
    site: Site, part: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.library.download.fetching.LARGEST", 1_000_000)
    site.answers["/file"] = endless()
    with pytest.raises(UnsupportedModel, match="never ends"):
        fetch(site, part, size)
    assert not part.exists()


def test_another_size_than_the_published_one_is_refused_before_it_is_fetched(
    site: Site, part: Path
) -> None:
    site.answers["/file"] = whole(BODY)
    for size in (len(BODY) * 2, len(BODY) // 2):
        with pytest.raises(UnsupportedModel, match="expected"):
            fetch(site, part, size)
    assert not part.exists()


def test_a_full_drive_is_told_and_the_part_stays(
    site: Site, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    site.answers["/file"] = whole(BODY, cuts=[1000, *[0] * 20])
    with pytest.raises(Unavailable):
        fetch(site, part)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1000))
    with pytest.raises(StorageError, match="MB more are needed"):
        fetch(site, part)
    assert part.stat().st_size == 1000
    monkeypatch.undo()
    site.answers["/file"] = whole(BODY)
    fetch(site, part)
    assert part.read_bytes() == BODY


def test_an_answer_that_asks_for_patience_is_asked_again(site: Site, part: Path) -> None:
    answers = iter([status(503), status(429, Retry_After="0"), whole(BODY)])
    site.answers["/file"] = lambda handler: next(answers)(handler)
    fetch(site, part)
    assert part.read_bytes() == BODY


def test_refusals_are_told_in_words(site: Site, part: Path) -> None:
    site.answers["/closed"] = status(401)
    with pytest.raises(Unavailable, match="login"):
        fetch(site, part, path="/closed")
    with pytest.raises(InvalidRequest, match="nothing at that address"):
        fetch(site, part, path="/gone")
    site.answers["/packed"] = whole(BODY, Content_Encoding="gzip")
    with pytest.raises(UnsupportedModel, match="packed"):
        fetch(site, part, path="/packed")
    site.answers["/empty"] = whole(b"")
    with pytest.raises(UnsupportedModel, match="empty"):
        fetch(site, part, path="/empty")

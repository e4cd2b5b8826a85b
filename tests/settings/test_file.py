import json
import logging
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from webui.errors import InvalidRequest, StorageError
from webui.settings import Settings, SettingsFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_missing_file_means_the_defaults_and_is_not_made_by_reading(path: Path) -> None:
    assert SettingsFile(path).load() == Settings()
    assert not path.exists()


def test_what_was_set_is_read_back(path: Path) -> None:
    made = SettingsFile(path).update({"server.port": 7900, "saving.format": "webp"})
    assert made.server.port == 7900
    assert SettingsFile(path).load() == made


def test_only_what_was_set_is_written(path: Path) -> None:
    SettingsFile(path).update({"server.port": 7900})
    assert read(path) == {"version": 1, "server": {"port": 7900}}


def test_updating_keeps_flags_out_of_the_file(path: Path) -> None:
    running = SettingsFile(path).load().model_copy(update={"server": Settings().server})
    running = running.model_copy(
        update={"server": running.server.model_copy(update={"port": 9999})}
    )
    result = SettingsFile(path).update({"live.preview_size": 256}, onto=running)
    assert result.server.port == 9999
    assert read(path) == {"version": 1, "live": {"preview_size": 256}}


def test_unknown_keys_are_kept_wherever_they_are(path: Path) -> None:
    tree = {"version": 1, "plugin": {"a": [1, {"b": None}]}, "server": {"port": 80, "new": "x"}}
    path.write_text(json.dumps(tree), encoding="utf-8")
    SettingsFile(path).update({"server.port": 81})
    tree["server"] = {"port": 81, "new": "x"}
    assert read(path) == tree


def test_a_newer_versions_file_is_used_and_its_number_kept(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text('{"version": 7, "server": {"port": 81}}', encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert SettingsFile(path).load().server.port == 81
    assert "newer version" in caplog.text
    SettingsFile(path).update({"server.port": 82})
    assert read(path)["version"] == 7


def test_a_byte_order_mark_does_no_harm(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + b'{"server": {"port": 81}}')
    assert SettingsFile(path).load().server.port == 81


def test_umlauts_survive(path: Path) -> None:
    SettingsFile(path).update({"saving.filename": "Größe-[seed]"})
    assert SettingsFile(path).load().saving.filename == "Größe-[seed]"
    assert "Größe" in path.read_text(encoding="utf-8")


def test_one_wrong_value_is_named_and_left_out(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text('{"server": {"port": "x", "host": "::1"}, "live": 3}', encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        loaded = SettingsFile(path).load()
    assert (loaded.server.port, loaded.server.host) == (7860, "::1")
    assert "server.port" in caplog.text


BROKEN = [b"", b"  \n", b'{"server": {"po', b"[1, 2]", b'"text"', b"\xff\xfe\x00", b"[" * 100_000,
          b" " * (5 * 1024 * 1024)]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_kept_aside_and_the_last_good_one_used(
    path: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    SettingsFile(path).update({"server.port": 7900})
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert SettingsFile(path).load().server.port == 7900
    assert [bad.read_bytes() for bad in path.parent.glob("config.json.bad-*")] == [data]
    assert "last good copy" in caplog.text
    assert read(path)["server"]["port"] == 7900


def test_a_broken_file_without_a_good_copy_means_the_defaults(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text("{", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert SettingsFile(path).load() == Settings()
    assert "the defaults" in caplog.text
    assert len(list(path.parent.glob("config.json.bad-*"))) == 1


def test_a_wrong_update_changes_nothing(path: Path) -> None:
    SettingsFile(path).update({"server.port": 7900})
    before = path.read_bytes()
    with pytest.raises(InvalidRequest) as caught:
        SettingsFile(path).update({"live.preview_size": 64, "server.port": 0})
    assert caught.value.field == "server.port"
    assert path.read_bytes() == before


def test_an_unknown_setting_cannot_be_written(path: Path) -> None:
    with pytest.raises(InvalidRequest):
        SettingsFile(path).update({"server.nothing": 1})
    assert not path.exists()


def test_a_folder_in_the_way_is_a_sentence(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        SettingsFile(path).load()


def test_no_temporary_files_are_left(path: Path) -> None:
    SettingsFile(path).update({"server.port": 7900})
    names = {p.name for p in path.parent.iterdir()} - {"config.json.lock"}
    assert names == {"config.json", "config.json.good"}


def _write_many(path: Path, key: str) -> None:
    file = SettingsFile(path)
    for number in range(10):
        file.update({key: 100 + number})


def test_two_writers_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    keys = ("live.preview_size", "limits.max_upload_mb")
    writers = [context.Process(target=_write_many, args=(path, key)) for key in keys]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    loaded = SettingsFile(path).load()
    assert (loaded.live.preview_size, loaded.limits.max_upload_mb) == (109, 109)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
groups = st.sampled_from([*Settings.model_fields, "other"])


@given(tree=st.dictionaries(groups, json_values, max_size=4), port=st.integers(1, 65535))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_content_breaks_reading_or_loses_a_foreign_key(
    path: Path, tree: dict[str, Any], port: int
) -> None:
    path.write_text(json.dumps(tree), encoding="utf-8")
    file = SettingsFile(path)
    file.load()
    file.update({"server.port": port})
    assert file.load().server.port == port
    after = read(path)
    for name, value in tree.items():
        if name != "server":
            assert after[name] == value

"""Model files are looked at once, and again only when they changed."""

import json
import os
import struct
from pathlib import Path

import pytest

from webui.library import findings
from webui.library.identify import Identity
from webui.library.readers import look_at, read_findings
from webui.library.scan import Scanner, folders_below, model_files


def write(path: Path, name: str, width: int) -> Path:
    entry = {"dtype": "U8", "shape": [1, width], "data_offsets": [0, width]}
    text = json.dumps({name: entry}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(width))
    return path


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write(folder / "embeddings" / "word.safetensors", "emb_params", 768)
    write(folder / "Lora" / "deep" / "style.SAFETENSORS", "x_attn2_to_k.lora_down.weight", 2048)
    write(folder / ".cache" / "hidden.safetensors", "emb_params", 768)
    write(folder / "._word.safetensors", "emb_params", 768)
    (folder / "bad.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    (folder / "notes.txt").write_text("no model", encoding="utf-8")
    return folder


def kinds(scanner: Scanner, *folders: Path) -> dict[str, str]:
    return {f.path.name: f.finding.identity.kind for f in scanner.scan(folders)}


class Reads:
    """Counts the headers that are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = findings.read_header

        def counted(path: Path) -> object:
            self.count += 1
            return real(path)

        monkeypatch.setattr(findings, "read_header", counted)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def test_every_model_is_found_and_a_bad_one_stands_in_no_way(models: Path) -> None:
    found = {f.path.name: f.finding for f in Scanner().scan([models])}
    assert found["word.safetensors"].identity == Identity("embedding", "sd1")
    assert found["style.SAFETENSORS"].identity == Identity("lora", "sdxl")
    assert found["bad.safetensors"].identity.kind == "unknown"
    assert "bad.safetensors is not a safetensors file" in found["bad.safetensors"].problem
    assert len(found) == 3


def test_a_second_scan_reads_no_header(models: Path, tmp_path: Path, reads: Reads) -> None:
    cache = tmp_path / "data" / "models.json"
    first = Scanner(cache).scan([models])
    assert reads.count == 3
    assert Scanner(cache).scan([models]) == first
    assert reads.count == 3


def test_a_changed_file_is_read_again(models: Path, tmp_path: Path, reads: Reads) -> None:
    scanner = Scanner(tmp_path / "models.json")
    scanner.scan([models])
    write(models / "embeddings" / "word.safetensors", "emb_params", 1024)
    finding = scanner.look(models / "embeddings" / "word.safetensors")
    assert finding is not None
    assert finding.identity.family == "sd2"
    assert reads.count == 4


def test_another_file_of_the_same_size_and_time_is_read_again(
    models: Path, tmp_path: Path, reads: Reads
) -> None:
    scanner = Scanner(tmp_path / "models.json")
    scanner.scan([models])
    path = models / "embeddings" / "word.safetensors"
    before = path.stat()
    fresh = write(models / "embeddings" / "new.tmp", "emb_paramz", 768)
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)
    assert path.stat().st_size == before.st_size
    scanner.look(path)
    assert reads.count == 4


def test_a_file_that_is_gone_is_forgotten(models: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models.json"
    scanner = Scanner(cache)
    scanner.scan([models])
    (models / "bad.safetensors").unlink()
    assert "bad.safetensors" not in kinds(scanner, models)
    assert "bad.safetensors" not in cache.read_text(encoding="utf-8")
    assert scanner.look(models / "bad.safetensors") is None


def test_a_scan_of_one_folder_forgets_no_other(models: Path, tmp_path: Path, reads: Reads) -> None:
    cache = tmp_path / "models.json"
    Scanner(cache).scan([models])
    Scanner(cache).scan([models / "Lora"])
    Scanner(cache).scan([models])
    assert reads.count == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 0, "files": {}}',
        b'{"version": 2, "files": []}',
        b'{"version": 2, "files": {"a": [[1, 2, 3], {"identity": {"kind": "virus"}}]}}',
        b'{"version": 2, "files": {"a": [[1, 2], {}]}}',
        b"\xff",
    ],
)
def test_a_damaged_cache_costs_time_alone(models: Path, tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "models.json"
    cache.write_bytes(content)
    assert len(Scanner(cache).scan([models])) == 3
    assert json.loads(cache.read_bytes())["version"] == findings.VERSION


def test_folders_that_overlap_give_each_file_once(models: Path) -> None:
    assert len(Scanner().scan([models, models / "Lora", models / "missing"])) == 3


def test_a_cache_that_cannot_be_written_is_no_error(models: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert len(Scanner(tmp_path / "file" / "models.json").scan([models])) == 3


@pytest.mark.skipif(os.name == "nt", reason="links and pipes need rights on Windows")
def test_links_are_followed_once_and_pipes_are_not_waited_for(models: Path, tmp_path: Path) -> None:
    (models / "Lora" / "loop").symlink_to(models, target_is_directory=True)
    (models / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    os.mkfifo(models / "pipe.safetensors")
    found = kinds(Scanner(), models)
    assert sorted(found) == [
        "bad.safetensors",
        "pipe.safetensors",
        "style.SAFETENSORS",
        "word.safetensors",
    ]
    assert len(list(model_files(models))) == len(found) + 1


def test_a_folder_that_is_refused_is_not_entered(models: Path) -> None:
    entered = [folder.name for folder, _, _ in folders_below(models, lambda name: name != "Lora")]
    assert entered == ["models", "embeddings"]


@pytest.mark.skipif(os.name == "nt", reason="file names are text on Windows")
def test_a_file_name_that_is_no_text_is_remembered_too(
    models: Path, tmp_path: Path, reads: Reads
) -> None:
    name = os.fsdecode(b"caf\xe9.safetensors")
    try:
        write(models / name, "emb_params", 768)
    except OSError:
        pytest.skip("this file system asks for text")
    cache = tmp_path / "models.json"
    assert name in kinds(Scanner(cache), models)
    assert name in kinds(Scanner(cache), models)
    assert reads.count == 4


def test_what_a_trainer_wrote_is_remembered_with_the_file(models: Path, tmp_path: Path) -> None:
    entry = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
    said = {"ss_output_name": " Evening ", "ss_base_model_version": "None", "long": "x" * 999}
    text = json.dumps({"__metadata__": said, "x": entry}).encode()
    path = models / "Lora" / "told.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"x")
    cache = tmp_path / "models.json"
    Scanner(cache).scan([models])
    finding = Scanner(cache).look(path)
    assert finding is not None
    assert finding.facts == {"ss_output_name": "Evening"}


def test_several_processes_find_what_one_finds(models: Path) -> None:
    paths = [*model_files(models), models / "gone.safetensors"]
    assert len(look_at(paths)) == 3
    assert read_findings(paths, processes=3) == look_at(paths)


def test_where_no_process_can_be_started_one_does_it_all(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(models / "no-python"))
    assert len(read_findings(list(model_files(models)), processes=2)) == 3

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from webui import cli
from webui.errors import InvalidRequest

NAME = "model.diffusion_model.out.2.weight"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    return folder


def call(tmp_path: Path, *words: str) -> int:
    folders = ("--models-dir", str(tmp_path / "models"), "--data-dir", str(tmp_path / "data"))
    return cli.main(["models", *words, *folders])


def test_pickles_are_listed_and_converted_when_the_user_says_yes(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {NAME: torch.ones(3)}}, models / "old.ckpt")
    assert call(tmp_path, "convert") == 0
    assert "old.ckpt" in capsys.readouterr().out
    assert call(tmp_path, "convert", "--all") == 1
    assert "say yes" in capsys.readouterr().err
    assert not (models / "old.safetensors").exists()
    assert call(tmp_path, "convert", "--all", "--yes", "--quiet") == 0
    assert "old.safetensors (checkpoint" in capsys.readouterr().out
    assert torch.equal(load_file(models / "old.safetensors")[NAME], torch.ones(3))


def test_a_file_that_is_no_model_is_told_and_the_others_go_on(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models / "a.ckpt").write_bytes(b"nothing")
    torch.save({"x": torch.ones(3)}, models / "b.ckpt")
    assert call(tmp_path, "convert", "--all", "--yes", "--quiet") == 1
    told = capsys.readouterr()
    assert "a.ckpt: The file is neither" in told.err
    assert "b.safetensors" in told.out


def test_two_checkpoints_are_merged(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({NAME: torch.zeros(4)}, models / "a.safetensors")
    save_file({NAME: torch.ones(4)}, models / "b.safetensors")
    assert call(tmp_path, "merge", "a", "b", "-m", "0.25", "--quiet") == 0
    assert "0.75(a) + 0.25(b).safetensors (1 of 1" in capsys.readouterr().out
    merged = load_file(models / "0.75(a) + 0.25(b).safetensors")
    assert torch.equal(merged[NAME], torch.full((4,), 0.25))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("a", "b", "--blocks", "1,2"), "2 block weights"),
        (("a", "b", "--blocks", "1,x"), "no numbers"),
        (("a", "--method", "weighted_sum"), "secondary"),
        (("a", "b", "--name", "../x"), "name of a file"),
    ],
)
def test_a_merge_that_cannot_be_is_said(words: tuple[str, ...], sentence: str) -> None:
    parsed = cli.make_parser().parse_args(["models", "merge", *words])
    with pytest.raises(InvalidRequest, match=sentence):
        parsed.run(parsed)

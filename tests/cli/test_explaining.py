"""`webui explain`."""

import json
from pathlib import Path

import pytest

from tests import tiny
from webui import cli


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    """A models folder whose one checkpoint has a tokenizer, as flags."""
    folder = tmp_path / "models" / "small"
    tiny.write_tokenizer(folder / "tokenizer")
    (folder / "unet").mkdir()
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    (folder / "model_index.json").write_text("{}", encoding="utf-8")
    return [
        "--checkpoint", "small",
        "--models-dir", str(tmp_path / "models"),
        "--data-dir", str(tmp_path / "data"),
        "--config", str(tmp_path / "config.json"),
    ]  # fmt: skip


def explained(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert cli.main(["explain", *argv]) == 0
    return capsys.readouterr().out


def test_a_prompt_is_printed_with_tokens_weights_and_steps(models, capsys) -> None:
    said = explained(capsys, "a [cat:dog:0.5] (house:1.3) <lora:ink:0.5>", "--steps", "10", *models)
    assert "of 75 tokens" in said
    assert "1-6" in said and "7-10" in said
    assert "(1.3)" in said
    assert "lora ink: 0.5" in said


def test_parts_chunks_and_the_hires_pass_are_printed(models, capsys) -> None:
    said = explained(
        capsys,
        "a cat :1.2 AND a BREAK [dog:cat:1.5]",
        "--steps",
        "5",
        "--hires-steps",
        "4",
        *models,
    )
    assert "Part 1, weight 1.2" in said and "chunk 2" in said and "Hires pass" in said


def test_traps_are_notes(models, capsys) -> None:
    assert "note: The number at the end" in explained(capsys, "time 10:30", *models)


def test_markup_in_a_prompt_is_text(models, capsys) -> None:
    assert "note:" in explained(capsys, "[bold]a|b[/bold] [x:y:3]", *models)


def test_json_is_the_whole_explanation(models, capsys) -> None:
    told = json.loads(explained(capsys, "a cat", "--negative", "--json", *models))
    assert told["room"] == 75
    assert told["parts"][0]["schedule"] == [{"first": 1, "last": 20, "text": 0}]


@pytest.mark.parametrize(
    ("flag", "value"), [("--steps", "999"), ("--emphasis", "loud"), ("--sampler", "Hoin")]
)
def test_a_wrong_flag_is_a_sentence(models, capsys, flag: str, value: str) -> None:
    assert cli.main(["explain", "a", flag, value, *models]) == 1
    error = capsys.readouterr().err
    assert flag in error or value in error
    assert "Traceback" not in error

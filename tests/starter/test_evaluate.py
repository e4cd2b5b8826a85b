"""The evaluation: how it draws, what it remembers, and what it says."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from diffusers import ControlNetModel

from tests.starter.truths import make_scene
from webui.starter.evaluate import __main__ as program
from webui.starter.evaluate.controlling import find_figure, stand_there
from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.report import Row, Strip, read_rows, share_row, waiting_row, write_rows
from webui.starter.evaluate.sampling import Job, round_trip
from webui.starter.evaluate.sheet import write_sheet
from webui.starter.evaluate.sources import PHOTOS, load_photos
from webui.starter.evaluate.statistics import root_distance
from webui.starter.evaluate.studio import Studio
from webui.starter.scenes import render_scene

STARTER = Path(__file__).resolve().parents[2] / "models" / "starter"


def keep_quiet(name: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shipped checkpoint with an untrained ControlNet, which changes nothing."""
    folder = tmp_path_factory.mktemp("evaluate") / "model"
    shutil.copytree(STARTER, folder, ignore=shutil.ignore_patterns("controlnet-*"))
    return folder


@pytest.fixture(scope="module")
def studio(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    plain = Studio(folder, tmp_path_factory.mktemp("drawn"), keep_quiet)
    control = ControlNetModel.from_unet(
        plain.networks.unet, conditioning_embedding_out_channels=(8, 16, 32, 64)
    )
    control.save_pretrained(folder / "controlnet-canny")
    return Studio(folder, plain.cache.parent, keep_quiet)


@pytest.fixture(scope="module")
def sources() -> np.ndarray:
    return np.stack([render_scene(make_scene(seed, "house"), 256).picture for seed in range(2)])


def test_a_picture_is_the_same_alone_and_in_a_batch(studio: Studio) -> None:
    together = studio.draw("two", Job(("a house", "a tree"), (3, 4), steps=2))
    alone = studio.draw("one", Job(("a tree",), (4,), steps=2))
    assert together.shape == (2, 256, 256, 3)
    assert np.abs(together[1].astype(int) - alone[0].astype(int)).max() <= 2


def test_what_was_drawn_is_not_drawn_again(studio: Studio) -> None:
    job = Job(("a boat",), (5,), steps=1)
    first = studio.draw("one", job)
    path = studio.cache / f"{studio.name_job(job)}.npy"
    written = path.stat().st_mtime_ns
    assert np.array_equal(studio.draw("one", job), first)
    assert path.stat().st_mtime_ns == written
    assert studio.name_job(Job(("a boat",), (6,), steps=1)) != path.stem


def test_a_gentle_strength_stays_near_the_source(studio: Studio, sources: np.ndarray) -> None:
    far = [
        root_distance(
            studio.draw(
                "i2i", Job(("a house",) * 2, (0, 1), steps=5, strength=strength, sources=sources)
            ),
            sources,
        ).mean()
        for strength in (0.2, 1.0)
    ]
    assert far[0] < 0.5 * far[1]


def test_outside_the_mask_the_source_is_kept(studio: Studio, sources: np.ndarray) -> None:
    masks = np.zeros((2, 256, 256), bool)
    masks[:, :96] = True
    job = Job(("night sky",) * 2, (0, 1), steps=3, sources=sources, masks=masks)
    made, kept = studio.draw("inpaint", job), round_trip(studio.networks, sources)
    assert root_distance(made[:, 128:], kept[:, 128:]).max() < 6
    assert root_distance(made[:, :80], kept[:, :80]).min() > 12


def test_an_untrained_controlnet_changes_nothing(studio: Studio, sources: np.ndarray) -> None:
    assert studio.has_control("canny")
    assert not studio.has_control("depth")
    plain = Job(("a house",), (1,), steps=2)
    led = Job(("a house",), (1,), steps=2, control="canny", maps=sources[:1])
    assert studio.name_job(plain) != studio.name_job(led)
    gap = studio.draw("plain", plain).astype(int) - studio.draw("led", led).astype(int)
    assert np.abs(gap).max() <= 2


def test_figures_are_found_where_they_stand_and_nowhere_else() -> None:
    paints = ("red", "blue", "yellow", "purple")
    scenes = [
        make_scene(seed, "person", side, paint=paints[seed % 4], style="flat")
        for seed in range(12)
        for side in ("left", "right")
    ]
    pictures = np.stack([render_scene(scene, 256).picture for scene in scenes])
    masks = [find_figure(scene) for scene in scenes]
    assert stand_there(pictures, masks).mean() > 0.97
    assert stand_there(pictures, [*masks[1:], masks[0]]).mean() < 0.1


@pytest.mark.parametrize(
    ("value", "lower", "verdict"),
    [
        (0.99, False, "target"),
        (0.8, False, "floor"),
        (0.5, False, "short"),
        (0.5, True, "target"),
        (0.8, True, "floor"),
        (1.1, True, "short"),
    ],
)
def test_a_row_is_judged_by_floor_and_target(value: float, lower: bool, verdict: str) -> None:
    bounds = (0.9, 0.7) if lower else (0.75, 0.92)
    assert Row("part", "name", "told", value, *bounds, lower=lower).verdict == verdict


def test_without_a_floor_a_figure_is_stated() -> None:
    assert share_row("part", "name", 0.4, None, 0.8).verdict == "stated"
    assert share_row("part", "name", 0.9, None, 0.8).verdict == "target"
    assert waiting_row("part", "name").verdict == "not there yet"


def test_rows_of_other_parts_stay_while_the_model_does(tmp_path: Path) -> None:
    path = tmp_path / "starter.json"
    one, two = Row("a", "first", "1", 1.0), Row("b", "second", "2", 2.0)
    write_rows(path, [one, two], "model", {})
    newer = Row("a", "first", "3", 3.0)
    write_rows(path, [newer], "model", {})
    assert read_rows(path, "model") == [two, newer]
    write_rows(path, [one], "another", {})
    assert read_rows(path, "another") == [one]
    assert json.loads(path.read_text())["rows"][0]["verdict"] == "stated"


def test_the_sheet_shows_every_strip(tmp_path: Path) -> None:
    pictures = np.full((9, 256, 256, 3), 90, np.uint8)
    write_sheet(tmp_path / "sheet.jpg", [Strip("a", pictures), Strip("b", pictures[:2])])
    sheet = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert sheet is not None
    assert sheet.shape == (2 * 20 + 3 * 132, 8 * 132 + 4, 3)


def test_photographs_fit_the_model() -> None:
    photos = load_photos()
    assert photos is not None
    assert photos.shape == (len(PHOTOS), 256, 256, 3)
    assert photos.dtype == np.uint8


def test_the_program_prints_and_writes_what_it_measured(
    studio: Studio,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(program, "QUICK", Plan(seeds=1, timed=1, held_out=2, masked=1))
    run = [str(folder), "--quick", "--parts", "basics", "--threads", "1"]
    files = ["--out", str(tmp_path), "--cache", str(studio.cache.parent)]
    assert program.main([*run, *files]) == 0
    assert "seconds per image" in " ".join(capsys.readouterr().out.split())
    rows = read_rows(tmp_path / "starter.json", studio.digest)
    assert {row.part for row in rows} == {"basics"}
    assert (tmp_path / "starter.jpg").stat().st_size > 1000

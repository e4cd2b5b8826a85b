"""A rehearsal of the whole training with tiny counts, and what its parts promise."""

import json
import shutil
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.starter.conftest import Rehearsal, run_tiny
from webui.starter import train
from webui.starter.autoencoder import fold_scaling, measure_psnr
from webui.starter.batches import draw_times, weigh_times
from webui.starter.clock import Budget, cool_down
from webui.starter.denoiser import take_over
from webui.starter.export import load_checkpoint
from webui.starter.gallery import (
    Gallery,
    build_gallery,
    choose_latents,
    render_held_out,
    to_pixels,
)
from webui.starter.lesson import Learner, Lesson
from webui.starter.linear_start import start_linear
from webui.starter.networks import SCALING, build_autoencoder, build_scheduler
from webui.starter.partners import SHARE, Board, Exchange
from webui.starter.reading import answer_scene, list_answers
from webui.starter.scenes import draw_scene
from webui.starter.stages import list_stages
from webui.starter.states import Average


def test_the_rehearsed_checkpoint_loads_and_draws(rehearsed: Rehearsal) -> None:
    pipeline = load_checkpoint(rehearsed.out)
    made = pipeline(
        "a house at night",
        num_inference_steps=2,
        width=64,
        height=64,
        output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images
    assert made.shape == (1, 64, 64, 3)
    assert np.isfinite(made).all()
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.text_encoder.config.eos_token_id == pipeline.tokenizer.eos_token_id


def test_all_that_ships_tells_nothing_of_the_machine(rehearsed: Rehearsal) -> None:
    for path in (path for path in (rehearsed.folder / "models").rglob("*") if path.is_file()):
        assert str(rehearsed.folder).encode() not in path.read_bytes()
    index = json.loads((rehearsed.out / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"


def test_every_stage_learns_in_thirty_steps(rehearsed: Rehearsal) -> None:
    learned = {stage.name for stage in list_stages() if stage.share}
    assert rehearsed.outcomes.keys() == learned
    for name, outcome in rehearsed.outcomes.items():
        assert outcome.steps == 30, name
        assert outcome.after < outcome.before, name


def test_a_run_resumes_at_the_step_where_it_stopped(rehearsed: Rehearsal, tmp_path: Path) -> None:
    for path in rehearsed.folder.iterdir():
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, tmp_path / path.name)
    made = (tmp_path / "latents-64.npy").read_bytes()
    for stage, more in (("unet", "31"), ("canny", "32")):
        outcomes = run_tiny(tmp_path, "--stage", stage, "--steps", more)
        assert outcomes[stage].steps == int(more)
    assert (tmp_path / "latents-64.npy").read_bytes() == made
    again = run_tiny(tmp_path, "--stage", "previewer", "--steps", "2", "--further")
    assert again["previewer"].steps == 32


def test_a_stage_says_which_one_must_come_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--workdir", str(tmp_path), "--out", str(tmp_path / "out")]
    assert train.main(["--tiny", "--stage", "canny", *where]) == 1
    assert "run --stage unet first" in capsys.readouterr().err


def test_the_same_seed_draws_the_same_training(rehearsed: Rehearsal, tmp_path: Path) -> None:
    for name in ("scenes-96.npy", "shown-96.json", "latents-96.npy", "latents-96.done"):
        shutil.copy(rehearsed.folder / name, tmp_path / name)
    shutil.copytree(rehearsed.folder / "vae", tmp_path / "vae")
    again = run_tiny(tmp_path, "--stage", "previewer")
    assert again["previewer"] == rehearsed.outcomes["previewer"]


def test_the_unet_can_begin_with_an_earlier_checkpoint(
    rehearsed: Rehearsal, tmp_path: Path
) -> None:
    galleries = [build_gallery(rehearsed.folder, size, 0) for size in (64, 96)]
    moments = np.zeros((8, 1, 1, 1), np.float16)
    sets = [choose_latents(gallery, moments, lambda scene: True, 2) for gallery in galleries]
    lesson = Lesson(rehearsed.folder / "tokenizer", *sets, widths=train.TINY["widths"])
    learner = Learner(lesson)
    assert take_over(learner, rehearsed.out) == ["unet", "text_encoder"]
    stored = load_file(rehearsed.out / "unet" / "diffusion_pytorch_model.safetensors")
    present = learner.student.pair.unet.state_dict()
    assert all(torch.equal(tensor.float(), present[name]) for name, tensor in stored.items())
    first = learner.read_first(1)
    assert learner.read_first(12) < first


def test_every_scene_has_answers_the_reader_knows() -> None:
    known = set(list_answers())
    for scene in map(draw_scene, range(100)):
        assert answer_scene(scene) <= known


def test_partners_add_what_each_has_learned() -> None:
    leader, partner = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        leader.weight.fill_(1.0)
    board = Board(torch.ones(1), torch.zeros(3), Lock())
    ours, theirs = Exchange(board, leader), Exchange(board, partner)
    assert partner.weight.item() == 1.0
    with torch.no_grad():
        leader.weight += 1.0
        partner.weight -= 2.0
    ours.swap()
    theirs.swap()
    assert leader.weight.item() == pytest.approx(1.0 + SHARE)
    assert partner.weight.item() == pytest.approx(1.0 + SHARE - 2 * SHARE)
    ours.swap()
    assert leader.weight.item() == pytest.approx(partner.weight.item())


def test_the_linear_start_already_shows_the_picture() -> None:
    torch.manual_seed(0)
    model = build_autoencoder()
    start_linear(model)
    assert measure_psnr(model.eval(), render_held_out(2, 128), "cpu") > 14


def test_folding_gives_unit_latents_and_the_same_pictures() -> None:
    torch.manual_seed(0)
    model = build_autoencoder()
    start_linear(model)
    model.eval()
    pictures = render_held_out(8, 64)
    gallery = Gallery(64, pictures, [frozenset()] * 8)
    before = measure_psnr(model, pictures[:4], "cpu")
    fold_scaling(model, (gallery, gallery), "cpu")
    assert measure_psnr(model, pictures[:4], "cpu") == pytest.approx(before, abs=0.05)
    with torch.inference_mode():
        latents = model.encode(to_pixels(pictures, "cpu")).latent_dist.mean * SCALING
    assert latents.mean((0, 2, 3)).abs().max() < 0.01
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.01


def test_a_budget_in_seconds_ends_on_time_and_resumes_where_it_was() -> None:
    moment = [100.0]
    budget = Budget(seconds=50, now=lambda: moment[0])
    moment[0] = 125.0
    assert budget.progress(7) == pytest.approx(0.5)
    later = Budget(seconds=10, done=0.5, now=lambda: moment[0])
    assert later.progress(7) == pytest.approx(0.5)
    moment[0] = 140.0
    assert later.progress(8) == 1.0
    assert Budget(steps=4).progress(1) == 0.25
    further = Budget(steps=4)
    further.resume(step=10, progress=1.0, further=True)
    assert further.progress(11) == 0.25


def test_the_learning_rate_warms_up_holds_and_ends_at_zero() -> None:
    assert cool_down(0.0, 0, 100, 0.5) == pytest.approx(0.01)
    assert cool_down(0.5, 5000, 100, 0.5) == 1.0
    assert cool_down(1.0, 9000, 100, 0.5) == pytest.approx(0.0, abs=1e-9)


def test_timesteps_cover_the_schedule_and_weights_favour_high_noise() -> None:
    times = draw_times(10, torch.Generator().manual_seed(1))
    assert [int(t) // 100 for t in times] == list(range(10))
    weights = weigh_times(build_scheduler().alphas_cumprod)
    assert weights[-1] == pytest.approx(1.0)
    assert weights[0] < 0.1


def test_the_average_follows_the_weights() -> None:
    layer = torch.nn.Linear(2, 2)
    average = Average(layer, 0.9)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    for _ in range(200):
        average.update(layer)
    assert torch.allclose(average.weights["weight"], torch.ones(2, 2), atol=1e-4)

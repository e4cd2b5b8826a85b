"""The UNet stage: denoiser and text encoder learn together until the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from webui.starter.clock import Budget
from webui.starter.console import Console
from webui.starter.lesson import Learner, Lesson, Pair, build_pair
from webui.starter.partners import Team
from webui.starter.practice import Outcome
from webui.starter.states import Average, load_state, pack_state, save_state


@dataclass
class DenoiserRun:
    """Everything the UNet stage needs; ``export`` writes a checkpoint from averaged weights."""

    folder: Path
    lesson: Lesson
    budget: Budget
    console: Console
    export: Callable[[Pair], None]
    partners: int = 0
    reading: int = 400
    decay: float = 0.998
    start_from: Path | None = None
    further: bool = False
    save_seconds: float = 240.0
    export_seconds: float = 900.0


def train_denoiser(run: DenoiserRun) -> tuple[Pair, Outcome]:
    """Train until the budget is spent; returns the averaged networks."""
    learner = Learner(run.lesson)
    path, step = run.folder / "unet-state.pt", 0
    state = load_state(path, run.lesson.device)
    if state is None:
        if run.start_from is not None:
            run.console.say(f"unet: begins with {', '.join(take_over(learner, run.start_from))}")
        run.console.say(f"reading: loss {learner.read_first(run.reading):.4f}")
    before = learner.check()
    average = Average(learner.student.pair, run.decay)
    if state is not None:
        learner.student.load_state_dict(state["model"])
        learner.optimizer.load_state_dict(state["optimizer"])
        average.weights, average.steps = state["average"], state["step"]
        step = state["step"]
        run.budget.resume(step, state["progress"], run.further)
        run.console.say(f"unet: resumed at step {step}")
    step = run_steps(run, learner, average, step)
    save_state(path, pack_state(learner.student, learner.optimizer, average, step, 1.0))
    pair = learner.student.pair
    average.write(pair)
    pair.eval()
    outcome = Outcome(before, learner.check(), step)
    run.console.say(f"unet: {step} steps, loss {outcome.before:.4f} -> {outcome.after:.4f}")
    return pair, outcome


def take_over(learner: Learner, folder: Path) -> list[str]:
    """Take the weights of an exported checkpoint where shapes agree; returns the parts' names.

    The text encoder stays fresh where the tokenizer has changed.
    """
    pair, taken = learner.student.pair, []
    for name, network in (("unet", pair.unet), ("text_encoder", pair.text)):
        state = load_file(next((folder / name).glob("*.safetensors")))
        mine = network.state_dict()
        if {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in mine.items()}:
            network.load_state_dict(state)
            taken.append(name)
    return taken


def run_steps(run: DenoiserRun, learner: Learner, average: Average, step: int) -> int:
    """Take training steps until the budget is spent, saving and exporting on the way."""
    path = run.folder / "unet-state.pt"
    team = Team(run.lesson, learner.student, run.partners, step) if run.partners else None
    saved = exported = time.monotonic()
    with run.console.bar("unet") as bar:
        while (progress := run.budget.progress(step)) < 1.0:
            loss = learner.learn(step, progress)
            step += 1
            if team is not None:
                team.meet(step, progress)
            average.update(learner.student.pair)
            bar.show(progress, step, loss)
            now = time.monotonic()
            if now - saved > run.save_seconds:
                packed = pack_state(learner.student, learner.optimizer, average, step, progress)
                save_state(path, packed)
                saved = now
            if now - exported > run.export_seconds:
                export_average(run, learner, average)
                exported = now
    if team is not None:
        run.console.say(f"unet: partners took {team.stop()} steps")
    return step


def export_average(run: DenoiserRun, learner: Learner, average: Average) -> None:
    """Write a checkpoint from the averaged weights while training goes on."""
    state = torch.get_rng_state()
    pair = build_pair(learner.tokenizer, run.lesson.widths)
    average.write(pair)
    run.export(pair.eval())
    torch.set_rng_state(state)

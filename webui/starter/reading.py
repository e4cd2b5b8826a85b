"""A reading exercise for the text encoder, so that the denoiser need not teach it to read.

Left to itself, a small text encoder tells the denoiser almost nothing for thousands of steps:
one word among 77 positions is one part in 77 of what attention first sees. Here the mean of all
positions must also name the scene's style, light, season, place, things, poses and
sides, which moves what a caption says into the many positions after its end. Done alone first,
then beside the denoiser, and dropped after training.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from transformers import CLIPTextModel

from webui.starter.clock import cool_down
from webui.starter.scenes import Scene
from webui.starter.scenes.people import is_woman
from webui.starter.scenes.subjects import find_side
from webui.starter.scenes.world import LIGHTS, PAINTS, PLACES, POSES, SEASONS, SIZES, STYLES

RATE = 1.5e-3
BATCH = 32


def list_answers() -> list[str]:
    """List everything that the exercise asks about."""
    painted = [f"{paint} {kind}" for kind, paints in PAINTS.items() for paint in paints]
    single = [*STYLES, *LIGHTS, *SEASONS, *PLACES, *SIZES]
    sides = [f"{kind} {side}" for kind in SIZES for side in ("left", "right")]
    counts = ["no things", "two things", "two of a kind"]
    seen = ["mountains seen", "orb seen", "woman"]
    return [*single, *painted, *POSES, *sides, "left", "right", *counts, *seen]


def answer_scene(scene: Scene) -> set[str]:
    """Tell which answers are right for ``scene``."""
    right = {scene.style, scene.light, scene.place}
    if scene.place not in ("desert", "seaside"):
        right.add(scene.season)
    for thing in scene.things:
        side = find_side(thing)
        right |= {thing.kind, f"{thing.paint} {thing.kind}".strip(), f"{thing.kind} {side}"}
        right |= {thing.pose, side if len(scene.things) == 1 else ""}
        if thing.kind == "person" and is_woman(thing):
            right.add("woman")
    if scene.ridges:
        right.add("mountains seen")
    if scene.orb is not None:
        right.add("orb seen")
    kinds = {thing.kind for thing in scene.things}
    if len(scene.things) > 1:
        right |= {"two things", "two of a kind" if len(kinds) < len(scene.things) else ""}
    if not kinds:
        right.add("no things")
    return right & set(list_answers())


class Reader(nn.Module):
    """A linear reading of the text encoder's states."""

    def __init__(self, width: int) -> None:
        """Make a reader of states of ``width`` channels."""
        super().__init__()
        self.names = list_answers()
        self.head = nn.Linear(width, len(self.names))

    def grade(self, states: torch.Tensor, scenes: list[Scene | None]) -> torch.Tensor:
        """Grade text states [b, 77, width] against their scenes; None is an empty caption."""
        rows = [index for index, scene in enumerate(scenes) if scene is not None]
        if not rows:
            return states.new_zeros(())
        right = torch.zeros(len(rows), len(self.names), device=states.device)
        for row, index in enumerate(rows):
            found = answer_scene(scenes[index])
            right[row] = torch.tensor([name in found for name in self.names])
        given = self.head(states[rows].float().mean(1))  # [b, answers]
        return nn.functional.binary_cross_entropy_with_logits(given, right)


def teach_reading(
    text: CLIPTextModel,
    reader: Reader,
    draw: Callable[[int, int], tuple[torch.Tensor, list[Scene | None]]],
    steps: int,
) -> float:
    """Teach the text encoder alone to read; ``draw(step, count)`` gives ids and scenes.

    Returns the mean loss of the last fifty steps.
    """
    weights = [*text.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=RATE, betas=(0.9, 0.99), weight_decay=0.01)
    losses: list[float] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * cool_down(step / steps, step, 30, 0.4)
        ids, told = draw(step, BATCH)
        with torch.autocast(ids.device.type, torch.bfloat16):
            states = text(input_ids=ids)[0]
        loss = reader.grade(states, told)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    recent = losses[-50:]
    return sum(recent) / max(len(recent), 1)

"""What the evaluation says of ControlNets that obey, and of some that do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.starter.truths import make_scene
from webui.starter.evaluate.controlling import (
    gather_shown,
    has_clear_figure,
    measure_canny,
    measure_controls,
    measure_depth,
    measure_poses,
)
from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.sampling import Job, Networks
from webui.starter.evaluate.sources import find_scenes, render_all
from webui.starter.evaluate.studio import Studio, load_networks
from webui.starter.gallery import HELD_OUT
from webui.starter.scenes import Scene

STARTER = Path(__file__).resolve().parents[2] / "models" / "starter"
PLAN = Plan(controlled=4, posed=16)


class Obedient(Studio):
    """Draws with any unit the very scenes whose maps are shown, and others without."""

    def __init__(self, networks: Networks, obeys: bool = True) -> None:
        """Borrow networks, for the autoencoder's sake."""
        self.networks, self.obeys = networks, obeys

    def has_control(self, name: str) -> bool:
        return True

    def draw(self, name: str, job: Job) -> np.ndarray:
        count = len(job.prompts)
        if not job.control or not self.obeys:
            kinds = ("person", "house")
            return render_all([make_scene(900 + seed, kinds[seed % 2]) for seed in range(count)])
        if job.control == "openpose":
            posed = find_scenes(count, has_clear_figure, HELD_OUT + 90_000)
            return render_all([follow_words(scene) for scene in posed])
        return gather_shown(count).pictures


def follow_words(scene: Scene) -> Scene:
    """The figure as it stands, in what the prompt asks for."""
    asked = make_scene(scene.seed, "person", style="flat")
    return replace(asked, things=(replace(scene.things[0], paint="red"),))


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(STARTER)


def test_edges_that_are_followed_reach_the_ceiling(networks: Networks) -> None:
    share, over = measure_canny(Obedient(networks), PLAN).rows
    assert share.verdict == over.verdict == "target"
    share, over = measure_canny(Obedient(networks, obeys=False), PLAN).rows
    assert share.verdict == over.verdict == "short"


def test_depth_that_is_followed_reaches_the_target(networks: Networks) -> None:
    assert measure_depth(Obedient(networks), PLAN).rows[0].verdict == "target"
    assert measure_depth(Obedient(networks, obeys=False), PLAN).rows[0].verdict == "stated"


def test_poses_that_are_followed_are_counted(networks: Networks) -> None:
    found = measure_poses(Obedient(networks), PLAN).rows[0].value
    assert found is not None
    assert found > 0.97
    missed = measure_poses(Obedient(networks, obeys=False), PLAN).rows[0].value
    assert missed is not None
    assert missed < 0.3


def test_a_unit_that_is_missing_is_not_there_yet(networks: Networks) -> None:
    class Bare(Obedient):
        def has_control(self, name: str) -> bool:
            return False

    rows = measure_controls(Bare(networks), PLAN).rows
    assert [row.verdict for row in rows] == ["not there yet"] * 3

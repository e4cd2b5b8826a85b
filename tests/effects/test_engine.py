"""Effects in whole runs of the engine, built-in ones and one that an extension brings."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generation.conftest import ROOT, Studio, make_studio, pictures, pixels
from webui.contract import infotext
from webui.contract.events import Notice
from webui.contract.request import ScriptCall
from webui.contract.vocabulary import builtin
from webui.effects.forms import FORMS
from webui.errors import InvalidRequest, PluginError
from webui.plugins.manager import PluginManager

Calls = dict[str, dict[str, Any]]
BASE = {
    "prompt.positive": "a red house by a lake, day",
    "sampling.sampler": "euler",
    "sampling.steps": 3,
    "canvas.width": 128,
    "canvas.height": 128,
    "noise.seed": 7,
}
ON: Calls = {
    "token_merging": {"ratio": 0.5, "max_downsample": 2},
    "freeu": {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2},
    "dynamic_thresholding": {"mimic_scale": 3.0},
    "sag": {"scale": 0.75},
    "pag": {"scale": 3.0},
    "cfg_rescale": {"multiplier": 0.7},
}
GLOW_FORM = '''
"""A form that both processes know."""
from typing import Annotated

from pydantic import Field

from webui.contract.fields import Frozen, Param
from webui.plugins import EffectForm


class GlowArgs(Frozen):
    """How much it glows."""

    amount: Annotated[
        float, Field(ge=0, le=1), Param("Amount", "How much it glows.", infotext="Glow amount")
    ] = 0.0


GLOW = EffectForm(name="glow", label="Glow", args_type=GlowArgs, switches=("amount",))
'''
GLOW_SERVER = """
from palimpsest_extensions.glow.forms import GLOW
from webui.plugins import hookimpl


@hookimpl
def register_effect_forms():
    return [GLOW]
"""
GLOW_ENGINE = """
from PIL import ImageOps

from palimpsest_extensions.glow.forms import GLOW
from webui.plugins import Effect, Layer, hookimpl


class Glow(Effect):
    form = GLOW

    def layer(self, view, request, args):
        if args.amount == 1:
            raise RuntimeError("too bright")
        def guide(inner):
            return lambda estimates: inner(estimates) * (1 + args.amount)
        view.tell(f"glowing in {view.steps} steps")
        return Layer(guide=guide)

    def finish(self, image, request, args):
        return ImageOps.invert(image)


@hookimpl
def register_effects():
    return [Glow()]
"""


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extensions")
    (folder / "glow").mkdir()
    for name, text in (("forms", GLOW_FORM), ("server", GLOW_SERVER), ("engine", GLOW_ENGINE)):
        (folder / "glow" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, extensions: Path) -> Studio:
    """An engine over the starter model and a copy of it, with the extension."""
    models = tmp_path_factory.mktemp("models")
    for name in ("starter", "second"):
        shutil.copytree(ROOT / "models" / "starter", models / name)
    return make_studio(
        models, tmp_path_factory.mktemp("data"), BASE, extensions_dir=extensions, keep_models=2
    )


@pytest.fixture(scope="module")
def paint(studio: Studio) -> Callable[..., np.ndarray]:
    def run(calls: Calls, **values: Any) -> np.ndarray:
        request = studio.request({k.replace("__", "."): v for k, v in values.items()})
        request = request.model_copy(update={"effects": as_calls(calls)})
        return pixels(pictures(studio.run(request))[0])

    return run


def as_calls(calls: Calls) -> tuple[ScriptCall, ...]:
    return tuple(ScriptCall(name=name, args=args) for name, args in calls.items())


def test_effects_at_their_defaults_paint_the_same_bits(paint: Callable[..., np.ndarray]) -> None:
    assert np.array_equal(paint({name: {} for name in ON}), paint({}))


@pytest.mark.parametrize("name", ON)
def test_each_effect_changes_the_picture_and_the_next_one_is_clean(
    name: str, paint: Callable[..., np.ndarray]
) -> None:
    plain = paint({})
    felt = paint({name: ON[name]})
    assert not np.array_equal(felt, plain)
    assert np.array_equal(paint({name: ON[name]}), felt)
    assert np.array_equal(paint({}), plain)


def test_the_order_in_which_effects_are_asked_for_does_not_matter(
    paint: Callable[..., np.ndarray],
) -> None:
    backwards = dict(reversed(ON.items()))
    assert np.array_equal(paint(ON), paint(backwards))


def test_the_hires_pass_merges_by_its_own_ratio(paint: Callable[..., np.ndarray]) -> None:
    def merged(**args: Any) -> np.ndarray:
        calls = {"token_merging": {"max_downsample": 2, **args}}
        return paint(calls, hires__scale=2.0, hires__steps=2, hires__denoising_strength=0.6)

    plain, second = merged(), merged(hr_ratio=0.6)
    assert not np.array_equal(plain, second)
    assert np.array_equal(merged(ratio=0.6), merged(ratio=0.6, hr_ratio=0.6))
    assert not np.array_equal(merged(ratio=0.6), second)


def test_the_picture_tells_of_its_effects_and_can_be_made_again(studio: Studio) -> None:
    request = studio.request().model_copy(update={"effects": as_calls(ON)})
    (artifact,) = pictures(studio.run(request))
    again = infotext.read(artifact.infotext, builtin(), effects=FORMS)
    assert again.request.effects == as_calls(ON)
    assert not again.notices
    (second,) = pictures(studio.run(again.request))
    assert np.array_equal(pixels(second), pixels(artifact))


def test_a_refiner_works_under_the_same_effects(
    studio: Studio, paint: Callable[..., np.ndarray]
) -> None:
    """The second checkpoint is the first one over again, so nothing may change at the switch."""
    refined = {"refiner__checkpoint": "second", "refiner__switch_at": 0.4}
    for name in ("token_merging", "freeu", "sag", "pag"):
        calls = {name: ON[name]}
        assert np.array_equal(paint(calls, **refined), paint(calls)), name


def test_an_extension_brings_an_effect_that_guides_tells_and_finishes(
    studio: Studio, paint: Callable[..., np.ndarray]
) -> None:
    request = studio.request().model_copy(update={"effects": as_calls({"glow": {"amount": 0.5}})})
    events = studio.run(request)
    assert "Glow amount: 0.5" in pictures(events)[0].infotext
    told = [event.sentence for event in events if isinstance(event, Notice)]
    assert told == ["glowing in 3 steps"]
    assert np.array_equal(255 - paint({}), paint({"glow": {}}))
    assert not np.array_equal(255 - paint({}), pixels(pictures(events)[0]))


def test_an_effect_that_breaks_is_named(paint: Callable[..., np.ndarray]) -> None:
    with pytest.raises(PluginError, match=r"'Glow' of glow broke in layer: .*too bright"):
        paint({"glow": {"amount": 1}})


def test_arguments_that_do_not_fit_are_refused_with_their_field(
    paint: Callable[..., np.ndarray],
) -> None:
    with pytest.raises(InvalidRequest, match="No layer") as caught:
        paint({"pag": {"scale": 1, "layers": "side"}})
    assert caught.value.field == "effects.pag.layers"


def test_the_server_offers_the_extensions_form(extensions: Path) -> None:
    server = PluginManager("server")
    server.load_folder(extensions)
    assert [report.error for report in server.reports] == [""]
    (form,) = server.effect_forms
    assert (form.name, form.label, list(form.leaves)) == ("glow", "Glow", ["amount"])

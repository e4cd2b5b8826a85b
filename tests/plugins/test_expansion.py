"""Everything is settled when a request is submitted: names, styles, seeds, items."""

import pytest

from webui.contract.events import Word
from webui.contract.fields import nest, replace
from webui.contract.request import Blob, GenerationRequest, Prompt
from webui.contract.vocabulary import builtin
from webui.errors import InvalidRequest, NotFound, TooLarge
from webui.plugins.expansion import Planner
from webui.plugins.manager import PluginManager
from webui.scripts.builtin import BuiltinScripts

SHA = "0" * 64


@pytest.fixture
def planner() -> Planner:
    scripts = PluginManager("server")
    scripts.add("builtin", BuiltinScripts())

    def styled(prompt: Prompt) -> Prompt:
        return Prompt(positive=prompt.positive + "!", negative=prompt.negative)

    words = {**builtin(), "checkpoints": (), "styles": (), "effects": ()}
    return Planner(lambda: words, scripts.scripts, styled, max_items=100, max_pixels=1 << 20)


def test_seeds_are_drawn_once_and_count_upward(planner: Planner) -> None:
    request = nest(GenerationRequest(), {"canvas.batch_count": 2, "canvas.batch_size": 3})
    settled, plan = planner.plan(request)
    assert settled.noise.seed >= 0
    assert [i.request.noise.seed for i in plan.items] == [settled.noise.seed + k for k in range(6)]
    assert all(i.request.canvas.batch_size == 1 for i in plan.items)


def test_with_a_variation_the_variation_seed_counts(planner: Planner) -> None:
    request = nest(
        GenerationRequest(),
        {
            "noise.seed": 5,
            "noise.variation_seed": 9,
            "noise.variation_strength": 0.5,
            "canvas.batch_size": 2,
        },
    )
    _, plan = planner.plan(request)
    assert [(i.request.noise.seed, i.request.noise.variation_seed) for i in plan.items] == [
        (5, 9),
        (5, 10),
    ]


def test_labels_and_aliases_become_ids(planner: Planner) -> None:
    request = nest(
        GenerationRequest(), {"sampling.sampler": "k_euler_a", "sampling.schedule": "SGM Uniform"}
    )
    settled, _ = planner.plan(request)
    assert settled.sampling.sampler == "euler_a"
    assert settled.sampling.schedule == "sgm_uniform"


def test_an_unknown_sampler_is_answered_with_the_nearest_names(planner: Planner) -> None:
    with pytest.raises(NotFound) as caught:
        planner.plan(replace(GenerationRequest(), "sampling.sampler", "Eular a"))
    assert caught.value.field == "sampling.sampler"
    assert "Euler a" in caught.value.nearest


def test_styles_are_applied_to_items_and_kept_in_the_request(planner: Planner) -> None:
    settled, plan = planner.plan(replace(GenerationRequest(), "prompt.positive", "a cat"))
    assert settled.prompt.positive == "a cat"
    assert plan.items[0].request.prompt.positive == "a cat!"


def test_prompts_of_the_hires_pass_are_styled_where_they_are_given(planner: Planner) -> None:
    wish = {"hires.prompt": "a dog", "hires.negative_prompt": ""}
    settled, plan = planner.plan(nest(GenerationRequest(), wish))
    hires, written = plan.items[0].request.hires, settled.hires
    assert hires is not None and written is not None
    assert (hires.prompt, hires.negative_prompt) == ("a dog!", "")
    assert written.prompt == "a dog"


def test_too_many_items_are_refused_with_the_limit(planner: Planner) -> None:
    with pytest.raises(TooLarge, match="100"):
        planner.plan(replace(GenerationRequest(), "canvas.batch_count", 101))


def test_too_many_pixels_are_refused(planner: Planner) -> None:
    big = nest(GenerationRequest(), {"canvas.width": 2048, "canvas.height": 2048})
    with pytest.raises(TooLarge) as caught:
        planner.plan(big)
    assert caught.value.field == "canvas.width"


def test_loopback_makes_a_chain_whose_strength_moves(planner: Planner) -> None:
    request = nest(
        GenerationRequest(),
        {
            "source": {"image": Blob(sha256=SHA), "denoising_strength": 0.8},
            "script": {
                "name": "loopback",
                "args": {"loops": 3, "final_denoising_strength": 0.2, "curve": "linear"},
            },
        },
    )
    _, plan = planner.plan(request)
    assert [item.needs for item in plan.items] == [(), (0,), (1,)]
    strengths = [i.request.source.denoising_strength for i in plan.items if i.request.source]
    assert strengths == [0.8, 0.5, 0.2]
    assert all(i.request.script is None for i in plan.items)


def test_a_wrong_script_argument_is_named(planner: Planner) -> None:
    request = nest(
        GenerationRequest(),
        {
            "source": {"image": Blob(sha256=SHA)},
            "script": {"name": "loopback", "args": {"loops": 0}},
        },
    )
    with pytest.raises(InvalidRequest) as caught:
        planner.plan(request)
    assert caught.value.field == "script.args.loops"


def test_a_script_for_img2img_is_refused_without_a_source(planner: Planner) -> None:
    with pytest.raises(InvalidRequest, match="txt2img"):
        planner.plan(replace(GenerationRequest(), "script", {"name": "loopback"}))


def test_a_name_that_only_an_extension_knows_waits_for_the_worker() -> None:
    words = {**builtin(), "checkpoints": (), "styles": (), "effects": ()}

    def report() -> bool:
        words["samplers"] = (*words["samplers"], Word(id="mine", label="Mine"))
        return True

    registry = PluginManager("server").scripts
    planner = Planner(lambda: words, registry, lambda p: p, 10, 1 << 20, report)
    settled, _ = planner.plan(replace(GenerationRequest(), "sampling.sampler", "Mine"))
    assert settled.sampling.sampler == "mine"

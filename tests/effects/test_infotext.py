"""Effects in infotext: their keys written, read back, and read in the spellings of other tools."""

from typing import Any

import pytest

from webui.contract import infotext
from webui.contract.effects import settled
from webui.contract.events import Execution
from webui.contract.request import GenerationRequest, ScriptCall
from webui.contract.vocabulary import builtin
from webui.effects.forms import FORMS

FULL: dict[str, dict[str, Any]] = {
    "token_merging": {"ratio": 0.5, "hr_ratio": 0.3, "max_downsample": 2},
    "freeu": {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2, "start": 0.1, "version": "1"},
    "dynamic_thresholding": {
        "mimic_scale": 7.0, "threshold_percentile": 99.5, "cfg_mode": "Half Cosine Up",
        "cfg_scale_min": 3.0, "separate_channels": False, "startpoint": "ZERO", "measure": "STD",
    },
    "sag": {"scale": 0.75, "threshold": 0.9},
    "pag": {"scale": 3.0, "layers": "mid, up.0", "end": 0.8},
    "cfg_rescale": {"multiplier": 0.7},
}  # fmt: skip


def write(*calls: ScriptCall) -> str:
    request = GenerationRequest(effects=calls)
    return infotext.write(request, Execution(), "0.1.0", builtin(), FORMS)


def read(text: str, base: GenerationRequest | None = None) -> infotext.Restored:
    return infotext.read(text, builtin(), base, effects=FORMS)


def older(fields: str) -> infotext.Restored:
    return read(f"a cat\nSteps: 21, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512, {fields}")


def calls_of(restored: infotext.Restored) -> dict[str, dict[str, Any]]:
    return {call.name: call.args for call in restored.request.effects}


def test_every_argument_of_every_effect_has_a_key_that_no_other_field_has() -> None:
    keys = [leaf.param.infotext for form in FORMS for leaf in form.leaves.values()]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert all(form.is_spelt for form in FORMS)


def test_arguments_have_labels_help_and_neutral_defaults() -> None:
    for form in FORMS:
        assert form.help
        assert form.call(form.args_type()) is None
        assert form.call(form.args_type.model_validate(form.suggested)) is not None
        assert all(leaf.param.label and leaf.param.help for leaf in form.leaves.values())


def test_effects_come_back_from_their_text() -> None:
    calls = tuple(ScriptCall(name=name, args=args) for name, args in FULL.items())
    restored = read(write(*calls))
    assert restored.request.effects == calls
    assert restored.notices == ()


@pytest.mark.parametrize("name", FULL)
def test_one_effect_comes_back_alone_in_whatever_form_it_was_asked_for(name: str) -> None:
    form = next(form for form in FORMS if form.name == name)
    whole = form.args_type.model_validate(FULL[name]).model_dump(mode="json")
    restored = read(write(ScriptCall(name=name, args=whole)))
    assert calls_of(restored) == {name: FULL[name]}


def test_the_text_has_the_keys_that_older_extensions_wrote() -> None:
    calls = [ScriptCall(name=name, args=args) for name, args in FULL.items()]
    text = write(*calls)
    for piece in (
        "Token merging ratio: 0.5, Token merging ratio hr: 0.3",
        r'FreeU Stages: "[{\"backbone_factor\": 1.3, \"skip_factor\": 0.9}, ',
        'FreeU Schedule: "0.1, 1.0, 0.0", FreeU Version: 1',
        "Dynamic thresholding enabled: True, Mimic scale: 7.0",
        "Scaling Startpoint: ZERO, Variability Measure: STD",
        "SAG Guidance Enabled: True, SAG Guidance Scale: 0.75, SAG Mask Threshold: 0.9",
        "PAG Active: True, PAG Scale: 3.0",
        "CFG Rescale: 0.7",
    ):
        assert piece in text
    assert "Effects:" not in text


def test_an_effect_that_does_nothing_is_not_written() -> None:
    assert write(*(ScriptCall(name=form.name) for form in FORMS)) == write()
    assert "PAG" not in write(ScriptCall(name="pag", args={"layers": "up"}))


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ("Token merging ratio: 0.4", {"token_merging": {"ratio": 0.4}}),
        ("CFG Rescale φ: 0.7", {"cfg_rescale": {"multiplier": 0.7}}),
        ("CFG Rescale phi: 0", {}),
        ("SAG Guidance Scale: 0.75, SAG Mask Threshold: 1", {"sag": {"scale": 0.75}}),
        (
            "PAG Active: True, PAG Scale: 1, PAG Start Step: 5, PAG End Step: 2048",
            {"pag": {"scale": 1.0, "start": 0.25}},
        ),
        ("PAG Active: False, PAG Scale: 3", {}),
        (
            "Dynamic thresholding enabled: True, Mimic scale: 1, Separate Feature Channels: False, "
            "Scaling Startpoint: MEAN, Variability Measure: AD, Interpolate Phi: 0.3, "
            "Threshold percentile: 100",
            {
                "dynamic_thresholding": {
                    "mimic_scale": 1.0, "separate_channels": False, "interpolate_phi": 0.3,
                },
            },
        ),
        (
            r'FreeU Stages: "[{\"backbone_factor\": 1.2, \"skip_factor\": 0.9}, '
            r'{\"backbone_factor\": 1.4}]", FreeU Schedule: "0.0, 0.6, 0.0", FreeU Version: 2',
            {"freeu": {"b1": 1.2, "s1": 0.9, "b2": 1.4, "end": 0.6}},
        ),
        (
            r'FreeU Stages: "[{\"backbone_factor\": 1.2}, {\"skip_factor\": 0.2}]"',
            {"freeu": {"b1": 1.2, "s2": 0.2, "version": "1"}},
        ),
        (
            "freeu_enabled: True, freeu_b1: 1.01, freeu_b2: 1.02, freeu_s1: 0.99, freeu_s2: 0.95",
            {"freeu": {"b1": 1.01, "b2": 1.02, "s1": 0.99, "s2": 0.95}},
        ),
    ],
)  # fmt: skip
def test_texts_of_older_extensions_are_understood(
    fields: str, calls: dict[str, dict[str, Any]]
) -> None:
    restored = older(fields)
    assert calls_of(restored) == calls
    assert restored.notices == ()


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ("Token merging ratio: 7", "Token merging ratio 7 is not possible here and became 0.9."),
        ("Token merging ratio: much", "Token merging ratio 'much' is not a number"),
        ("Mimic scale: 7, Mimic mode: Upside", "Mimic mode 'Upside' is not possible here."),
        (r'FreeU Stages: "[{\"backbone_offset\": 0.2}]"', "Not used from this text: FreeU Stages"),
        ('FreeU Stages: "[1"', "Not used from this text: FreeU Stages"),
        ('FreeU Stages: "[]", FreeU Schedule: "0, 1, 0.5"', "Not used"),
    ],
)
def test_what_cannot_be_had_is_told(fields: str, part: str) -> None:
    assert part in " ".join(older(fields).notices)


def test_foreign_text_leaves_effects_alone_that_it_does_not_speak_of_and_ours_does_not() -> None:
    sag, pag = (ScriptCall(name=name, args={"scale": 2.0}) for name in ("sag", "pag"))
    base = GenerationRequest(effects=(sag, pag))
    foreign = "a\nSteps: 5, Seed: 1, Size: 512x512, PAG Scale: 0"
    assert read(foreign, base).request.effects == (sag,)
    assert read(write(), base).request.effects == ()


def test_an_effect_without_keys_stands_as_json_beside_the_others() -> None:
    calls = (ScriptCall(name="pag", args={"scale": 3.0}), ScriptCall(name="glow", args={"x": 1}))
    text = write(*calls)
    assert "Effects:" in text
    assert read(text).request.effects == calls


def test_settled_calls_stand_in_the_order_of_their_forms_without_defaults() -> None:
    glow = ScriptCall(name="glow")
    given = [
        glow,
        ScriptCall(name="pag", args={"scale": 3, "layers": "mid"}),
        ScriptCall(name="freeu", args={"b1": 1.0}),
        ScriptCall(name="token_merging", args={"ratio": 0.5}),
    ]
    assert settled(given, FORMS) == (
        ScriptCall(name="token_merging", args={"ratio": 0.5}),
        ScriptCall(name="pag", args={"scale": 3.0}),
        glow,
    )

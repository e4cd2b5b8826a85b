"""Effects over HTTP: always-on scripts by title, options, and the native address."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from webui.api.sdapi_effects import chosen_effects
from webui.contract.events import Word
from webui.contract.request import ScriptCall
from webui.effects.forms import FORMS
from webui.errors import InvalidRequest, NotFound
from webui.jobs.views import JobView

Calls = dict[str, dict[str, Any]]
SMALL = {"steps": 1, "width": 64, "height": 64}


def choose(
    mode: str = "txt2img",
    remembered: dict[str, Any] | None = None,
    base: tuple[ScriptCall, ...] = (),
    **sent: Any,
) -> Calls:
    words = [Word(id="glow", label="Glow")]
    found = chosen_effects(sent, words, FORMS, remembered or {}, mode, base)
    return {call.name: call.args for call in found}


def always(title: str, args: Any) -> Calls:
    return choose(alwayson_scripts={title: {"args": args}})


@pytest.mark.parametrize(
    ("title", "args", "calls"),
    [
        ("FreeU", {"b1": 1.3}, {"freeu": {"b1": 1.3}}),
        ("freeu", [1.3, 1.4], {"freeu": {"b1": 1.3, "b2": 1.4}}),
        (
            "FreeU Integrated (SD 1.x, SD 2.x, SDXL)",
            [True, 1.01, 1.02, 0.99, 0.95, 0, 1],
            {"freeu": {"b1": 1.01, "b2": 1.02, "s1": 0.99, "s2": 0.95}},
        ),
        ("FreeU Integrated (SD 1.x, SD 2.x, SDXL)", [False, 1.01, 1.02, 0.99, 0.95, 0, 1], {}),
        (
            "SelfAttentionGuidance Integrated (SD 1.x, SD 2.x, SDXL)",
            [True, 0.5, 2, 1],
            {"sag": {"scale": 0.5, "blur_sigma": 2.0}},
        ),
        ("PerturbedAttentionGuidance Integrated", [True, 3], {"pag": {"scale": 3.0}}),
        (
            "perturbedattentionguidance integrated",
            [True, 3, 20, 0.1, 1],
            {"pag": {"scale": 3.0, "attenuation": 20.0, "start": 0.1}},
        ),
        (
            "Dynamic Thresholding (CFG Scale Fix)",
            [True, 7, 99, "Half Cosine Up", 3, "Constant", 0, 4, False, "ZERO", "STD", 1],
            {
                "dynamic_thresholding": {
                    "mimic_scale": 7.0, "threshold_percentile": 99.0, "mimic_scale_min": 3.0,
                    "mimic_mode": "Half Cosine Up", "separate_channels": False,
                    "startpoint": "ZERO", "measure": "STD",
                },
            },
        ),
        ("cfg_rescale", {"multiplier": 0.7}, {"cfg_rescale": {"multiplier": 0.7}}),
        ("token merging", [0.5], {"token_merging": {"ratio": 0.5}}),
        ("token merging", [], {}),
        ("Glow", {"x": 1}, {"glow": {"x": 1}}),
        ("Glow", [False, 3], {}),
        ("Glow", [True], {"glow": {}}),
        ("ADetailer", [False], {}),
    ],
)  # fmt: skip
def test_always_on_scripts_come_by_title_with_the_arguments_that_clients_send(
    title: str, args: Any, calls: Calls
) -> None:
    assert always(title, args) == calls


@pytest.mark.parametrize(
    ("title", "args", "error", "part"),
    [
        ("pag", {"scale": "much"}, InvalidRequest, "scale"),
        ("pag", {"skale": 1}, InvalidRequest, "skale"),
        ("sag", [1, 2, 1, 4], InvalidRequest, "3 arguments"),
        ("Glow", [True, 1], InvalidRequest, "by name"),
        ("FreeV", [True], NotFound, "FreeU"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    title: str, args: Any, error: type[Exception], part: str
) -> None:
    with pytest.raises(error, match=part):
        always(title, args)


def test_options_mean_the_ratios_of_token_merging() -> None:
    def merging(mode: str = "txt2img", **options: Any) -> Any:
        return choose(mode, override_settings=options).get("token_merging")

    assert merging(token_merging_ratio=0.5) == {"ratio": 0.5}
    assert merging(token_merging_ratio_hr=0.3) == {"hr_ratio": 0.3}
    assert merging(token_merging_ratio=0) is None
    assert merging(token_merging_ratio_img2img=0.4) is None
    assert merging("img2img", token_merging_ratio_img2img=0.4) == {"ratio": 0.4}
    assert merging("img2img", token_merging_ratio=0.5, token_merging_ratio_img2img=0) == {
        "ratio": 0.5
    }


def test_the_nearer_word_holds() -> None:
    remembered = {"token_merging_ratio": 0.2}
    text = (ScriptCall(name="token_merging", args={"ratio": 0.3}),)
    override = {"token_merging_ratio": 0.0}
    script = {"Token merging": {"args": [0.6]}}
    assert choose(remembered=remembered) == {"token_merging": {"ratio": 0.2}}
    assert choose(remembered=remembered, base=text) == {"token_merging": {"ratio": 0.3}}
    assert choose(remembered=remembered, base=text, override_settings=override) == {}
    last = choose(override_settings=override, alwayson_scripts=script)
    assert last == {"token_merging": {"ratio": 0.6}}


def test_a_request_of_the_older_surface_carries_its_effects(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    body = SMALL | {
        "alwayson_scripts": {"FreeU": {"args": {"b1": 1.3}}},
        "override_settings": {"token_merging_ratio": 0.5},
        "infotext": "a\nSteps: 1, Seed: 1, Size: 64x64, CFG Rescale: 0.7",
    }
    assert client.post("/sdapi/v1/txt2img", json=body).status_code == 200
    assert {call.name for call in last().request.effects} == {
        "token_merging", "freeu", "cfg_rescale",
    }  # fmt: skip


def test_a_wrong_option_is_named(client: TestClient) -> None:
    body = SMALL | {"override_settings": {"token_merging_ratio": 2}}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code == 422
    assert answer.json()["field"] == "override_settings.token_merging_ratio"
    assert client.post("/sdapi/v1/options", json={"token_merging_ratio": 2}).status_code == 422


def test_options_of_effects_are_remembered(client: TestClient, last: Callable[[], JobView]) -> None:
    assert client.get("/sdapi/v1/options").json()["token_merging_ratio"] == 0
    client.post("/sdapi/v1/options", json={"token_merging_ratio": 0.25})
    try:
        assert client.get("/sdapi/v1/options").json()["token_merging_ratio"] == 0.25
        client.post("/sdapi/v1/txt2img", json=SMALL)
        (call,) = last().request.effects
        assert call == ScriptCall(name="token_merging", args={"ratio": 0.25})
    finally:
        client.post("/sdapi/v1/options", json={"token_merging_ratio": 0})


def test_effects_are_listed_among_the_scripts(client: TestClient) -> None:
    assert "freeu" in client.get("/sdapi/v1/scripts").json()["img2img"]
    listed = client.get("/sdapi/v1/script-info").json()
    (freeu,) = [s for s in listed if s["name"] == "freeu" and not s["is_img2img"]]
    assert freeu["is_alwayson"]
    assert freeu["args"][0] == {
        "label": "B1", "value": 1.0, "minimum": 0, "maximum": 2, "step": 0.01, "choices": None,
    }  # fmt: skip
    assert freeu["args"][-1]["choices"] == ["1", "2"]


def test_the_native_address_checks_effects_and_drops_those_that_do_nothing(
    client: TestClient,
) -> None:
    def submit(effects: list[dict[str, Any]]) -> Any:
        body = {"canvas": {"width": 64, "height": 64}, "effects": effects}
        return client.post("/api/v1/jobs", json=body)

    answer = submit([{"name": "pag", "args": {"scale": 2, "layers": "mid"}}, {"name": "sag"}])
    assert answer.status_code < 300, answer.json()
    assert answer.json()["request"]["effects"] == [{"name": "pag", "args": {"scale": 2.0}}]
    wrong = submit([{"name": "pag", "args": {"scale": -2}}])
    assert (wrong.status_code, wrong.json()["field"]) == (422, "effects.pag.scale")

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from webui.contract.request import NoiseSourceName, ResizeMode
from webui.images.storage import read_infotext
from webui.jobs.views import JobView

FAST = {"width": 64, "height": 64, "steps": 2}
INFO_KEYS = """
prompt all_prompts negative_prompt all_negative_prompts seed all_seeds subseed all_subseeds
subseed_strength width height sampler_name cfg_scale steps batch_size restore_faces
face_restoration_model sd_model_name sd_model_hash sd_vae_name sd_vae_hash seed_resize_from_w
seed_resize_from_h denoising_strength extra_generation_params index_of_first_image infotexts
styles job_timestamp clip_skip is_using_inpainting_conditioning version
"""


def generate(client: TestClient, mode: str = "txt2img", **body: Any) -> dict[str, Any]:
    answer = client.post(f"/sdapi/v1/{mode}", json={**FAST, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_txt2img_answers_pictures_with_their_infotext_inside(client: TestClient) -> None:
    answer = generate(client, prompt="a house", seed=5, n_iter=2, batch_size=2)
    assert len(answer["images"]) == 4
    info = json.loads(answer["info"])
    assert info["all_seeds"] == [5, 6, 7, 8]
    for text, picture in zip(info["infotexts"], answer["images"], strict=True):
        assert read_infotext(base64.b64decode(picture)) == text
    assert info["prompt"] == "a house" and info["width"] == 64


def test_info_holds_the_older_keys_in_their_order(client: TestClient) -> None:
    info = json.loads(generate(client, seed=1)["info"])
    assert list(info) == INFO_KEYS.split()
    assert info["denoising_strength"] is None
    assert len(info["job_timestamp"]) == 14


def test_an_empty_body_runs_with_the_older_defaults(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    answer = client.post("/sdapi/v1/txt2img", json={})
    assert answer.status_code == 200
    request = last().request
    assert (request.sampling.sampler, request.sampling.steps) == ("euler", 50)
    assert (request.canvas.width, request.canvas.height) == (512, 512)
    assert request.sampling.cfg_scale == 7.0
    assert request.noise.source is NoiseSourceName.GPU
    assert request.hires is None
    parameters = answer.json()["parameters"]
    assert parameters["steps"] == 50 and parameters["sampler_index"] == "Euler"
    assert parameters["denoising_strength"] is None


def test_img2img_runs_with_the_older_defaults_and_the_one_step_rule(
    client: TestClient, photo64: str, last: Callable[[], JobView]
) -> None:
    answer = generate(client, "img2img", init_images=[f"data:image/png;base64,{photo64}"])
    source = last().request.source
    assert source is not None
    assert source.denoising_strength == 0.75
    assert source.resize_mode is ResizeMode.JUST_RESIZE
    assert source.zero_strength_step
    assert answer["parameters"]["init_images"] is None
    assert json.loads(answer["info"])["denoising_strength"] == 0.75


def test_the_source_is_given_back_on_request(client: TestClient, photo64: str) -> None:
    body = {"init_images": [photo64], "include_init_images": True, "resize_mode": 2}
    assert generate(client, "img2img", **body)["parameters"]["init_images"] == [photo64]


@pytest.mark.parametrize(
    ("body", "sampler", "schedule"),
    [
        ({"sampler_name": "DPM++ 2M Karras"}, "dpmpp_2m", "karras"),
        ({"sampler_name": "DPM++ 2M SGM Uniform"}, "dpmpp_2m", "sgm_uniform"),
        ({"sampler_name": "Euler a"}, "euler_a", "automatic"),
        ({"sampler_index": "DDIM"}, "ddim", "automatic"),
        ({"sampler_name": "Heun", "sampler_index": "DDIM"}, "heun", "automatic"),
        ({"sampler_name": "Euler", "scheduler": "Exponential"}, "euler", "exponential"),
        ({"sampler_name": "DPM++ 2M Karras", "scheduler": "uniform"}, "dpmpp_2m", "uniform"),
        ({"sampler_name": None, "sampler_index": "k_euler_a"}, "euler_a", "automatic"),
    ],
)
def test_sampler_names_of_every_age_are_understood(
    client: TestClient,
    last: Callable[[], JobView],
    body: dict[str, Any],
    sampler: str,
    schedule: str,
) -> None:
    generate(client, **body)
    sampling = last().request.sampling
    assert (sampling.sampler, sampling.schedule) == (sampler, schedule)


def test_the_second_pass_is_asked_for_by_the_older_names(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    generate(
        client,
        enable_hr=True,
        denoising_strength=0.4,
        hr_scale=1.5,
        hr_upscaler="Lanczos",
        hr_second_pass_steps=3,
        hr_sampler_name="DPM++ SDE Karras",
        hr_prompt="finer",
        hr_resize_x=128,
        hr_resize_y=131,
        hr_checkpoint_name="Use same checkpoint",
    )
    hires = last().request.hires
    assert hires is not None
    assert (hires.denoising_strength, hires.scale, hires.steps) == (0.4, 1.5, 3)
    assert (hires.upscaler, hires.sampler, hires.schedule) == ("lanczos", "dpmpp_sde", "karras")
    assert (hires.width, hires.height, hires.prompt) == (128, 128, "finer")


def test_a_second_pass_without_a_strength_takes_the_usual_one(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    generate(client, enable_hr=True)
    hires = last().request.hires
    assert hires is not None
    assert (hires.denoising_strength, hires.upscaler, hires.scale) == (0.7, "latent", 2.0)


def test_the_oldest_way_to_ask_for_two_passes_still_works(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    generate(client, enable_hr=True, width=128, height=192, firstphase_width=64)
    request = last().request
    assert request.hires is not None
    assert (request.hires.width, request.hires.height) == (128, 192)
    assert (request.canvas.width, request.canvas.height) == (64, 192)


def test_values_that_the_older_server_bent_are_bent_alike(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    generate(
        client,
        steps="3",
        width=70,
        height=71.9,
        seed_resize_from_w=-1,
        styles=["unheard of"],
        prompt=None,
        cfg_scale=None,
        some_new_key={"x": 1},
    )
    request = last().request
    assert request.sampling.steps == 3 and request.sampling.cfg_scale == 7.0
    assert (request.canvas.width, request.canvas.height) == (64, 64)
    assert request.prompt.styles == () and request.noise.resize_from_width == 0


def test_variations_and_seed_sizes_are_renamings(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    answer = generate(
        client,
        seed=4,
        subseed=9,
        subseed_strength=0.25,
        seed_resize_from_w=128,
        seed_resize_from_h=64,
        n_iter=2,
        tiling=True,
        eta=0.5,
        s_churn=1,
    )
    request = last().request
    assert (request.noise.variation_seed, request.noise.variation_strength) == (9, 0.25)
    assert (request.noise.resize_from_width, request.noise.resize_from_height) == (128, 64)
    assert request.canvas.tiling and request.sampling.eta == 0.5 and request.sampling.s_churn == 1
    info = json.loads(answer["info"])
    assert info["all_seeds"] == [4, 4] and info["all_subseeds"] == [9, 10]


def test_override_settings_count_for_one_request_only(
    client: TestClient, last: Callable[[], JobView], photo64: str
) -> None:
    before = client.get("/sdapi/v1/options").json()
    settings = {
        "sd_model_checkpoint": "sketch",
        "CLIP_stop_at_last_layers": 2,
        "randn_source": "NV",
        "sd_vae": "Automatic",
        "filter_nsfw": False,
        "img2img_fix_steps": True,
        "eta_ddim": 0.3,
        "eta_ancestral": 0.9,
        "nothing": None,
    }
    generate(client, "img2img", init_images=[photo64], override_settings=settings)
    request = last().request
    assert request.model.checkpoint == "sketch.safetensors" and request.model.clip_skip == 2
    assert request.noise.source is NoiseSourceName.NV
    assert request.source is not None and request.source.exact_steps
    assert request.sampling.eta == 0.9  # Euler takes the ancestral one
    assert client.get("/sdapi/v1/options").json() == before
    generate(client)
    assert last().request.model.clip_skip == 1


def test_options_are_kept_and_fill_later_requests(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    before = client.get("/sdapi/v1/options").json()
    assert before["CLIP_stop_at_last_layers"] == 1 and before["samples_format"] == "png"
    told = client.post(
        "/sdapi/v1/options",
        json={
            "CLIP_stop_at_last_layers": 3,
            "jpeg_quality": 70,
            "sd_model_checkpoint": "sketch.safetensors",
        },
    )
    assert (told.status_code, told.json()) == (200, None)
    now = client.get("/sdapi/v1/options").json()
    assert now["CLIP_stop_at_last_layers"] == 3 and now["jpeg_quality"] == 70
    generate(client)
    assert last().request.model.clip_skip == 3
    assert last().request.model.checkpoint == "sketch.safetensors"
    back = {**before, "sd_model_checkpoint": ""}
    assert client.post("/sdapi/v1/options", json=back).status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        {"jpeg_quality": 70, "no_such": 1},
        {"randn_source": "dice"},
        {"CLIP_stop_at_last_layers": 99},
        {"jpeg_quality": 101},
        {"sd_vae": "other.pt"},
    ],
)
def test_options_that_cannot_be_are_refused_as_a_whole(
    client: TestClient, options: dict[str, Any]
) -> None:
    before = client.get("/sdapi/v1/options").json()
    answer = client.post("/sdapi/v1/options", json=options)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert client.get("/sdapi/v1/options").json() == before


def test_an_infotext_fills_what_the_body_leaves_open(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    text = (
        "a tree\nNegative prompt: fog\nSteps: 9, Sampler: Heun, Schedule type: Karras, "
        "CFG scale: 4.0, Seed: 77, Size: 128x64, Clip skip: 2"
    )
    answer = client.post("/sdapi/v1/txt2img", json={"infotext": text, "steps": 2})
    assert answer.status_code == 200
    request = last().request
    assert request.prompt.positive == "a tree" and request.noise.seed == 77
    assert (request.sampling.sampler, request.sampling.steps) == ("heun", 2)
    assert (request.canvas.width, request.canvas.height) == (128, 64)


def test_an_infotext_gives_img2img_its_seed_alone(
    client: TestClient, photo64: str, last: Callable[[], JobView]
) -> None:
    text = "a tree\nSteps: 9, Sampler: Heun, CFG scale: 4.0, Seed: 77, Size: 128x64"
    generate(client, "img2img", init_images=[photo64], infotext=text)
    assert last().request.noise.seed == 77 and last().request.prompt.positive == ""


def test_pictures_may_be_left_out_of_the_answer_and_are_filed_all_the_same(
    client: TestClient, last: Callable[[], JobView]
) -> None:
    answer = generate(client, send_images=False, save_images=False, seed=3)
    assert answer["images"] == []
    assert json.loads(answer["info"])["all_seeds"] == [3]
    assert len(last().artifacts) == 1


def test_a_picture_says_what_it_was_made_with(client: TestClient, photo64: str) -> None:
    picture = generate(client, prompt="a lake", seed=8)["images"][0]
    told = client.post("/sdapi/v1/png-info", json={"image": picture}).json()
    assert told["info"].startswith("a lake")
    assert told["parameters"]["Seed"] == "8" and told["parameters"]["Prompt"] == "a lake"
    empty = client.post("/sdapi/v1/png-info", json={"image": photo64}).json()
    assert empty["info"] == "" and empty["parameters"] == {}


def test_loopback_takes_its_arguments_by_position_or_by_name(
    client: TestClient, photo64: str, last: Callable[[], JobView]
) -> None:
    info = {s["name"]: s for s in client.get("/sdapi/v1/script-info").json()}
    assert len(info["loopback"]["args"]) == 3
    for args in ([2, 0.4, "linear"], {"loops": 2}):
        generate(client, "img2img", init_images=[photo64], script_name="LOOPBACK", script_args=args)
        assert len(last().items) == 2


def test_always_on_scripts_that_ask_for_nothing_are_welcome(client: TestClient) -> None:
    generate(
        client,
        alwayson_scripts={
            "ADetailer": {"args": [False]},
            "Refiner": {"args": []},
            "ControlNet": {"args": [{"enabled": False}]},
        },
        script_name="None",
        refiner_checkpoint="None",
        restore_faces=False,
        s_min_uncond=0,
    )


def test_progress_is_zero_when_nothing_runs(client: TestClient) -> None:
    told = client.get("/sdapi/v1/progress").json()
    assert (told["progress"], told["eta_relative"], told["current_image"]) == (0, 0, None)
    assert set(told["state"]) == {
        "skipped",
        "interrupted",
        "stopping_generation",
        "job",
        "job_count",
        "job_timestamp",
        "job_no",
        "sampling_step",
        "sampling_steps",
    }
    assert client.post("/sdapi/v1/interrupt").json() == {}
    assert client.post("/sdapi/v1/skip").json() is None


def test_lists_have_the_older_shapes(client: TestClient) -> None:
    def get(name: str) -> Any:
        answer = client.get(f"/sdapi/v1/{name}")
        assert answer.status_code == 200, name
        return answer.json()

    assert {"name": "Euler a", "aliases": ["k_euler_a", "k_euler_ancestral"], "options": {}} in get(
        "samplers"
    )
    assert set(get("schedulers")[0]) == {
        "name",
        "label",
        "aliases",
        "default_rho",
        "need_inner_model",
    }
    assert [u["name"] for u in get("upscalers")][:3] == ["None", "Lanczos", "Nearest"]
    assert len(get("latent-upscale-modes")) == 6
    model = next(m for m in get("sd-models") if m["model_name"] == "sketch")
    assert set(model) == {"title", "model_name", "hash", "sha256", "filename", "config"}
    assert set(get("memory")) == {"ram", "cuda"}
    assert "loopback" in get("scripts")["img2img"]
    assert get("prompt-styles") == []
    assert set(get("embeddings")) == {"loaded", "skipped"}
    for name in ("refresh-checkpoints", "refresh-vae"):
        assert client.post(f"/sdapi/v1/{name}").json() is None


def test_flags_hold_no_secret(client: TestClient) -> None:
    flags = client.get("/sdapi/v1/cmd-flags").json()
    assert flags["port"] == 7860 and flags["api_auth"] is None and "auth" not in flags


def test_every_answer_tells_its_time(client: TestClient) -> None:
    for answer in (
        client.get("/sdapi/v1/samplers"),
        client.post("/sdapi/v1/png-info", json={}),
        client.get("/sdapi/v1/nothing"),
    ):
        assert float(answer.headers["x-process-time"]) >= 0
    assert "x-process-time" not in client.get("/health").headers

"""The smaller networks: what they promise before any training, and what their files hold."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from safetensors import safe_open
from safetensors.torch import load_file

from tests.starter.conftest import Rehearsal
from webui.library.headers import read_header
from webui.starter.basis import Basis
from webui.starter.conditions import LIMBS, draw_poses, has_people, list_colours, spread
from webui.starter.controlnet import HINT_WIDTHS, build_controlnet
from webui.starter.ink import INKED, draw_ink
from webui.starter.lora import LoraNetwork, draw_washed
from webui.starter.networks import build_denoiser
from webui.starter.scenes import draw_scene, find_edges, find_pose, render_scene
from webui.starter.upscaler import Upscaler, shrink
from webui.weights.loading import load_checkpoint
from webui.weights.previewer import FOLDER, load_previewer

Draw = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture
def draw() -> Draw:
    generator = torch.Generator().manual_seed(3)
    latent = torch.randn(1, 4, 12, 12, generator=generator)
    return latent, torch.tensor([500]), torch.randn(1, 77, 128, generator=generator)


def find_scene(light: str, people: bool = False) -> int:
    return next(
        seed
        for seed in range(1000)
        if draw_scene(seed).light == light and has_people(draw_scene(seed)) >= people
    )


def test_a_pose_is_drawn_in_the_usual_colours_where_the_person_is() -> None:
    colours = list_colours()
    assert len(set(colours)) == 18
    assert (colours[0], colours[3], colours[15]) == ((255, 0, 0), (255, 255, 0), (255, 0, 255))
    scene = draw_scene(find_scene("day", people=True))
    poses = find_pose(scene, 256, 256)
    drawn = draw_poses(poses, 256, 256)
    assert drawn.shape == (256, 256, 3)
    for colour, (x, y, shows) in zip(colours, poses[-1], strict=True):
        near = drawn[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].reshape(-1, 3)
        assert not shows or colour in {tuple(pixel) for pixel in near.tolist()}
    assert (draw_poses([], 64, 48) == 0).all()


def test_a_point_outside_the_picture_draws_no_limb() -> None:
    points = np.zeros((18, 3))
    for index in (1, 2):
        points[index] = (20 + 10 * index, 30, 1)
    assert (1, 2) in LIMBS
    drawn = draw_poses([points], 64, 64)
    assert drawn[30, 35].any()
    points[2, 2] = 0
    assert not draw_poses([points], 64, 64)[30, 35].any()


def test_edges_reach_a_controlnet_as_the_preprocessor_gives_them() -> None:
    picture = render_scene(draw_scene(4), 96).picture
    edges = spread(cv2.Canny(picture, 100, 200))
    assert edges.shape == (96, 96, 3)
    assert set(np.unique(edges)) == {0, 255}


def test_a_controlnet_begins_without_effect_and_stands_beside_a_still_unet(
    rehearsed: Rehearsal, draw: Draw
) -> None:
    basis = Basis(rehearsed.out, "cpu")
    edges = [spread(find_edges(render_scene(draw_scene(seed), 96).picture)) for seed in range(4)]
    network = build_controlnet(basis, lambda row: edges[row], 0)
    latent, time, states = draw
    with torch.no_grad():
        hint = torch.rand(1, 3, 96, 96)
        down, middle = network(latent, time, states, hint, return_dict=False)
        maps = torch.from_numpy(np.stack(edges)).permute(0, 3, 1, 2) / 255.0
        arriving = network.controlnet_cond_embedding(maps)
    assert all(not residual.any() for residual in (*down, middle))
    assert 0.2 < arriving.std((0, 2, 3)).mean() < 1.0  # yet the map itself is not lost on its way
    assert not any(weight.requires_grad for weight in basis.unet.parameters())


def test_all_that_ships_is_less_than_62_megabytes(rehearsed: Rehearsal) -> None:
    models = rehearsed.folder / "models"
    files = [path for path in models.rglob("*") if path.is_file()]
    networks = [path for path in files if "unet" in path.parts or "controlnet" in str(path)]
    unet = build_denoiser()
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT_WIDTHS)
    ours = sum(path.stat().st_size for path in files if path not in networks)
    true = 2 * 2 * unet.num_parameters() + 4 * 2 * control.num_parameters()
    assert ours + true < 61.9e6


def test_the_trained_controlnet_is_the_same_in_both_layouts(rehearsed: Rehearsal) -> None:
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    network = ControlNetModel.from_pretrained(rehearsed.out / "controlnet-canny")
    stored = load_file(rehearsed.out / "controlnet-canny.safetensors")
    assert stored["control_model.input_hint_block.0.weight"].shape == (8, 3, 3, 3)
    assert stored["control_model.middle_block_out.0.weight"].any()  # it has learned something
    back = convert_controlnet_checkpoint(stored, dict(network.config))
    ours = network.half().state_dict()
    assert ours.keys() == back.keys()
    assert all(torch.equal(ours[name], back[name]) for name in ours)


def test_ink_is_blue_black_on_cream_and_dark_at_night() -> None:
    day, night = (draw_ink(draw_scene(find_scene(light)), 96).picture for light in ("day", "night"))
    assert day.shape == (96, 96, 3)
    assert day.mean() > 1.5 * night.mean()
    assert (day[..., 0].astype(int) - day[..., 2]).max() <= 26  # no colour but ink and paper
    assert INKED.choose(draw_scene(0))


def test_the_second_checkpoint_shares_the_firsts_parts(rehearsed: Rehearsal) -> None:
    folder = rehearsed.out.with_name("ink")
    assert {path.name for path in folder.iterdir()} == {
        "model_index.json", "palimpsest.json", "unet",
    }  # fmt: skip
    ink = load_checkpoint(folder, "cpu", torch.float32)
    starter = load_checkpoint(rehearsed.out, "cpu", torch.float32)
    assert ink.family.name == "sd1_v"
    assert torch.equal(ink.vae.quant_conv.weight, starter.vae.quant_conv.weight)
    pairs = zip(ink.network.module.parameters(), starter.network.module.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)


def test_the_wash_is_warm_where_ink_has_no_colour() -> None:
    scene = draw_scene(find_scene("day"))
    plain, washed = (made(scene, 96).picture.astype(float) for made in (draw_ink, draw_washed))
    redder = (washed[..., 0] - washed[..., 2]).mean() - (plain[..., 0] - plain[..., 2]).mean()
    assert redder > 40


def test_a_lora_begins_without_effect_and_names_every_layer_as_kohya_does(
    rehearsed: Rehearsal, draw: Draw
) -> None:
    basis = Basis(rehearsed.out, "cpu")
    latent, time, states = draw
    with torch.no_grad():
        before = basis.unet(latent, time, states).sample
        network = LoraNetwork(basis.unet, basis.text, seed=0)
        assert torch.equal(basis.unet(latent, time, states).sample, before)
        for change in network.changes.values():
            change.up.weight += 0.1
        assert not torch.allclose(basis.unet(latent, time, states).sample, before)
    path = rehearsed.out / "lora" / "sunset.safetensors"
    assert path.stat().st_size < 400_000
    header = read_header(path)
    assert header.metadata["ss_network_dim"] == "4"
    layer = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    assert header.shape(f"{layer}.lora_down.weight") == (4, 128)
    assert header.shape(f"{layer}.lora_up.weight") == (24, 4)
    assert header.shape(f"{layer}.alpha") == ()
    text = "lora_te_text_model_encoder_layers_2_mlp_fc1.lora_up.weight"
    assert header.shape(text) == (512, 4)
    assert load_file(path)[text].any()


def test_the_embedding_is_three_words_wide(rehearsed: Rehearsal) -> None:
    path = rehearsed.out / "embeddings" / "polarnight.safetensors"
    with safe_open(path, framework="pt") as file:
        assert list(file.keys()) == ["emb_params"]
        vectors = file.get_tensor("emb_params")
    assert vectors.shape == (3, 128)
    assert vectors.std() == pytest.approx(0.25, abs=0.08)


def test_previews_come_from_the_models_own_previewer(rehearsed: Rehearsal) -> None:
    starter = load_checkpoint(rehearsed.out, "cpu", torch.float32)
    ink = load_checkpoint(rehearsed.out.with_name("ink"), "cpu", torch.float32)
    assert starter.previewer is not None
    assert ink.previewer is not None  # shared with the VAE that it goes with
    assert starter.previewer(torch.zeros(2, 4, 6, 5)).shape == (2, 3, 24, 20)
    assert load_previewer(rehearsed.out / "scheduler") is None
    assert (rehearsed.out / FOLDER).is_dir()


@pytest.mark.parametrize("scale", [2, 4])
def test_an_upscaler_begins_by_enlarging_smoothly(scale: int) -> None:
    torch.manual_seed(0)
    model = Upscaler(scale)
    grey = torch.full((1, 3, 8, 6), 0.5)
    with torch.no_grad():
        made = model(grey)
    assert made.shape == (1, 3, 8 * scale, 6 * scale)
    inside = made[..., 4:-4, 4:-4]
    assert (inside - 0.5).abs().max() < 0.25


def test_small_pictures_have_the_size_asked_for_and_sometimes_faults() -> None:
    crop = render_scene(draw_scene(2), 96).picture
    rng = np.random.default_rng(0)
    made = [shrink(crop, 4, rng) for _ in range(8)]
    assert all(picture.shape == (24, 24, 3) for picture in made)
    assert len({picture.tobytes() for picture in made}) > 1


@pytest.mark.parametrize("scale", [2, 4])
def test_the_upscalers_have_the_names_that_such_files_are_known_by(
    rehearsed: Rehearsal, scale: int
) -> None:
    header = read_header(rehearsed.out / "upscalers" / f"starter-{scale}x.safetensors")
    marks = {"conv_first.weight", "conv_body.weight", "conv_hr.weight", "conv_last.weight"}
    assert marks <= header.tensors.keys()
    assert header.shape("body.0.rdb1.conv1.weight") == (32, 16, 3, 3)  # readers expect 32
    assert header.has("conv_up2.") == (scale == 4)


@pytest.mark.parametrize("scale", [2, 4])
def test_other_tools_read_the_upscalers(rehearsed: Rehearsal, scale: int) -> None:
    spandrel = pytest.importorskip("spandrel", exc_type=ImportError)
    path = rehearsed.out / "upscalers" / f"starter-{scale}x.safetensors"
    theirs = spandrel.ModelLoader().load_from_file(path)
    assert (theirs.scale, theirs.input_channels) == (scale, 3)
    ours = Upscaler(scale)
    ours.load_state_dict({n: t.float() for n, t in load_file(path).items()})
    picture = torch.rand(1, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(theirs.model.float()(picture), ours(picture), atol=1e-5)


def test_a_checkpoint_written_anew_leaves_its_neighbours_alone(
    rehearsed: Rehearsal, tmp_path: Path
) -> None:
    from webui.starter.export import close_draft, open_draft

    out = Path(shutil.copytree(rehearsed.out, tmp_path / "starter"))
    draft = open_draft(out)
    (draft / "unet").mkdir()
    (draft / "unet" / "config.json").write_text(json.dumps({"_name_or_path": "x", "a": 1}))
    close_draft(draft, out)
    assert json.loads((out / "unet" / "config.json").read_text()) == {"a": 1}
    assert not (out / "unet" / "diffusion_pytorch_model.safetensors").exists()
    assert (out / "controlnet-canny").is_dir()
    assert not draft.exists()

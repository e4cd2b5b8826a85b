"""From folders to single files and back, number for number."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from webui.errors import InvalidRequest, UnsupportedModel
from webui.library.catalog import Catalog
from webui.library.embedded import MARK
from webui.library.hashes import HashCache
from webui.library.headers import read_header
from webui.weights.checkpoint import Checkpoint
from webui.weights.exporting import export_checkpoint, export_controlnet
from webui.weights.folders import CARD
from webui.weights.loading import load_checkpoint
from webui.weights.naming import original_unet, original_vae


def load(path: Path) -> Checkpoint:
    return load_checkpoint(path, "cpu", torch.float32)


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    for name, module in one.modules.items():
        theirs = other.modules[name].state_dict()
        ours = module.state_dict()
        assert ours.keys() == theirs.keys(), name
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
    assert [v.tokens for v in one.vocabularies] == [v.tokens for v in other.vocabularies]
    assert [v.merges for v in one.vocabularies] == [v.merges for v in other.vocabularies]
    assert (one.family.name, one.defaults) == (other.family.name, other.defaults)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_an_export_loads_as_the_folder_does(
    tiny_folder: Path, tiny_v_folder: Path, kind: str, tmp_path: Path
) -> None:
    folder = tiny_folder if kind == "epsilon" else tiny_v_folder
    out = tmp_path / "deep" / "one.safetensors"
    assert export_checkpoint(folder, out) == out.stat().st_size
    whole, single = load(folder), load(out)
    assert_same(whole, single)
    assert single.prediction.kind == kind
    unet = single.network.module
    latent, text = torch.randn(1, 4, 8, 8), torch.randn(1, 77, tiny.TEXT_WIDTH)
    with torch.inference_mode():
        theirs = whole.network.module(latent, 7, text).sample
        assert torch.equal(unet(latent, 7, text).sample, theirs)


def test_the_numbers_of_blocks_follow_from_the_layers_of_one(
    tiny_folder: Path, tmp_path: Path
) -> None:
    export_checkpoint(tiny_folder, tmp_path / "one.safetensors")
    header = read_header(tmp_path / "one.safetensors")
    network = "model.diffusion_model."
    assert header.has(f"{network}input_blocks.3.1.transformer_blocks.0.attn2.to_k.weight")
    assert header.has(f"{network}input_blocks.6.0.op.weight")
    assert header.has(f"{network}output_blocks.1.1.conv.weight")  # no attention on this level
    assert header.has(f"{network}output_blocks.3.2.conv.weight")
    assert not header.has(f"{network}input_blocks.8.")
    assert header.shape("first_stage_model.decoder.mid.attn_1.q.weight") == (64, 64, 1, 1)
    assert header.has("cond_stage_model.transformer.text_model.final_layer_norm.")


def test_standard_networks_get_exactly_the_names_of_the_original_files(
    from_file: Checkpoint, tiny_file: Path
) -> None:
    stored = load_file(tiny_file)
    unet = original_unet(from_file.network.module.state_dict(), 2)
    vae = original_vae(from_file.vae.state_dict(), 4)
    for prefix, state in (("model.diffusion_model.", unet), ("first_stage_model.", vae)):
        theirs = {n.removeprefix(prefix): t for n, t in stored.items() if n.startswith(prefix)}
        assert {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in theirs.items()}
        assert all(torch.equal(t, theirs[n].float()) for n, t in state.items())


def test_a_card_travels_along(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "carded"))
    (folder / CARD).write_text(json.dumps({"steps": 9, "cfg_scale": 3.5}), encoding="utf-8")
    export_checkpoint(folder, tmp_path / "one.safetensors")
    defaults = load(tmp_path / "one.safetensors").defaults
    assert (defaults.steps, defaults.cfg_scale, defaults.width) == (9, 3.5, 64)


def test_a_controlnet_gets_names_that_diffusers_reads_back(tmp_path: Path) -> None:
    from diffusers import ControlNetModel
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    torch.manual_seed(0)
    net = ControlNetModel(
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D") * 2,
        cross_attention_dim=tiny.TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
        conditioning_embedding_out_channels=(8, 16, 32, 64),
    )
    net.half().save_pretrained(tmp_path / "canny")
    export_controlnet(tmp_path / "canny", tmp_path / "canny.safetensors")
    stored = load_file(tmp_path / "canny.safetensors")
    assert all(name.startswith("control_model.") for name in stored)
    back = convert_controlnet_checkpoint(dict(stored), dict(net.config))
    ours = net.state_dict()
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)


def test_what_cannot_be_exported_is_said(
    tiny_file: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match="no folder"):
        export_checkpoint(tiny_file, tmp_path / "one.safetensors")
    with pytest.raises(InvalidRequest, match=r"\.safetensors"):
        export_checkpoint(tiny_folder, tmp_path / "one.ckpt")
    with pytest.raises(UnsupportedModel, match="no ControlNet"):
        export_controlnet(tiny_folder / "unet", tmp_path / "one.safetensors")


@pytest.mark.parametrize("told", ["{", "[]", '{"unet": 1}', "{}", '{"unet": {}}'])
def test_a_damaged_mark_is_said_and_not_guessed_around(
    tiny_folder: Path, tmp_path: Path, told: str
) -> None:
    export_checkpoint(tiny_folder, tmp_path / "one.safetensors")
    state = load_file(tmp_path / "one.safetensors")
    save_file(state, tmp_path / "two.safetensors", {MARK: told})
    with pytest.raises(UnsupportedModel):
        load(tmp_path / "two.safetensors")


def test_without_its_mark_the_file_is_not_loaded_as_what_it_looks_like(
    tiny_folder: Path, tmp_path: Path
) -> None:
    export_checkpoint(tiny_folder, tmp_path / "one.safetensors")
    save_file(load_file(tmp_path / "one.safetensors"), tmp_path / "two.safetensors")
    with pytest.raises(UnsupportedModel):
        load(tmp_path / "two.safetensors")


@pytest.fixture
def sharing(tiny_folder: Path, tmp_path: Path) -> Path:
    """A folder with nothing but a UNet of its own, beside the model whose parts it shares."""
    shutil.copytree(tiny_folder, tmp_path / "whole")
    other = tiny.write_folder(tmp_path / "other", seed=5)
    folder = tmp_path / "sharing"
    folder.mkdir()
    shutil.copytree(other / "unet", folder / "unet")
    shutil.copy(other / "model_index.json", folder)
    (folder / CARD).write_text(json.dumps({"base": "whole", "steps": 7}), encoding="utf-8")
    return folder


def test_a_folder_takes_what_it_lacks_from_its_base(sharing: Path) -> None:
    shared, whole, other = (load(sharing.parent / n) for n in ("sharing", "whole", "other"))

    def same(one: torch.nn.Module, two: torch.nn.Module) -> bool:
        theirs = two.state_dict()
        return all(torch.equal(t, theirs[name]) for name, t in one.state_dict().items())

    assert same(shared.network.module, other.network.module)
    assert not same(shared.network.module, whole.network.module)
    assert same(shared.vae, whole.vae)
    assert same(shared.text_encoders[0], whole.text_encoders[0])
    assert shared.defaults.steps == 7


def test_an_export_of_it_needs_its_base_no_more(sharing: Path, tmp_path: Path) -> None:
    shared = load(sharing)
    export_checkpoint(sharing, tmp_path / "one.safetensors")
    shutil.rmtree(tmp_path / "whole")
    assert_same(shared, load(tmp_path / "one.safetensors"))


def test_a_missing_base_is_named(sharing: Path) -> None:
    shutil.rmtree(sharing.parent / "whole")
    with pytest.raises(UnsupportedModel, match="whole, which is not beside it"):
        load(sharing)


def test_a_base_is_a_neighbour_and_never_a_path(sharing: Path) -> None:
    for said in ("../whole", "/", "..", 3, ""):
        (sharing / CARD).write_text(json.dumps({"base": said}), encoding="utf-8")
        with pytest.raises(UnsupportedModel, match="lacks scheduler"):
            load(sharing)


def test_the_shipped_starter_comes_back_from_one_file_with_the_same_picture(tmp_path: Path) -> None:
    from webui.app.house import BUNDLED_MODELS
    from webui.cli import main
    from webui.generation.latents import decode
    from webui.prompts.encoding import encode_prompt
    from webui.weights.families.advice import advise

    out = tmp_path / "starter.safetensors"
    folders = ["--data-dir", str(tmp_path), "--models-dir", str(tmp_path)]
    assert main(["models", "export", "starter", str(out), *folders]) == 0
    whole, single = load(BUNDLED_MODELS / "starter"), load(out)
    assert_same(whole, single)
    catalog = Catalog([tmp_path], HashCache(tmp_path / "hashes.json"))
    advice = advise(catalog.resolve("starter.safetensors").path)
    assert (advice.width, advice.height) == (256, 256)
    latent = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    made: list[torch.Tensor] = []
    for checkpoint in (whole, single):
        text = encode_prompt(checkpoint, "a red house at night", 1)
        with torch.inference_mode():
            v = checkpoint.network.module(latent, 500, text.context).sample
        made.append(decode(checkpoint, latent - v, tile_pixels=0))
    assert torch.equal(*made)

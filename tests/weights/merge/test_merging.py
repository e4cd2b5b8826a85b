import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.weights.merge.conftest import NETWORK, Weights, make_weights
from webui.contract.merging import MergeRequest
from webui.errors import Conflict, InvalidRequest, ModelMismatch, NotFound, UnsupportedModel
from webui.library import merging
from webui.library.catalog import Catalog
from webui.library.hashes import HashCache, old_hash
from webui.library.headers import read_header
from webui.library.merging import Merged, MergeOrder, merge_models
from webui.weights.merge import child

SCHEDULE, POSITIONS = "alphas_cumprod", "position_ids"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the seconds that a process of its own takes to import torch."""

    def run(module: str, arguments: list[str], *_: object, **__: object) -> dict[str, Any]:
        assert module == child.__name__
        return child.merge(MergeOrder.model_validate_json(arguments[0]))

    monkeypatch.setattr(merging, "run_errand", run)


@pytest.fixture
def merge(alone: None, tmp_path: Path):
    """Merges in the models folder of this test."""
    return make_merge(tmp_path)


def make_merge(tmp_path: Path):
    models, hashes = tmp_path / "models", tmp_path / "hashes.json"

    def run(**asked: Any) -> Merged:
        more = {name: asked.pop(name) for name in ("stop", "report") if name in asked}
        catalog = Catalog([models], HashCache(hashes))
        return merge_models(MergeRequest(**asked), catalog, models, **more)

    return run


def is_mixed(name: str) -> bool:
    return name != SCHEDULE and not name.endswith(POSITIONS)


def check(path: Path, wanted: Weights) -> None:
    found = load_file(path)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        torch.testing.assert_close(found[name], tensor, rtol=1e-6, atol=1e-6, msg=name)


def test_a_weighted_sum_mixes_every_weight_and_keeps_the_rest_of_a(write, merge) -> None:
    a, b = make_weights(1), make_weights(2)
    b[SCHEDULE] = torch.linspace(0.9, 0.1, 10)
    write("one", a)
    write("two", b)
    merged = merge(primary="one", secondary="two", multiplier=0.3)
    assert merged.path.name == "0.7(one) + 0.3(two).safetensors"
    assert merged.mixed == len(a) - 2
    check(merged.path, {n: a[n] * 0.7 + b[n] * 0.3 if is_mixed(n) else a[n] for n in a})


def test_a_difference_is_added_and_what_c_lacks_makes_none(write, merge) -> None:
    a, b, c = make_weights(1), make_weights(2), make_weights(3)
    lacking = f"{NETWORK}out.2.weight"
    del c[lacking]
    for name, weights in (("one", a), ("two", b), ("three", c)):
        write(name, weights)
    merged = merge(
        primary="one", secondary="two", tertiary="three", method="add_difference", multiplier=0.5
    )
    assert merged.path.name == "one + 0.5(two - three).safetensors"
    mixed = {n for n in a if is_mixed(n) and n != lacking}
    check(merged.path, {n: a[n] + (b[n] - c[n]) * 0.5 if n in mixed else a[n] for n in a})


@pytest.mark.parametrize("base", [True, False], ids=["26 numbers", "25 numbers"])
def test_every_block_takes_its_own_share(base: bool, write, merge) -> None:
    a, b = make_weights(1), make_weights(2)
    write("one", a)
    write("two", b)
    blocks = [n / 32 for n in range(25)]
    merged = merge(
        primary="one", secondary="two", multiplier=0.9, blocks=[0.9, *blocks] if base else blocks
    )
    shares = {
        "input_blocks.0.0.weight": 0 / 32,
        "time_embed.0.weight": 0 / 32,
        "input_blocks.11.0.in_layers.2.weight": 11 / 32,
        "middle_block.1.norm.weight": 12 / 32,
        "output_blocks.0.0.in_layers.2.weight": 13 / 32,
        "output_blocks.11.0.in_layers.2.weight": 24 / 32,
        "out.2.weight": 24 / 32,
    }
    wanted = {NETWORK + n: share for n, share in shares.items()}
    wanted["first_stage_model.decoder.conv_in.weight"] = 0.9
    found = load_file(merged.path)
    for name, share in wanted.items():
        torch.testing.assert_close(found[name], a[name] * (1 - share) + b[name] * share, msg=name)


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.half), ("bf16", torch.bfloat16)])
def test_half_precision_rounds_once_and_leaves_the_noise_levels(
    precision: str, dtype: torch.dtype, write, merge
) -> None:
    a, b = make_weights(1), make_weights(2)
    write("one", a)
    write("two", b)
    found = load_file(
        merge(primary="one", secondary="two", multiplier=0.25, precision=precision).path
    )
    name = f"{NETWORK}out.2.weight"
    assert torch.equal(found[name], (a[name] * 0.75 + b[name] * 0.25).to(dtype))
    assert found[SCHEDULE].dtype == torch.float32
    assert (
        found["cond_stage_model.transformer.text_model.embeddings.position_ids"].dtype
        == torch.int64
    )


def test_files_of_different_numbers_mix_in_those_of_a(write, merge) -> None:
    a, b = make_weights(1, dtype=torch.half), make_weights(2, dtype=torch.bfloat16)
    write("one", a)
    write("two", b)
    found = load_file(merge(primary="one", secondary="two", multiplier=0.5).path)
    name = f"{NETWORK}out.2.weight"
    assert torch.equal(found[name], (a[name].float() * 0.5 + b[name].float() * 0.5).half())


@pytest.mark.parametrize(("channels", "suffix"), [(9, "inpainting"), (8, "instruct-pix2pix")])
def test_the_first_channels_of_an_inpainting_model_are_mixed(
    channels: int, suffix: str, write, merge
) -> None:
    a, b, c = make_weights(1, channels), make_weights(2), make_weights(3)
    for name, weights in (("one", a), ("two", b), ("three", c)):
        write(name, weights)
    merged = merge(
        primary="one", secondary="two", tertiary="three", method="add_difference", multiplier=1.0
    )
    assert merged.path.name == f"one + 1(two - three).{suffix}.safetensors"
    first = f"{NETWORK}input_blocks.0.0.weight"
    wanted = a[first].clone()
    wanted[:, :4] += b[first] - c[first]
    torch.testing.assert_close(load_file(merged.path)[first], wanted)


def test_a_vae_is_baked_in_bit_for_bit(write, merge, tmp_path: Path) -> None:
    a = make_weights(1)
    write("one", a)
    baked = {
        "decoder.conv_in.weight": torch.ones(4, 4, 3, 3),
        "decoder.up.0.block.0.conv1.weight": torch.ones(4),
        "loss.logvar": torch.ones(1),
    }
    (tmp_path / "models" / "VAE").mkdir()
    save_file(baked, tmp_path / "models" / "VAE" / "colours.safetensors")
    merged = merge(primary="one", method="none", vae="colours.safetensors", name="with colours")
    assert merged.path.name == "with colours.safetensors"
    new = {f"first_stage_model.{n}": t for n, t in baked.items() if "loss" not in n}
    check(merged.path, a | new)


def test_weights_are_left_out_by_pattern(write, merge) -> None:
    a = make_weights(1)
    write("one", a)
    merged = merge(primary="one", method="none", discard="^cond_stage_model|out\\.2")
    assert merged.path.name == "one-copy.safetensors"
    left = {n: t for n, t in a.items() if not n.startswith("cond") and "out.2" not in n}
    check(merged.path, left)


def test_a_network_alone_is_merged_with_a_whole_checkpoint(write, merge) -> None:
    a, b = make_weights(1), make_weights(2)
    write("one", a)
    bare = {n.removeprefix(NETWORK): t for n, t in b.items() if n.startswith(NETWORK)}
    write("two", bare)
    found = load_file(merge(primary="one", secondary="two", multiplier=1.0).path)
    name, vae = f"{NETWORK}out.2.weight", "first_stage_model.decoder.conv_in.weight"
    assert torch.equal(found[name], b[name])
    assert torch.equal(found[vae], a[vae])


def test_the_recipe_names_the_models_and_what_they_were_made_of(write, merge) -> None:
    grand = {"0" * 64: {"name": "grandmother", "legacy_hash": "x", "sd_merge_recipe": None}}
    noise = {"big": torch.randn(600_000, generator=torch.Generator().manual_seed(5))}
    one = write(
        "one", make_weights(1) | noise, {"ss_tag": "a", "sd_merge_models": json.dumps(grand)}
    )
    write("two", make_weights(2), {"ss_tag": "b", "modelspec.title": "two"})
    merged = merge(
        primary="one", secondary="two", multiplier=0.4, name="child", metadata={"mine": 1}
    )
    told = read_header(merged.path).metadata
    recipe, models = json.loads(told["sd_merge_recipe"]), json.loads(told["sd_merge_models"])
    cache = HashCache(merged.path.parents[2] / "hashes.json")
    assert recipe["interp_method"] == "Weighted sum"
    assert recipe["multiplier"] == 0.4
    assert recipe["primary_model_hash"] == cache.sha256(one)
    assert recipe["tertiary_model_hash"] is None
    assert models[cache.sha256(one)]["legacy_hash"] == old_hash(one)
    assert models["0" * 64]["name"] == "grandmother"
    assert (told["ss_tag"], told["mine"], told["modelspec.title"]) == ("b", "1", "child")


def test_metadata_is_left_out_where_nobody_wants_it(write, merge) -> None:
    write("one", make_weights(1), {"ss_tag": "a", "palimpsest.model": "{}"})
    merged = merge(primary="one", method="none", save_metadata=False)
    assert read_header(merged.path).metadata == {"palimpsest.model": "{}"}


def test_the_configuration_beside_a_model_goes_along(write, merge) -> None:
    write("one", make_weights(1))
    write("two", make_weights(2)).with_suffix(".yaml").write_text("parameterization: v")
    asked = {"primary": "one", "secondary": "two"}
    merged = merge(**asked)
    assert merged.path.with_suffix(".yaml").read_text() == "parameterization: v"
    assert not merge(**asked, config="none", name="x").path.with_suffix(".yaml").exists()


def test_models_that_do_not_belong_together_are_refused(write, merge) -> None:
    write("one", make_weights(1))
    wide = make_weights(2)
    wide[f"{NETWORK}out.2.weight"] = torch.ones(5)
    write("wide", wide)
    write("narrow", make_weights(3) | {f"{NETWORK}input_blocks.1.1.transformer_blocks.0.attn2"
          ".to_k.weight": torch.ones(3, 1024)})  # fmt: skip
    write("scaled", make_weights(4) | {f"{NETWORK}out.2.scale_weight": torch.ones(())})
    with pytest.raises(ModelMismatch, match="built differently"):
        merge(primary="one", secondary="wide")
    write("inpainting", make_weights(5, 9))
    with pytest.raises(ModelMismatch, match="editing model as A"):
        merge(primary="one", secondary="inpainting")
    with pytest.raises(ModelMismatch, match="different families"):
        merge(primary="one", secondary="narrow")
    with pytest.raises(UnsupportedModel, match="16-bit"):
        merge(primary="one", secondary="scaled")
    with pytest.raises(NotFound, match="nothing"):
        merge(primary="one", secondary="nothing")


def test_a_process_of_its_own_merges_and_says_how_far_it_is(write, tmp_path: Path) -> None:
    a, b = make_weights(1), make_weights(2)
    write("one", a)
    write("two", b)
    told: list[float] = []
    merged = make_merge(tmp_path)(primary="one", secondary="two", report=told.append)
    check(merged.path, {n: a[n] * 0.7 + b[n] * 0.3 if is_mixed(n) else a[n] for n in a})
    assert told
    assert all(0 <= share <= 1 for share in told)


def test_nothing_is_left_of_a_merge_that_was_stopped(write, tmp_path: Path) -> None:
    one = write("one", make_weights(1))
    stop = Event()
    stop.set()
    with pytest.raises(Conflict, match="stopped"):
        make_merge(tmp_path)(primary="one", method="none", stop=stop)
    assert [p for p in one.parents[1].rglob("*") if p.is_file()] == [one]


def test_a_file_is_never_replaced(write, merge) -> None:
    one = write("one", make_weights(1))
    with pytest.raises(Conflict, match=r"one\.safetensors"):
        merge(primary="one", method="none", name="one")
    assert [p for p in one.parents[1].rglob("*") if p.is_file()] == [one]


def test_a_file_of_packed_numbers_is_not_merged(write, merge, tmp_path: Path) -> None:
    write("one", make_weights(1))
    (tmp_path / "models" / "Stable-diffusion" / "two.gguf").write_bytes(b"GGUF")
    with pytest.raises((InvalidRequest, NotFound), match="two"):
        merge(primary="one", secondary="two.gguf")


def test_a_folder_must_be_exported_first(merge, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "painter"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    with pytest.raises(InvalidRequest, match="models export"):
        merge(primary="painter", method="none")

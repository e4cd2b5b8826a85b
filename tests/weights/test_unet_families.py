"""Every UNet row: told apart, loaded whole, and what diffusers makes of the same tensors."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny, unets
from webui.library.headers import Header, TensorInfo
from webui.prompts.encoding import encode_prompt, encode_timeline
from webui.prompts.syntax import Span
from webui.prompts.tokens import tokenizer_for
from webui.weights.checkpoint import Checkpoint
from webui.weights.families import identify
from webui.weights.families.unets import UNETS
from webui.weights.loading import load_checkpoint

NAMES = [family.name for family in UNETS]
PUBLISHED = {
    "sd1": (unets.SD1, "dd0d17c940fbd3a9caaa5c0908f12bcc529c3920a6edcf30fe8eedab2d41b931"),
    "sd2": (unets.SD2, "e84fbdb09e320380e4e2c3e1dc60118c57a4104bceb3139c2216f9aa76cd346d"),
    "sdxl": (unets.SDXL, "ee6d8435b5310eab19701490cac32617bef482fc5d9d2aa780c11dc8627e990c"),
    "sdxl_refiner": (
        unets.REFINER,
        "055d0045a8cac0f1acb403764b8611377d074d3902acc3363ddf6a8db0a85a73",
    ),
}
"""SHA-256 over the sorted names and shapes of the weights in the published files."""

BASES = list(PUBLISHED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unets")


def path_of(folder: Path, name: str) -> Path:
    path = folder / f"{name}.safetensors"
    return path if path.is_file() else unets.write_model(path, name)


def load(folder: Path, name: str) -> Checkpoint:
    return load_checkpoint(path_of(folder, name), "cpu", torch.float32)


def header(shapes: tiny.Shapes, metadata: dict[str, str] | None = None) -> Header:
    return Header({n: TensorInfo("F16", s) for n, s in shapes.items()}, metadata or {})


@pytest.mark.parametrize("base", BASES)
def test_the_tiny_files_have_the_published_layout_but_for_widths_and_depths(base: str) -> None:
    model, published = PUBLISHED[base]
    lines = "\n".join(f"{n} {list(s)}" for n, s in sorted(unets.shapes_of(model).items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == published
    assert unets.shapes_of(unets.TINY[base]).keys() <= unets.shapes_of(model).keys()


@pytest.mark.parametrize("base", BASES)
def test_a_published_layout_is_told_by_its_header(base: str) -> None:
    shapes = unets.shapes_of(PUBLISHED[base][0])
    assert identify(header(shapes), "model").name == base


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_told_by_the_header_of_its_file(folder: Path, name: str) -> None:
    family = load(folder, name).family
    assert family.name == name
    assert family.prediction == ("v_prediction" if name.endswith("_v") else "epsilon")


def test_a_full_size_configuration_is_the_published_one() -> None:
    from webui.weights.architecture import fitted_config, read_config

    for base, (model, _) in PUBLISHED.items():
        seen = header(unets.shapes_of(model))
        family = identify(seen, base)
        fitted = fitted_config(family.network, seen)
        published = read_config(family.network.config)
        if base == "sdxl":
            published["transformer_layers_per_block"] = [1, 2, 10]
        if base == "sdxl_refiner":
            published["transformer_layers_per_block"] = [1, 4, 4, 4]
        if base == "sd2":
            published["transformer_layers_per_block"] = [1, 1, 1, 1]
        assert fitted == published
        for part in family.encoders:
            kept = read_config(part.config) | {"projection_dim": 0}
            assert fitted_config(part, seen) | {"projection_dim": 0} == kept


@pytest.mark.parametrize("name", ["sd2", "sdxl", "sdxl_refiner", "sd1_inpaint"])
def test_the_network_is_what_diffusers_own_loader_gives(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import UNet2DConditionModel

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    checkpoint = load(folder, name)
    checkpoint.network.module.save_config(tmp_path / "unet")
    oracle = UNet2DConditionModel.from_single_file(
        str(path_of(folder, name)), config=str(tmp_path), subfolder="unet", local_files_only=True
    ).state_dict()
    ours = checkpoint.network.module.state_dict()
    assert ours.keys() == oracle.keys()
    assert all(torch.equal(ours[n], oracle[n].float()) for n in ours)


@pytest.mark.parametrize("name", ["sd2", "sdxl", "sdxl_refiner"])
def test_an_open_clip_tower_is_what_diffusers_makes_of_it(folder: Path, name: str) -> None:
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    checkpoint = load(folder, name)
    row, tower = checkpoint.family.encoders[-1], checkpoint.text_encoders[-1]
    ours = {n.removeprefix("text_model."): t for n, t in tower.state_dict().items()}
    # The oracle takes the published tower's 23 blocks for SD 2.x; ours has lost its last one.
    state = {n: t for n, t in load_file(path_of(folder, name)).items() if n.startswith(row.prefix)}
    oracle = convert_open_clip_checkpoint(tower, state, prefix=row.prefix)
    oracle = {n.removeprefix("text_model."): t for n, t in oracle.items()}
    assert set(ours) - {"embeddings.position_ids"} <= set(oracle)
    for n, tensor in ours.items():
        if not n.endswith("position_ids"):
            assert torch.equal(tensor, oracle[n].float()), n


def ids_of(checkpoint: Checkpoint, place: int, text: str) -> torch.Tensor:
    (chunk,) = tokenizer_for(checkpoint.vocabularies[place]).chunks(text)
    return torch.tensor([chunk.ids])


def test_sd2_reads_the_layer_before_the_last_of_its_file(folder: Path) -> None:
    checkpoint = load(folder, "sd2")
    encoder: Any = checkpoint.text_encoders[0]
    assert len(encoder.encoder.layers) == 2  # the file has three
    want = encoder(ids_of(checkpoint, 0, "a cat")).last_hidden_state
    told = encode_prompt(checkpoint, "a cat")
    assert torch.equal(told.context, want) and told.pooled is None
    assert torch.equal(encode_prompt(checkpoint, "a cat", clip_skip=2).context, want)
    assert ids_of(checkpoint, 0, "a cat")[0, -1] == 0  # padded with "!"


def test_a_file_of_sd2_without_the_last_layer_is_read_to_its_end(
    folder: Path, tmp_path: Path
) -> None:
    gone = ("resblocks.2.", "text_projection", "logit_scale")
    whole = load_file(path_of(folder, "sd2"))
    save_file(
        {n: t for n, t in whole.items() if not any(g in n for g in gone)},
        tmp_path / "m.safetensors",
    )
    short = load_checkpoint(tmp_path / "m.safetensors", "cpu", torch.float32)
    told = encode_prompt(short, "a cat").context
    assert torch.equal(told, encode_prompt(load(folder, "sd2"), "a cat").context)


def test_sdxl_has_both_encoders_side_by_side_and_the_pooled_text_of_the_second(
    folder: Path,
) -> None:
    checkpoint = load(folder, "sdxl")
    small, large = checkpoint.text_encoders
    one = small(ids_of(checkpoint, 0, "a cat"), output_hidden_states=True).hidden_states[-2]
    both = large(ids_of(checkpoint, 1, "a cat"), output_hidden_states=True)
    told = encode_prompt(checkpoint, "a cat")
    assert torch.equal(told.context, torch.cat([one, both.hidden_states[-2]], dim=-1))
    assert told.pooled is not None and torch.equal(told.pooled, both.text_embeds)
    skipped = encode_prompt(checkpoint, "a cat", clip_skip=2)
    assert torch.equal(skipped.context, told.context)


def test_weights_leave_the_pooled_text_alone_and_later_chunks_too(folder: Path) -> None:
    checkpoint = load(folder, "sdxl")
    plain = encode_prompt(checkpoint, "a cat").pooled
    strong = encode_prompt(checkpoint, "(a cat:1.4)").pooled
    longer = encode_prompt(checkpoint, "a cat BREAK a dog")
    assert plain is not None and strong is not None and longer.pooled is not None
    assert torch.equal(strong, plain) and torch.equal(longer.pooled, plain)
    assert longer.context.shape == (1, 154, 96)


def test_an_empty_negative_prompt_of_sdxl_is_silence(folder: Path) -> None:
    checkpoint = load(folder, "sdxl")
    silent = encode_timeline(checkpoint, "", Span(4), negative=True).at(0)[0]
    assert silent.pooled is not None
    assert not silent.context.any() and not silent.pooled.any()
    assert encode_timeline(checkpoint, "", Span(4)).at(0)[0].context.any()
    assert encode_timeline(checkpoint, "x", Span(4), negative=True).at(0)[0].context.any()
    other = load(folder, "sd2")
    assert encode_timeline(other, "", Span(4), negative=True).at(0)[0].context.any()


# --------------------------------------------------------------------------- what is predicted


def altered(folder: Path, name: str, path: Path, **changes: torch.Tensor) -> Path:
    state = load_file(path_of(folder, name))
    save_file(state | {n.replace("__", "."): t for n, t in changes.items()}, path)
    return path


def test_numbers_in_a_file_of_sd2_tell_that_it_predicts_v(folder: Path, tmp_path: Path) -> None:
    name = "model__diffusion_model__output_blocks__11__1__transformer_blocks__0__norm1__bias"
    spread = {name: torch.linspace(-0.5, 0.5, 32)}
    wide = altered(folder, "sd2", tmp_path / "wide.safetensors", **spread)
    assert load_checkpoint(wide, "cpu", torch.float32).family.name == "sd2_v"
    masked = altered(folder, "sd2_inpaint", tmp_path / "mask.safetensors", **spread)
    assert load_checkpoint(masked, "cpu", torch.float32).family.name == "sd2_inpaint"
    wide.with_suffix(".yaml").write_text("parameterization: eps\n", encoding="utf-8")
    assert load_checkpoint(wide, "cpu", torch.float32).family.name == "sd2"


@pytest.mark.parametrize(
    ("stem", "family"),
    [("noob-vpred-1.0", "sdxl_v"), ("noob_v-pred", "sdxl_v"), ("devpredator", "sdxl")],
)
def test_a_name_is_the_last_to_tell(folder: Path, tmp_path: Path, stem: str, family: str) -> None:
    path = altered(folder, "sdxl", tmp_path / f"{stem}.safetensors")
    assert load_checkpoint(path, "cpu", torch.float32).family.name == family


def test_an_sdxl_marked_with_zero_terminal_noise_ends_in_noise(
    folder: Path, tmp_path: Path
) -> None:
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    path = altered(folder, "sdxl", tmp_path / "m.safetensors", **marks)
    checkpoint = load_checkpoint(path, "cpu", torch.float32)
    assert checkpoint.family.name == "sdxl_v" and checkpoint.prediction.sigma_max > 4000
    plain = load(folder, "sdxl_v")
    assert plain.prediction.sigma_max == pytest.approx(14.6146, abs=1e-4)

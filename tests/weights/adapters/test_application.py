"""Adapters on a tiny checkpoint: names of every dialect, strengths apart, every bit put back."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.weights.test_patches import fingerprint
from webui.weights.adapters import Adapter, Adapters, Wish, read_adapter
from webui.weights.adapters.keys import split_name
from webui.weights.adapters.places import find_places
from webui.weights.checkpoint import Checkpoint
from webui.weights.loading import load_checkpoint
from webui.weights.patches import patched

ATTENTION = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
ORIGINAL = "input_blocks_3_1_transformer_blocks_0_attn1"  # one layer in a block of the tiny UNet
TEXT = "encoder.layers.1.self_attn.q_proj"


def layer(checkpoint: Checkpoint, name: str) -> nn.Module:
    root = checkpoint.text_encoders[0] if name == TEXT else checkpoint.network.module
    return dict(root.named_modules())[name]


def weight(checkpoint: Checkpoint, name: str) -> Tensor:
    found = layer(checkpoint, name).weight
    assert isinstance(found, Tensor)
    return found


def pair(checkpoint: Checkpoint, name: str, rank: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Up, down, and what they come to."""
    out, wide = weight(checkpoint, name).shape
    generator = torch.Generator().manual_seed(len(name))
    up = torch.randn(out, rank, generator=generator)
    down = torch.randn(rank, wide, generator=generator)
    return up, down, up @ down


def read(folder: Path, tensors: Mapping[str, Tensor], name: str = "style") -> Adapter:
    path = folder / f"{name}.safetensors"
    save_file({k: t.contiguous() for k, t in tensors.items()}, path)
    return read_adapter(path, name, (name,))


@pytest.mark.parametrize(
    ("up_name", "down_name"),
    [
        (f"lora_unet_{ATTENTION.replace('.', '_')}_to_q.lora_up.weight", None),
        (f"lora_unet_{ORIGINAL}_to_q.lora_up.weight", None),
        (f"unet.{ATTENTION}.to_q.lora_B.weight", f"unet.{ATTENTION}.to_q.lora_A.weight"),
        (f"unet.{ATTENTION}.to_q.lora.up.weight", None),
        (f"unet.{ATTENTION}.processor.to_q_lora.up.weight", None),
        (
            f"base_model.model.{ATTENTION}.to_q.lora_B.default.weight",
            f"base_model.model.{ATTENTION}.to_q.lora_A.default.weight",
        ),
        (f"lycoris_{ATTENTION.replace('.', '_')}_to_q.lora_up.weight", None),
    ],
)
def test_the_network_is_found_by_the_names_of_every_dialect(
    from_folder: Checkpoint, tmp_path: Path, up_name: str, down_name: str | None
) -> None:
    name = f"{ATTENTION}.to_q"
    up, down, change = pair(from_folder, name)
    before = weight(from_folder, name).clone()
    adapter = read(tmp_path, {up_name: up, down_name or down_of(up_name): down})
    said: list[str] = []
    with patched(from_folder, [Adapters([Wish(adapter, 0.0, 0.5)], said.append)]):
        torch.testing.assert_close(weight(from_folder, name), before + 0.5 * change)
    assert said == []


def down_of(name: str) -> str:
    return name.removesuffix("up.weight") + "down.weight"


@pytest.mark.parametrize(
    "names",
    [
        (f"lora_te_text_model_{TEXT.replace('.', '_')}.lora_{{}}.weight", ("up", "down")),
        (f"lora_te1_text_model_{TEXT.replace('.', '_')}.lora_{{}}.weight", ("up", "down")),
        (f"text_encoder.text_model.{TEXT}.lora_{{}}.weight", ("B", "A")),
        (f"text_encoder.{TEXT}.lora_{{}}.weight", ("B", "A")),
        (f"text_encoder.text_model.{TEXT}.lora_linear_layer.{{}}.weight", ("up", "down")),
    ],
)
def test_attention_of_the_text_encoder_is_not_dropped(
    from_folder: Checkpoint, tmp_path: Path, names: tuple[str, tuple[str, str]]
) -> None:
    up, down, change = pair(from_folder, TEXT)
    form, (up_word, down_word) = names
    adapter = read(tmp_path, {form.format(up_word): up, form.format(down_word): down})
    before = weight(from_folder, TEXT).clone()
    with patched(from_folder, [Adapters([Wish(adapter, 2.0, 0.0)], pytest.fail)]):
        torch.testing.assert_close(weight(from_folder, TEXT), before + 2 * change)
    assert torch.equal(weight(from_folder, TEXT), before)


def mixed(checkpoint: Checkpoint, folder: Path) -> Adapter:
    """A file with a change of the network, one of the text encoder, a norm and a bias."""
    flat = ATTENTION.replace(".", "_")
    query, text = pair(checkpoint, f"{ATTENTION}.to_q"), pair(checkpoint, TEXT)
    place = f"lora_te_text_model_{TEXT.replace('.', '_')}"
    return read(
        folder,
        {
            f"lora_unet_{flat}_to_q.lora_up.weight": query[0],
            f"lora_unet_{flat}_to_q.lora_down.weight": query[1],
            f"{place}.lora_up.weight": text[0],
            f"{place}.lora_down.weight": text[1],
            "lora_unet_conv_norm_out.w_norm": torch.full((32,), 0.25),
            "lora_unet_conv_norm_out.b_norm": torch.full((32,), 0.5),
            "lora_unet_conv_out.diff_b": torch.full((4,), 0.125),
        },
    )


def test_text_encoder_and_network_have_their_own_strengths(
    from_folder: Checkpoint, tmp_path: Path
) -> None:
    adapter = mixed(from_folder, tmp_path)
    query, text = f"{ATTENTION}.to_q", TEXT
    before = {name: weight(from_folder, name).clone() for name in (query, text)}
    norm = layer(from_folder, "conv_norm_out")
    old = [p.clone() for p in norm.parameters()]
    with patched(from_folder, [Adapters([Wish(adapter, 0.0, 1.0)], pytest.fail)]):
        assert torch.equal(weight(from_folder, text), before[text])
        assert not torch.equal(weight(from_folder, query), before[query])
        for parameter, was, added in zip(norm.parameters(), old, (0.25, 0.5), strict=True):
            torch.testing.assert_close(parameter.data, was + added)
    with patched(from_folder, [Adapters([Wish(adapter, 1.0, 0.0)], pytest.fail)]):
        assert not torch.equal(weight(from_folder, text), before[text])
        assert torch.equal(weight(from_folder, query), before[query])


def test_blocks_have_their_own_factors(from_folder: Checkpoint, tmp_path: Path) -> None:
    adapter, name = mixed(from_folder, tmp_path), f"{ATTENTION}.to_q"
    before, change = weight(from_folder, name).clone(), pair(from_folder, name)[2]
    text, spoken = weight(from_folder, TEXT).clone(), pair(from_folder, TEXT)[2]
    norm = weight(from_folder, "conv_norm_out").clone()
    blocks = (("BASE", 0.5), ("IN03", 0.25), ("OUT01", 0.0))
    with patched(from_folder, [Adapters([Wish(adapter, 1.0, 2.0, blocks=blocks)], pytest.fail)]):
        torch.testing.assert_close(weight(from_folder, name), before + 0.5 * change)
        torch.testing.assert_close(weight(from_folder, TEXT), text + 0.5 * spoken)
        torch.testing.assert_close(weight(from_folder, "conv_norm_out"), norm + 0.5)
    nothing = [Wish(adapter, 1.0, 1.0, blocks=(("BASE", 0.0), ("IN03", 0.0)))]
    with patched(from_folder, [Adapters(nothing, pytest.fail)]):
        assert torch.equal(weight(from_folder, name), before)
        assert torch.equal(weight(from_folder, TEXT), text)


def test_several_adapters_add_up(from_folder: Checkpoint, tmp_path: Path) -> None:
    adapter, name = mixed(from_folder, tmp_path), f"{ATTENTION}.to_q"
    before, change = weight(from_folder, name).clone(), pair(from_folder, name)[2]
    twice = [Wish(adapter, 1.0, 0.5), Wish(adapter, 1.0, -0.25)]
    with patched(from_folder, [Adapters(twice, pytest.fail)]):
        torch.testing.assert_close(weight(from_folder, name), before + 0.25 * change)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_ten_changes_leave_every_bit_as_it_was(
    tiny_file: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    from_file = load_checkpoint(tiny_file, "cpu", dtype)
    adapter = mixed(from_file, tmp_path)
    before = fingerprint(from_file)
    for turn in range(10):
        wish = Wish(adapter, 0.1 * turn, 1.0 / (turn + 1))
        with torch.inference_mode(), patched(from_file, [Adapters([wish], pytest.fail)]):
            assert fingerprint(from_file) != before
    assert fingerprint(from_file) == before
    with pytest.raises(ZeroDivisionError), patched(from_file, [Adapters([Wish(adapter)], print)]):
        raise ZeroDivisionError
    assert fingerprint(from_file) == before


def test_strength_zero_touches_nothing(from_folder: Checkpoint, tmp_path: Path) -> None:
    adapter, before = mixed(from_folder, tmp_path), fingerprint(from_folder)
    with patched(from_folder, [Adapters([Wish(adapter, 0.0, 0.0)], pytest.fail)]):
        assert fingerprint(from_folder) == before


def test_tensors_without_a_place_are_counted_and_named(
    from_folder: Checkpoint, tmp_path: Path
) -> None:
    known = mixed(from_folder, tmp_path).layers
    tensors = {f"{path}.{word}": t for path, parts in known.items() for word, t in parts.items()}
    tensors = {n.replace(".up", ".lora_up.weight"): t for n, t in tensors.items()}
    tensors = {n.replace(".down", ".lora_down.weight"): t for n, t in tensors.items()}
    flat = ATTENTION.replace(".", "_")
    tensors |= {
        "lora_unet_nowhere.alpha": torch.ones(1),
        "word.string_to_param.*": torch.ones(1, 4),
        f"lora_unet_{flat}_to_k.lora_up.weight": torch.ones(1, 1),
        f"lora_unet_{flat}_to_k.lora_down.weight": torch.ones(1, 1),
        f"lora_unet_{flat}_to_v.lora_up.weight": torch.ones(1, 1),
    }
    said: list[str] = []
    with patched(from_folder, [Adapters([Wish(read(tmp_path, tensors))], said.append)]):
        pass
    assert len(said) == 1
    assert said[0].startswith("5 of the 12 tensors of style have no place in tiny")


def test_a_file_for_another_kind_of_model_is_called_that(
    from_folder: Checkpoint, tmp_path: Path
) -> None:
    name = f"lora_unet_{ATTENTION.replace('.', '_')}_to_q"
    tensors = {f"{name}.lora_up.weight": torch.ones(640, 2), f"{name}.alpha": torch.ones(1)}
    tensors |= {f"{name}.lora_down.weight": torch.ones(2, 640)}
    said: list[str] = []
    before = fingerprint(from_folder)
    adapter = replace(read(tmp_path, tensors), name="large")
    with patched(from_folder, [Adapters([Wish(adapter)], said.append)]):
        assert fingerprint(from_folder) == before
    assert said[0].startswith("large changes nothing in tiny: none of its 3 tensors")


def test_every_layer_has_names_in_every_dialect(from_folder: Checkpoint) -> None:
    places = find_places(from_folder)
    weighted = [
        name
        for name, module in from_folder.network.module.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    ]
    for dialect in ("lora_unet_down", "lora_unet_input", "diffusion_model_output", "lora_te_text"):
        assert any(name.startswith(dialect) for name in places)
    modules = {id(place.module) for place in places.values() if not place.text}
    assert len(modules) == len(weighted)


def test_a_whole_checkpoint_is_no_adapter() -> None:
    assert split_name("model.diffusion_model.out.0.weight") is None
    assert split_name("lora_unet_x_to_k.weight") == ("lora_unet_x_to_k", "ia3")


def test_a_weight_that_two_layers_share_comes_back_too(tiny_folder: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(tiny_folder, "cpu", torch.float32)
    one, two = (layer(checkpoint, f"{ATTENTION}.to_{part}") for part in "qk")
    two.register_parameter("weight", one.get_parameter("weight"))
    before = fingerprint(checkpoint)
    flat = f"lora_unet_{ATTENTION.replace('.', '_')}"
    change = torch.ones_like(weight(checkpoint, f"{ATTENTION}.to_q"))
    adapter = read(tmp_path, {f"{flat}_to_{part}.diff": change.clone() for part in "qk"})
    expected = weight(checkpoint, f"{ATTENTION}.to_q") + 2
    with patched(checkpoint, [Adapters([Wish(adapter)], pytest.fail)]):
        torch.testing.assert_close(weight(checkpoint, f"{ATTENTION}.to_q").data, expected.data)
    assert fingerprint(checkpoint) == before


def test_a_file_for_another_family_is_refused_as_a_whole(
    from_folder: Checkpoint, tmp_path: Path
) -> None:
    adapter = mixed(from_folder, tmp_path)
    before = fingerprint(from_folder)
    for family, label in (("sdxl", "SDXL"), ("sd35_large", "Stable Diffusion 3.5 Large")):
        said: list[str] = []
        with patched(from_folder, [Adapters([Wish(replace(adapter, family=family))], said.append)]):
            assert fingerprint(from_folder) == before
        (sentence,) = said
        assert sentence.startswith(f"style is made for {label}, but ")
    for family in ("sd1", ""):
        kin = Adapters([Wish(replace(adapter, family=family))], pytest.fail)
        with patched(from_folder, [kin]):
            assert fingerprint(from_folder) != before


@pytest.mark.parametrize("times", [8, pytest.param(100, marks=pytest.mark.soak)])
def test_after_many_changes_every_bit_is_back(
    from_folder: Checkpoint, tmp_path: Path, times: int
) -> None:
    adapters = [mixed(from_folder, tmp_path), read(tmp_path, lone_query(from_folder), "lone")]
    before = fingerprint(from_folder)
    first: dict[int, str] = {}
    for turn in range(times):
        strengths = ((0.5, 1.0), (-1.0, 0.3), (0.0, 2.0))[turn % 3]
        wishes = [Wish(one, *strengths) for one in adapters[turn % 2 :]]
        with patched(from_folder, [Adapters(wishes, pytest.fail)]):
            worn = fingerprint(from_folder)
        assert worn != before and worn == first.setdefault(turn % 6, worn)
    assert fingerprint(from_folder) == before


def lone_query(checkpoint: Checkpoint) -> dict[str, Tensor]:
    up, down, _ = pair(checkpoint, f"{ATTENTION}.to_q", rank=3)
    name = f"lora_unet_{ATTENTION.replace('.', '_')}_to_q"
    return {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}

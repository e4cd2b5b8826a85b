"""LoRAs of FLUX and Stable Diffusion 3 under the names of five programs.

A file with original names must do what adding its changes to the original file does; one with
diffusers' names what adding them to the layers of those names does.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.weights.test_transformer_families import load, write_model
from tests.weights.transformer_files import drawn, flux_shapes, sd3_shapes
from webui.weights.adapters import Adapters, Wish, read_adapter
from webui.weights.adapters.transformers import transformer_names
from webui.weights.checkpoint import Checkpoint
from webui.weights.transformer_names import diffusers_flux, diffusers_sd3

RANK = 2
Changes = dict[str, tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load(write_model(tmp_path_factory.mktemp("flux") / "m.safetensors", "flux_dev"))


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load(write_model(tmp_path_factory.mktemp("sd3") / "m.safetensors", "sd35_medium"))


def draw(layers: Mapping[str, tuple[int, ...]], seed: int = 3) -> Changes:
    """Down and up of a LoRA for layers of these shapes."""
    generator = torch.Generator().manual_seed(seed)

    def of(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.1

    return {name: (of(RANK, shape[1]), of(shape[0], RANK)) for name, shape in layers.items()}


def matrices(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The linear layers among tensors, by name without `.weight`."""
    found = {n.removesuffix(".weight"): s for n, s in shapes.items() if n.endswith(".weight")}
    return {name: shape for name, shape in found.items() if len(shape) == 2}


def changed(checkpoint: Checkpoint, path: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's weights under a file, none of whose tensors may be left over."""
    save_file(state, path)
    told: list[str] = []
    adapters = Adapters([Wish(read_adapter(path, "lora", path.name))], told.append)
    with adapters.apply(checkpoint):
        weights = {n: t.clone() for n, t in checkpoint.network.module.state_dict().items()}
    assert told == []
    return weights


def original(checkpoint: Checkpoint, changes: Changes) -> dict[str, Tensor]:
    """The network's weights, had the changes been added to the original file."""
    is_flux = checkpoint.family.base == "flux"
    shapes = flux_shapes("flux_dev") if is_flux else sd3_shapes("sd35_medium")
    state = drawn(shapes["transformer"], 0)
    for name, (down, up) in changes.items():
        state[f"{name}.weight"] = state[f"{name}.weight"] + up @ down
    return diffusers_flux(state) if is_flux else diffusers_sd3(state)


def equal(own: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    return all(torch.allclose(own[n], t, atol=1e-5) for n, t in wanted.items())


def spelled(changes: Changes, prefix: str, dots: bool, ends: tuple[str, str]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, (down, up) in changes.items():
        path = prefix + (name if dots else name.replace(".", "_"))
        state |= {f"{path}.{ends[0]}": down, f"{path}.{ends[1]}": up}
    return state


KOHYA = ("lora_unet_", False, ("lora_down.weight", "lora_up.weight"))
MAKERS = ("diffusion_model.", True, ("lora_A.weight", "lora_B.weight"))
BARE = ("", True, ("lora_A.weight", "lora_B.weight"))


@pytest.mark.parametrize("spelling", [KOHYA, MAKERS, BARE], ids=["kohya", "makers", "bare"])
@pytest.mark.parametrize("family", ["flux", "sd3"])
def test_original_names_change_what_they_mean(
    family: str, spelling: tuple[str, bool, tuple[str, str]], flux: Checkpoint, sd3: Checkpoint,
    tmp_path: Path,
) -> None:  # fmt: skip
    checkpoint = flux if family == "flux" else sd3
    shapes = flux_shapes("flux_dev") if family == "flux" else sd3_shapes("sd35_medium")
    changes = draw(matrices(shapes["transformer"]))
    got = changed(checkpoint, tmp_path / "lora.safetensors", spelled(changes, *spelling))
    assert equal(got, original(checkpoint, changes))


DIFFUSERS = ("transformer.", True, ("lora_A.weight", "lora_B.weight"))
ONETRAINER = ("lora_transformer_", False, ("lora_down.weight", "lora_up.weight"))


@pytest.mark.parametrize("spelling", [DIFFUSERS, ONETRAINER], ids=["diffusers", "onetrainer"])
@pytest.mark.parametrize("family", ["flux", "sd3"])
def test_diffusers_names_change_the_layers_so_called(
    family: str, spelling: tuple[str, bool, tuple[str, str]], flux: Checkpoint, sd3: Checkpoint,
    tmp_path: Path,
) -> None:  # fmt: skip
    checkpoint = flux if family == "flux" else sd3
    before = {n: t.clone() for n, t in checkpoint.network.module.state_dict().items()}
    changes = draw(matrices({n: tuple(t.shape) for n, t in before.items()}))
    got = changed(checkpoint, tmp_path / "lora.safetensors", spelled(changes, *spelling))
    for name, (down, up) in changes.items():
        before[f"{name}.weight"] = before[f"{name}.weight"] + up @ down
    assert equal(got, before)


def test_xlabs_processors_are_the_attentions_projections(flux: Checkpoint, tmp_path: Path) -> None:
    layers = {
        "double_blocks.0.processor.qkv_lora1": "double_blocks.0.img_attn.qkv",
        "double_blocks.0.processor.qkv_lora2": "double_blocks.0.txt_attn.qkv",
        "double_blocks.1.processor.proj_lora1": "double_blocks.1.img_attn.proj",
        "double_blocks.1.processor.proj_lora2": "double_blocks.1.txt_attn.proj",
        "single_blocks.1.processor.proj_lora": "single_blocks.1.linear2",
    }
    shapes = matrices(flux_shapes("flux_dev")["transformer"])
    changes = draw({layer: shapes[layer] for layer in layers.values()})
    state = {
        f"{name}.{word}.weight": changes[layer][place]
        for name, layer in layers.items()
        for place, word in enumerate(("down", "up"))
    }
    got = changed(flux, tmp_path / "lora.safetensors", state)
    assert equal(got, original(flux, changes))


def test_two_spellings_of_one_layer_add_up(flux: Checkpoint, tmp_path: Path) -> None:
    layer = "double_blocks.0.img_attn.qkv"
    shapes = matrices(flux_shapes("flux_dev")["transformer"])
    first, second = draw({layer: shapes[layer]}), draw({layer: shapes[layer]}, seed=9)
    save_file(spelled(first, *KOHYA), tmp_path / "first.safetensors")
    own = "transformer_blocks.0.attn.to_q"
    up = second[layer][1][: shapes[layer][0] // 3].clone()
    save_file(spelled({own: (second[layer][0], up)}, *DIFFUSERS), tmp_path / "second.safetensors")
    read = [read_adapter(tmp_path / f"{n}.safetensors", n, n) for n in ("first", "second")]
    with Adapters([Wish(one) for one in read], print).apply(flux):
        got = flux.network.module.state_dict()[f"{own}.weight"].clone()
    alone = original(flux, first)[f"{own}.weight"]
    assert torch.allclose(got, alone + up @ second[layer][0], atol=1e-5)


def test_unets_have_none_of_these_names() -> None:
    assert list(transformer_names(torch.nn.Linear(2, 2), {})) == []

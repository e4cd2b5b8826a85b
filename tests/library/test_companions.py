"""What completes a model in pieces: the likeliest files first."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from webui.errors import NotFound
from webui.library.catalog import Catalog
from webui.library.companions import surroundings
from webui.library.hashes import HashCache

BLOCK = "double_blocks.0."
FLUX = ("img_in.weight", f"{BLOCK}img_attn.norm.key_norm.scale", f"{BLOCK}img_mod.lin.weight")
SD3 = ("x_embedder.proj.weight", "joint_blocks.0.context_block.attn.qkv.weight")
VAE = {"decoder.conv_in.weight": (8, 16, 3, 3), "decoder.up.0.block.0.norm1.weight": (8,)}
T5 = {"encoder.block.0.layer.1.DenseReluDense.wi_1.weight": (2, 4096)}


def write(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, path)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    models = tmp_path / "models"
    write(models / "Stable-diffusion" / "dev.safetensors", dict.fromkeys(FLUX, (2, 64)))
    write(models / "Stable-diffusion" / "large.safetensors", dict.fromkeys(SD3, (2, 64)))
    for name in ("a_mystery", "ae", "sd3_vae"):
        write(models / "VAE" / f"{name}.safetensors", VAE)
    for name in ("t5xxl_fp8_e4m3fn", "t5xxl_fp16"):
        write(models / "text_encoder" / f"{name}.safetensors", T5)
    return Catalog([models], HashCache(tmp_path / "hashes.json"))


@pytest.mark.parametrize(
    ("model", "vaes"),
    [("dev", ["ae", "a_mystery", "sd3_vae"]), ("large", ["sd3_vae", "a_mystery", "ae"])],
)
def test_files_named_for_the_family_come_first(
    catalog: Catalog, model: str, vaes: list[str]
) -> None:
    about = surroundings(catalog, catalog.resolve(model), [])
    found = [path.stem for path in about.found]
    assert found == [*vaes, "t5xxl_fp16", "t5xxl_fp8_e4m3fn"]
    assert about.chosen == ()
    assert [folder.name for folder in about.folders] == ["text_encoder"]


def test_text_encoders_are_chosen_by_any_of_their_names(catalog: Catalog) -> None:
    dev = catalog.resolve("dev")
    (path,) = surroundings(catalog, dev, ["t5xxl_fp8_e4m3fn"]).chosen
    assert path.name == "t5xxl_fp8_e4m3fn.safetensors"
    with pytest.raises(NotFound, match="There is no text encoder called 'nobody'"):
        surroundings(catalog, dev, ["nobody"])

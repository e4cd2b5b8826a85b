"""Telling model families apart by names and shapes."""

import hashlib

import pytest

from tests import tiny
from webui.errors import UnsupportedModel
from webui.library.headers import Header, TensorInfo
from webui.weights.families import FAMILIES, NETWORK, identify, identify_folder

REAL_SD15 = "dd0d17c940fbd3a9caaa5c0908f12bcc529c3920a6edcf30fe8eedab2d41b931"
"""SHA-256 over the sorted names and shapes of the 1130 weights of SD 1.5's published file."""


def header(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Header:
    return Header({n: TensorInfo("F16", s) for n, s in shapes.items()}, metadata or {})


def real_shapes() -> tiny.Shapes:
    return tiny.original_shapes((320, 640, 1280, 1280), (128, 256, 512, 512), 768, 12)


def changed(**shapes: tuple[int, ...]) -> tiny.Shapes:
    names = {
        "first": f"{NETWORK}input_blocks.0.0.weight",
        "context": f"{NETWORK}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
    }
    return real_shapes() | {names[name]: shape for name, shape in shapes.items()}


def test_the_tiny_files_layout_is_the_published_one_but_for_its_widths() -> None:
    lines = "\n".join(f"{name} {list(shape)}" for name, shape in sorted(real_shapes().items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == REAL_SD15
    assert tiny.original_shapes().keys() <= real_shapes().keys()


@pytest.mark.parametrize("shapes", [real_shapes(), tiny.original_shapes()])
def test_sd1_is_known_by_its_layout(shapes: tiny.Shapes) -> None:
    assert identify(header(shapes), "model").name == "sd1"


@pytest.mark.parametrize(
    ("markers", "metadata"),
    [
        ({"v_pred": (0,)}, {}),
        ({}, {"modelspec.prediction_type": "v"}),
        ({}, {"modelspec.predict_key": "v"}),
    ],
)
def test_v_prediction_is_known_by_a_marker_or_by_metadata(
    markers: dict[str, tuple[int, ...]], metadata: dict[str, str]
) -> None:
    assert identify(header(real_shapes() | markers, metadata), "model").name == "sd1_v"


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (changed(first=(320, 5, 3, 3)), "5 input channels"),
        (real_shapes() | {"depth_model.model.x": (1,)}, "depth"),
        (real_shapes() | {"embedder.model.x": (1,)}, "unCLIP"),
        (real_shapes() | {"edm_mean": (1, 4, 1, 1)}, "EDM"),
        ({"conditioner.embedders.1.model.ln_final.weight": (1280,)}, "SDXL"),
        ({f"{NETWORK}label_emb.0.0.weight": (1280, 2816)}, "SDXL"),
        ({"cond_stage_model.model.ln_final.weight": (1024,)}, "Stable Diffusion 2"),
        ({f"{NETWORK}joint_blocks.0.context_block.attn.qkv.weight": (1, 1)}, "Diffusion 3"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (128,)}, "FLUX"),
        ({"lora_unet_down_blocks_0_attentions_0.lora_down.weight": (4, 320)}, "LoRA"),
        ({"control_model.zero_convs.0.0.weight": (320, 320, 1, 1)}, "ControlNet"),
        ({"decoder.conv_in.weight": (512, 4, 3, 3)}, "autoencoder"),
        ({"what": (1,)}, "no kind"),
        ({}, "no kind"),
    ],
)
def test_what_cannot_be_loaded_is_named(shapes: tiny.Shapes, words: str) -> None:
    with pytest.raises(UnsupportedModel, match=words) as caught:
        identify(header(shapes), "my model")
    assert "my model" in caught.value.sentence
    assert "tensors" in caught.value.detail


def test_folders_are_told_apart_by_their_network_and_prediction() -> None:
    unet = {"_class_name": "UNet2DConditionModel", "cross_attention_dim": 128}
    assert identify_folder(tiny.model_index(), unet, "epsilon", "m").name == "sd1"
    assert identify_folder(tiny.model_index(), unet, "v_prediction", "m").name == "sd1_v"
    for other in (
        {"in_channels": 5},
        {"class_embed_type": "projection"},
        {"addition_embed_type": "text_image"},
        {"_class_name": "SomethingElse"},
    ):
        with pytest.raises(UnsupportedModel, match="StableDiffusionPipeline"):
            identify_folder(tiny.model_index(), unet | other, "epsilon", "m")


def test_every_row_of_the_table_is_whole() -> None:
    from webui.weights.architecture import FITTERS, read_config
    from webui.weights.assembly import BUILDERS

    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        for part in (family.network, family.vae, *family.encoders):
            assert part.kind in BUILDERS and part.kind in FITTERS
            assert read_config(part.config)
        assert read_config(family.scheduler)["num_train_timesteps"] == 1000

"""Every public layout is recognised by names and shapes, and nothing else passes for one.

`layouts.json` holds a few names and shapes of each layout; its `origin` says where from.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from webui.library.headers import Header, TensorInfo, read_header
from webui.library.identify import Identity, identify

Layout = dict[str, tuple[int, ...]]
PREFIX = "model.diffusion_model."
STARTER = Path(__file__).parents[2] / "models" / "starter"

_told = json.loads(Path(__file__).with_name("layouts.json").read_text(encoding="utf-8"))
LAYOUTS = {
    name: {key: tuple(shape) for key, shape in layout.items()}
    for name, layout in cast("dict[str, dict[str, list[int]]]", _told["layouts"]).items()
}

EXPECTED = {
    "clip_g": "text_encoder//clip_g",
    "clip_l": "text_encoder//clip_l",
    "control_lora_sdxl_r128": "controlnet/sdxl/control_lora",
    "controlnet_sd15": "controlnet/sd1/",
    "controlnet_sd15_diffusers": "controlnet/sd1/",
    "controlnet_sd21": "controlnet/sd2/",
    "controlnet_sdxl_diffusers": "controlnet/sdxl/",
    "controlnet_sdxl_ldm": "controlnet/sdxl/",
    "controlnet_union_sdxl": "controlnet/sdxl/union",
    "dora_sd15": "lora/sd1/dora",
    "dora_sdxl_diffusers_peft": "lora/sdxl/dora",
    "dora_sdxl_wd_on_out": "lora/sdxl/dora",
    "esrgan_new_x4": "upscaler//esrgan",
    "esrgan_old_x4": "upscaler//esrgan",
    "flux_canny_depth": "checkpoint/flux/control",
    "flux_dev": "checkpoint/flux/dev",
    "flux_dev_aio_fp8": "checkpoint/flux/dev",
    "flux_fill": "checkpoint/flux/fill",
    "flux_redux": "ip_adapter/flux/redux",
    "flux_schnell": "checkpoint/flux/schnell",
    "ipadapter_faceid_plus_sd15": "ip_adapter/sd1/faceid_plus",
    "ipadapter_faceid_sd15": "ip_adapter/sd1/faceid",
    "ipadapter_sd15": "ip_adapter/sd1/",
    "ipadapter_sd15_full_face": "ip_adapter/sd1/full_face",
    "ipadapter_sd15_plus": "ip_adapter/sd1/plus",
    "ipadapter_sdxl": "ip_adapter/sdxl/",
    "ipadapter_sdxl_plus_vit_h": "ip_adapter/sdxl/plus",
    "ipadapter_sdxl_vit_h": "ip_adapter/sdxl/",
    "locon_sd15": "lycoris/sd1/locon",
    "locon_sdxl": "lycoris/sdxl/locon",
    "loha_sd15": "lycoris/sd1/loha",
    "lokr_sd15": "lycoris/sd1/lokr",
    "lokr_sdxl": "lycoris/sdxl/lokr",
    "lora_flux_bfl_control": "lora/flux/control",
    "lora_flux_bfl_prefixed": "lora/flux/",
    "lora_flux_diffusers": "lora/flux/",
    "lora_flux_kohya": "lora/flux/",
    "lora_flux_onetrainer": "lora/flux/",
    "lora_flux_xlabs": "lora/flux/",
    "lora_sd15_diffusers_old": "lora/sd1/",
    "lora_sd15_diffusers_peft": "lora/sd1/",
    "lora_sd15_kohya": "lora/sd1/",
    "lora_sdxl_diffusers_peft": "lora/sdxl/",
    "lora_sdxl_kohya": "lora/sdxl/",
    "lora_sdxl_kohya_diffusersnames": "lycoris/sdxl/locon",
    "openclip_h": "text_encoder//openclip_h",
    "realesr_general_x4v3": "upscaler//srvgg",
    "realesrgan_x2plus": "upscaler//esrgan",
    "realesrgan_x4plus": "upscaler//esrgan",
    "realesrgan_x4plus_anime6b": "upscaler//esrgan",
    "sd15": "checkpoint/sd1/",
    "sd15_inpaint": "checkpoint/sd1/inpaint",
    "sd15_ip2p": "checkpoint/sd1/edit",
    "sd15_pruned_ema": "checkpoint/sd1/",
    "sd21_768v": "checkpoint/sd2/",
    "sd2_inpaint": "checkpoint/sd2/inpaint",
    "sd35_large": "checkpoint/sd35_large/",
    "sd35_medium": "checkpoint/sd35_medium/",
    "sd35_medium_incl_clips_t5fp8scaled": "checkpoint/sd35_medium/",
    "sd3_medium": "checkpoint/sd3_medium/",
    "sdxl_base": "checkpoint/sdxl/",
    "sdxl_inpaint": "checkpoint/sdxl/inpaint",
    "sdxl_ip2p": "checkpoint/sdxl/edit",
    "sdxl_refiner": "checkpoint/sdxl_refiner/",
    "t2i_light_sd15": "controlnet/sd1/t2i_adapter",
    "t2i_sd15": "controlnet/sd1/t2i_adapter",
    "t2i_sdxl": "controlnet/sdxl/t2i_adapter",
    "t2i_sdxl_diffusers": "controlnet/sdxl/t2i_adapter",
    "t2i_style_sd15": "controlnet/sd1/t2i_style",
    "t5xxl_fp16": "text_encoder//t5xxl",
    "t5xxl_fp8_scaled": "text_encoder//t5xxl",
    "taesd3_taef1_decoder": "vae//taesd16",
    "taesd3_taef1_encoder": "vae//taesd16",
    "taesd_combined": "vae//taesd",
    "taesd_decoder": "vae//taesd",
    "taesd_diffusers": "vae//taesd",
    "taesd_encoder": "vae//taesd",
    "ti_sd1_diffusers": "embedding/sd1/",
    "ti_sd1_emb_params": "embedding/sd1/",
    "ti_sd1_pt": "embedding/sd1/",
    "ti_sd2_emb_params": "embedding/sd2/",
    "ti_sdxl": "embedding/sdxl/",
    "vae_flux": "vae//kl16",
    "vae_sd1": "vae//kl4",
}


def seen(layout: Mapping[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Identity:
    tensors = {name: TensorInfo("F16", shape) for name, shape in layout.items()}
    return identify(Header(tensors, metadata or {}))


def brief(identity: Identity) -> str:
    return f"{identity.kind}/{identity.family}/{identity.variant}"


def test_every_layout_has_an_expectation() -> None:
    assert set(LAYOUTS) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_public_layout_is_recognised(name: str) -> None:
    assert brief(seen(LAYOUTS[name])) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_order_of_the_names_does_not_matter(name: str) -> None:
    assert seen(dict(reversed(LAYOUTS[name].items()))) == seen(LAYOUTS[name])


CHECKPOINTS = [name for name, told in EXPECTED.items() if told.startswith("checkpoint/")]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_network_alone_keeps_its_family_without_the_prefix(name: str) -> None:
    network = {
        key.removeprefix(PREFIX): shape
        for key, shape in LAYOUTS[name].items()
        if key.startswith(PREFIX) or not any(k.startswith(PREFIX) for k in LAYOUTS[name])
    }
    alone = seen(network)
    assert brief(alone) == EXPECTED[name]
    assert alone.parts == ("network",)


def test_the_parts_of_a_checkpoint_are_named() -> None:
    assert seen(LAYOUTS["sdxl_base"]).parts == ("network", "vae", "text_encoders")
    assert seen(LAYOUTS["sd35_large"]).parts == ("network", "vae")
    assert seen(LAYOUTS["flux_dev"]).parts == ("network",)


@pytest.mark.parametrize(
    ("channels", "variant"), [(4, ""), (5, "depth"), (8, "edit"), (9, "inpaint"), (7, "channels_7")]
)
def test_input_channels_give_the_variant(channels: int, variant: str) -> None:
    layout: Layout = {**LAYOUTS["sd21_768v"], f"{PREFIX}input_blocks.0.0.weight": (320, channels)}
    assert brief(seen(layout)) == f"checkpoint/sd2/{variant}"


def test_four_bit_flux_files_tell_their_channels_by_the_bias() -> None:
    layout: Layout = {
        **LAYOUTS["flux_fill"],
        "img_in.weight": (3072 * 384 // 2, 1),
        "img_in.weight.absmax": (18432,),
        "img_in.bias": (3072,),
    }
    assert brief(seen(layout)) == "checkpoint/flux/fill"


def test_relatives_of_flux_are_not_taken_for_it() -> None:
    chroma: Layout = {k: s for k, s in LAYOUTS["flux_dev"].items() if "img_mod" not in k}
    video: Layout = {**LAYOUTS["flux_dev"], "txt_in.individual_token_refiner.blocks.0.x": (1,)}
    assert seen(chroma).kind == seen(video).kind == "unknown"


def test_a_checkpoint_of_an_unknown_network_is_still_a_checkpoint() -> None:
    assert brief(seen({f"{PREFIX}blocks.0.weight": (4, 4)})) == "checkpoint//"


def test_unclip_models_are_set_apart() -> None:
    layout: Layout = {**LAYOUTS["sd21_768v"], "embedder.model.ln_final.weight": (768,)}
    assert brief(seen(layout)) == "checkpoint/sd2/unclip"


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ({"lora_te_text_model_encoder_layers_0_self_attn_q_proj": 768}, "lora/sd1/"),
        ({"lora_te_text_model_encoder_layers_0_self_attn_q_proj": 1024}, "lora/sd2/"),
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1": 1280}, "lora/sdxl/"),
        ({"lora_unet_joint_blocks_0_x_block_attn_qkv": 2432}, "lora/sd35_large/"),
        ({"lora_unet_joint_blocks_0_x_block_attn_qkv": 1536}, "lora/sd3/"),
        ({"lora_unet_joint_blocks_0_x_block_attn2_qkv": 1536}, "lora/sd35_medium/"),
        ({"transformer.transformer_blocks.0.attn.to_q": 2432}, "lora/sd35_large/"),
        ({"lora_unet_mid_block_resnets_0_conv1": 1280}, "lora//"),
    ],
)
def test_adapters_that_skip_cross_attention_are_told_by_other_layers(
    layout: dict[str, int], told: str
) -> None:
    names: Layout = {}
    for module, inputs in layout.items():
        names |= {f"{module}.lora_down.weight": (8, inputs), f"{module}.lora_up.weight": (64, 8)}
    assert brief(seen(names)) == told


def test_a_trainer_s_remark_is_the_last_resort() -> None:
    layout: Layout = {"lora_unet_mid_block_resnets_0_conv1.lora_down.weight": (8, 1280)}
    remark = {"ss_base_model_version": "sdxl_base_v1-0"}
    assert brief(seen(layout, remark)) == "lora/sdxl/"


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ({"lora_unet_mid_block.diff": (4, 4)}, "lycoris//full"),
        ({"lora_unet_x_attn2_to_k.diff": (320, 2048)}, "lycoris/sdxl/full"),
        ({"lora_unet_x.a1.weight": (4, 4)}, "lycoris//glora"),
        ({"lora_unet_x.oft_blocks": (4, 4, 4)}, "lycoris//oft"),
        ({"lllite_unet_input_blocks_4_1_x.down.0.weight": (64, 640)}, "controlnet/sdxl/lllite"),
        (
            {"controlnet_blocks.0.weight": (1, 1), "controlnet_x_embedder.weight": (1, 1)},
            "controlnet/flux/",
        ),
        (
            {"controlnet_blocks.0.weight": (1, 1), "pos_embed.proj.weight": (1, 16)},
            "controlnet/sd3/",
        ),
        (
            {"conv_first.weight": (180, 3, 3, 3), "layers.0.residual_group.blocks.0.x": (1,)},
            "upscaler//transformer",
        ),
        (
            {"params_ema.body.0.weight": (64, 3, 3, 3), "params_ema.body.1.weight": (64,)},
            "upscaler//srvgg",
        ),
        ({"my word": (2, 1280)}, "embedding/sdxl/"),
        ({"clip_l": (2, 768), "clip_g": (2, 1280), "t5xxl": (2, 4096)}, "embedding/sd3/"),
    ],
)
def test_layouts_without_a_published_list_are_known_by_their_marks(
    layout: Layout, told: str
) -> None:
    assert brief(seen(layout)) == told


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"weight": (10, 10)},
        {"weight": ()},
        {"a": (768,), "b": (768,)},
        {"clip_l": (4, 4)},
        {"1.weight": (64, 4, 3, 3)},
        {"lora": (1,)},
        {"conv_in.weight": ()},
        {"decoder.conv_in.weight": (4,), "decoder.up.0.x": ()},
        {"0.weight": (64, 3, 3, 3), "1.conv.0.weight": ()},
        {"text_model.encoder.layers.0.layer_norm1.weight": ()},
        {"x.lokr_w1": (), "attn2.to_k.lora_down.weight": ()},
    ],
)
def test_odd_files_are_answered_without_an_error(layout: Layout) -> None:
    assert seen(layout).family == ""


@pytest.mark.parametrize("shape", [(), (0,), (0, 0), (2**62,) * 4, (1,) * 16])
@pytest.mark.parametrize("name", EXPECTED)
def test_impossible_shapes_are_answered_without_an_error(name: str, shape: tuple[int, ...]) -> None:
    seen(dict.fromkeys(LAYOUTS[name], shape))


def test_the_parts_of_a_folder_are_known_too() -> None:
    told = {
        part: identify(read_header(next((STARTER / part).glob("*.safetensors"))))
        for part in ("unet", "vae", "text_encoder")
    }
    assert {part: identity.kind for part, identity in told.items()} == {
        "unet": "checkpoint",
        "vae": "vae",
        "text_encoder": "text_encoder",
    }
    assert told["unet"].family == "sd1"


def test_identification_needs_no_torch() -> None:
    code = "import sys, webui.library.scan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

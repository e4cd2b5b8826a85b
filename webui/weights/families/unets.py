"""The families that denoise with a UNet: SD 1.x, SD 2.x, SDXL and its refiner."""

from collections.abc import Mapping
from typing import Any

from webui.library.headers import Header
from webui.weights.families.marks import says_v
from webui.weights.families.rows import (
    NETWORK,
    Defaults,
    Joining,
    LatentFormat,
    ModelFamily,
    Numbers,
    Part,
    PredictionKind,
    Sight,
    TextEncoder,
)

WIDTHS = {768: "sd1", 1024: "sd2", 1280: "sdxl_refiner", 2048: "sdxl"}
"""The width of what cross-attention reads; relatives of other widths are told by their layout."""

ATTENDED = (1, 2, 4, 5, 7, 8)
"""Input blocks that may hold the first attention, in the files of two layers a level."""

STRANGERS = ("embedder.model.", "depth_model.", "edm_mean", "edm_vpred.")
"""Beginnings of names in relatives that need more than these rows give them."""

CHANNELS: Mapping[Sight, int] = {"nothing": 4, "mask": 9, "picture": 8}

CLIP_L = TextEncoder(
    "text_encoder", "cond_stage_model.transformer.", "CLIPTextModel", "sd1/text_encoder.json"
)
OPEN_CLIP_H = TextEncoder(
    "text_encoder",
    "cond_stage_model.model.",
    "CLIPTextModel",
    "sd2/text_encoder.json",
    pad="!",
    skips=False,
)
CLIP_L_OF_SDXL = TextEncoder(
    "text_encoder",
    "conditioner.embedders.0.transformer.",
    "CLIPTextModel",
    "sd1/text_encoder.json",
    skips=False,
    layer=2,
    normed=False,
)


def _big_g(place: int) -> TextEncoder:
    return TextEncoder(
        "text_encoder_2",
        f"conditioner.embedders.{place}.model.",
        "CLIPTextModelWithProjection",
        "sdxl/text_encoder_2.json",
        tokenizer="tokenizer_2",
        pad="!",
        skips=False,
        layer=2,
        normed=False,
        pools=True,
    )


ENCODERS: Mapping[str, tuple[TextEncoder, ...]] = {
    "sd1": (CLIP_L,),
    "sd2": (OPEN_CLIP_H,),
    "sdxl": (CLIP_L_OF_SDXL, _big_g(1)),
    "sdxl_refiner": (_big_g(0),),
}
NUMBERS: Mapping[str, Numbers] = {"sdxl": "sizes", "sdxl_refiner": "scores"}


def first_attention(header: Header, prefix: str) -> str:
    """The name of the first cross-attention's transformer block; "" where there is none."""
    for block in ATTENDED:
        place = f"{prefix}input_blocks.{block}.1.transformer_blocks.0"
        if header.shape(f"{place}.attn2.to_k.weight") is not None:
            return place
    return ""


def _base_of_file(header: Header) -> str:
    """The base family of a single file's network by its structure; "" for any other."""
    place = first_attention(header, NETWORK)
    if not place or any(header.has(name) for name in STRANGERS):
        return ""
    context = (header.shape(f"{place}.attn2.to_k.weight") or (0,))[-1]
    projection = header.shape(place.rsplit(".", 2)[0] + ".proj_in.weight") or ()
    if header.has(f"{NETWORK}label_emb."):
        alone = not header.has("conditioner.embedders.1.")
        refines = alone and (context == 1280 or header.has("conditioner.embedders.0.model."))
        return "sdxl_refiner" if refines else "sdxl"
    named = WIDTHS.get(context, "")
    if named.startswith("sdxl"):
        return ""
    return named or ("sd1" if len(projection) == 4 else "sd2")


def _base_of_folder(index: Mapping[str, Any], network: Mapping[str, Any]) -> str:
    """The base family of a folder in diffusers layout; "" for any other."""
    if network.get("_class_name") != "UNet2DConditionModel" or network.get("class_embed_type"):
        return ""
    added, context = network.get("addition_embed_type"), network.get("cross_attention_dim")
    if added == "text_time":
        encoder = index.get("text_encoder") or (None, None)
        return "sdxl" if encoder[1] and "text_encoder_2" in index else "sdxl_refiner"
    if added or "text_encoder_2" in index or not isinstance(context, int):
        return ""
    named = WIDTHS.get(context, "")
    if named.startswith("sdxl"):
        return ""
    return named or ("sd2" if network.get("use_linear_projection") else "sd1")


def _row(
    name: str,
    label: str,
    base: str,
    prediction: PredictionKind = "epsilon",
    sees: Sight = "nothing",
    side: int = 512,
) -> ModelFamily:
    is_xl, channels = base.startswith("sdxl"), CHANNELS[sees]
    joining: Joining = "side_by_side" if len(ENCODERS[base]) > 1 else "alone"

    def matches(header: Header) -> bool:
        first = header.shape(f"{NETWORK}input_blocks.0.0.weight") or (0, 0)
        # Networks that see more than the latent predict noise, whatever else is said of them.
        kind = "v_prediction" if says_v(header) and sees == "nothing" else "epsilon"
        return (_base_of_file(header), first[1], kind) == (base, channels, prediction)

    def accepts(index: Mapping[str, Any], network: Mapping[str, Any], seen: PredictionKind) -> bool:
        told = (_base_of_folder(index, network), network.get("in_channels", 4), seen)
        return told == (base, channels, prediction)

    return ModelFamily(
        name=name,
        label=label,
        prediction=prediction,
        latent=LatentFormat(scale=0.13025) if is_xl else LatentFormat(),
        network=Part("unet", NETWORK, "UNet2DConditionModel", f"{base}/unet.json"),
        vae=Part(
            "vae",
            "first_stage_model.",
            "AutoencoderKL",
            "sdxl/vae.json" if is_xl else "sd1/vae.json",
        ),
        encoders=ENCODERS[base],
        scheduler="sd1/scheduler.json",
        defaults=Defaults(width=side, height=side),
        matches=matches,
        accepts=accepts,
        joining=joining,
        silent_negative=is_xl,
        sees=sees,
        numbers=NUMBERS.get(base, "none"),
        base=base,
    )


UNETS: tuple[ModelFamily, ...] = (
    _row("sd1", "Stable Diffusion 1.x", "sd1"),
    _row("sd1_v", "Stable Diffusion 1.x (v-prediction)", "sd1", "v_prediction"),
    _row("sd1_inpaint", "Stable Diffusion 1.x inpainting", "sd1", sees="mask"),
    _row("sd1_edit", "InstructPix2Pix", "sd1", sees="picture"),
    _row("sd2", "Stable Diffusion 2.x", "sd2"),
    _row("sd2_v", "Stable Diffusion 2.x (v-prediction)", "sd2", "v_prediction", side=768),
    _row("sd2_inpaint", "Stable Diffusion 2.x inpainting", "sd2", sees="mask"),
    _row("sdxl", "SDXL", "sdxl", side=1024),
    _row("sdxl_v", "SDXL (v-prediction)", "sdxl", "v_prediction", side=1024),
    _row("sdxl_inpaint", "SDXL inpainting", "sdxl", sees="mask", side=1024),
    _row("sdxl_edit", "SDXL InstructPix2Pix", "sdxl", sees="picture", side=1024),
    _row("sdxl_refiner", "SDXL refiner", "sdxl_refiner", side=1024),
)

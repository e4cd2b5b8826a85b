"""The families that denoise with a transformer: Stable Diffusion 3 and FLUX.1."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from webui.library.headers import Header
from webui.weights.families.marks import says_name
from webui.weights.families.rows import (
    NETWORK,
    Defaults,
    LatentFormat,
    ModelFamily,
    Part,
    PredictionKind,
    Sight,
    TextEncoder,
)

FLUX_PATCH = 64
"""Channels of a patch of FLUX's latents."""
FILLING = 6
"""How many times as wide the input of a network that fills holes is: latent, masked picture, and
64 cells of mask for every cell of the latent."""
STRANGERS = ("distilled_guidance_layer.", "txt_in.individual_token_refiner.", "double_stream_mod")
KONTEXT = "kontext"
DISTILLED = (
    "{label} is told its guidance as a number of its own, the Distilled CFG Scale: a CFG Scale "
    "above 1 takes twice the time and burns the colours."
)
SCHNELL = (
    "{label} was distilled to paint in 1 to 4 steps without guidance: a CFG Scale above 1 burns "
    "the colours."
)


def _clip_l(kind: str, config: str, layer: int) -> TextEncoder:
    return TextEncoder(
        "text_encoder",
        "text_encoders.clip_l.transformer.",
        kind,
        config,
        skips=False,
        layer=layer,
        normed=layer == 1,
        pools=True,
        tower="clip_l",
    )


def _t5(folder: str, tokenizer: str, length: int, optional: bool = False) -> TextEncoder:
    return TextEncoder(
        folder,
        "text_encoders.t5xxl.transformer.",
        "T5EncoderModel",
        "t5/text_encoder.json",
        tokenizer=tokenizer,
        skips=False,
        tower="t5xxl",
        optional=optional,
        length=length,
    )


SD3_CLIP_L = _clip_l("CLIPTextModelWithProjection", "sd3/text_encoder.json", layer=2)
SD3_CLIP_G = TextEncoder(
    "text_encoder_2",
    "text_encoders.clip_g.transformer.",
    "CLIPTextModelWithProjection",
    "sdxl/text_encoder_2.json",
    tokenizer="tokenizer_2",
    pad="!",
    skips=False,
    layer=2,
    normed=False,
    pools=True,
    tower="clip_g",
)
FLUX_CLIP_L = _clip_l("CLIPTextModel", "sd1/text_encoder.json", layer=1)


def _root(header: Header) -> str:
    """What the network's names start with: nothing in files that hold it alone."""
    return NETWORK if header.has(NETWORK) else ""


def _sd3_kind(header: Header) -> str:
    """Which Stable Diffusion 3 a single file's network is of; "" for any other."""
    root = _root(header)
    block = f"{root}joint_blocks.0."
    if header.shape(f"{root}x_embedder.proj.weight") is None:
        return ""
    if header.shape(f"{block}context_block.attn.qkv.weight") is None:
        return ""
    if header.shape(f"{block}x_block.attn2.qkv.weight") is not None:
        return "sd35_medium"
    return "sd35_large" if header.shape(f"{block}x_block.attn.ln_q.weight") else "sd3_medium"


def _sd3_folder(network: Mapping[str, Any]) -> str:
    if network.get("_class_name") != "SD3Transformer2DModel":
        return ""
    if network.get("dual_attention_layers"):
        return "sd35_medium"
    return "sd35_large" if network.get("qk_norm") else "sd3_medium"


def _sd3(name: str, label: str, defaults: Defaults) -> ModelFamily:
    def accepts(_index: Mapping[str, Any], network: Mapping[str, Any], _: PredictionKind) -> bool:
        return _sd3_folder(network) == name

    return ModelFamily(
        name=name,
        label=label,
        prediction="flow",
        latent=LatentFormat(16, 1.5305, 0.0609),
        network=Part("transformer", NETWORK, "SD3Transformer2DModel", "sd3/transformer.json"),
        vae=Part("vae", "first_stage_model.", "AutoencoderKL", "sd3/vae.json"),
        encoders=(
            SD3_CLIP_L,
            SD3_CLIP_G,
            _t5("text_encoder_3", "tokenizer_3", length=256, optional=True),
        ),
        scheduler="sd3/scheduler.json",
        defaults=defaults,
        matches=lambda header: _sd3_kind(header) == name,
        accepts=accepts,
        joining="in_a_row",
        base="sd3",
    )


def _flux_kind(header: Header) -> tuple[Sight, bool] | None:
    """What a single file's FLUX network sees besides, and whether it is told its guidance."""
    root = _root(header)
    first = header.shape(f"{root}img_in.weight")
    last = header.shape(f"{root}final_layer.linear.weight")
    norm = header.shape(f"{root}double_blocks.0.img_attn.norm.key_norm.scale")
    if first is None or last is None or norm is None:
        return None
    if any(header.has(root + start) for start in STRANGERS):
        return None
    guided = header.shape(f"{root}guidance_in.in_layer.weight") is not None
    return _flux_sight(first[1], last[0], says_name(header, KONTEXT), guided)


def _flux_folder(index: Mapping[str, Any], network: Mapping[str, Any]) -> tuple[Sight, bool] | None:
    if network.get("_class_name") != "FluxTransformer2DModel":
        return None
    inputs = int(network.get("in_channels", FLUX_PATCH))
    outputs = int(network.get("out_channels") or inputs)
    edits = str(index.get("_class_name", "")).startswith("FluxKontext")
    return _flux_sight(inputs, outputs, edits, bool(network.get("guidance_embeds")))


def _flux_sight(inputs: int, outputs: int, edits: bool, guided: bool) -> tuple[Sight, bool] | None:
    if inputs == outputs:
        return ("reference" if edits else "nothing"), guided
    return ("mask", guided) if inputs == FILLING * outputs else None


def _flux(
    name: str, label: str, defaults: Defaults, sees: Sight = "nothing", guided: bool = True
) -> ModelFamily:
    def accepts(index: Mapping[str, Any], network: Mapping[str, Any], _: PredictionKind) -> bool:
        return _flux_folder(index, network) == (sees, guided)

    return ModelFamily(
        name=name,
        label=label,
        prediction="flow",
        latent=LatentFormat(16, 0.3611, 0.1159),
        network=Part("transformer", NETWORK, "FluxTransformer2DModel", "flux/transformer.json"),
        vae=Part("vae", "vae.", "AutoencoderKL", "flux/vae.json"),
        encoders=(
            FLUX_CLIP_L,
            _t5("text_encoder_2", "tokenizer_2", length=512 if guided else 256),
        ),
        scheduler="flux/scheduler.json" if guided else "flux/scheduler_schnell.json",
        defaults=replace(defaults, why=(DISTILLED if guided else SCHNELL).format(label=label)),
        matches=lambda header: _flux_kind(header) == (sees, guided),
        accepts=accepts,
        joining="last_alone",
        sees=sees,
        base="flux",
    )


def _large(steps: int, cfg_scale: float) -> Defaults:
    return Defaults(1024, 1024, steps, cfg_scale, "euler", "simple")


TRANSFORMERS: tuple[ModelFamily, ...] = (
    _sd3("sd3_medium", "Stable Diffusion 3 Medium", _large(28, 7.0)),
    _sd3("sd35_medium", "Stable Diffusion 3.5 Medium", _large(40, 4.5)),
    _sd3("sd35_large", "Stable Diffusion 3.5 Large", _large(28, 3.5)),
    _flux("flux_dev", "FLUX.1 dev", _large(28, 1.0)),
    _flux("flux_schnell", "FLUX.1 schnell", _large(4, 1.0), guided=False),
    _flux("flux_fill", "FLUX.1 Fill", _large(50, 1.0), sees="mask"),
    _flux("flux_kontext", "FLUX.1 Kontext", _large(28, 1.0), sees="reference"),
)

"""The families that denoise with a UNet: SD 1.x and its successors up to SDXL."""

from collections.abc import Mapping
from typing import Any

from webui.library.headers import Header
from webui.weights.families.marks import says_v
from webui.weights.families.rows import (
    CONTEXT_KEY,
    NETWORK,
    Defaults,
    LatentFormat,
    ModelFamily,
    Part,
    PredictionKind,
    TextEncoder,
)


def _is_sd1(header: Header) -> bool:
    """SD 1.x by structure: any width but those of its successors, 4 channels, CLIP as HF has it."""
    context = header.shape(NETWORK + CONTEXT_KEY)
    first = header.shape(NETWORK + "input_blocks.0.0.weight")
    projection = header.shape(NETWORK + "input_blocks.1.1.proj_in.weight")
    if context is None or first is None or projection is None:
        return False
    return (
        len(projection) == 4
        and first[1] == 4
        and context[-1] not in (1024, 1280, 2048)
        and not header.has(NETWORK + "label_emb.")
    )


def _is_sd1_folder(
    index: Mapping[str, Any], network: Mapping[str, Any], prediction: PredictionKind
) -> bool:
    return (
        network.get("_class_name") == "UNet2DConditionModel"
        and network.get("in_channels", 4) == 4
        and not network.get("addition_embed_type")
        and network.get("cross_attention_dim") not in (1024, 1280, 2048)
        and "text_encoder_2" not in index
    )


def _sd1(name: str, label: str, prediction: PredictionKind) -> ModelFamily:
    return ModelFamily(
        name=name,
        label=label,
        prediction=prediction,
        latent=LatentFormat(),
        network=Part("unet", NETWORK, "UNet2DConditionModel", "sd1/unet.json"),
        vae=Part("vae", "first_stage_model.", "AutoencoderKL", "sd1/vae.json"),
        encoders=(
            TextEncoder(
                "text_encoder",
                "cond_stage_model.transformer.",
                "CLIPTextModel",
                "sd1/text_encoder.json",
            ),
        ),
        scheduler="sd1/scheduler.json",
        defaults=Defaults(),
        matches=lambda header: _is_sd1(header) and says_v(header) == (prediction != "epsilon"),
        accepts=lambda index, network, seen: (
            _is_sd1_folder(index, network, seen) and seen == prediction
        ),
    )


UNETS: tuple[ModelFamily, ...] = (
    _sd1("sd1", "Stable Diffusion 1.x", "epsilon"),
    _sd1("sd1_v", "Stable Diffusion 1.x (v-prediction)", "v_prediction"),
)

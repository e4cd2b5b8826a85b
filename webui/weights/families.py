"""The table of model families: one row each, told apart by the names and shapes of tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from webui.errors import UnsupportedModel
from webui.library.embedded import embedded_part, embedded_parts
from webui.library.headers import Header

CONFIGS = Path(__file__).with_name("configs")
NETWORK = "model.diffusion_model."
CONTEXT_KEY = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"

PredictionKind = Literal["epsilon", "v_prediction", "flow"]


@dataclass(frozen=True)
class LatentFormat:
    """How pixels become latents: `(encoded - shift) * scale`, each axis `factor` times smaller."""

    channels: int = 4
    scale: float = 0.18215
    shift: float = 0.0
    factor: int = 8


@dataclass(frozen=True)
class Part:
    """One component of a model.

    Attributes:
        folder: its folder in diffusers layout.
        prefix: what its tensors' names start with in a single file.
        kind: the class that runs it.
        config: its configuration for single files, a path below `configs`.
    """

    folder: str
    prefix: str
    kind: str
    config: str


@dataclass(frozen=True)
class TextEncoder(Part):
    """A text encoder with its tokenizer.

    Attributes:
        tokenizer: the tokenizer's folder in diffusers layout.
        pad: the word that fills a chunk, for single files.
        skips: whether clip skip applies to it.
    """

    tokenizer: str = "tokenizer"
    pad: str = "<|endoftext|>"
    skips: bool = True


@dataclass(frozen=True)
class Defaults:
    """What a request should start from when a person chooses the model."""

    width: int = 512
    height: int = 512
    steps: int = 20
    cfg_scale: float = 7.0
    sampler: str = ""
    schedule: str = ""


@dataclass(frozen=True)
class ModelFamily:
    """What all models of one kind share; a row of `FAMILIES`.

    `matches` looks at the header of a single file, `accepts` at the model_index.json and the
    network's config.json of a folder in diffusers layout.
    """

    name: str
    label: str
    prediction: PredictionKind
    latent: LatentFormat
    network: Part
    vae: Part
    encoders: tuple[TextEncoder, ...]
    scheduler: str
    defaults: Defaults
    matches: Callable[[Header], bool]
    accepts: Callable[[Mapping[str, Any], Mapping[str, Any], PredictionKind], bool]


def says_v(header: Header) -> bool:
    """Whether a single file says that it predicts v: by a marker, or in its metadata."""
    said = (
        header.metadata.get(f"modelspec.{key}", "") for key in ("prediction_type", "predict_key")
    )
    return "v_pred" in header.tensors or any(s in ("v", "v_prediction") for s in said)


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


FAMILIES: tuple[ModelFamily, ...] = (
    _sd1("sd1", "Stable Diffusion 1.x", "epsilon"),
    _sd1("sd1_v", "Stable Diffusion 1.x (v-prediction)", "v_prediction"),
)


def identify(header: Header, name: str) -> ModelFamily:
    """The family of a single file by its header: by our export's mark, else by its tensors.

    Raises UnsupportedModel, saying what the file looks like.
    """
    own = embedded_parts(header)
    if own is not None:
        kind: PredictionKind = "v_prediction" if says_v(header) else "epsilon"
        return identify_folder(own, embedded_part(own, "unet"), kind, name)
    for family in FAMILIES:
        if family.matches(header):
            return family
    raise _unsupported(name, _looks_like(header), _summary(header))


def identify_folder(
    index: Mapping[str, Any],
    network: Mapping[str, Any],
    prediction: PredictionKind,
    name: str,
) -> ModelFamily:
    """The family of a folder in diffusers layout.

    Raises UnsupportedModel, saying which pipeline the folder is for.
    """
    for family in FAMILIES:
        if family.accepts(index, network, prediction):
            return family
    seen = f"a model for {index.get('_class_name', 'an unnamed pipeline')}"
    facts = ("_class_name", "in_channels", "cross_attention_dim", "addition_embed_type")
    detail = ", ".join(f"{fact}={network.get(fact)}" for fact in facts)
    raise _unsupported(name, seen, f"{detail}, prediction {prediction}")


def _unsupported(name: str, seen: str, detail: str) -> UnsupportedModel:
    labels = " and ".join(family.label for family in FAMILIES)
    return UnsupportedModel(f"{name} looks like {seen}; this version loads {labels}.", detail)


SIGHTINGS: tuple[tuple[str, str], ...] = (
    ("double_blocks.0.img_attn.norm.key_norm.scale", "a FLUX model"),
    ("joint_blocks.0.context_block.attn.qkv.weight", "a Stable Diffusion 3 model"),
    ("conditioner.embedders.1.", "an SDXL model"),
    ("conditioner.embedders.0.model.", "an SDXL refiner"),
    ("label_emb.0.0.weight", "an SDXL network without its text encoders"),
    ("cond_stage_model.model.", "a Stable Diffusion 2 model"),
    ("lora_", "a LoRA"),
    ("zero_convs.", "a ControlNet"),
    ("control_model.", "a ControlNet"),
    ("first_stage_model.decoder.", "an autoencoder (VAE)"),
    ("decoder.conv_in.weight", "an autoencoder (VAE)"),
    ("text_model.", "a text encoder"),
    ("emb_params", "a textual inversion embedding"),
)


def _looks_like(header: Header) -> str:
    """The first sighting; a beginning of names counts with and without the network's prefix."""
    first = header.shape(NETWORK + "input_blocks.0.0.weight")
    if first is not None and first[1] != 4 and header.shape(NETWORK + CONTEXT_KEY):
        return f"an inpainting or editing model ({first[1]} input channels)"
    for start, name in SIGHTINGS:
        if header.has(start) or header.has(NETWORK + start):
            return name
    return "no kind of checkpoint that is known here"


def _summary(header: Header) -> str:
    names = sorted(header.tensors)[:5]
    context = header.shape(NETWORK + CONTEXT_KEY)
    return f"{len(header.tensors)} tensors, context {context}, first names {names}"

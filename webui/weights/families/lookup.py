"""Which family a file or a folder belongs to."""

from collections.abc import Mapping, Sequence
from typing import Any

from webui.errors import UnsupportedModel
from webui.library.embedded import embedded_part, embedded_parts
from webui.library.headers import Header
from webui.weights.families.marks import says_v
from webui.weights.families.rows import NETWORK, ModelFamily, PredictionKind
from webui.weights.families.transformers import TRANSFORMERS
from webui.weights.families.unets import UNETS, first_attention

FAMILIES: tuple[ModelFamily, ...] = (*UNETS, *TRANSFORMERS)


def identify(header: Header, name: str, families: Sequence[ModelFamily] = FAMILIES) -> ModelFamily:
    """The family of a single file by its header: by our export's mark, else by its tensors.

    Raises UnsupportedModel, saying what the file looks like.
    """
    own = embedded_parts(header)
    if own is not None:
        kind: PredictionKind = "v_prediction" if says_v(header) else "epsilon"
        return identify_folder(own, embedded_part(own, "unet"), kind, name, families)
    for family in families:
        if family.matches(header):
            return family
    raise _unsupported(name, _looks_like(header), _summary(header), families)


def identify_folder(
    index: Mapping[str, Any],
    network: Mapping[str, Any],
    prediction: PredictionKind,
    name: str,
    families: Sequence[ModelFamily] = FAMILIES,
) -> ModelFamily:
    """The family of a folder in diffusers layout.

    Raises UnsupportedModel, saying which pipeline the folder is for.
    """
    for family in families:
        if family.accepts(index, network, prediction):
            return family
    seen = f"a model for {index.get('_class_name', 'an unnamed pipeline')}"
    facts = ("_class_name", "in_channels", "cross_attention_dim", "addition_embed_type")
    detail = ", ".join(f"{fact}={network.get(fact)}" for fact in facts)
    raise _unsupported(name, seen, f"{detail}, prediction {prediction}", families)


def _unsupported(
    name: str, seen: str, detail: str, families: Sequence[ModelFamily]
) -> UnsupportedModel:
    labels = " and ".join(family.label for family in families)
    return UnsupportedModel(f"{name} looks like {seen}; this version loads {labels}.", detail)


SIGHTINGS: tuple[tuple[str, str], ...] = (
    ("double_blocks.0.img_attn.norm.key_norm.scale", "a FLUX model"),
    ("joint_blocks.0.context_block.attn.qkv.weight", "a Stable Diffusion 3 model"),
    ("embedder.model.", "an unCLIP model"),
    ("depth_model.", "a model that reads depth"),
    ("edm_", "an EDM model such as Playground 2.5 or CosXL"),
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
    if first is not None and first[1] not in (4, 8, 9) and first_attention(header, NETWORK):
        return f"a model with {first[1]} input channels"
    for start, name in SIGHTINGS:
        if header.has(start) or header.has(NETWORK + start):
            return name
    return "no kind of checkpoint that is known here"


def _summary(header: Header) -> str:
    names = sorted(header.tensors)[:5]
    context = header.shape(f"{first_attention(header, NETWORK)}.attn2.to_k.weight")
    return f"{len(header.tensors)} tensors, context {context}, first names {names}"

"""Checkpoints: the network's family and variant, with its parts or alone."""

import math

from webui.library.identify.sight import CONTEXT_FAMILIES, Identity, Sight

PREFIX = "model.diffusion_model."
ATTENTION = "transformer_blocks.0.attn2.to_k.weight"
BLOCKS = (1, 2, 4, 5, 7, 8)
VAES = ("first_stage_model.", "vae.")
ENCODERS = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")
CHANNELS = {4: "", 9: "inpaint", 8: "edit", 5: "depth"}
FLUX_CHANNELS = {64: "", 128: "control", 384: "fill"}


def checkpoint_of(sight: Sight) -> Identity | None:
    """A file with a network under the prefix that trainers write."""
    if not sight.starts(PREFIX):
        return None
    family, variant = _denoiser(sight, PREFIX) or ("", "")
    held = {
        "network": True,
        "vae": sight.starts(*VAES),
        "text_encoders": sight.starts(*ENCODERS),
    }
    parts = tuple(part for part, there in held.items() if there)
    return Identity("checkpoint", family, variant, parts)


def network_of(sight: Sight) -> Identity | None:
    """A network alone, in the original names without a prefix or in those of diffusers."""
    found = _denoiser(sight, "") or _diffusers(sight)
    return None if found is None else Identity("checkpoint", *found, ("network",))


def _denoiser(sight: Sight, prefix: str) -> tuple[str, str] | None:
    return _flux(sight, prefix) or _sd3(sight, prefix) or _unet(sight, prefix)


def _flux(sight: Sight, prefix: str) -> tuple[str, str] | None:
    """FLUX by the image's input layer; relatives with other modulation are somebody else's."""
    first = f"{prefix}img_in.weight"
    block = f"{prefix}double_blocks.0."
    if not sight.holds(first, f"{block}img_attn.norm.key_norm.scale", f"{block}img_mod.lin.weight"):
        return None
    if sight.starts(f"{prefix}txt_in.individual_token_refiner."):
        return None
    variant = FLUX_CHANNELS.get(_inputs(sight, first), "unusual")
    guided = sight.holds(f"{prefix}guidance_in.in_layer.weight")
    return "flux", variant or ("dev" if guided else "schnell")


def _inputs(sight: Sight, name: str) -> int:
    """The inputs of a linear layer, also where two 4-bit numbers share a byte in one column."""
    if not sight.holds(f"{name}.absmax"):
        return sight.width(name)
    outputs = sight.shape(f"{name.removesuffix('weight')}bias")
    return 2 * math.prod(sight.shape(name)) // max(math.prod(outputs), 1)


def _sd3(sight: Sight, prefix: str) -> tuple[str, str] | None:
    block = f"{prefix}joint_blocks.0."
    if not sight.holds(f"{block}context_block.attn.qkv.weight", f"{prefix}x_embedder.proj.weight"):
        return None
    if sight.holds(f"{block}x_block.attn2.qkv.weight"):
        return "sd35_medium", ""
    return ("sd35_large" if sight.holds(f"{block}x_block.attn.ln_q.weight") else "sd3_medium"), ""


def _unet(sight: Sight, prefix: str) -> tuple[str, str] | None:
    blocks = f"{prefix}input_blocks."
    channels = sight.width(f"{blocks}0.0.weight")
    names = (f"{blocks}{block}.1.{ATTENTION}" for block in BLOCKS)
    attention = next((name for name in names if sight.width(name)), "")
    if not channels or not attention:
        return None
    family = _unet_family(sight, attention, sight.holds(f"{prefix}label_emb.0.0.weight"))
    if sight.starts("embedder.model."):
        return family, "unclip"
    return family, CHANNELS.get(channels, f"channels_{channels}")


def _unet_family(sight: Sight, attention: str, labelled: bool) -> str:
    """The family; SD 1.x alone projects by convolutions, and small relatives of it keep that."""
    family = CONTEXT_FAMILIES.get(sight.width(attention), "")
    axes = len(sight.shape(attention.replace(ATTENTION, "proj_in.weight")))
    if not labelled and family not in ("sd1", "sd2") and axes == 4:
        return "sd1"
    return family if labelled == family.startswith("sdxl") else ""


def _diffusers(sight: Sight) -> tuple[str, str] | None:
    """A network's file out of a folder in diffusers layout."""
    if sight.holds("transformer_blocks.0.attn.add_q_proj.weight", "context_embedder.weight"):
        if sight.starts("single_transformer_blocks.0.") and sight.holds("x_embedder.weight"):
            variant = FLUX_CHANNELS.get(sight.width("x_embedder.weight"), "unusual")
            guided = sight.starts("time_text_embed.guidance_embedder.")
            return "flux", variant or ("dev" if guided else "schnell")
        if sight.holds("pos_embed.proj.weight"):
            return _sd3_diffusers(sight), ""
    channels = sight.width("conv_in.weight")
    attention = next(sight.named("down_blocks.", f"attentions.0.{ATTENTION}"), "")
    if not channels or not sight.width(attention) or not sight.starts("up_blocks."):
        return None
    family = _unet_family(sight, attention, sight.holds("add_embedding.linear_1.weight"))
    return family, CHANNELS.get(channels, f"channels_{channels}")


def _sd3_diffusers(sight: Sight) -> str:
    if sight.starts("transformer_blocks.0.attn2."):
        return "sd35_medium"
    return "sd35_large" if sight.starts("transformer_blocks.0.attn.norm_q.") else "sd3_medium"

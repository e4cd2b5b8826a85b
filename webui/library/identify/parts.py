"""Parts of a model alone, embeddings and upscalers."""

import math

from webui.library.identify.sight import CONTEXT_FAMILIES, Identity, Sight

PARAMETERS = ("", "params_ema.", "params.")
EMBEDDING_AXES = 2
CLIPS = {768: "clip_l", 1024: "openclip_h", 1280: "clip_g"}
TINY = (
    ("", "1.weight", "3.conv.0.weight"),
    ("taesd_decoder.", "1.weight", "3.conv.0.weight"),
    ("decoder.layers.", "0.weight", "2.conv.0.weight"),
)
TINY_WIDTH = 64


def part_of(sight: Sight) -> Identity | None:
    """An autoencoder, a text encoder, an upscaler or an embedding; None for anything else."""
    for look in (_vae, _tiny_vae, _text_encoder, _upscaler, _embedding):
        found = look(sight)
        if found is not None:
            return found
    return None


def _vae(sight: Sight) -> Identity | None:
    """An autoencoder; 4 channels serve SD 1.x, 2.x and SDXL alike, 16 both SD 3 and FLUX."""
    for prefix in ("", "first_stage_model.", "vae."):
        decoder = f"{prefix}decoder."
        channels = sight.width(f"{decoder}conv_in.weight")
        if channels and sight.starts(f"{decoder}up.0.", f"{decoder}up_blocks.0."):
            return Identity("vae", variant=f"kl{channels}")
    return None


def _tiny_vae(sight: Sight) -> Identity | None:
    """TAESD: whole, or one half of it."""
    for prefix, first, second in TINY:
        shape = sight.shape(prefix + first)
        if len(shape) == 4 and shape[0] == TINY_WIDTH and sight.holds(prefix + second):
            return Identity("vae", variant="taesd" if shape[1] == 4 else f"taesd{shape[1]}")
    if sight.shape("0.weight") == (TINY_WIDTH, 3, 3, 3) and sight.holds("1.conv.0.weight"):
        last = max(int(n[:-7]) for n in sight.header.tensors if n[:-7].isdecimal())
        channels = (sight.shape(f"{last}.weight") or (0,))[0]
        return Identity("vae", variant="taesd" if channels == 4 else f"taesd{channels}")
    return None


def _text_encoder(sight: Sight) -> Identity | None:
    for prefix in ("text_model.", ""):
        name = f"{prefix}encoder.layers.0.layer_norm1.weight"
        if sight.holds(name, f"{prefix}embeddings.token_embedding.weight"):
            return Identity("text_encoder", variant=CLIPS.get(math.prod(sight.shape(name)), "clip"))
    if sight.holds("token_embedding.weight", "transformer.resblocks.0.ln_1.weight"):
        width = sight.width("token_embedding.weight")
        return Identity("text_encoder", variant=CLIPS.get(width, "clip"))
    if sight.holds("encoder.block.0.layer.1.DenseReluDense.wi_1.weight"):
        width = sight.width("encoder.block.0.layer.1.DenseReluDense.wi_1.weight")
        return Identity("text_encoder", variant="t5xxl" if width == 4096 else "t5")
    return None


def _upscaler(sight: Sight) -> Identity | None:
    """A network that enlarges pictures; trainers leave a prefix before its names."""
    if sight.holds("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"):
        return Identity("upscaler", variant="esrgan")
    for prefix in PARAMETERS:
        if sight.holds(f"{prefix}conv_first.weight"):
            if sight.starts(f"{prefix}RRDB_trunk.0.RDB1.", f"{prefix}body.0.rdb1."):
                return Identity("upscaler", variant="esrgan")
            if sight.starts(f"{prefix}layers.0.residual_group.", f"{prefix}layers.0.blocks.0."):
                return Identity("upscaler", variant="transformer")
        first, slope = sight.shape(f"{prefix}body.0.weight"), sight.shape(f"{prefix}body.1.weight")
        if len(first) == 4 and slope == first[:1]:
            return Identity("upscaler", variant="srvgg")
    return None


def _embedding(sight: Sight) -> Identity | None:
    """Words learned as vectors; a file of one small matrix whose name may be the word itself."""
    names = list(sight.header.tensors)
    if sight.holds("clip_l", "clip_g"):
        return Identity("embedding", "sd3" if sight.holds("t5xxl") else "sdxl")
    if len(names) != 1 and not sight.holds("emb_params"):
        return None
    shape = sight.shape("emb_params" if sight.holds("emb_params") else names[0])
    if not 1 <= len(shape) <= EMBEDDING_AXES or shape[-1] not in CONTEXT_FAMILIES:
        return None
    family = CONTEXT_FAMILIES[shape[-1]]
    # A vector of 1280 belongs to SDXL's second encoder, which the refiner has alone.
    return Identity("embedding", "sdxl" if family == "sdxl_refiner" else family)

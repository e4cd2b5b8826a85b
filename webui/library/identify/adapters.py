"""What is trained onto a network: LoRA and its kin, ControlNets, IP-Adapters."""

from webui.library.identify.lora import lora_of
from webui.library.identify.sight import CONTEXT_FAMILIES, Identity, Sight

ZERO = "zero_convs.0.0.weight"
HINT = "input_hint_block.0.weight"
UNION_TASKS = "task_embedding"


def adapter_of(sight: Sight) -> Identity | None:
    """An adapter; None for anything else."""
    for look in (_control_lora, _ip_adapter, lora_of, _controlnet, _flow_controlnet, _t2i_adapter):
        found = look(sight)
        if found is not None:
            return found
    return None


def _control_lora(sight: Sight) -> Identity | None:
    """A ControlNet stored as small differences, and LLLite; both resemble a LoRA."""
    if sight.holds("lora_controlnet"):
        family = "sdxl" if sight.starts("label_emb.") else "sd1"
        return Identity("controlnet", family, "control_lora")
    if sight.text.startswith("\nlllite_"):  # as every name in such a file
        names = sight.named("attn2_to_k", ".down.0.weight")
        width = next((sight.width(name) for name in names), 0)
        family = CONTEXT_FAMILIES.get(width, "sdxl" if sight.says("input_blocks_4_1_") else "")
        return Identity("controlnet", family, "lllite")
    return None


def _ip_adapter(sight: Sight) -> Identity | None:
    if sight.holds("redux_up.weight"):
        return Identity("ip_adapter", "flux", "redux")
    if not sight.says("ip_adapter"):
        return None
    if sight.says("ip_adapter_double_stream_k_proj"):
        return Identity("ip_adapter", "flux")
    if not sight.starts("ip_adapter.") or not sight.starts("image_proj."):
        return None
    width = sight.width("ip_adapter.1.to_k_ip.weight")
    return Identity("ip_adapter", CONTEXT_FAMILIES.get(width, ""), _ip_variant(sight))


def _ip_variant(sight: Sight) -> str:
    if sight.holds("image_proj.perceiver_resampler.proj_in.weight"):
        return "faceid_plus"
    if sight.says("to_q_lora."):
        return "faceid"
    if sight.holds("image_proj.latents"):
        return "plus"
    return "full_face" if sight.holds("image_proj.proj.3.weight") else ""


def _controlnet(sight: Sight) -> Identity | None:
    """A copy of a U-Net's encoder, in the original names or in those of diffusers."""
    prefix = next((p for p in ("control_model.", "") if sight.holds(p + ZERO, p + HINT)), None)
    if prefix is not None:
        attention = f"{prefix}input_blocks."
        labelled = sight.starts(f"{prefix}label_emb.")
        variant = "difference" if sight.holds("difference") else ""
    elif sight.holds("controlnet_cond_embedding.conv_in.weight"):
        attention = "down_blocks."
        labelled = sight.starts("add_embedding.")
        union = sight.holds(UNION_TASKS, "control_add_embedding.linear_1.weight")
        variant = "union" if union else ""
    else:
        return None
    names = sight.named(attention, "transformer_blocks.0.attn2.to_k.weight")
    width = next((sight.width(name) for name in names), 0)
    return Identity("controlnet", "sdxl" if labelled else CONTEXT_FAMILIES.get(width, ""), variant)


def _flow_controlnet(sight: Sight) -> Identity | None:
    """A ControlNet of a transformer: FLUX has single blocks or double ones, SD 3 neither."""
    if not sight.holds("controlnet_blocks.0.weight"):
        return None
    flux = sight.starts("double_blocks.0.", "controlnet_x_embedder.", "single_transformer_blocks.")
    return Identity("controlnet", "flux" if flux else "sd3" if sight.starts("pos_embed") else "")


def _t2i_adapter(sight: Sight) -> Identity | None:
    """A T2I-Adapter, which is used where ControlNets are; unshuffling leaves 64 or 256 inputs."""
    for first, block in (
        ("conv_in.weight", "body.0.block1.weight"),
        ("adapter.conv_in.weight", "adapter.body.0.resnets.0.block1.weight"),
        ("body.0.in_conv.weight", "body.0.body.0.block1.weight"),
    ):
        if sight.holds(first, block):
            inputs = sight.width(first)
            family = "sdxl" if inputs in (256, 768) else "sd1" if inputs in (64, 192) else ""
            return Identity("controlnet", family, "t2i_adapter")
    if sight.holds("style_embedding", "proj"):
        return Identity("controlnet", CONTEXT_FAMILIES.get(sight.width("proj"), ""), "t2i_style")
    return None

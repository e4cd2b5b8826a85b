"""LoRA and its kin: the algorithm by the names' endings, the family by widths."""

import math
from collections.abc import Iterator, Mapping

from webui.library.identify.sight import CONTEXT_FAMILIES, Identity, Kind, Sight

DOWN = (
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    "lora.down.weight",
    "lora1.down.weight",
    "lora2.down.weight",
    ".lora_linear_layer.down.weight",
)
ALGORITHMS: Mapping[str, frozenset[str]] = {
    "loha": frozenset(("hada_w1_a",)),
    "lokr": frozenset(("lokr_w1", "lokr_w1_a")),
    "oft": frozenset(("oft_blocks", "oft_diag")),
}
GLORA = ".a1.weight"
FULL = frozenset(("diff", "diff_b", "set_weight"))
TOLD = {"sdxl_": "sdxl", "sd_v1": "sd1", "sd_v2": "sd2", "flux": "flux", "sd3": "sd3"}
FLUX_NAMES = ("double_blocks", "single_blocks", "single_transformer_blocks")
SD3_WIDTHS = {2432: "sd35_large", 1536: "sd3"}
FLUX_PLAIN_INPUTS = 64


def lora_of(sight: Sight) -> Identity | None:
    """A LoRA (plain or DoRA) or one of the LyCORIS kind; None for anything else."""
    kind, variant = _algorithm(sight) or ("unknown", "")
    if kind == "unknown":
        return None
    family = _family(sight)
    if family == "flux" and sight.width("img_in.lora_A.weight") > FLUX_PLAIN_INPUTS:
        variant = "control"
    return Identity(kind, family, variant)


def _algorithm(sight: Sight) -> tuple[Kind, str] | None:
    endings = {name.rpartition(".")[2] for name in sight.header.tensors}
    for algorithm, marks in ALGORITHMS.items():
        if endings & marks:
            return "lycoris", algorithm
    if sight.says("lora") and sight.ends(*DOWN):
        if "dora_scale" in endings or sight.says(".lora_magnitude_vector"):
            return "lora", "dora"
        return ("lycoris", "locon") if _convolves(sight) else ("lora", "")
    if sight.ends(GLORA):
        return "lycoris", "glora"
    return ("lycoris", "full") if endings & FULL else None


def _convolves(sight: Sight) -> bool:
    """Whether a convolution wider than one pixel is among the layers."""
    return any(
        math.prod(info.shape[2:]) > 1
        for name, info in sight.header.tensors.items()
        if len(info.shape) == 4 and name.endswith(DOWN)
    )


def _family(sight: Sight) -> str:
    """By cross-attention, by the names of a transformer's blocks, by the text encoders, as told."""
    width = next(_widths(sight, "attn2", "to_k"), 0)
    if width in CONTEXT_FAMILIES:
        return CONTEXT_FAMILIES[width]
    if sight.says(*FLUX_NAMES):
        return "flux"
    if sight.says("joint_blocks") or sight.starts("transformer.", "lora_transformer_"):
        medium = sight.says("x_block_attn2", "x_block.attn2", "_attn2_to_q", ".attn2.to_q")
        return "sd35_medium" if medium else _sd3_by_width(sight)
    return _family_of_text(sight) or _told(sight)


def _sd3_by_width(sight: Sight) -> str:
    """SD 3 by what its attention takes in; "" where no such layer was trained."""
    for piece in ("joint_blocks", "transformer_blocks"):
        for width in _widths(sight, piece):
            if width in SD3_WIDTHS:
                return SD3_WIDTHS[width]
    return ""


def _family_of_text(sight: Sight) -> str:
    """By the text encoders alone, for files that train nothing that looks at the prompt."""
    if sight.starts("lora_te2_", "text_encoder_2."):
        return "sdxl"
    if sight.starts("lora_te_", "text_encoder."):
        for width in _widths(sight, "q_proj"):
            return {768: "sd1", 1024: "sd2"}.get(width, "")
    return ""


def _told(sight: Sight) -> str:
    told = sight.header.metadata.get("ss_base_model_version", "")
    return next((family for start, family in TOLD.items() if told.startswith(start)), "")


def _widths(sight: Sight, *pieces: str) -> Iterator[int]:
    """The inputs of every layer whose name holds all of `pieces`."""
    for name in sight.named(*pieces):
        width = _inputs(sight, name)
        if width:
            yield width


def _inputs(sight: Sight, name: str) -> int:
    """What the layer takes in, by the one of its tensors that says so; 0 for its others."""
    if name.endswith((*DOWN, ".hada_w1_b", ".diff")):
        return sight.width(name)
    stem, ending = name.rsplit(".", 1)
    if ending not in ("lokr_w1", "lokr_w1_b"):
        return 0
    second = sight.width(f"{stem}.lokr_w2") or sight.width(f"{stem}.lokr_w2_b")
    return sight.width(name) * second

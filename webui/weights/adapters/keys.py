"""Names of tensors in adapter files: which layer they are for, and what they are to it."""

import re

IA3 = "ia3"
TRAINERS = ("lora_", "lycoris_")
"""What all names of kohya's and LyCORIS' files start with."""

ENDINGS = {
    "lora_up.weight": "up",
    "lora_B.weight": "up",
    "lora_B.default.weight": "up",
    "lora.up.weight": "up",
    "lora_linear_layer.up.weight": "up",
    "lora_down.weight": "down",
    "lora_A.weight": "down",
    "lora_A.default.weight": "down",
    "lora.down.weight": "down",
    "lora_linear_layer.down.weight": "down",
    "lora_mid.weight": "mid",
    "lora_B.bias": "diff_b",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
    "a1.weight": "a1",
    "a2.weight": "a2",
    "b1.weight": "b1",
    "b2.weight": "b2",
    "weight": IA3,
}
"""What names end in where the word for it is another one; the others end in their own word."""

WORDS = (
    "alpha", "dora_scale", "diff", "diff_b", "w_norm", "b_norm", "on_input",
    "set_weight", "oft_blocks", "oft_diag", "rescale",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t1", "lokr_t2",
)  # fmt: skip

ALL_ENDINGS = {**ENDINGS, **{word: word for word in WORDS}}
_PROCESSOR = re.compile(r"\.processor\.to_(q|k|v|out)_lora\.(up|down)\.weight$")
"""What diffusers wrote in 2023: the change of a projection under its attention's processor."""


_XLABS = re.compile(r"\.processor\.(qkv|proj)_lora([12]?)\.(up|down)\.weight$")
"""What XLabs writes for FLUX: the streams of an attention have numbers."""


def split_name(name: str) -> tuple[str, str] | None:
    """The layer's path, flat, and the word for what the tensor is to it; None where unknown."""
    name = _PROCESSOR.sub(_plain_projection, name)
    name = _XLABS.sub(r".processor.\1\2.lora.\3.weight", name)
    dot = 0
    while (dot := name.find(".", dot)) >= 0:  # the longest ending that is known
        word = ALL_ENDINGS.get(name[dot + 1 :])
        if word == IA3 and not name.startswith(TRAINERS):
            return None  # a whole checkpoint's weight, not a change
        if word is not None:
            return name[:dot].replace(".", "_"), word
        dot += 1
    return None


def _plain_projection(found: re.Match[str]) -> str:
    projection = "out.0" if found[1] == "out" else found[1]
    return f".to_{projection}.lora.{found[2]}.weight"

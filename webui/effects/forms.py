"""The forms of the built-in effects, as page, API and infotext know them; nothing here is torch.

Their order is that in which they take part: guidance that is added comes after guidance that takes
the place of another, and what corrects the result comes last.
"""

from webui.contract.effects import EffectForm
from webui.effects.arguments import (
    FreeUArgs,
    PerturbedAttentionArgs,
    RescaleArgs,
    SelfAttentionArgs,
    ThresholdingArgs,
    TokenMergingArgs,
)
from webui.effects.spelling import (
    spell_freeu,
    unspell_freeu,
    unspell_perturbed,
    unspell_rescale,
)
from webui.plugins import hookimpl

FAMILIES = "(SD 1.x, SD 2.x, SDXL)"

TOKEN_MERGING = EffectForm(
    name="token_merging",
    label="Token merging",
    args_type=TokenMergingArgs,
    help="Paints faster by handling similar places of the picture together.",
    switches=("ratio", "hr_ratio"),
    suggested={"ratio": 0.5},
    options={
        "token_merging_ratio": "ratio",
        "token_merging_ratio_img2img": "ratio",
        "token_merging_ratio_hr": "hr_ratio",
    },
)
FREEU = EffectForm(
    name="freeu",
    label="FreeU",
    args_type=FreeUArgs,
    help="Clearer shapes and cleaner surfaces at no cost, by weighing parts of the network anew.",
    switches=("b1", "b2", "s1", "s2"),
    suggested={"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2},
    aliases=("FreeU Integrated", f"FreeU Integrated {FAMILIES}"),
    spell=spell_freeu,
    unspell=unspell_freeu,
)
THRESHOLDING = EffectForm(
    name="dynamic_thresholding",
    label="Dynamic thresholding",
    args_type=ThresholdingArgs,
    help="Lets a high CFG scale steer without burning the colours.",
    switches=("mimic_scale",),
    suggested={"mimic_scale": 7.0},
    aliases=("Dynamic Thresholding (CFG Scale Fix)", "CFG Scale Fix"),
    marker="Dynamic thresholding enabled",
)
SELF_ATTENTION = EffectForm(
    name="sag",
    label="Self-attention guidance (SAG)",
    args_type=SelfAttentionArgs,
    help="Sharper details where the network looks most; half again as slow.",
    switches=("scale",),
    suggested={"scale": 0.75},
    aliases=(
        "Self Attention Guidance",
        "SelfAttentionGuidance Integrated",
        f"SelfAttentionGuidance Integrated {FAMILIES}",
    ),
    marker="SAG Guidance Enabled",
)
PERTURBED_ATTENTION = EffectForm(
    name="pag",
    label="Perturbed-attention guidance (PAG)",
    args_type=PerturbedAttentionArgs,
    help="Sounder structure, also without a prompt; half again as slow.",
    switches=("scale",),
    suggested={"scale": 3.0},
    aliases=(
        "PerturbedAttentionGuidance Integrated",
        "PerturbedAttentionGuidance Integrated (SD1.x, SD2.x, SDXL)",
    ),
    marker="PAG Active",
    unspell=unspell_perturbed,
)
RESCALE = EffectForm(
    name="cfg_rescale",
    label="CFG rescale",
    args_type=RescaleArgs,
    help="Against pictures that a high CFG scale makes too bright or too hard.",
    switches=("multiplier",),
    suggested={"multiplier": 0.7},
    aliases=("CFG Rescale Extension",),
    unspell=unspell_rescale,
)

FORMS = (TOKEN_MERGING, FREEU, THRESHOLDING, SELF_ATTENTION, PERTURBED_ATTENTION, RESCALE)


class BuiltinForms:
    """The plugin that offers the built-in effects to the server."""

    @hookimpl
    def register_effect_forms(self) -> list[EffectForm]:
        """Return the form of every built-in effect."""
        return list(FORMS)

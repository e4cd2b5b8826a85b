"""Where each field of the request stands on the page: data, apart from fields and behaviour."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from webui.contract.request import Inpaint

Mode = Literal["txt2img", "img2img"]


@dataclass(frozen=True)
class At:
    """The field at `path`; a `radio` shows all choices at once instead of a dropdown."""

    path: str
    scale: int = 1
    radio: bool = False


@dataclass(frozen=True)
class Slot:
    """A place for a control that is no field of the request: a button, the scripts."""

    name: str


@dataclass(frozen=True)
class Row:
    """Things side by side; on a narrow screen they wrap unless `tight`."""

    children: "tuple[Node, ...]"
    tight: bool = False


@dataclass(frozen=True)
class Stack:
    """Things above each other, as one cell of a row; `width` in pixels decides when rows wrap."""

    children: "tuple[Node, ...]"
    scale: int = 1
    width: int = 36


@dataclass(frozen=True)
class Fold:
    """An accordion, closed at first."""

    name: str
    label: str
    children: "tuple[Node, ...]"


@dataclass(frozen=True)
class Part:
    """Fields behind a tick; without the tick they count as if nobody had touched them."""

    name: str
    label: str
    children: "tuple[Node, ...]"


Node = At | Slot | Row | Stack | Fold | Part


def row(*children: Node, tight: bool = False) -> Row:
    """A row of `children`."""
    return Row(children, tight)


def fields(node: Node) -> Iterator[At]:
    """Every field below `node`, in reading order."""
    if isinstance(node, At):
        yield node
    elif not isinstance(node, Slot):
        for child in node.children:
            yield from fields(child)


def parts(node: Node) -> Iterator[Part]:
    """Every part with a tick below `node`."""
    if isinstance(node, At | Slot):
        return
    if isinstance(node, Part):
        yield node
    for child in node.children:
        yield from parts(child)


SAMPLING = (
    row(
        At("sampling.sampler", scale=2),
        At("sampling.schedule", scale=2),
        At("sampling.steps", scale=3),
    ),
)
SIZES = (At("canvas.width"), At("canvas.height"))
BATCH = Stack((At("canvas.batch_count"), At("canvas.batch_size")), scale=4, width=200)
SEED = (
    row(
        At("noise.seed", scale=3),
        Slot("dice"),
        Slot("reuse_seed"),
        tight=True,
    ),
    Part(
        "variation",
        "Extra seed",
        (
            row(
                Stack(
                    (row(At("noise.variation_seed"), Slot("variation_dice"), tight=True),),
                    width=200,
                ),
                At("noise.variation_strength"),
            ),
            row(At("noise.resize_from_width"), At("noise.resize_from_height")),
        ),
    ),
)
DETAILS = (
    row(At("model.vae"), At("model.text_encoders")),
    row(At("model.clip_skip"), At("noise.source")),
    Fold(
        "reading",
        "Reading of the prompt",
        (
            row(At("reading.emphasis"), At("reading.comma_backtrack")),
            row(At("reading.pad_conds"), At("reading.pad_conds_v0")),
            row(At("reading.old_editing"), At("reading.old_emphasis")),
        ),
    ),
    Fold(
        "noise_while_sampling",
        "Noise while sampling",
        (
            row(At("sampling.distilled_cfg_scale"), At("levels.shift")),
            row(At("sampling.eta"), At("sampling.ensd")),
            row(At("sampling.s_noise"), At("sampling.s_churn")),
            row(At("sampling.s_tmin"), At("sampling.s_tmax")),
            At("noise.extra"),
        ),
    ),
    Fold(
        "noise_levels",
        "Noise levels",
        (
            row(At("levels.sigma_min"), At("levels.sigma_max")),
            At("levels.rho"),
            row(At("levels.discard_next_to_last"), At("levels.zero_terminal_snr")),
            row(At("levels.sgm_noise_multiplier"), At("levels.downcast_alphas")),
            row(At("levels.beta_alpha"), At("levels.beta_beta")),
        ),
    ),
    Fold(
        "negative_skipped",
        "Steps without the negative prompt",
        (
            At("sampling.skip_negative_until"),
            At("sampling.skip_negative_below"),
            At("sampling.skip_negative_all_steps"),
        ),
    ),
    Fold(
        "unipc",
        "UniPC",
        (
            row(At("unipc.variant"), At("unipc.skip_type"), At("unipc.order")),
            At("unipc.lower_order_final"),
        ),
    ),
    Fold(
        "framing",
        "SDXL",
        (
            row(At("framing.crop_top"), At("framing.crop_left")),
            row(At("framing.aesthetic_score"), At("framing.negative_aesthetic_score")),
        ),
    ),
)
REFINER_CHOICE = row(At("refiner.checkpoint"), At("refiner.switch_at"))
REFINER = Part("refiner", "Refiner", (REFINER_CHOICE, At("refiner.by_sampling_steps")))
REFINER_AND_HIRES = Part(
    "refiner",
    "Refiner",
    (REFINER_CHOICE, row(At("refiner.hires_pass"), At("refiner.by_sampling_steps"))),
)

HIRES = Part(
    "hires",
    "Hires. fix",
    (
        row(At("hires.upscaler"), At("hires.steps")),
        row(
            At("hires.denoising_strength"),
            At("hires.cfg_scale"),
            At("hires.distilled_cfg_scale"),
        ),
        row(At("hires.scale"), At("hires.width"), At("hires.height")),
        row(At("hires.checkpoint"), At("hires.sampler"), At("hires.schedule")),
        row(At("hires.prompt"), At("hires.negative_prompt")),
    ),
)

TXT2IMG = Stack(
    (
        *SAMPLING,
        HIRES,
        REFINER_AND_HIRES,
        row(
            Stack((row(Stack(SIZES, scale=3), Slot("swap"), tight=True),), scale=5, width=280),
            BATCH,
        ),
        At("sampling.cfg_scale"),
        *SEED,
        Fold(
            "advanced",
            "Advanced",
            (
                row(At("canvas.tiling"), At("sampling.pack")),
                *DETAILS,
            ),
        ),
        Slot("effects"),
        Slot("script"),
    )
)

IMG2IMG = Stack(
    (
        At("source.image"),
        At("source.resize_mode", radio=True),
        *SAMPLING,
        REFINER,
        Slot("resize_choice"),
        row(
            Stack(
                (
                    row(
                        Stack((*SIZES, Slot("resize_by")), scale=3),
                        Stack((Slot("swap"), Slot("size_from_image")), scale=0),
                        tight=True,
                    ),
                ),
                scale=5,
                width=280,
            ),
            BATCH,
        ),
        row(At("sampling.cfg_scale"), At("source.denoising_strength")),
        *SEED,
        Fold(
            "advanced",
            "Advanced",
            (
                row(At("canvas.tiling"), At("source.exact_steps"), At("source.color_correction")),
                row(At("sampling.pack"), At("source.noise_multiplier")),
                row(At("source.image_cfg_scale"), At("source.conditioning_mask_strength")),
                *DETAILS,
            ),
        ),
        Slot("effects"),
        Slot("script"),
    )
)

LAYOUTS: dict[Mode, Node] = {"txt2img": TXT2IMG, "img2img": IMG2IMG}

TOP = ("prompt.positive", "prompt.negative", "prompt.styles")
"""Fields of the top row, which each tab has above its layout."""

QUICK = ("model.checkpoint",)
"""Fields above the tabs, shared by all of them."""

INPAINT = tuple(f"source.inpaint.{name}" for name in Inpaint.model_fields)
NO_SOURCE = "text to image starts from noise alone"
HIDDEN: dict[Mode, dict[str, str]] = {
    "txt2img": {
        "source.image": NO_SOURCE,
        "source.denoising_strength": NO_SOURCE,
        "source.resize_mode": NO_SOURCE,
        "source.exact_steps": NO_SOURCE,
        "source.noise_multiplier": NO_SOURCE,
        "source.zero_strength_step": NO_SOURCE,
        "source.image_cfg_scale": NO_SOURCE,
        "source.conditioning_mask_strength": NO_SOURCE,
        "source.color_correction": NO_SOURCE,
        **dict.fromkeys(INPAINT, NO_SOURCE),
    },
    "img2img": {
        "source.zero_strength_step": "kept for clients of the older HTTP surface",
        **dict.fromkeys(INPAINT, "this tab paints whole pictures; masks come by HTTP"),
        **dict.fromkeys(
            ["refiner.hires_pass", *(field.path for field in fields(HIRES))],
            "hires fix is a second pass after txt2img",
        ),
    },
}
"""Fields that a tab does not show, each with the reason."""


def shown(mode: Mode) -> tuple[str, ...]:
    """The paths of every field that a tab offers, the shared ones included."""
    return (*QUICK, *TOP, *(field.path for field in fields(LAYOUTS[mode])))

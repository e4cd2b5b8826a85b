"""The older surface as a table of renamings over the one request type.

A row with a path is a renaming and nothing else. Rows without one are read by `sdapi_requests`.
The request models that the docs show are made from the same rows.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, create_model

from webui.api.sdapi_masks import OLDER_NAMES
from webui.api.sdapi_options import older_option_names

Mode = Literal["txt2img", "img2img"]


def _truncated(value: object) -> object:
    """The older server took 20.7 for 20 where it wanted a whole number."""
    return math.trunc(value) if isinstance(value, float) and math.isfinite(value) else value


def floor_to_eight(value: int) -> int:
    """The older server's latent was floor(size / 8)."""
    return value - value % 8


def or_off(value: int) -> int:
    """The older -1 for "not used" is our 0."""
    return floor_to_eight(max(value, 0))


Whole = Annotated[int, BeforeValidator(_truncated)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Args = dict[str, JsonValue]


@dataclass(frozen=True)
class Row:
    """One field of the older surface: its name, type and default there, and our path for it."""

    name: str
    kind: Any
    default: Any
    path: str = ""
    convert: Callable[[Any], Any] | None = None
    note: str = ""


BASE = (
    Row("prompt", str, "", "prompt.positive"),
    Row("negative_prompt", str, "", "prompt.negative"),
    Row("styles", list[str], None, note="Unknown names do nothing."),
    Row("seed", Whole, -1, "noise.seed"),
    Row("subseed", Whole, -1, "noise.variation_seed"),
    Row("subseed_strength", Real, 0, "noise.variation_strength"),
    Row("seed_resize_from_h", Whole, -1, "noise.resize_from_height", or_off),
    Row("seed_resize_from_w", Whole, -1, "noise.resize_from_width", or_off),
    Row("sampler_name", str, None, note="Takes the place of sampler_index."),
    Row("sampler_index", str, "Euler", note="A combined name (DPM++ 2M Karras) is taken apart."),
    Row("scheduler", str, None, note="Absent: read as before 1.9, by the sampler's name."),
    Row("batch_size", Whole, 1, "canvas.batch_size"),
    Row("n_iter", Whole, 1, "canvas.batch_count"),
    Row("steps", Whole, 50, "sampling.steps"),
    Row("cfg_scale", Real, 7.0, "sampling.cfg_scale"),
    Row("distilled_cfg_scale", Real, 3.5, "sampling.distilled_cfg_scale"),
    Row("width", Whole, 512, "canvas.width", floor_to_eight),
    Row("height", Whole, 512, "canvas.height", floor_to_eight),
    Row("restore_faces", bool, None),
    Row("tiling", bool, None, "canvas.tiling"),
    Row("eta", Real, None, "sampling.eta"),
    Row("s_min_uncond", Real, None, "sampling.skip_negative_below"),
    Row("s_churn", Real, None, "sampling.s_churn"),
    Row("s_tmax", Real, None, "sampling.s_tmax"),
    Row("s_tmin", Real, None, "sampling.s_tmin"),
    Row("s_noise", Real, None, "sampling.s_noise"),
    Row("override_settings", Args, None, note="Options for this request alone."),
    Row("override_settings_restore_afterwards", bool, True, note="Always so; false does nothing."),
    Row("refiner_checkpoint", str, None, note='"None" or nothing: no refiner.'),
    Row("refiner_switch_at", Real, None, "refiner.switch_at"),
    Row("disable_extra_networks", bool, False),
    Row("comments", Args, None),
    Row("do_not_save_samples", bool, False, note="Every picture is filed under outputs."),
    Row("do_not_save_grid", bool, False),
    Row("save_images", bool, False, note="Every picture is filed under outputs, also with false."),
    Row("send_images", bool, True, note="false: the pictures are filed but not in the answer."),
    Row("script_name", str, None),
    Row("script_args", list[JsonValue] | Args, []),
    Row("alwayson_scripts", dict[str, JsonValue], {}),
    Row("force_task_id", str, None),
    Row("infotext", str, None, note="Fills the fields that the request does not hold."),
)
TXT2IMG = (
    Row("denoising_strength", Real, None, note="For enable_hr; without one it is 0.7."),
    Row("enable_hr", bool, False),
    Row("firstphase_width", Whole, 0),
    Row("firstphase_height", Whole, 0),
    Row("hr_scale", Real, 2.0, "hires.scale"),
    Row("hr_upscaler", str, None, "hires.upscaler"),
    Row("hr_second_pass_steps", Whole, 0, "hires.steps"),
    Row("hr_resize_x", Whole, 0, "hires.width", or_off),
    Row("hr_resize_y", Whole, 0, "hires.height", or_off),
    Row("hr_checkpoint_name", str, None),
    Row("hr_cfg", Real, None, "hires.cfg_scale", note="Absent: as in the first pass."),
    Row("hr_distilled_cfg", Real, None, "hires.distilled_cfg_scale"),
    Row("hr_sampler_name", str, None),
    Row("hr_scheduler", str, None),
    Row("hr_prompt", str, "", "hires.prompt"),
    Row("hr_negative_prompt", str, "", "hires.negative_prompt"),
    Row("firstpass_image", str, None),
)
IMG2IMG = (
    Row("init_images", list[str], None, note="Base64, or a data URI; exactly one."),
    Row("resize_mode", Whole, 0, note="0 just resize, 1 crop, 2 fill, 3 latent upscale."),
    Row("denoising_strength", Real, 0.75, "source.denoising_strength"),
    Row("initial_noise_multiplier", Real, None, "source.noise_multiplier"),
    Row("image_cfg_scale", Real, None, "source.image_cfg_scale", note="Absent: 1.5."),
    Row("mask", str, None, note="White, or opaque where it has transparency, is painted anew."),
    Row("mask_blur", Whole, None),
    Row("mask_blur_x", Whole, 4),
    Row("mask_blur_y", Whole, 4),
    Row("mask_round", bool, True),
    Row("inpainting_fill", Whole, 0),
    Row("inpaint_full_res", bool, True),
    Row("inpaint_full_res_padding", Whole, 0),
    Row("inpainting_mask_invert", Whole, 0),
    Row("latent_mask", str, None),
    Row("include_init_images", bool, False),
)
ROWS: Mapping[Mode, tuple[Row, ...]] = {"txt2img": BASE + TXT2IMG, "img2img": BASE + IMG2IMG}

OTHER_NAMES: Mapping[str, str] = {
    "sampling.sampler": "sampler_name",
    "sampling.schedule": "scheduler",
    "hires.sampler": "hr_sampler_name",
    "hires.schedule": "hr_scheduler",
    "hires.denoising_strength": "denoising_strength",
    "hires.checkpoint": "hr_checkpoint_name",
    "refiner.checkpoint": "refiner_checkpoint",
    "source.image": "init_images",
    "source.resize_mode": "resize_mode",
    "prompt.styles": "styles",
    "model.checkpoint": "override_settings.sd_model_checkpoint",
    "script.name": "script_name",
    "script.args": "script_args",
    "effects": "alwayson_scripts",
}


def older_names(mode: Mode) -> dict[str, str]:
    """What the older surface calls each of our fields."""
    return (
        older_option_names()
        | dict(OTHER_NAMES)
        | dict(OLDER_NAMES)
        | {row.path: row.name for row in ROWS[mode] if row.path}
    )


def make_body(name: str, mode: Mode) -> type[BaseModel]:
    """The request model of one address; unknown keys are ignored, as they always were."""
    config = ConfigDict(extra="ignore", title=name, protected_namespaces=())
    fields: dict[str, Any] = {
        row.name: (row.kind | None, Field(default=row.default, description=row.note or None))
        for row in ROWS[mode]
    }
    return create_model(name, __config__=config, **fields)


if TYPE_CHECKING:  # a type checker cannot know what the table makes
    Txt2ImgBody = Img2ImgBody = BaseModel
else:
    Txt2ImgBody = make_body("Txt2ImgBody", "txt2img")
    Img2ImgBody = make_body("Img2ImgBody", "img2img")

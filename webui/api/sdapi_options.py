"""The older options: which of our fields and settings they are, and what the rest amounts to."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from webui.api.sdapi_modules import OPTION as MODULES
from webui.api.sdapi_modules import module_values
from webui.api.sdapi_samplers import OWN_STEPS, Words
from webui.contract.fields import get
from webui.contract.vocabulary import nearest, resolve
from webui.errors import InvalidRequest
from webui.settings import Settings


@dataclass(frozen=True)
class Option:
    """An older option that changes the picture: our field, the older default, and its words.

    `choices` names the vocabulary of its values; `wins` says that it beats the field of a request
    where it is not at its default, as the older server had it.
    """

    path: str
    default: Any
    choices: str = ""
    wins: bool = False


AUTOMATIC = "Automatic"
REQUEST_OPTIONS: Mapping[str, Option] = {
    "sd_vae": Option("model.vae", AUTOMATIC, "vaes"),
    MODULES: Option("", []),
    "CLIP_stop_at_last_layers": Option("model.clip_skip", 1),
    "randn_source": Option("noise.source", "GPU", "noise_sources"),
    "eta_ancestral": Option("sampling.eta", None),
    "eta_ddim": Option("sampling.eta", None),
    "eta_noise_seed_delta": Option("sampling.ensd", 0),
    "s_churn": Option("sampling.s_churn", 0.0, wins=True),
    "s_tmin": Option("sampling.s_tmin", 0.0, wins=True),
    "s_tmax": Option("sampling.s_tmax", 0.0, wins=True),
    "s_noise": Option("sampling.s_noise", 1.0, wins=True),
    "s_min_uncond": Option("sampling.skip_negative_below", 0.0),
    "s_min_uncond_all": Option("sampling.skip_negative_all_steps", False),
    "skip_early_cond": Option("sampling.skip_negative_until", 0.0),
    "k_sched_type": Option("", "Automatic", "schedules"),
    "sigma_min": Option("levels.sigma_min", 0.0),
    "sigma_max": Option("levels.sigma_max", 0.0),
    "rho": Option("levels.rho", 0.0),
    "always_discard_next_to_last_sigma": Option("levels.discard_next_to_last", False),
    "sgm_noise_multiplier": Option("levels.sgm_noise_multiplier", False),
    "sd_noise_schedule": Option("levels.zero_terminal_snr", "Default"),
    "use_downcasted_alpha_bar": Option("levels.downcast_alphas", False),
    "beta_dist_alpha": Option("levels.beta_alpha", 0.6),
    "beta_dist_beta": Option("levels.beta_beta", 0.6),
    "use_old_karras_scheduler_sigmas": Option("", False),
    "uni_pc_variant": Option("unipc.variant", "bh1", "unipc_variants"),
    "uni_pc_skip_type": Option("unipc.skip_type", "time_uniform", "unipc_skips"),
    "uni_pc_order": Option("unipc.order", 3),
    "uni_pc_lower_order_final": Option("unipc.lower_order_final", True),
    "enable_emphasis": Option("reading.emphasis", True),
    "emphasis": Option("reading.emphasis", "Original", "emphases"),
    "use_old_emphasis_implementation": Option("reading.old_emphasis", False),
    "use_old_scheduling": Option("reading.old_editing", False),
    "comma_padding_backtrack": Option("reading.comma_backtrack", 20),
    "pad_cond_uncond": Option("reading.pad_conds", False),
    "pad_cond_uncond_v0": Option("reading.pad_conds_v0", False),
    "refiner_switch_by_sample_steps": Option("refiner.by_sampling_steps", False),
    "hires_fix_refiner_pass": Option("refiner.hires_pass", "second pass", "refiner_passes"),
    "use_old_hires_fix_width_height": Option("", False),
    "tiling": Option("canvas.tiling", False),
    "initial_noise_multiplier": Option("source.noise_multiplier", 1.0),
    "img2img_extra_noise": Option("noise.extra", 0.0),
    "img2img_fix_steps": Option("source.exact_steps", False),
    "img2img_color_correction": Option("source.color_correction", False),
    "inpainting_mask_weight": Option("source.conditioning_mask_strength", 1.0),
    "sdxl_crop_top": Option("framing.crop_top", 0),
    "sdxl_crop_left": Option("framing.crop_left", 0),
    "sdxl_refiner_low_aesthetic_score": Option("framing.negative_aesthetic_score", 2.5),
    "sdxl_refiner_high_aesthetic_score": Option("framing.aesthetic_score", 6.0),
}
"""Options that change the picture; those without a path are read where several fields meet."""

SETTING_OPTIONS: Mapping[str, str] = {
    "sd_model_checkpoint": "engine.checkpoint",
    "samples_format": "saving.format",
    "jpeg_quality": "saving.quality",
    "enable_pnginfo": "saving.enable_infotext",
    "save_images_add_number": "saving.add_number",
    "directories_filename_pattern": "saving.subfolder",
    "samples_filename_pattern": "saving.filename",
    "show_progress_type": "live.preview_method",
}
"""Options that are settings here, and are kept."""

SPELT: Mapping[str, Mapping[str, str]] = {
    "show_progress_type": {
        "Approx NN": "auto",
        "Full": "full",
        "Approx cheap": "cheap",
        "TAESD": "taesd",
    },
}
"""How options spell what the setting calls otherwise."""

FP8 = "fp8_storage"
FP8_SPELT = {False: "Disable", True: "Enable"}
"""Whether weights are kept in 8 bits is decided when the server starts."""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "face_restoration": (False,),
    "enable_quantization": (False,),
    "no_dpmpp_sde_batch_determinism": (False,),
    "hires_fix_use_firstpass_conds": (False,),
    "sd_vae_encode_method": ("Full",),
    "sd_vae_decode_method": ("Full",),
    "sd_hypernetwork": ("None", ""),
    "sd_vae_as_default": (False,),
    "sd_vae_overrides_per_model_preferences": (True,),
}
"""Options without a part here: welcome with these values, refused with any other."""

HARMLESS = frozenset(
    {
        "api_enable_requests", "api_forbid_local_requests", "api_useragent", "auto_backcompat",
        "batch_cond_uncond", "code_former_weight", "do_not_show_images",
        "export_for_4chan", "face_restoration_model", "filter_nsfw", "grid_format", "grid_save",
        "grid_only_if_multiple", "include_init_images", "infotext_styles",
        "interrogate_keep_models_in_memory",
        "keep_filters", "live_previews_enable", "live_preview_refresh_period", "memmon_poll_rate",
        "return_grid", "return_mask", "return_mask_composite", "samples_save",
        "save_images_before_color_correction", "save_images_before_face_restoration",
        "save_images_before_highres_fix", "save_images_replace_action", "save_init_img",
        "save_mask", "save_mask_composite", "save_selected_only", "save_to_dirs", "save_txt",
        "sd_checkpoint_cache", "sd_checkpoints_limit", "sd_checkpoints_keep_in_cpu",
        "sd_vae_checkpoint_cache", "send_seed", "send_size", "show_progress_every_n_steps",
        "show_progress_grid", "upscaler_for_img2img", "webp_lossless",
    }
)  # fmt: skip
"""Options that change no picture here; they are taken and do nothing."""


class Options:
    """The options of the older surface.

    Those that are settings are kept in the settings; those that change pixels are remembered until
    the server ends and only fill requests of this surface, which then carry them. `of_effects` has
    the defaults of those that mean arguments of effects; `first` are set from the start.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        update: Callable[[Mapping[str, Any]], Settings],
        default_checkpoint: Callable[[], str],
        of_effects: Callable[[], Mapping[str, Any]] = dict,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = settings
        self._update = update
        self._default_checkpoint = default_checkpoint
        self._of_effects = of_effects
        self._remembered: dict[str, Any] = dict(first or {})
        self._lock = threading.Lock()

    def all(self) -> dict[str, Any]:
        """Every option by its older name."""
        settings = self._settings()
        values: dict[str, Any] = {
            name: _spelt(name, get(settings, path)) for name, path in SETTING_OPTIONS.items()
        }
        values[FP8] = FP8_SPELT[settings.engine.storage == "fp8"]
        values |= {name: neutral[0] for name, neutral in NEUTRAL.items()}
        values["sd_model_checkpoint"] = values["sd_model_checkpoint"] or self._default_checkpoint()
        older = {name: option.default for name, option in REQUEST_OPTIONS.items()}
        return values | older | dict(self._of_effects()) | self.remembered()

    def remembered(self) -> dict[str, Any]:
        """What clients have set of the options that change pixels."""
        with self._lock:
            return dict(self._remembered)

    def set(self, values: Mapping[str, Any], check: Callable[[Mapping[str, Any]], object]) -> None:
        """Take over options; all or none. `check` looks at those that change pixels.

        Raises InvalidRequest that names the option.
        """
        told = {name: value for name, value in values.items() if value is not None}
        for name, value in told.items():
            check_known(name, value, self._settings(), more=self._of_effects())
        check(told)
        kept = {
            SETTING_OPTIONS[n]: SPELT.get(n, {}).get(v, v) if isinstance(v, str) else v
            for n, v in told.items()
            if n in SETTING_OPTIONS
        }
        if kept:
            self._update(kept)
        with self._lock:
            pixels = (*REQUEST_OPTIONS, *self._of_effects())
            self._remembered |= {n: v for n, v in told.items() if n in pixels}


def check_known(
    name: str, value: Any, settings: Settings, prefix: str = "", more: Collection[str] = ()
) -> None:
    """Raise InvalidRequest for an option that would do what we cannot; `more` are known too."""
    if name == FP8 and value != FP8_SPELT[settings.engine.storage == "fp8"]:
        raise InvalidRequest(
            f"{prefix}{name}",
            "Whether weights are kept in 8 bits is decided when the server starts: "
            "--set engine.storage=fp8, or auto.",
        )
    if name in (FP8, *REQUEST_OPTIONS, *SETTING_OPTIONS, *HARMLESS, *more):
        return
    if name in NEUTRAL:
        if value not in NEUTRAL[name]:
            raise InvalidRequest(
                f"{prefix}{name}",
                f"This server has nothing that the option {name!r} could change; "
                f"it can only be {NEUTRAL[name][0]!r} here.",
            )
        return
    close = nearest([*REQUEST_OPTIONS, *SETTING_OPTIONS, *more], name)
    offer = f" Did you mean {' or '.join(close)}?" if close else ""
    raise InvalidRequest(f"{prefix}{name}", f"There is no option called {name!r}.{offer}")


def request_values(options: Mapping[str, Any], words: Words, sampler: str) -> dict[str, Any]:
    """The fields of a request that options fill, by path; absent parts are not looked after.

    `sampler` decides which of the two etas counts. Raises NotFound for an unknown word.
    """
    values: dict[str, Any] = module_values(options[MODULES], words) if MODULES in options else {}
    for name, value in options.items():
        option = REQUEST_OPTIONS.get(name)
        if name == "sd_model_checkpoint" and value:
            values["model.checkpoint"] = value
        if option is None or not option.path:
            continue
        if option.path == "sampling.eta" and (name == "eta_ddim") != (sampler in OWN_STEPS):
            continue
        read = _read(name, option, value, words)
        if name == "sd_vae" and not read and values.get(option.path):
            continue  # the modules name one
        values[option.path] = read
    return values


def winning(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that beat a request's own fields."""
    return {
        name: value
        for name, value in options.items()
        if name in REQUEST_OPTIONS
        and REQUEST_OPTIONS[name].wins
        and value != REQUEST_OPTIONS[name].default
    }


def older_option_names() -> dict[str, str]:
    """What the older surface calls each of our fields that only its options reach."""
    return {o.path: f"override_settings.{name}" for name, o in REQUEST_OPTIONS.items() if o.path}


def _read(name: str, option: Option, value: Any, words: Words) -> Any:
    if name == "enable_emphasis":
        return "original" if value else "none"
    if name == "sd_noise_schedule":
        return value == "Zero Terminal SNR"
    if name == "sd_vae" and str(value) in ("", AUTOMATIC, AUTOMATIC.lower()):
        return ""
    if option.choices:
        field = f"override_settings.{name}"
        return resolve(name, words[option.choices], str(value), field).id
    return value


def _spelt(name: str, value: Any) -> Any:
    """A setting's value as its option spells it."""
    return next((spelt for spelt, ours in SPELT.get(name, {}).items() if ours == value), value)

"""The older options: which of our fields and settings they are, and what the rest amounts to."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from webui.contract.fields import get
from webui.contract.request import NoiseSourceName
from webui.contract.vocabulary import nearest
from webui.errors import InvalidRequest
from webui.settings import Settings

REQUEST_OPTIONS: Mapping[str, tuple[str, Any]] = {
    "CLIP_stop_at_last_layers": ("model.clip_skip", 1),
    "randn_source": ("noise.source", "GPU"),
    "eta_ancestral": ("sampling.eta", None),
    "eta_ddim": ("sampling.eta", None),
    "s_churn": ("sampling.s_churn", 0.0),
    "s_tmin": ("sampling.s_tmin", 0.0),
    "s_tmax": ("sampling.s_tmax", 0.0),
    "s_noise": ("sampling.s_noise", 1.0),
    "tiling": ("canvas.tiling", False),
    "initial_noise_multiplier": ("source.noise_multiplier", 1.0),
    "img2img_fix_steps": ("source.exact_steps", False),
    "img2img_color_correction": ("source.color_correction", False),
    "img2img_extra_noise": ("noise.extra", 0.0),
}
"""Options that change the picture: our field, and the older default."""

SETTING_OPTIONS: Mapping[str, str] = {
    "sd_model_checkpoint": "engine.checkpoint",
    "samples_format": "saving.format",
    "jpeg_quality": "saving.quality",
    "enable_pnginfo": "saving.enable_infotext",
    "save_images_add_number": "saving.add_number",
    "directories_filename_pattern": "saving.subfolder",
    "samples_filename_pattern": "saving.filename",
}
"""Options that are settings here, and are kept."""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "sd_vae": ("Automatic", "None", "automatic", ""),
    "eta_noise_seed_delta": (0,),
    "emphasis": ("Original",),
    "enable_emphasis": (True,),
    "use_old_scheduling": (False,),
    "use_old_emphasis_implementation": (False,),
    "k_sched_type": ("Automatic",),
    "sigma_min": (0,),
    "sigma_max": (0,),
    "rho": (0,),
    "always_discard_next_to_last_sigma": (False,),
    "token_merging_ratio": (0,),
    "token_merging_ratio_img2img": (0,),
    "token_merging_ratio_hr": (0,),
    "face_restoration": (False,),
    "inpainting_mask_weight": (1,),
    "s_min_uncond": (0,),
    "sd_noise_schedule": ("Default",),
    "sd_vae_encode_method": ("Full",),
    "sd_vae_decode_method": ("Full",),
    "sd_hypernetwork": ("None", ""),
    "fp8_storage": ("Disable",),
    "forge_additional_modules": ([],),
}
"""Options without a part here: welcome with these values, refused with any other."""

HARMLESS = frozenset(
    {
        "api_enable_requests", "api_forbid_local_requests", "api_useragent", "auto_backcompat",
        "batch_cond_uncond", "code_former_weight", "comma_padding_backtrack", "do_not_show_images",
        "export_for_4chan", "face_restoration_model", "filter_nsfw", "grid_format", "grid_save",
        "grid_only_if_multiple", "include_init_images", "infotext_styles",
        "interrogate_keep_models_in_memory",
        "keep_filters", "live_previews_enable", "live_preview_refresh_period", "memmon_poll_rate",
        "pad_cond_uncond", "return_grid", "return_mask", "return_mask_composite", "samples_save",
        "save_images_before_color_correction", "save_images_before_face_restoration",
        "save_images_before_highres_fix", "save_images_replace_action", "save_init_img",
        "save_mask", "save_mask_composite", "save_selected_only", "save_to_dirs", "save_txt",
        "sd_checkpoint_cache", "sd_checkpoints_limit", "sd_checkpoints_keep_in_cpu",
        "sd_vae_checkpoint_cache", "send_seed", "send_size", "show_progress_every_n_steps",
        "show_progress_type", "show_progress_grid", "upscaler_for_img2img", "webp_lossless",
    }
)  # fmt: skip
"""Options that change no picture here; they are taken and do nothing."""


class Options:
    """The options of the older surface.

    Those that are settings are kept in the settings; those that change pixels are remembered until
    the server ends and only fill requests of this surface, which then carry them.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        update: Callable[[Mapping[str, Any]], Settings],
        default_checkpoint: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._update = update
        self._default_checkpoint = default_checkpoint
        self._remembered: dict[str, Any] = {}
        self._lock = threading.Lock()

    def all(self) -> dict[str, Any]:
        """Every option by its older name."""
        settings = self._settings()
        values = {name: get(settings, path) for name, path in SETTING_OPTIONS.items()}
        values["sd_model_checkpoint"] = values["sd_model_checkpoint"] or self._default_checkpoint()
        older = {name: default for name, (_, default) in REQUEST_OPTIONS.items()}
        return values | older | self.remembered()

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
            check_known(name, value)
        check(told)
        kept = {SETTING_OPTIONS[n]: v for n, v in told.items() if n in SETTING_OPTIONS}
        if kept:
            self._update(kept)
        with self._lock:
            self._remembered |= {n: v for n, v in told.items() if n in REQUEST_OPTIONS}


def check_known(name: str, value: Any, prefix: str = "") -> None:
    """Raise InvalidRequest for an option that would have an effect which we cannot give."""
    if name in REQUEST_OPTIONS or name in SETTING_OPTIONS or name in HARMLESS:
        return
    if name in NEUTRAL:
        if value not in NEUTRAL[name]:
            raise InvalidRequest(
                f"{prefix}{name}",
                f"This server has nothing that the option {name!r} could change; "
                f"it can only be {NEUTRAL[name][0]!r} here.",
            )
        return
    close = nearest([*REQUEST_OPTIONS, *SETTING_OPTIONS], name)
    offer = f" Did you mean {' or '.join(close)}?" if close else ""
    raise InvalidRequest(f"{prefix}{name}", f"There is no option called {name!r}.{offer}")


def request_values(options: Mapping[str, Any], mode: str, sampler: str) -> dict[str, Any]:
    """The fields of a request that options fill, by path."""
    values: dict[str, Any] = {}
    for name, value in options.items():
        path = REQUEST_OPTIONS[name][0] if name in REQUEST_OPTIONS else ""
        if name == "sd_model_checkpoint" and value:
            path = "model.checkpoint"
        if not path or (path.startswith("source.") and mode != "img2img"):
            continue
        if path == "sampling.eta" and (name == "eta_ddim") != (sampler == "ddim"):
            continue
        values[path] = noise_source(value) if path == "noise.source" else value
    return values


def noise_source(value: object) -> NoiseSourceName:
    """Our noise source for the older name (CPU, GPU or NV)."""
    try:
        return NoiseSourceName(str(value).lower())
    except ValueError:
        raise InvalidRequest(
            "override_settings.randn_source", "randn_source must be CPU, GPU or NV."
        ) from None

"""What other programs call samplers and schedules, in the names that people know here."""

from collections.abc import Mapping

OTHER_SAMPLERS: Mapping[str, str] = {
    "euler": "Euler", "euler_ancestral": "Euler a", "euler_a": "Euler a",
    "lms": "LMS", "heun": "Heun",
    "dpm_2": "DPM2", "kdpm_2": "DPM2", "dpm2": "DPM2", "dpm_2_ancestral": "DPM2 a",
    "dpm_2_a": "DPM2 a", "kdpm_2_a": "DPM2 a", "dpm2_a": "DPM2 a",
    "dpmpp_2s_ancestral": "DPM++ 2S a", "dpmpp_2s_a": "DPM++ 2S a",
    "dpmpp_2m": "DPM++ 2M", "dpmpp_sde": "DPM++ SDE", "dpmpp_sde_gpu": "DPM++ SDE",
    "dpmpp_2m_sde": "DPM++ 2M SDE", "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun", "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_3m_sde_gpu": "DPM++ 3M SDE", "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive",
    "restart": "Restart", "ddim": "DDIM", "plms": "PLMS", "pndm": "PLMS", "unipc": "UniPC",
    "uni_pc": "UniPC", "uni_pc_bh2": "UniPC", "lcm": "LCM",
    "dpm++_2m": "DPM++ 2M", "dpm++_sde": "DPM++ SDE", "dpm++_2s_a": "DPM++ 2S a",
}  # fmt: skip
"""By names as programs write them: small letters, underscores for blanks, no leading "k_"."""

OTHER_SCHEDULES: Mapping[str, str] = {
    "normal": "Normal", "karras": "Karras", "exponential": "Exponential",
    "polyexponential": "Polyexponential", "sgm_uniform": "SGM Uniform", "simple": "Simple",
    "ddim_uniform": "DDIM", "beta": "Beta", "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps", "turbo": "Turbo", "native": "Uniform",
    "trailing": "SGM Uniform", "ays": "Align Your Steps", "k": "Karras",
}  # fmt: skip
"""By names as programs write them; a sampler's name may end in one of them."""


def other_sampler(name: str) -> tuple[str, str] | None:
    """Sampler and schedule behind a name like `dpmpp_2m_karras`; "" for no schedule, None if new.

    A leading `k_` says nothing; the longest schedule's name is tried first.
    """
    plain = name.strip().casefold().replace(" ", "_").replace("-", "_").removeprefix("k_")
    for ending in ("", *sorted(OTHER_SCHEDULES, key=len, reverse=True)):
        stem = plain.removesuffix(f"_{ending}") if ending else plain
        if ending and stem == plain:
            continue
        if stem in OTHER_SAMPLERS:
            return OTHER_SAMPLERS[stem], OTHER_SCHEDULES[ending] if ending else ""
    return None

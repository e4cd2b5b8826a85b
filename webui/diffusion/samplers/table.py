"""The samplers that come with the product: their names, habits, and what they read.

Flags and aliases are those of the older UI. An alias that named a sampler with its schedule
("k_dpmpp_2m_ka") stands where that schedule is the sampler's automatic one.
"""

from typing import Final

from webui.diffusion.samplers.ddim import sample_ddim, sample_ddim_cfgpp, sample_plms
from webui.diffusion.samplers.dpm2 import sample_dpm2, sample_dpm2_a
from webui.diffusion.samplers.dpm_solver import sample_dpm_adaptive, sample_dpm_fast
from webui.diffusion.samplers.dpmpp import sample_dpmpp_2m, sample_dpmpp_2s_a
from webui.diffusion.samplers.dpmpp_sde import (
    sample_dpmpp_2m_sde,
    sample_dpmpp_2m_sde_heun,
    sample_dpmpp_3m_sde,
    sample_dpmpp_sde,
)
from webui.diffusion.samplers.euler import sample_euler, sample_euler_a
from webui.diffusion.samplers.heun import sample_heun, sample_restart
from webui.diffusion.samplers.lcm import adapt_lcm, sample_lcm
from webui.diffusion.samplers.lms import sample_lms
from webui.diffusion.samplers.sampler import Sampler
from webui.diffusion.samplers.unipc import sample_unipc

CHURN: Final = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise"})
ETA: Final = frozenset({"eta"})
NOISE: Final = frozenset({"eta", "s_noise"})


def builtin_samplers() -> tuple[Sampler, ...]:
    """Every sampler that comes with the product, in the order they are offered."""
    return (*_exponential(), *_straight(), *_own_steps(), *_timestepped())


def _exponential() -> tuple[Sampler, ...]:
    return (
        Sampler(
            "dpmpp_2m", "DPM++ 2M", sample_dpmpp_2m, ("k_dpmpp_2m", "k_dpmpp_2m_ka"),
            automatic="karras",
        ),
        Sampler(
            "dpmpp_sde", "DPM++ SDE", sample_dpmpp_sde, ("k_dpmpp_sde", "k_dpmpp_sde_ka"),
            automatic="karras", second_order=True, brownian=True, reads=NOISE,
        ),
        Sampler(
            "dpmpp_2m_sde", "DPM++ 2M SDE", sample_dpmpp_2m_sde,
            ("k_dpmpp_2m_sde", "k_dpmpp_2m_sde_exp"),
            automatic="exponential", brownian=True, reads=NOISE,
        ),
        Sampler(
            "dpmpp_2m_sde_heun", "DPM++ 2M SDE Heun", sample_dpmpp_2m_sde_heun,
            ("k_dpmpp_2m_sde_heun", "k_dpmpp_2m_sde_heun_exp"),
            automatic="exponential", brownian=True, reads=NOISE,
        ),
        Sampler(
            "dpmpp_2s_a", "DPM++ 2S a", sample_dpmpp_2s_a, ("k_dpmpp_2s_a", "k_dpmpp_2s_a_ka"),
            automatic="karras", uses_ensd=True, second_order=True, reads=NOISE,
        ),
        Sampler(
            "dpmpp_3m_sde", "DPM++ 3M SDE", sample_dpmpp_3m_sde,
            ("k_dpmpp_3m_sde", "k_dpmpp_3m_sde_exp"),
            automatic="exponential", discard_next_to_last=True, brownian=True, reads=NOISE,
        ),
    )  # fmt: skip


def _straight() -> tuple[Sampler, ...]:
    return (
        Sampler(
            "euler_a", "Euler a", sample_euler_a, ("k_euler_a", "k_euler_ancestral"),
            uses_ensd=True, reads=ETA,
        ),
        Sampler("euler", "Euler", sample_euler, ("k_euler",), reads=CHURN),
        Sampler("lms", "LMS", sample_lms, ("k_lms",)),
        Sampler("heun", "Heun", sample_heun, ("k_heun",), second_order=True, reads=CHURN),
        Sampler(
            "dpm2", "DPM2", sample_dpm2, ("k_dpm_2", "k_dpm_2_ka"),
            automatic="karras", discard_next_to_last=True, second_order=True, reads=CHURN,
        ),
        Sampler(
            "dpm2_a", "DPM2 a", sample_dpm2_a, ("k_dpm_2_a", "k_dpm_2_a_ka"),
            automatic="karras", discard_next_to_last=True, uses_ensd=True, second_order=True,
            reads=NOISE,
        ),
    )  # fmt: skip


def _own_steps() -> tuple[Sampler, ...]:
    return (
        Sampler(
            "dpm_fast", "DPM fast", sample_dpm_fast, ("k_dpm_fast",),
            uses_ensd=True, reads=NOISE,
        ),
        Sampler(
            "dpm_adaptive", "DPM adaptive", sample_dpm_adaptive, ("k_dpm_ad",),
            uses_ensd=True, packs=False, reads=ETA,
        ),
        Sampler("restart", "Restart", sample_restart, automatic="karras", second_order=True),
    )  # fmt: skip


def _timestepped() -> tuple[Sampler, ...]:
    return (
        Sampler(
            "ddim", "DDIM", sample_ddim,
            automatic="timesteps", owns_schedule=True, unit_start=True, reads=ETA,
        ),
        Sampler(
            "ddim_cfgpp", "DDIM CFG++", sample_ddim_cfgpp,
            automatic="timesteps", owns_schedule=True, unit_start=True, cfg_factor=1 / 12.5,
            needs_uncond=True, reads=ETA,
        ),
        Sampler(
            "plms", "PLMS", sample_plms,
            automatic="timesteps", owns_schedule=True, unit_start=True,
        ),
        Sampler(
            "unipc", "UniPC", sample_unipc,
            automatic="time_uniform", owns_schedule=True, unit_start=True,
            reads=frozenset({"unipc"}),
        ),
        Sampler("lcm", "LCM", sample_lcm, ("k_lcm",), adapt=adapt_lcm),
    )  # fmt: skip

"""Samplers: stateless solvers over a denoiser, and the table of those built in."""

from webui.diffusion.samplers.dpmpp import sample_dpmpp_2m, sample_dpmpp_sde
from webui.diffusion.samplers.euler import sample_ddim, sample_euler, sample_euler_a
from webui.diffusion.samplers.heun import sample_heun
from webui.diffusion.samplers.lcm import adapt_lcm, sample_lcm
from webui.diffusion.samplers.sampler import Sampler, SamplerOptions, Solve
from webui.diffusion.samplers.unipc import sample_unipc

__all__ = ["Sampler", "SamplerOptions", "Solve", "builtin_samplers"]


def builtin_samplers() -> tuple[Sampler, ...]:
    """Every sampler that comes with the product, in the order they are offered."""
    churning = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise"})
    ancestral = frozenset({"eta", "s_noise"})
    return (
        Sampler("dpmpp_2m", "DPM++ 2M", sample_dpmpp_2m, ("k_dpmpp_2m",), automatic="karras"),
        Sampler(
            "dpmpp_sde",
            "DPM++ SDE",
            sample_dpmpp_sde,
            ("k_dpmpp_sde",),
            automatic="karras",
            second_order=True,
            brownian=True,
            reads=ancestral,
        ),
        Sampler(
            "euler_a",
            "Euler a",
            sample_euler_a,
            ("k_euler_a", "k_euler_ancestral"),
            uses_ensd=True,
            reads=ancestral,
        ),
        Sampler("euler", "Euler", sample_euler, ("k_euler",), reads=churning),
        Sampler("heun", "Heun", sample_heun, ("k_heun",), second_order=True, reads=churning),
        Sampler(
            "ddim",
            "DDIM",
            sample_ddim,
            automatic="timesteps",
            owns_schedule=True,
            unit_start=True,
            reads=ancestral,
        ),
        Sampler(
            "unipc",
            "UniPC",
            sample_unipc,
            automatic="time_uniform",
            owns_schedule=True,
            unit_start=True,
        ),
        Sampler("lcm", "LCM", sample_lcm, ("k_lcm",), adapt=adapt_lcm),
    )

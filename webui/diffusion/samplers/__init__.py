"""Samplers: stateless solvers over a denoiser, and the table of those built in."""

from webui.diffusion.samplers.sampler import Sampler, SamplerOptions, Solve, UniPCForm
from webui.diffusion.samplers.table import builtin_samplers

__all__ = ["Sampler", "SamplerOptions", "Solve", "UniPCForm", "builtin_samplers"]

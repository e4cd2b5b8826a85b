"""The diffusion core: torch only, no model files.

Read `denoiser` first (what is sampled), then `samplers` (how), then `schedules` and `noise`.
"""

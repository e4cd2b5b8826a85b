"""Noise: one generator per image, so that a batch equals its images made one by one."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias, cast

import torch
import torchsde  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor

from webui.diffusion.brownian import BrownianTree
from webui.diffusion.philox import Philox

Source: TypeAlias = Literal["cpu", "gpu", "nv"]
"""Where numbers are drawn: torch on the CPU, torch on the device, or Philox as an NVIDIA card."""

Brownian: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(sigma, sigma_next) -> noise`: unit-variance increments (B, C, H, W) of one path per image."""


class NoiseSource(Protocol):
    """Where a sampler takes its fresh noise from; it never draws its own."""

    def step(self) -> Tensor:
        """Unit noise (B, C, H, W), new at each call."""
        ...

    def brownian(self, sigma_min: float, sigma_max: float) -> Brownian:
        """A Brownian path over [sigma_min, sigma_max], the same for the same seed."""
        ...


class ImageNoise:
    """The noise of a batch of images, each drawn from its own seed.

    Image i owns a generator seeded with `seeds[i]`; its first draw is the initial noise, later
    draws are the noise of the steps. With a `step_delta` those come from a generator of their own,
    seeded with `seeds[i] + step_delta`.

    Args:
        seeds: one per image.
        shape: (C, H, W) of one latent.
        subseeds: one per image; missing ones count as 0. Heeded if `subseed_strength` is not 0.
        subseed_strength: how far the initial noise turns from seed to subseed, 0 to 1.
        seed_resize_from: (H, W) of another latent size whose noise is laid centred into this one.
        step_delta: the older UI's "eta noise seed delta"; Brownian paths do not heed it.
        source: where numbers are drawn.
        device: where the noise is wanted.
        dtype: of the noise returned; draws are always float32.

    Raises:
        ValueError: for an unknown source.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, int, int],
        subseeds: Sequence[int] = (),
        subseed_strength: float = 0.0,
        seed_resize_from: tuple[int, int] | None = None,
        step_delta: int = 0,
        source: Source = "cpu",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.seeds = tuple(seeds)
        self.shape = shape
        self.subseeds = tuple(subseeds)
        self.subseed_strength = subseed_strength
        self.seed_resize_from = seed_resize_from
        self.step_delta = step_delta
        self.source: Source = source
        self.device = torch.device(device)
        self.dtype = dtype
        self._draws = [_generator(seed, source, self.device) for seed in seeds]

    def initial(self) -> Tensor:
        """The noise a picture starts from, (B, C, H, W); call it once, before any `step`."""
        first = self._stack([self._first(i) for i in range(len(self.seeds))])
        if self.step_delta:
            moved = (seed + self.step_delta for seed in self.seeds)
            self._draws = [_generator(seed, self.source, self.device) for seed in moved]
        return first

    def step(self) -> Tensor:
        """Fresh noise for one step, (B, C, H, W): the next draw of each generator."""
        return self._stack([draw(self.shape) for draw in self._draws])

    def brownian(self, sigma_min: float, sigma_max: float) -> Brownian:
        """One Brownian tree per image, increments divided by the root of their length."""
        low, high = min(sigma_min, sigma_max), max(sigma_min, sigma_max)
        # A range of one point has no tree; its only possible increment is empty.
        high = high if high > low else low + 1e-6
        trees = [self._tree(low, high, seed) for seed in self.seeds]

        def increments(sigma: Tensor, sigma_next: Tensor) -> Tensor:
            start, end = sorted((float(sigma), float(sigma_next)))
            # The trees know their ends to six digits and warn of anything beyond.
            start, end = max(start, round(low, 6)), min(end, round(high, 6))
            sign = -1.0 if sigma > sigma_next else 1.0  # time runs upwards in the tree
            paths = [tree(start, end) for tree in trees]
            return sign * self._stack(paths) / (sigma_next - sigma).abs().sqrt()

        return increments

    def _tree(self, low: float, high: float, seed: int) -> Callable[[float, float], Tensor]:
        if self.source == "nv":  # torchsde takes no generator from outside
            return BrownianTree(low, high, seed, lambda node: Philox(node).randn(*self.shape))
        begin = torch.zeros(self.shape, device=_place(self.source, self.device))
        tree = torchsde.BrownianTree(low, begin, high, entropy=seed)
        return cast(Callable[[float, float], Tensor], tree)

    def _first(self, index: int) -> Tensor:
        draw, seed = self._draws[index], self.seeds[index]
        size = (self.shape[0], *(self.seed_resize_from or self.shape[1:]))
        resized = size != self.shape
        # A resized source is drawn apart: the image's own first draw then fills the border.
        noise = self._fresh(seed, size) if resized else draw(self.shape)
        if self.subseed_strength != 0:
            subseed = self.subseeds[index] if index < len(self.subseeds) else 0
            noise = slerp(self.subseed_strength, noise, self._fresh(subseed, size))
        return paste_centred(noise, draw(self.shape)) if resized else noise

    def _fresh(self, seed: int, shape: tuple[int, int, int]) -> Tensor:
        return _generator(seed, self.source, self.device)(shape)

    def _stack(self, draws: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(draws)).to(device=self.device, dtype=self.dtype)


Draw: TypeAlias = Callable[[tuple[int, int, int]], Tensor]


def _generator(seed: int, source: Source, device: torch.device) -> Draw:
    """The stream of normal numbers of one seed, as a function of the shape to draw."""
    if source == "nv":
        philox = Philox(seed)
        return lambda shape: philox.randn(*shape)
    if source not in ("cpu", "gpu"):
        raise ValueError(f"unknown noise source {source!r}")
    where = _place(source, device)
    generator = torch.Generator(where).manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator, device=where)


def _place(source: Source, device: torch.device) -> torch.device:
    # Apple's generator differs between versions, so the CPU's stands in for it.
    return device if source == "gpu" and device.type != "mps" else torch.device("cpu")


def slerp(strength: float, low: Tensor, high: Tensor) -> Tensor:
    """Turn from `low` to `high`, both (C, H, W), along the sphere; norms are over the height.

    Nearly parallel tensors are blended in a straight line, towards `low` as strength grows: the
    older UI has it so, and pictures depend on it.
    """
    cosine = (_unit(low) * _unit(high)).sum(1)  # (C, W)
    if cosine.mean() > 0.9995:
        return low * strength + high * (1 - strength)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    low_share = (torch.sin((1 - strength) * angle) / sine).unsqueeze(1)  # (C, 1, W)
    high_share = (torch.sin(strength * angle) / sine).unsqueeze(1)
    return low_share * low + high_share * high


def _unit(noise: Tensor) -> Tensor:
    norm = noise.norm(dim=1, keepdim=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return noise / cast(Tensor, norm)


def paste_centred(source: Tensor, target: Tensor) -> Tensor:
    """A copy of `target` (C, H, W) with `source` (C, h, w) at its centre, cropped where larger.

    Halves are floored, also negative ones: an odd surplus leaves one row or column of the target.
    """
    across = (target.shape[2] - source.shape[2]) // 2
    down = (target.shape[1] - source.shape[1]) // 2
    width = source.shape[2] + 2 * min(across, 0)
    height = source.shape[1] + 2 * min(down, 0)
    x, y = max(across, 0), max(down, 0)
    left, top = max(-across, 0), max(-down, 0)
    pasted = target.clone()
    pasted[:, y : y + height, x : x + width] = source[:, top : top + height, left : left + width]
    return pasted

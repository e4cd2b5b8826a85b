"""Moments: rules about which calls of the network do without something, or hand over.

The older UI counts calls from 0, and a run has as many as it was asked for steps; twice that for
solvers of second order, however many they really make.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from webui.diffusion.prediction import Prediction

Moment: TypeAlias = Callable[[int, Tensor], bool]
"""`(call, sigma) -> bool`: whether the call with this number is one of those meant."""

Level: TypeAlias = Callable[[Tensor], Tensor]
"""`sigma -> level`: what a threshold is compared with."""


def skipped_negative(
    below: float, every_call: bool, until: float, calls: int, level: Level | None = None
) -> Moment | None:
    """The calls that do without the negative prompt; None if there are none.

    Those are the first share `until` of `calls`, and below the noise level `below` every second
    one, or `every_call`. `level` is the sigma itself, but for samplers that walk by timesteps the
    older UI compares the timestep.
    """
    if below <= 0 and until <= 0:
        return None

    def skipped(call: int, sigma: Tensor) -> bool:
        if until > 0 and call / calls <= until:
            return True
        if below <= 0 or not (every_call or call % 2):
            return False
        return float(sigma if level is None else level(sigma)) < below

    return skipped


def refiner_is_due(switch_at: float, by_calls: bool, calls: int, prediction: Prediction) -> Moment:
    """From when on a refiner does the work: once the share `switch_at` of the run is over.

    The share is read off the noise level, as that of the nearest entry of the training table; with
    `by_calls` it is that of the calls.
    """
    table = prediction.sigmas

    def due(call: int, sigma: Tensor) -> bool:
        if by_calls:
            return call / calls >= switch_at
        nearest = int(torch.argmin((table - float(sigma)).abs()))
        return (len(table) - 1 - nearest) / len(table) >= switch_at

    return due

"""What a network predicts, read from a scheduler's configuration or from markers in a file."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from webui.diffusion.prediction import (
    DiscretePrediction,
    FlowPrediction,
    Prediction,
    SizedFlowPrediction,
)
from webui.errors import UnsupportedModel
from webui.weights.families import PredictionKind


def prediction_kind(config: Mapping[str, Any]) -> PredictionKind:
    """What a scheduler.json says is predicted. Raises UnsupportedModel."""
    kind = config.get("prediction_type", "epsilon")
    if "FlowMatch" in str(config.get("_class_name")):
        return "flow"
    if kind not in ("epsilon", "v_prediction"):
        raise UnsupportedModel(f"The model predicts {kind!r}, which no sampler here understands.")
    return kind


def read_prediction(
    config: Mapping[str, Any],
    kind: PredictionKind,
    alphas_cumprod: Tensor | None = None,
    zero_terminal: bool = False,
) -> Prediction:
    """The prediction of a network trained with the noise schedule in `config`.

    `alphas_cumprod` (T,) replaces the schedule; `zero_terminal` rescales it as Lin et al. 2023
    (arXiv:2305.08891, algorithm 1) do. Raises UnsupportedModel for other schedules.
    """
    if kind == "flow":
        return _flow(config)
    alphas = (1 - _betas(config)).cumprod(0) if alphas_cumprod is None else alphas_cumprod
    prediction = DiscretePrediction(alphas_cumprod=alphas, kind=kind)
    if zero_terminal or config.get("rescale_betas_zero_snr"):
        return prediction.ending_in_noise()
    return prediction


def _flow(config: Mapping[str, Any]) -> FlowPrediction:
    steps = config.get("num_train_timesteps", 1000)
    if not config.get("use_dynamic_shifting"):
        return FlowPrediction(config.get("shift", 1.0), steps)
    shifts = (config.get("base_shift", 0.5), config.get("max_shift", 1.15))
    tokens = (config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096))
    return SizedFlowPrediction(shifts, tokens, steps)


def _betas(config: Mapping[str, Any]) -> Tensor:
    if config.get("trained_betas"):
        return torch.tensor(config["trained_betas"], dtype=torch.float64)
    start, end = config.get("beta_start", 0.00085), config.get("beta_end", 0.012)
    steps = config.get("num_train_timesteps", 1000)
    name = config.get("beta_schedule", "scaled_linear")
    if name == "scaled_linear":
        return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    if name == "linear":
        return torch.linspace(start, end, steps, dtype=torch.float64)
    raise UnsupportedModel(f"The model's noise schedule {name!r} is not known here.")

"""Random weights in the key layout of SD 1.5, the same bytes on every machine.

Every tensor is drawn from its own generator, seeded with the tensor's name; draws are uniform with
24-bit mantissas and sums are exact, so neither the order of keys nor the number of threads matters.

The network is random but not formless. A few channels hold a path built on silu(a) - silu(-a) = a:
the UNet predicts x/rms(x) plus a smaller random function of latent, step and prompt, so that every
sampler stays bounded and every input shows; the VAE encodes to a blurred eighth of a picture and
decodes to a smooth enlargement.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

SILU = 1.0 / math.sqrt(0.3557)  # 1 / sqrt(E[silu(n)^2]) for n ~ N(0, 1)
VAE_SCALE = 0.18215
UNET_NOISE, ENCODER_NOISE, DECODER_NOISE = 0.22, 0.25, 0.15
U, VAE = "model.diffusion_model.", "first_stage_model."
ENCODER, DECODER = f"{VAE}encoder.", f"{VAE}decoder."

# Pattern and gain: the first match wins; std = gain / sqrt(fan_in).
GAINS = (
    (r"time_embed\.0\.weight$", 1.5),
    (r"time_embed\.2\.weight$", SILU),
    (r"emb_layers\.1\.weight$", 0.22 * SILU),
    (r"in_layers\.2\.weight$", SILU),
    (r"output_blocks\.(9|10|11)\.0\.out_layers\.3\.weight$", 0.5 * SILU),
    (r"out_layers\.3\.weight$", 0.7 * SILU),
    (r"attn1\.to_(q|k)\.weight$", 1.2),
    (r"attn1\.to_out\.0\.weight$", 1.5),
    (r"attn2\.to_(q|k)\.weight$", 2.0),
    (r"attn2\.to_out\.0\.weight$", 0.16),
    (r"ff\.net\.2\.weight$", 0.7),
    (r"transformer_blocks.*\.weight$", 1.0),
    (r"\.1\.proj_out\.weight$", 0.6),
    (r"first_stage_model.*\.conv1\.weight$", SILU),
    (r"first_stage_model.*\.conv2\.weight$", 0.5 * SILU),
    (r"first_stage_model.*attn_1\.proj_out\.weight$", 0.5),
    (r"self_attn\.(q|k)_proj\.weight$", 1.2),
    (r"self_attn\.v_proj\.weight$", 1.0),
    (r"self_attn\.out_proj\.weight$", 1.0),
    (r"mlp\.fc1\.weight$", 1.0),
    (r"mlp\.fc2\.weight$", 0.8),
)
NORM = re.compile(
    r"(\.norm\d?|norm_out|layer_norm\d|final_layer_norm|in_layers\.0|out_layers\.0|\.out\.0|norm[12])"
    r"\.(weight|bias)$"
)
AFTER_SILU = re.compile(
    r"(in_layers\.2|out_layers\.3|\.out\.2|\.conv1|\.conv2|\.conv_out|emb_layers\.1|time_embed\.2)"
    r"\.weight$"
)


def make_weights(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, Tensor]:
    """All the tensors of a checkpoint, in float32."""
    weights = Weights({key: draw(key, shape, seed) for key, shape in shapes.items()})
    weights.lay_unet_path()
    weights.lay_encoder_path()
    weights.lay_decoder_path()
    return weights.tensors


def draw(key: str, shape: Sequence[int], seed: int) -> Tensor:
    """The random tensor of one key."""
    if key.endswith("position_ids"):
        return torch.arange(shape[-1], dtype=torch.int64).reshape(list(shape))
    if "token_embedding" in key:
        return uniform(key, shape, 1.0, seed)
    if "position_embedding" in key:
        return uniform(key, shape, 0.5, seed)
    if NORM.search(key):
        value = uniform(key, shape, 0.05, seed)
        if key.endswith("weight"):
            value += 1.0
        elif "final_layer_norm" in key:
            value -= 0.11  # real text encoders have a mean, and emphasis rescales by it
        return value
    if key.endswith("bias"):
        return uniform(key, shape, 0.02, seed)
    gain = next((gain for pattern, gain in GAINS if re.search(pattern, key)), 1.0)
    std = gain / math.sqrt(math.prod(shape[1:]))
    return uniform(key, shape, std, seed, balanced=bool(AFTER_SILU.search(key)))


def uniform(
    key: str, shape: Sequence[int], std: float, seed: int, balanced: bool = False
) -> Tensor:
    """Uniform values of this std; balanced ones sum to zero over the input channels."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    values = torch.rand(list(shape), generator=generator) * 2 - 1
    if balanced:  # silu has a positive mean, which must not add up to an offset
        # Exact: the values are multiples of 2^-23, so the float64 sum knows no order.
        mean = values.sum(1, keepdim=True, dtype=torch.float64) / shape[1]
        values -= mean.to(torch.float32)
    return values * (std * math.sqrt(3.0))


class Weights:
    """The tensors of a checkpoint while the path through them is laid."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors

    def lay_unet_path(self) -> None:
        """Ten channels from the first convolution to the last: four pairs, and the first again."""
        self._enter(f"{U}input_blocks.0.0", _eye(4), 10)
        last = f"{U}output_blocks.11."
        self._select(f"{last}0.skip_connection", 10, offset=320)
        self._clear(f"{last}0.out_layers.3", 10)
        self._clear(f"{last}1.proj_out", 10)
        self._flatten(f"{U}out.0", 10)
        self._leave(f"{U}out.2", _eye(4, 0.95), 10, UNET_NOISE)

    def lay_encoder_path(self) -> None:
        """Red, green, blue and luma down to an eighth; the log-variance is next to nothing."""
        box = torch.zeros(3, 3)
        box[:2, :2] = 0.25
        luma = 3**-0.5
        self._enter(f"{ENCODER}conv_in", [*_eye(3), [luma] * 3], 8)
        for level in range(4):
            rows = 8 if level < 2 else 16
            for block in range(2):
                self._pass_by(f"{ENCODER}down.{level}.block.{block}.", rows, repeat=8)
            if level < 3:
                self._filter(f"{ENCODER}down.{level}.downsample.conv", rows, box)
        self._pass_middle(ENCODER)
        self._flatten(f"{ENCODER}norm_out", 16)
        self._leave(f"{ENCODER}conv_out", _eye(4), 16, ENCODER_NOISE)
        self.tensors[f"{ENCODER}conv_out.weight"][4:] *= 0.1
        self.tensors[f"{ENCODER}conv_out.bias"][4:] = -22.0
        quant = self.tensors[f"{VAE}quant_conv.weight"]
        quant *= 0.05
        for i in range(8):
            quant[i, i, 0, 0] = 1 / VAE_SCALE if i < 4 else 1.0
        quant[:, 4:][:4] = 0

    def lay_decoder_path(self) -> None:
        """The four channels back up, blurred, to a picture."""
        post = self.tensors[f"{VAE}post_quant_conv.weight"]
        post *= 0.05
        for i in range(4):
            post[i, i, 0, 0] = VAE_SCALE
            post[i, [j for j in range(4) if j != i]] *= VAE_SCALE
        tap = torch.tensor([1.0, 2.0, 1.0]) / 4
        self._enter(f"{DECODER}conv_in", _eye(4), 16)
        self._pass_middle(DECODER)
        for level in (3, 2, 1, 0):
            rows = 16 if level >= 2 else 8
            for block in range(3):
                self._pass_by(f"{DECODER}up.{level}.block.{block}.", rows)
            if level:
                self._filter(f"{DECODER}up.{level}.upsample.conv", rows, tap[:, None] * tap)
        self._flatten(f"{DECODER}norm_out", 8)
        mix = [[0.34, 0.0, 0.0, 0.13], [0.0, 0.34, 0.0, 0.13], [0.0, 0.0, 0.34, 0.13]]
        self._leave(f"{DECODER}conv_out", mix, 8, DECODER_NOISE)

    def _pass_by(self, block: str, rows: int, repeat: int | None = None) -> None:
        """Let the path go around a residual block."""
        self._clear(f"{block}conv2", rows)
        if f"{block}nin_shortcut.weight" in self.tensors:
            self._select(f"{block}nin_shortcut", rows, repeat=repeat)

    def _pass_middle(self, half: str) -> None:
        for part in ("mid.block_1.conv2", "mid.block_2.conv2", "mid.attn_1.proj_out"):
            self._clear(f"{half}{part}", 16)

    def _clear(self, name: str, rows: int) -> None:
        self.tensors[f"{name}.weight"][:rows] = 0
        self.tensors[f"{name}.bias"][:rows] = 0

    def _flatten(self, name: str, rows: int) -> None:
        self.tensors[f"{name}.weight"][:rows] = 1
        self.tensors[f"{name}.bias"][:rows] = 0

    def _select(self, name: str, rows: int, offset: int = 0, repeat: int | None = None) -> None:
        """A 1x1 convolution whose row i copies the input channel offset + (i mod repeat)."""
        self._clear(name, rows)
        for i in range(rows):
            self.tensors[f"{name}.weight"][i, offset + i % (repeat or rows), 0, 0] = 1

    def _filter(self, name: str, rows: int, kernel: Tensor) -> None:
        self._clear(name, rows)
        for i in range(rows):
            self.tensors[f"{name}.weight"][i, i] = kernel

    def _enter(self, name: str, mix: Sequence[Sequence[float]], rows: int) -> None:
        """A first convolution: rows 2i and 2i+1 are plus and minus mix[i] of the input."""
        self._clear(name, rows)
        for row in range(rows):
            values = torch.tensor(mix[(row // 2) % len(mix)])
            sign = 1 if row % 2 == 0 else -1
            self.tensors[f"{name}.weight"][row, :, 1, 1] = sign * values

    def _leave(self, name: str, mix: Sequence[Sequence[float]], rows: int, noise: float) -> None:
        """A last convolution: sums of differences of pairs, and noise from all other channels."""
        weight, outs = self.tensors[f"{name}.weight"], len(mix)
        weight[:outs] = weight[:outs, :, 1:2, 1:2].clone()  # one value on all taps: blurred detail
        weight[:outs] *= noise * SILU
        weight[:outs, :rows] = 0
        for out, values in enumerate(mix):
            for i, value in enumerate(values):
                weight[out, 2 * i, 1, 1] = value
                weight[out, 2 * i + 1, 1, 1] = -value
        self.tensors[f"{name}.bias"][:outs] *= 0.5


def schedule_buffers() -> dict[str, Tensor]:
    """The noise schedule as such files store it, float32."""
    betas = torch.linspace(0.00085**0.5, 0.0120**0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.cumprod(1 - betas, 0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    variance = betas * (1 - before) / (1 - kept)
    buffers = {
        "betas": betas,
        "alphas_cumprod": kept,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": kept.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - kept).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - kept).log(),
        "sqrt_recip_alphas_cumprod": (1 / kept).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / kept - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - kept),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - kept),
    }
    return {name: value.to(torch.float32) for name, value in buffers.items()}


def _eye(size: int, value: float = 1.0) -> list[list[float]]:
    return [[value if i == j else 0.0 for j in range(size)] for i in range(size)]

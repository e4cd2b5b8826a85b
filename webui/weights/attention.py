"""Which kernel computes attention: torch's own unless another is asked for and runs here.

A kernel is put in the place of `scaled_dot_product_attention` for the time of a run, in every
network alike; none of the optional packages is imported before it is asked for on a GPU.
"""

import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor
from torch.overrides import TorchFunctionMode

log = logging.getLogger(__name__)

Kernel = Callable[..., Tensor]
"""Query, key and value (B, heads, T, C) to the same shape; options as torch's function has them.

Raises NotImplementedError for what it cannot do.
"""

SDPA = "sdpa"
SLICED = "sliced"
SLICE_SCORES = 1 << 24
"""How many attention scores the sliced kernel computes at a time."""


@dataclass(frozen=True)
class Attention:
    """The chosen kernel: its name, why it is not the one asked for ("" where it is), and itself.

    No kernel means torch's own.
    """

    name: str = SDPA
    why: str = ""
    kernel: Kernel | None = None


def choose_attention(wanted: str, device: torch.device) -> Attention:
    """The kernel called `wanted` where it runs on `device`, else torch's own with the reason."""
    chosen = _chosen(wanted, device)
    log.info("attention: %s%s", chosen.name, f" ({chosen.why})" if chosen.why else "")
    return chosen


def _chosen(wanted: str, device: torch.device) -> Attention:
    if wanted in ("auto", SDPA):
        return Attention()
    if wanted == SLICED:
        return Attention(SLICED, kernel=sliced)
    package, make = PACKAGES[wanted]
    if device.type != "cuda":
        return Attention(why=f"{wanted} has no kernels for {device.type}")
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        return Attention(why=f"{wanted} is not installed")
    try:
        kernel = make(importlib.import_module(package))
        probe = torch.zeros(1, 2, 64, 64, device=device, dtype=torch.float16)
        kernel(probe, probe, probe)
    except Exception as error:  # whatever a build for another torch or GPU raises
        return Attention(why=f"{wanted} does not run here: {type(error).__name__} {error}"[:300])
    return Attention(wanted, kernel=kernel)


@contextmanager
def attending(attention: Attention) -> Iterator[None]:
    """Let `attention` compute within the block."""
    if attention.kernel is None:
        yield
        return
    with _Routing(attention.kernel):
        yield


class _Routing(TorchFunctionMode):
    """Sends calls of torch's attention to a kernel, and back where that declines."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self._kernel = kernel

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            try:
                return self._kernel(*args, **(kwargs or {}))
            except NotImplementedError:
                pass
        return func(*args, **(kwargs or {}))


def sliced(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **more: Any,
) -> Tensor:
    """Torch's attention for a few queries at a time, so that the scores of all are never there."""
    if is_causal or dropout_p:
        raise NotImplementedError
    rows = query.shape[0] * query.shape[1] * key.shape[-2]
    size = max(1, SLICE_SCORES // rows)
    pieces: list[Tensor] = []
    for start in range(0, query.shape[-2], size):
        few = query[..., start : start + size, :]
        mask = attn_mask
        if mask is not None and mask.shape[-2] == query.shape[-2]:
            mask = mask[..., start : start + size, :]
        pieces.append(F.scaled_dot_product_attention(few, key, value, mask, **more))
    return torch.cat(pieces, dim=-2)


def _plain(
    compute: Callable[[Tensor, Tensor, Tensor, float | None], Tensor],
) -> Kernel:
    """A kernel for half precision without a mask, which is what networks of pictures ask for."""

    def kernel(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        half = query.dtype in (torch.float16, torch.bfloat16)
        if attn_mask is not None or dropout_p or is_causal or enable_gqa or not half:
            raise NotImplementedError
        return compute(query, key, value, scale)

    return kernel


def _xformers(ops: Any) -> Kernel:
    """xformers' kernel; it has heads behind the tokens."""

    def compute(q: Tensor, k: Tensor, v: Tensor, scale: float | None) -> Tensor:
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return ops.memory_efficient_attention(q, k, v, scale=scale).transpose(1, 2)

    return _plain(compute)


def _flash(package: Any) -> Kernel:
    """FlashAttention's kernel; it has heads behind the tokens, and at most 256 channels."""

    def compute(q: Tensor, k: Tensor, v: Tensor, scale: float | None) -> Tensor:
        if q.shape[-1] > 256:
            raise NotImplementedError
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return package.flash_attn_func(q, k, v, softmax_scale=scale).transpose(1, 2)

    return _plain(compute)


def _sage(package: Any) -> Kernel:
    """SageAttention's kernel, for 64, 96 or 128 channels."""

    def compute(q: Tensor, k: Tensor, v: Tensor, scale: float | None) -> Tensor:
        if q.shape[-1] not in (64, 96, 128):
            raise NotImplementedError
        return package.sageattn(q, k, v, tensor_layout="HND", sm_scale=scale)

    return _plain(compute)


PACKAGES: Mapping[str, tuple[str, Callable[[Any], Kernel]]] = {
    "xformers": ("xformers.ops", _xformers),
    "flash": ("flash_attn", _flash),
    "sage": ("sageattention", _sage),
}
"""The optional kernels: the module that has each, and how it is called."""

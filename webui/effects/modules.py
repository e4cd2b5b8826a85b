"""The places in a UNet that effects reach for, and how they are left as they were found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch.utils.hooks import RemovableHandle

from webui.diffusion.denoiser import Denoiser
from webui.errors import ModelMismatch
from webui.plugins.effects import Patch
from webui.weights.checkpoint import Checkpoint
from webui.weights.patches import patched


def unet_of(checkpoint: Checkpoint, label: str) -> UNet2DConditionModel:
    """The UNet of a checkpoint; raises ModelMismatch where its network is another kind."""
    module = checkpoint.network.module
    if not isinstance(module, UNet2DConditionModel):
        raise ModelMismatch(
            f"{label} works inside a UNet (SD 1.x, 2.x, SDXL); {checkpoint.title} has none."
        )
    return module


def transformer_blocks(unet: UNet2DConditionModel) -> dict[str, BasicTransformerBlock]:
    """Every transformer block of a UNet by its name, from input to output."""
    return {n: m for n, m in unet.named_modules() if isinstance(m, BasicTransformerBlock)}


def self_attention(block: BasicTransformerBlock) -> Attention:
    """The self-attention of a transformer block."""
    attention: Any = block.attn1
    return attention


@contextmanager
def hooked(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Keep hooks until the block is left."""
    placed = list(handles)
    try:
        yield
    finally:
        for handle in placed:
            handle.remove()


@contextmanager
def processed_by(attentions: Sequence[Attention], make: Callable[[Any], Any]) -> Iterator[None]:
    """Let `make(processor)` take the place of each attention's processor until the block ends."""
    kept = [(attention, attention.processor) for attention in attentions]
    try:
        for attention, processor in kept:
            attention.set_processor(make(processor))
        yield
    finally:
        for attention, processor in kept:
            attention.set_processor(processor)


def while_patched(
    denoiser: Denoiser,
    checkpoint: Checkpoint,
    patch: Patch,
    when: Callable[[Any], bool] = lambda sigma: True,
) -> Denoiser:
    """A denoiser that runs with `patch` in force at the noise levels that `when` agrees to."""

    def run(x: Any, sigma: Any) -> Any:
        with patched(checkpoint, [patch] if when(sigma) else []):
            return denoiser(x, sigma)

    return run

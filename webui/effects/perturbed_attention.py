"""Perturbed-attention guidance, Ahn et al. 2024 (arXiv:2403.17377)."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from diffusers.models.attention_processor import Attention
from torch import Tensor

from webui.contract.request import GenerationRequest
from webui.diffusion.guidance import Estimates, Guidance
from webui.effects.arguments import PerturbedAttentionArgs
from webui.effects.forms import PERTURBED_ATTENTION
from webui.effects.modules import processed_by, self_attention, transformer_blocks, unet_of
from webui.errors import InvalidRequest
from webui.plugins import Effect, Layer, PassView
from webui.weights.checkpoint import Checkpoint
from webui.weights.patches import patched


class Identity:
    """A self-attention whose map is the identity: every token sees only itself."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """The values of the tokens (N, T, C), through the output projection."""
        return attn.to_out[1](attn.to_out[0](attn.to_v(hidden_states)))


@dataclass(frozen=True)
class Perturbation:
    """The patch that perturbs the self-attentions of `layers`."""

    layers: str

    @contextmanager
    def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Perturb until the block is left; raises InvalidRequest where no layer has that name."""
        with processed_by(chosen(checkpoint, self.layers), lambda _kept: Identity()):
            yield


def chosen(checkpoint: Checkpoint, layers: str) -> Sequence[Attention]:
    """The self-attentions that `layers` names, as "mid", "down.1" or "up.0.1, up.1".

    Raises InvalidRequest where a name fits none.
    """
    blocks = transformer_blocks(unet_of(checkpoint, PERTURBED_ATTENTION.label))
    short = {_short(name): self_attention(block) for name, block in blocks.items()}
    found: dict[str, Attention] = {}
    for wanted in (part.strip().lower() for part in layers.split(",")):
        plain = ".".join([*re.findall(r"^(?:down|mid|up)", wanted), *re.findall(r"\d+", wanted)])
        fits = {n: a for n, a in short.items() if f"{n}.".startswith(f"{plain}.")}
        if not plain or not fits:
            known = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in short))
            raise InvalidRequest(
                f"effects.{PERTURBED_ATTENTION.name}.layers",
                f"No layer of this model is called {wanted!r}; it has {known}.",
            )
        found |= fits
    return list(found.values())


def _short(name: str) -> str:
    """`down_blocks.1.attentions.0.transformer_blocks.2` as `down.1.0.2`; likewise for others."""
    numbers = re.findall(r"\.(\d+)", name)
    return ".".join([name.partition("_")[0], *numbers])


class PerturbedAttention(Effect[PerturbedAttentionArgs]):
    """Adds the way from the perturbed estimate to the prompt's own."""

    form = PERTURBED_ATTENTION

    def layer(
        self, view: PassView, request: GenerationRequest, args: PerturbedAttentionArgs
    ) -> Layer:
        """Return the addition to the pass's guidance."""
        if args.scale == 0:
            return Layer()
        patch = Perturbation(args.layers)
        chosen(view.checkpoint, args.layers)  # a wrong name is told before the first step

        def guide(inner: Guidance) -> Guidance:
            def guided(estimates: Estimates) -> Tensor:
                at = view.fraction(estimates.sigma)
                result = inner(estimates)
                if not args.start <= at <= args.end:
                    return result
                with patched(view.checkpoint, [patch]):
                    perturbed = estimates.again(estimates.x, True)
                scale = args.scale * (1 - at * args.attenuation / 100)
                return result + (estimates.cond - perturbed) * scale

            return guided

        return Layer(guide=guide)

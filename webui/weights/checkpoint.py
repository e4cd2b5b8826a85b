"""A loaded model: passive; moving it is residency's work, changing it a patch's."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from webui.diffusion.conditioning import ConditioningBatch
from webui.diffusion.denoiser import Residuals
from webui.diffusion.prediction import Prediction
from webui.library.t5_vocabulary import UnigramVocabulary
from webui.library.vocabularies import BpeVocabulary
from webui.weights.families import Defaults, LatentFormat, ModelFamily
from webui.weights.placement import Quarters, like_of
from webui.weights.previewer import Previewer

Vocabulary: TypeAlias = BpeVocabulary | UnigramVocabulary


class ModuleNetwork(Protocol):
    """A `webui.diffusion.denoiser.Network` around a torch module."""

    module: nn.Module

    def __call__(
        self,
        x_in: Tensor,
        timestep: Tensor,
        conditioning_batch: ConditioningBatch,
        residuals: Residuals | None = None,
        /,
    ) -> Tensor:
        """Predict noise, v or velocity for N rows."""
        ...


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One model, whole.

    Attributes:
        family: its row in the table.
        network: the denoising network, ready for `Guided`.
        vae: diffusers' AutoencoderKL.
        text_encoders: transformers' modules, in the family's order.
        vocabularies: one for each text encoder, for `tokenizer_for` and `t5_tokenizer_for`.
        prediction: noise levels, and what the network predicts.
        latent: how its VAE scales latents.
        defaults: what a request for it should start from.
        title: its name for people and for the infotext.
        sha256: the hash of its weights; None while nobody computed it.
        previewer: shows unfinished latents; None for models that bring none.
        quarters: how its parts come to the device; None where they simply lie there.
    """

    family: ModelFamily
    network: ModuleNetwork
    vae: AutoencoderKL
    text_encoders: tuple[nn.Module, ...]
    vocabularies: tuple[Vocabulary, ...]
    prediction: Prediction
    latent: LatentFormat
    defaults: Defaults
    title: str
    sha256: str | None = None
    previewer: Previewer | None = None
    quarters: Quarters | None = None

    def rest(self) -> None:
        """Bring every weight back to where it is kept: who changes weights changes them there."""
        if self.quarters is not None:
            self.quarters.rest()

    def widen_vae(self) -> bool:
        """Let the autoencoder compute in float32 from now on, where half precision overflowed.

        Returns False where that changes nothing.
        """
        if self.quarters is None or like_of(self.vae).dtype != torch.float16:
            return False
        return self.quarters.widen(self.family.vae.folder, torch.float32)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Every torch module by its part's folder name: unet, vae, text_encoder ..."""
        family = self.family
        names = (family.network.folder, family.vae.folder, *(e.folder for e in family.encoders))
        return dict(zip(names, (self.network.module, self.vae, *self.text_encoders), strict=True))

    @property
    def device(self) -> torch.device:
        """Where the network works; its weights may lie elsewhere."""
        return like_of(self.network.module).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the network computes in."""
        return like_of(self.network.module).dtype

    @property
    def bytes(self) -> int:
        """Memory that its weights take, on whatever device."""
        return sum(p.nbytes for m in self.modules.values() for p in m.parameters())

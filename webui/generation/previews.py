"""How unfinished latents are shown: by the model's own previewer, a small decoder, or colours."""

import logging
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from torch import Tensor, nn

from webui.errors import WebuiError
from webui.generation import latents
from webui.generation.caches import Recent
from webui.generation.watching import Project
from webui.weights.checkpoint import Checkpoint
from webui.weights.tiny_decoder import load_tiny_decoder

log = logging.getLogger(__name__)

FindDecoder = Callable[[Checkpoint], Path | None]
"""The file with a small decoder for a checkpoint's latents, where there is one."""


class Previews:
    """Makes previews by `method`: auto, full, cheap or taesd; see the setting of that name."""

    def __init__(self, method: str = "auto", find: FindDecoder = lambda _: None) -> None:
        self._method = method
        self._find = find
        self._colours = Recent[latents.Projection](2)
        self._decoders = Recent[nn.Module | None](2)

    def forget(self) -> None:
        """Drop what was made for checkpoints that are gone."""
        self._colours.clear()

    def projection(self, checkpoint: Checkpoint) -> Project:
        """What shows latents of `checkpoint`; dear parts are made when a preview is."""
        if self._method == "full" and _whole(checkpoint):
            return lambda latent: latents.decode_images(checkpoint, latent.unsqueeze(0), 0)[0]
        if self._method != "cheap":
            own = checkpoint.previewer if self._method != "taesd" else None
            shower = own or self._decoder(checkpoint) or checkpoint.previewer
            if shower is not None:
                return lambda latent: latents.show(shower, latent)

        def project(latent: Tensor) -> Image.Image:
            make = self._colours.get(checkpoint.sha256, lambda: latents.Projection(checkpoint))
            return make(latent)

        return project

    def _decoder(self, checkpoint: Checkpoint) -> nn.Module | None:
        path = self._find(checkpoint)
        if path is None:
            return None
        key = (path, path.stat().st_mtime_ns, checkpoint.device)
        return self._decoders.get(key, lambda: _load(path, checkpoint))


def _whole(checkpoint: Checkpoint) -> bool:
    """Whether the autoencoder lies ready; where parts take turns, each preview would move two."""
    return checkpoint.quarters is None or checkpoint.quarters.plan.placement == "full"


def _load(path: Path, checkpoint: Checkpoint) -> nn.Module | None:
    try:
        return load_tiny_decoder(path).to(checkpoint.device)
    except WebuiError as error:  # a broken file costs the previews their beauty, not the picture
        log.warning("%s is not used for previews: %s", path.name, error.sentence)
        return None

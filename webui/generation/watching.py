"""What a running item tells: progress, previews, and whether anybody asked it to end."""

import io
import time
from collections.abc import Callable, Sequence

from PIL import Image
from torch import Tensor

from webui.contract.events import Preview, Progress
from webui.contract.worker import Check, Emit
from webui.diffusion.layers import Interrupted

Project = Callable[[Tensor], Image.Image]


class Watch:
    """Turns the loop's reports into events for every item of a run.

    The whole run is a line from 0 to 1; `enter` says which part of it the next stage covers.
    """

    def __init__(
        self, items: Sequence[int], emit: Emit, check: Check, seconds: float, size: int
    ) -> None:
        self._items = tuple(items)
        self._emit = emit
        self._check = check
        self._seconds = seconds
        self._size = size
        self._shown = time.monotonic()
        self._stage, self._low, self._high, self._steps = "", 0.0, 0.0, 0
        self._project: Project | None = None

    def enter(
        self,
        stage: str,
        low: float,
        high: float,
        steps: int = 0,
        project: Project | None = None,
    ) -> None:
        """Begin a stage that covers `low` to `high` of the run.

        Raises Interrupted, holding nothing, when a cancel was asked for meanwhile.
        """
        if self._check() == "cancel":
            raise Interrupted(None, "cancel")
        self._stage, self._low, self._high, self._steps = stage, low, high, steps
        self._project = project
        self._progress(0.0)

    def check(self) -> str | None:
        """What was asked for, as `Watched` wants it."""
        return self._check()

    def report(self, fraction: float, denoised: Tensor, _sigma: float) -> None:
        """Tell of a finished network call; `denoised` is (B, C, h, w)."""
        self._progress(fraction)
        now = time.monotonic()
        if self._project is None or self._seconds <= 0 or now - self._shown < self._seconds:
            return
        self._shown = now
        for item, latent in zip(self._items, denoised, strict=False):
            self._emit(Preview(item=item, jpeg=_jpeg(self._project(latent), self._size)))

    def _progress(self, fraction: float) -> None:
        whole = self._low + (self._high - self._low) * fraction
        for item in self._items:
            self._emit(
                Progress(
                    item=item,
                    fraction=min(whole, 1.0),
                    step=round(fraction * self._steps),
                    steps=self._steps,
                    stage=self._stage,
                )
            )


def _jpeg(image: Image.Image, size: int) -> bytes:
    """The small picture enlarged to `size` on its longer side."""
    scale = size / max(image.size)
    shape = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    buffer = io.BytesIO()
    image.resize(shape, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()

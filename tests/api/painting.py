"""A torch-free engine for the faces' tests: it paints a plain colour that the seed gives.

What the prompt says steers it: "hold" waits to be stopped, "broken numbers" fails with a sentence,
"crash" raises something unforeseen.
"""

import io
import time
from collections.abc import Sequence

from PIL import Image

from webui.contract import infotext
from webui.contract.events import Artifact, Execution, Finished, Preview, Progress, Vocabulary
from webui.contract.items import Item
from webui.contract.request import GenerationRequest
from webui.contract.vocabulary import builtin
from webui.contract.worker import Check, Emit, EngineConfig, Inputs, StopMode
from webui.errors import NumericalError
from webui.images.storage import encode_image

EXECUTION = Execution(checkpoint="sketch", checkpoint_hash="0123456789abcdef")
HOLD_SECONDS = 20.0


class PaintingEngine:
    """Steps at once, reports each, and paints."""

    def run(self, items: Sequence[Item], inputs: Inputs, emit: Emit, check: Check) -> None:
        for item in items:
            how = self._steps(item, emit, check)
            if how == "cancel":
                emit(Finished(item=item.index, how="cancelled"))
                continue
            emit(paint(item))
            emit(Finished(item=item.index, how="stopped" if how == "stop" else "done"))

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(words={})

    def _steps(self, item: Item, emit: Emit, check: Check) -> StopMode | None:
        request = item.request
        words, steps = request.prompt.positive, request.sampling.steps
        if "broken numbers" in words:
            raise NumericalError("decoding")
        if "crash" in words:
            raise RuntimeError("a secret path /home/somebody")
        end = time.monotonic() + HOLD_SECONDS
        for step in range(1, steps + 1):
            emit(
                Progress(
                    item=item.index,
                    fraction=step / (steps + 1),
                    step=step,
                    steps=steps,
                    stage="base",
                )
            )
            emit(Preview(item=item.index, jpeg=small_jpeg(request)))
            while "hold" in words and time.monotonic() < end:
                if wish := check():
                    return wish
                time.sleep(0.002)
        return None


def make_engine(config: EngineConfig) -> PaintingEngine:
    return PaintingEngine()


def paint(item: Item) -> Artifact:
    request = item.request
    canvas, vae = request.canvas, request.model.vae
    used = {"vae": vae, "vae_hash": "ab" * 32} if vae else {}
    execution = EXECUTION.model_copy(update=used)
    text = infotext.write(request, execution, "0.1.0", builtin())
    image = Image.new("RGB", (canvas.width, canvas.height), colour(request))
    return Artifact(
        item=item.index,
        data=encode_image(image, "png", text),
        width=canvas.width,
        height=canvas.height,
        seed=request.noise.seed,
        infotext=text,
        execution=execution,
    )


def small_jpeg(request: GenerationRequest) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), colour(request)).save(out, "JPEG")
    return out.getvalue()


def colour(request: GenerationRequest) -> tuple[int, int, int]:
    seed = request.noise.seed
    return (seed % 256, seed // 256 % 256, seed // 65536 % 256)

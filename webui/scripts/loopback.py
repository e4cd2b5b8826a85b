"""Loopback: each picture is the source of the next one."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from webui.contract.fields import Frozen, Param
from webui.contract.items import Item
from webui.contract.request import GenerationRequest, OutputOf
from webui.errors import InvalidRequest
from webui.plugins import Script
from webui.plugins.expansion import single

Curve = Literal["aggressive", "linear", "lazy"]


class LoopbackArgs(Frozen):
    """How often, and how the denoising strength moves on the way."""

    loops: Annotated[
        int, Field(ge=1, le=32), Param("Loops", "How many times the picture is painted over.")
    ] = 4
    final_denoising_strength: Annotated[
        float,
        Field(ge=0, le=1),
        Param(
            "Final denoising strength", "Where the strength arrives in the last loop.", step=0.01
        ),
    ] = 0.5
    curve: Annotated[
        Curve,
        Param("Denoising strength curve", "Whether the strength moves early, evenly or late."),
    ] = "linear"


class Loopback(Script[LoopbackArgs]):
    """A chain of items; each but the first takes the output of the one before as its source."""

    name = "loopback"
    label = "Loopback"
    args_type = LoopbackArgs
    modes = ("img2img",)

    def expand(self, request: GenerationRequest, args: LoopbackArgs) -> Sequence[Item]:
        """Return `loops` items for each batch, seeds counting upward along a chain."""
        source = request.source
        if source is None:
            raise InvalidRequest("source.image", "Loopback needs a source image.")
        items: list[Item] = []
        for batch in range(request.canvas.batch_count):
            for loop in range(args.loops):
                index = len(items)
                strength = strength_at(source.denoising_strength, args, loop)
                image = source.image if loop == 0 else OutputOf(item=index - 1)
                step = single(request, batch * args.loops + loop).model_copy(
                    update={
                        "source": source.model_copy(
                            update={"image": image, "denoising_strength": strength}
                        )
                    }
                )
                items.append(Item(index=index, request=step, labels=(("Loop", str(loop + 1)),)))
        return items


def strength_at(start: float, args: LoopbackArgs, loop: int) -> float:
    """The denoising strength in `loop` (from 0) of a chain that begins at `start`."""
    if args.loops == 1:
        return start
    progress = loop / (args.loops - 1)
    power = {"aggressive": 0.5, "linear": 1.0, "lazy": 2.0}[args.curve]
    return round(start + (args.final_denoising_strength - start) * progress**power, 6)

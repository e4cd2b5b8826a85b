"""The memory that a request will need, against what the worker's device has; and its time."""

from collections.abc import Callable, Sequence

from webui.app.pace import expected_seconds
from webui.contract.estimates import Estimate
from webui.contract.events import Machine
from webui.contract.request import GenerationRequest
from webui.jobs.views import JobView
from webui.library.catalog import ModelFile
from webui.library.demand import HALF, SINGLE, Demand, count_numbers, weigh
from webui.settings import Settings

MB = 1_000_000
GB = 1_000_000_000
SPARE = 0.9
HOW = {
    "full": "",
    "model": ", with one part of the model on the device at a time",
    "group": ", with one block of the model on the device at a time",
}


class Estimator:
    """Looks at headers only; asks for settings, model, device and finished jobs each time."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        checkpoint: Callable[[str], ModelFile],
        machine: Callable[[], Machine | None],
        finished: Callable[[], Sequence[JobView]] = tuple,
    ) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self._machine = machine
        self._finished = finished

    def estimate(self, request: GenerationRequest) -> Estimate:
        """What `request` needs; raises NotFound and what reading headers raises."""
        machine = self._machine() or Machine()
        file = self._checkpoint(request.model.checkpoint)
        size = SINGLE if machine.dtype == "float32" else HALF
        engine = self._settings().engine
        demand = weigh(count_numbers(file), request, size, engine.vae_tile_pixels)
        estimate = judged(demand, machine, engine.placement, file.stem)
        seconds = expected_seconds(request, file.name, self._finished())
        return estimate.model_copy(update={"seconds": seconds})


def judged(demand: Demand, machine: Machine, placement: str, name: str) -> Estimate:
    """The demand with a sentence about whether `machine` has that much."""
    room = int(machine.memory * SPARE)
    alone = machine.device == "cpu" or not room
    fitting = [way for way, peak in demand.peak.items() if peak <= room] or ["group"]
    asked = "group" if placement == "sequential" else placement  # which needs no more than that
    way = "full" if alone else asked if asked in demand.peak else fitting[0]
    peak = demand.peak[way]
    sentence = f"{name} needs about {peak / GB:.1f} GB for this{HOW[way]}"
    if room:
        sentence += f"; {machine.device} has {machine.memory / GB:.1f} GB."
        if peak > room:
            sentence += " That is too little: lower the size of the picture."
    else:
        sentence += "."
    return Estimate(
        device=machine.device,
        memory_mb=machine.memory // MB,
        weights_mb={part: count // MB for part, count in demand.weights.items()},
        working_mb=demand.working // MB,
        peak_mb={way: count // MB for way, count in demand.peak.items()},
        placement=way,
        fits=not room or peak <= room,
        sentence=sentence,
    )

"""How long a request will take, from what others of its shape took."""

from collections.abc import Iterable

from webui.contract.request import GenerationRequest
from webui.jobs.views import JobView

LOOKED_AT = 20
"""How many of the last jobs are worth a look."""


def expected_seconds(
    request: GenerationRequest, checkpoint: str, jobs: Iterable[JobView]
) -> float | None:
    """The seconds that `request` will take with `checkpoint`; None where none of `jobs` is like it.

    The fastest counts: others loaded the model first, or shared the machine with somebody.
    """
    shape = _shape(request)
    paces = [
        (job.finished - job.started) / (len(job.items) * _work(job.request))
        for job in jobs
        if job.started is not None and job.finished is not None and job.items
        if job.request.model.checkpoint == checkpoint and _shape(job.request) == shape
    ]
    if not paces:
        return None
    canvas = request.canvas
    return min(paces) * _work(request) * canvas.batch_count * canvas.batch_size


def _shape(request: GenerationRequest) -> tuple[object, ...]:
    """What two requests share whose steps take as long; with a second pass, their number too."""
    canvas, sampling, hires = request.canvas, request.sampling, request.hires
    second = hires and hires.model_copy(update={"prompt": "", "negative_prompt": ""})
    return (
        (canvas.width, canvas.height, canvas.batch_size),
        (sampling.sampler, sampling.pack, sampling.cfg_scale == 1),
        (request.source is None, request.script, request.effects, request.refiner is None),
        (second, sampling.steps if second else 0),
    )


def _work(request: GenerationRequest) -> float:
    """The steps of one picture."""
    source, steps = request.source, request.sampling.steps
    if source is None or source.exact_steps:
        return steps
    return max(1.0, steps * source.denoising_strength)

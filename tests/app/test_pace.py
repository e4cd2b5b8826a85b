"""What a request will take is known from finished ones of its shape."""

import pytest

from webui.app.pace import expected_seconds
from webui.contract.fields import nest
from webui.contract.request import Blob, GenerationRequest, Hires, Source
from webui.jobs.views import ItemView, JobView

REQUEST = nest(GenerationRequest(), {"model.checkpoint": "forest", "sampling.steps": 20})


def job(seconds: float, request: GenerationRequest = REQUEST, items: int = 1) -> JobView:
    return JobView(
        id=1, state="done", mode=request.mode, created=0, started=100, finished=100 + seconds,
        request=request, items=tuple(ItemView(index=i, state="done", seed=i) for i in range(items)),
    )  # fmt: skip


def test_the_fastest_of_a_shape_counts_by_steps_and_pictures() -> None:
    wish = nest(REQUEST, {"sampling.steps": 40, "canvas.batch_count": 3, "prompt.positive": "x"})
    jobs = [job(30), job(20, items=2), job(99, nest(REQUEST, {"canvas.width": 1024}))]
    assert expected_seconds(wish, "forest", jobs) == pytest.approx(60)


@pytest.mark.parametrize(
    "other",
    [
        {"canvas.width": 768},
        {"sampling.sampler": "heun"},
        {"sampling.cfg_scale": 1.0},
        {"model.checkpoint": "desert"},
        {"hires": Hires()},
        {"source": Source(image=Blob(sha256="0" * 64))},
    ],
)
def test_another_shape_says_nothing(other: dict[str, object]) -> None:
    assert expected_seconds(REQUEST, "forest", [job(20, nest(REQUEST, other))]) is None


def test_denoising_shortens_img2img() -> None:
    source = Source(image=Blob(sha256="0" * 64), denoising_strength=0.5)
    half = nest(REQUEST, {"source": source})
    whole = nest(half, {"source.denoising_strength": 1.0})
    assert expected_seconds(whole, "forest", [job(10, half)]) == pytest.approx(20)


def test_a_job_without_times_is_passed_over() -> None:
    waiting = job(20).model_copy(update={"finished": None})
    assert expected_seconds(REQUEST, "forest", [waiting]) is None

"""Conversions and merges of model files over HTTP."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from webui.contract.fields import Frozen, Name
from webui.contract.merging import MergeRequest
from webui.library.bench import Bench, PickledFile, Work


class ConversionRequest(Frozen):
    """Files of the list of those that need conversion, by name; asking is the user's yes."""

    names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=10_000)]


def bench_routes(bench: Bench) -> APIRouter:
    """/api/v1/models/pickled, /convert, /merge and /work."""
    router = APIRouter(prefix="/api/v1/models", tags=["model files"])

    @router.get("/pickled")
    def list_pickled() -> tuple[PickledFile, ...]:
        """The model files (.ckpt, .pt, .pth, .bin) that can be used once they are converted."""
        return bench.pickled()

    @router.post("/convert", status_code=202)
    def convert_models(asked: ConversionRequest) -> Work:
        """Write files as safetensors, in a process that can call nothing; the old ones stay."""
        return bench.convert(asked.names)

    @router.post("/merge", status_code=202)
    def merge_checkpoints(asked: MergeRequest) -> Work:
        """Merge checkpoints into a new one."""
        return bench.merge(asked)

    @router.get("/work")
    def get_work() -> Work | None:
        """The conversion or merge that runs, or that ran last."""
        return bench.work()

    @router.post("/work/stop", status_code=202)
    def stop_work() -> Work | None:
        """End the present conversion or merge; nothing of it is left."""
        bench.stop()
        return bench.work()

    return router

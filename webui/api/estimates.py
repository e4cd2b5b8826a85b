"""How much memory and time a request will need, before it is queued."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

from collections.abc import Callable

from fastapi import APIRouter

from webui.contract.estimates import Estimate
from webui.contract.request import GenerationRequest


def estimate_routes(estimate: Callable[[GenerationRequest], Estimate]) -> APIRouter:
    """POST /api/v1/estimate."""
    router = APIRouter(prefix="/api/v1", tags=["jobs"])

    @router.post("/estimate")
    def estimate_request(request: GenerationRequest) -> Estimate:
        """The memory and time that a request will need on the worker; nothing is loaded for it."""
        return estimate(request)

    return router

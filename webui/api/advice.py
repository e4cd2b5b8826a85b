"""What a checkpoint is best asked for: the values that the page offers, for other clients."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

from collections.abc import Callable

from fastapi import APIRouter

from webui.contract.advice import Advice


def advice_routes(advise: Callable[[str], Advice]) -> APIRouter:
    """GET /api/v1/advice."""
    router = APIRouter(prefix="/api/v1", tags=["models"])

    @router.get("/advice")
    def advise_on(checkpoint: str = "") -> Advice:
        """Size, steps, guidance and sampler to start from; without a name, for the default one."""
        return advise(checkpoint)

    return router

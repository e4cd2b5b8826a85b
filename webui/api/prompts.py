"""How prompts are read, over HTTP."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

from fastapi import APIRouter

from webui.api.parts import Parts
from webui.prompts.explanation import Asked, Explanation


def prompt_routes(parts: Parts) -> APIRouter:
    """POST /api/v1/explain."""
    router = APIRouter(prefix="/api/v1", tags=["words and pictures"])

    @router.post("/explain")
    def explain_prompt(asked: Asked) -> Explanation:
        """How a prompt is read: chunks, tokens, weights, what is said at which step, notices."""
        return parts.explain(asked)

    return router

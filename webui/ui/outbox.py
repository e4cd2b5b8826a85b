"""What handlers tell the browser: a job to follow, sentences to show, a tab to open."""

import itertools
import secrets
from typing import Any, Literal, TypedDict

from webui.errors import InvalidRequest, NotFound, WebuiError
from webui.ui.layout import Mode
from webui.ui.widgets import element_id

Kind = Literal["notice", "error", "done"]


class Message(TypedDict):
    """A sentence for the user; `element` is the id of the control that it is about."""

    kind: Kind
    text: str
    element: str


_COUNT = itertools.count()
_START = secrets.token_hex(4)


def letter(
    *messages: Message, mode: Mode | None = None, job: int | None = None, **more: Any
) -> dict[str, Any]:
    """A value for the outbox; each is new, so that the browser sees it even when it repeats."""
    return {
        "n": f"{_START}-{next(_COUNT)}",
        "mode": mode,
        "job": job,
        "messages": list(messages),
        **more,
    }


def say(text: str, kind: Kind = "notice", element: str = "") -> Message:
    """A message without or with a control that it is about."""
    return {"kind": kind, "text": text, "element": element}


def complaint(error: WebuiError, mode: Mode) -> Message:
    """An error as a message beside the control that caused it."""
    field = error.field if isinstance(error, InvalidRequest | NotFound) else ""
    if field.startswith("script."):
        element = f"{mode}_script_list"
    else:
        element = element_id(mode, field) if field else ""
    return say(error.sentence, "error", element)

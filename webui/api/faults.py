"""From exceptions to answers: one table of HTTP statuses, and the two shapes of an error body.

The native API answers `{error, sentence, detail, field, ...}`; below `/sdapi` the answer has the
older envelope `{error, detail, body, errors}`, with our field, sentence and nearest names added.
Tracebacks and paths stay in the log.
"""

import errno
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from webui import errors
from webui.api.sentences import Complaint, explain
from webui.errors import InvalidRequest, NotFound, PluginError, WebuiError
from webui.jobs.views import ErrorView

logger = logging.getLogger(__name__)

OLDER_SURFACE = ("/sdapi/", "/controlnet/")
STATUS: Mapping[type[WebuiError], int] = {
    errors.TooLarge: 413,
    errors.InvalidRequest: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unavailable: 501,
    errors.UnsupportedModel: 422,
    errors.ModelMismatch: 422,
    errors.OutOfDeviceMemory: 507,
    errors.NumericalError: 500,
    errors.PluginError: 500,
    errors.WorkerLost: 503,
    errors.StorageError: 500,
    errors.WebuiError: 500,
}
BY_NAME = {kind.__name__: status for kind, status in STATUS.items()}
FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
OLDER_NOT_FOUND = {"sampler": (404, "Sampler not found"), "script": (422, "Script '{}' not found")}
"""What clients of the older surface look for, by the kind of the thing that is not there."""

UNKNOWN = "Something went wrong inside the server; its log says more."


def status_of(error: WebuiError) -> int:
    """The HTTP status for an error; the nearest class in the table decides.

    A name that a field of the body holds is a wrong value (422), a name in the address is 404.
    """
    if isinstance(error, JobFailed):
        return BY_NAME.get(error.view.error, 500)
    if isinstance(error, NotFound) and error.field:
        return 422
    cause = error.__cause__
    if isinstance(error, errors.StorageError) and isinstance(cause, OSError):
        return 507 if cause.errno in FULL else 500
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def body_of(error: WebuiError) -> dict[str, Any]:
    """The native JSON body for an error; the detail is for the log and stays there."""
    body: dict[str, Any] = {
        "error": error.view.error if isinstance(error, JobFailed) else type(error).__name__,
        "sentence": error.sentence,
        "detail": error.sentence,
        "field": str(getattr(error, "field", "")),
    }
    if isinstance(error, NotFound):
        body |= {"kind": error.kind, "name": error.name, "nearest": list(error.nearest)}
    if isinstance(error, PluginError):
        body |= {"plugin": error.plugin, "hook": error.hook}
    return body


def older_body(native: Mapping[str, Any], detail: str = "") -> dict[str, Any]:
    """The older envelope around a native body."""
    sentence = str(native.get("sentence", ""))
    body: dict[str, Any] = {
        "error": native.get("error", ""),
        "detail": detail or sentence,
        "body": "",
        "errors": sentence,
    }
    extra = ("field", "nearest", "sentence")
    return body | {name: native[name] for name in extra if native.get(name)}


class JobFailed(WebuiError):
    """A job ended without all its pictures; `view` says why, as far as the worker could tell."""

    def __init__(self, view: ErrorView) -> None:
        super().__init__(view.sentence, view.detail)
        self.view = view
        self.field = view.field


def complaint_of(error: ValidationError, root: type[Any] | None = None) -> InvalidRequest:
    """The first thing that a validation found wrong, as an InvalidRequest with its field."""
    first = explain(error.errors(include_url=False, include_context=True), root)[0]
    return InvalidRequest(first.field, first.sentence)


def add_faults(app: FastAPI) -> None:
    """Let `app` answer every exception by the table."""
    app.add_exception_handler(WebuiError, _answer_webui_error)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unknown)


def answer(request: Request, status: int, native: Mapping[str, Any], detail: str = "") -> Response:
    """An error response in the shape that the address asks for."""
    body = older_body(native, detail) if is_older(request) else dict(native)
    return JSONResponse(body, status)


def is_older(request: Request) -> bool:
    """Whether a request is for the older surface."""
    root = str(request.scope.get("root_path", ""))
    return str(request.scope["path"]).removeprefix(root).startswith(OLDER_SURFACE)


async def _answer_webui_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, WebuiError)
    status = status_of(error)
    log = logger.error if status >= 500 else logger.info
    log("%s %s: %s %s", request.method, request.url.path, error.sentence, error.detail)
    detail = ""
    if is_older(request) and isinstance(error, NotFound) and error.kind in OLDER_NOT_FOUND:
        status, text = OLDER_NOT_FOUND[error.kind]
        detail = text.format(error.name)
    return answer(request, status, body_of(error), detail)


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    complaints = explain(error.errors())
    native = {
        "error": "InvalidRequest",
        "sentence": complaints[0].sentence,
        "detail": complaints[0].sentence,
        "field": complaints[0].field,
        "errors": [{"field": c.field, "sentence": c.sentence} for c in complaints],
    }
    if is_older(request):
        return JSONResponse({"detail": _older_list(error.errors(), complaints)}, 422)
    return JSONResponse(native, 422)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.detail == HTTPStatus(error.status_code).phrase and error.status_code == 404:
        # No such route: the older UI keeps this shape below /sdapi as well.
        return JSONResponse({"detail": "Not Found", "sentence": "There is nothing here."}, 404)
    native = {
        "error": "HTTPException",
        "sentence": error.detail,
        "detail": error.detail,
        "field": "",
    }
    response = answer(request, error.status_code, native, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _answer_unknown(request: Request, error: Exception) -> Response:
    logger.error("%s %s broke off", request.method, request.url.path, exc_info=error)
    native = {"error": "InternalError", "sentence": UNKNOWN, "detail": UNKNOWN, "field": ""}
    return answer(request, 500, native)


def _older_list(
    found: Sequence[Mapping[str, Any]], complaints: Sequence[Complaint]
) -> list[dict[str, Any]]:
    """FastAPI's own shape, without the input (it may be NaN, or megabytes)."""
    return [
        {"loc": list(f["loc"]), "msg": c.sentence, "type": f["type"], "field": c.field}
        for f, c in zip(found, complaints, strict=True)
    ]

"""Bytes of one uploaded picture out of a request: raw, or as the file of a form."""

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from webui.errors import InvalidRequest

FIELDS_MAX = 20


async def read_picture(http: Request, field: str) -> tuple[bytes, str]:
    """The bytes and the client's file name ("" for raw bytes); raises InvalidRequest.

    The guard has bounded the size of the body already.
    """
    kind = http.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        data = await http.body()
        if not data:
            raise InvalidRequest(field, "The request holds no picture.")
        return data, ""
    try:
        async with http.form(max_files=1, max_fields=FIELDS_MAX) as form:
            for value in form.values():
                if isinstance(value, UploadFile):
                    return await value.read(), value.filename or ""
    except MultiPartException as error:
        raise InvalidRequest(field, "The form could not be read.", error.message) from error
    raise InvalidRequest(field, "The form holds no file.")

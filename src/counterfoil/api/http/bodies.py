"""Bodies that a route reads by itself, with the same refusals as everywhere; and files, as bodies and as answers."""

from __future__ import annotations

from typing import Any, Final, TypeVar
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from counterfoil.api.http.schemas import RequestModel
from counterfoil.base.problems import InvalidInput

Body = TypeVar("Body", bound=RequestModel)
BINARY: Final = {"schema": {"type": "string", "format": "binary"}}


def parsed(shape: type[Body], body: bytes) -> Body:
    """The body as this shape. Raises RequestValidationError, which the handler of problems understands."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None


def signed_headers(request: Request) -> dict[str, str]:
    """The headers of a signed message. Raises InvalidInput for a part of the signature that comes twice: which of the two was meant
    is nothing that two servers in a row need to agree on."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        if name in found and (name.startswith("webhook-") or name.endswith("-signature")):
            raise InvalidInput(name, "once")
        found[name] = value
    return found


def body_of(shape: type[RequestModel]) -> dict[str, Any]:
    """What the OpenAPI document says of such a body."""
    schema = shape.model_json_schema(by_alias=True)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def file_body(**more: Any) -> dict[str, Any]:
    """What the OpenAPI document says of a body that is a file; `more` stands beside its schema, such as an example."""
    return {"requestBody": {"required": True, "content": {"application/octet-stream": {**BINARY, **more}}}}


def file_answer(media_type: str) -> dict[int | str, dict[str, Any]]:
    """What it says of an answer that is a file."""
    return {200: {"content": {media_type: BINARY}}}


def saved_under(name: str) -> str:
    """The header by which a browser saves a file under a name that somebody gave it, whatever its letters."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def attachment(body: bytes | str, media_type: str, name: str) -> Response:
    """A file to be saved under `name`, which is ours: plain ASCII."""
    return Response(body, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})

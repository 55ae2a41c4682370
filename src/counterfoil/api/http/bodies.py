"""Bodies that a route reads by itself, with the same refusals as everywhere."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from counterfoil.api.http.schemas import RequestModel

Body = TypeVar("Body", bound=RequestModel)


def parsed(shape: type[Body], body: bytes) -> Body:
    """The body as this shape. Raises RequestValidationError, which the handler of problems understands."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None


def body_of(shape: type[RequestModel]) -> dict[str, Any]:
    """What the OpenAPI document says of such a body."""
    schema = shape.model_json_schema(by_alias=True)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

"""Problems over HTTP: RFC 9457 problem+json, the one place where a kind of problem becomes a status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from counterfoil.api.http.fields import PROBLEM_IN
from counterfoil.base.problems import Fact, InvalidInput, InvariantBroken, Kind, NotFound, Problem, TooLarge
from counterfoil.base.text import camel

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[Mapping[Kind, int]] = {
    "invalid": 422,
    "unauthenticated": 401,
    "forbidden": 403,
    "missing": 404,
    "conflict": 409,
    "busy": 503,
    "too_large": 413,
}
STATUS_OF: Final[Mapping[str, int]] = {
    "KeyReused": 422,
    "TooManyAttempts": 429,
    "TooManyRequests": 429,
    "TooSlow": 408,
    "HeadTooLong": 431,
    "BodyCutShort": 400,
    "MethodRefused": 405,
    "IdempotencyKeyMissing": 400,
    "Malformed": 400,
    "FormBroken": 400,
}
UNEXPECTED_TITLE: Final = "Something is wrong on our side; nothing of this request was kept."
UNEXPECTED_TO_DO: Final = (
    "Send the same request again with the same idempotency key. If it fails again, look for its `requestId` in the log of the server."
)
RETRY_AFTER_S: Final = 1
GOT_MAX: Final = 80
_log = structlog.get_logger("counterfoil.api")


class Malformed(InvalidInput):
    """This is not what HTTP or JSON looks like."""

    todo = "Send valid HTTP and JSON; the facts name where it could not be read."


class MethodRefused(Problem):
    """This address is there, and does not take this method."""

    todo = "Look up in `/api/docs` which methods this address takes."


class IdempotencyKeyMissing(InvalidInput):
    """This request writes, so it needs an Idempotency-Key: with it, sending it twice does it once."""

    todo = "Send the same request with a header Idempotency-Key: any text of up to 255 characters that no other request of yours has."


def status_of(problem: Problem) -> int:
    """The HTTP status of a problem: by its kind, but for the few that a standard names."""
    return STATUS_OF.get(type(problem).__name__) or STATUS[problem.kind]


# What every problem says of itself: no fact has such a name, for it would be left out, or taken for the other.
RESERVED: Final = frozenset({"type", "title", "status", "kind", "whatToDo", "requestId"})


def body_of(problem: Problem, request_id: str) -> dict[str, Any]:
    """The problem as its JSON object: type, title, status, facts, what to do about it, and the request's id to ask about it."""
    facts: dict[str, Fact] = {camel(name): value for name, value in problem.facts.items() if value is not None}
    kept = {name: value for name, value in facts.items() if name not in RESERVED}
    said = {"type": f"/problems/{type(problem).__name__}", "title": problem.headline(), "status": status_of(problem)}
    return {**said, "kind": problem.kind, **kept, "whatToDo": problem.what_to_do(), "requestId": request_id}


def response_of(problem: Problem, request_id: str) -> Response:
    """The problem as a response."""
    headers = {}
    if problem.kind == "unauthenticated":
        headers["WWW-Authenticate"] = 'Bearer realm="counterfoil"'
    if problem.kind == "busy":
        headers["Retry-After"] = str(problem.facts.get("wait_seconds", RETRY_AFTER_S))
    if status_of(problem) == 408:
        headers["Connection"] = "close"  # what comes late is no request of its own
    return _response(body_of(problem, request_id), headers)


def add_handlers(app: FastAPI) -> None:
    """Answer every failure in the one shape; what is not the caller's fault shows no insides."""

    async def told(request: Request, error: Exception) -> Response:
        answer = answer_of(error, request)
        if answer is None:
            raise error
        return answer

    for kind in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, told)


def answer_of(error: Exception, request: Request) -> Response | None:
    """The answer to what is refused; None of what is not the caller's fault."""
    if isinstance(error, Problem):
        return response_of(error, request_id_of(request))
    if isinstance(error, RequestValidationError):
        return response_of(_first(error), request_id_of(request))
    return _of_http(error, request) if isinstance(error, HTTPException) else None


def failure(error: Exception, request_id: str) -> Response:
    """The answer when the fault is ours: it says that, and where to look, and nothing of the inside. The log has it all."""
    broken = isinstance(error, InvariantBroken)
    _log.error("invariant broken" if broken else "unexpected error", request_id=request_id, exc_info=error)
    said = {"type": "/problems/Unexpected", "title": UNEXPECTED_TITLE, "status": 500, "whatToDo": UNEXPECTED_TO_DO, "requestId": request_id}
    return _response(said, {})


def request_id_of(request: Request) -> str:
    """The id that the middleware gave this request."""
    return str(request.scope.get("counterfoil.request_id", ""))


def _response(body: dict[str, Any], headers: Mapping[str, str]) -> Response:
    text = json.dumps(body, ensure_ascii=True)  # a lone surrogate that somebody sent must not break the answer
    return Response(text, body["status"], headers=dict(headers), media_type=MEDIA_TYPE)


def _of_http(error: HTTPException, request: Request) -> Response:
    request_id = request_id_of(request)
    if isinstance(error.__cause__, Problem):  # raised while the body was read: the framework calls whatever that is a body it cannot parse
        return response_of(error.__cause__, request_id)
    if error.status_code == 404:
        return response_of(NotFound(what="address", path=request.url.path[:GOT_MAX]), request_id)
    if error.status_code == 413:
        return response_of(TooLarge(field="body", limit=str(error.detail)), request_id)
    if error.status_code == 405:
        said = body_of(MethodRefused(method=request.method), request_id)
        return _response(said, error.headers or {})
    return response_of(Malformed("body", "a request that can be read"), request_id)


def _first(error: RequestValidationError) -> Problem:
    """The first mistake, as field and limit. Pydantic's own words where they name the limit."""
    found = error.errors()[0]
    where = [str(part) for part in found["loc"][1:]] or [str(found["loc"][0])]
    if found["type"] == "json_invalid":
        return Malformed("body", "JSON", detail=str(found.get("ctx", {}).get("error", ""))[:GOT_MAX])
    if found["type"] == "missing":
        return InvalidInput(_path(where), "must be given")
    if found["type"] == "extra_forbidden":
        return InvalidInput(_path(where), "no such field here")
    if found["type"] == PROBLEM_IN:
        return InvalidInput(_path(where), found["ctx"]["limit"], got=_shown(found.get("input")))
    return InvalidInput(_path(where), str(found["msg"]), got=_shown(found.get("input")))


def _path(where: list[str]) -> str:
    text = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in where)
    return text.removeprefix(".")[:GOT_MAX]


def _shown(given: object) -> str | None:
    return None if given is None or isinstance(given, dict | list) else repr(given)[:GOT_MAX]

"""Pages for whoever writes a program against the API: `/api/docs`, and what each type of problem means at `/problems/{type}`.

Nobody logs in for them: they say what the API is, and nothing of what is in the books.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from counterfoil.api.document.problem_types import PATH, ProblemType, problem_types
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.web.serving import HEADERS, Served, finish, guarded, guarded_json

DOCS: Final = "/api/docs"
# Swagger UI as its publisher ships it; the package only carries the files.
SWAGGER: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
# As everywhere, but that the style sheet of Swagger UI holds its icons as data.
DOCS_POLICY: Final = HEADERS["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data:")
FOREVER: Final = "public, max-age=31536000, immutable"  # of an address that carries a hash of what it gives
NAME_MAX: Final = 80


def add_api_pages(router: APIRouter, served: Served) -> None:
    """Their addresses."""

    @router.get(PATH)
    def types(request: Request) -> Response:
        return _negotiated(served, request, lambda: (problem_types(), "problem_types.html"))

    @router.get(PATH + "/{name}")
    def problem_type(request: Request, name: str) -> Response:
        return _negotiated(served, request, lambda: (_found(name), "problem_type.html"))

    @router.get(DOCS)
    def docs() -> Response:
        addresses = {name: f"{DOCS}/{name}?{_digest(name)}" for name in SWAGGER}
        body = served.renderer.api_page("api_docs.html", swagger=addresses)
        response = finish(Response(body, media_type="text/html"))
        response.headers["Content-Security-Policy"] = DOCS_POLICY
        return response

    @router.get(DOCS + "/{name}")
    def asset(name: str) -> Response:
        if name not in SWAGGER:
            return finish(Response("There is no such file.", 404, media_type="text/plain"))
        response = finish(Response(_file(name), media_type=SWAGGER[name]))
        response.headers["Cache-Control"] = FOREVER
        return response


def _negotiated(served: Served, request: Request, find: Any) -> Response:
    """As a page for people; as JSON for whoever asks for that and not for a page."""
    accepts = request.headers.get("accept", "")
    if "json" in accepts and "text/html" not in accepts:
        return guarded_json(served, request, lambda: _vary(JSONResponse(_as_json(find()[0]))))

    def page() -> Response:
        told, template = find()
        return _vary(Response(served.renderer.api_page(template, told=told), media_type="text/html"))

    return guarded(served, request, page)


def _vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept"
    return finish(response)


def _found(name: str) -> ProblemType:
    for one in problem_types():
        if one.name == name:
            return one
    raise NotFound(what="problem type", id=name[:NAME_MAX])


def _as_json(told: ProblemType | list[ProblemType]) -> Any:
    if isinstance(told, list):
        return {"data": [{"type": one.uri, "title": one.title, "status": one.status} for one in told]}
    return {
        "type": told.uri,
        "title": told.title,
        "status": told.status,
        "kind": told.kind or None,
        "more": told.more or None,
        "whatToDo": told.what_to_do,
        "members": [{"name": one.name, "meaning": one.meaning or None} for one in told.members],
    }


@cache
def _file(name: str) -> bytes:
    return (files("fastapi_swagger.resources") / name).read_bytes()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_file(name)).hexdigest()[:12]

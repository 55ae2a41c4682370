"""Files that are saved from the page of a thing, in their exact bytes: inclusion files, and those that nouns declare."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from counterfoil.api.http.bodies import attachment, saved_under
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.nouns import pages_of
from counterfoil.dashboard.web.serving import Served, answered, finish, guarded, page_route
from counterfoil.operations.noun_pages import FileOfThing
from counterfoil.wiring import NOUNS

INCLUSION: Final = [page for page in PAGES if page.path.endswith("/inclusion")]
NUMBER_MAX: Final = 2_000_000_000


def add_saved_files(router: APIRouter, served: Served) -> None:
    """The address of each file."""
    for page in INCLUSION:
        _add_inclusion(router, served, page)
    for noun, page in pages_of(NOUNS):
        for one in noun.elsewhere:
            if one.file is not None:
                _add(router, served, page, one.file)


def _add_inclusion(router: APIRouter, served: Served, page: DashboardPage) -> None:
    def made(request: Request) -> Response:
        _, found, _ = answered(served, page, request, served.door.who(request))
        return finish(attachment(found.file, "application/json", found.name))

    page_route(router, "GET", f"{page.path}/file", lambda request: guarded(served, request, lambda: made(request)))


def _add(router: APIRouter, served: Served, page: DashboardPage, file: FileOfThing) -> None:
    def made(request: Request) -> Response:
        ask, _, _ = answered(served, page, request, served.door.who(request))  # who may see the page may save its files
        number = _number(ask.params.get("number", "0"))
        with served.database.transaction(read_only=True, program_id=ask.only) as conn:
            found = file.make(conn, ask.params["id"], number, ask.clock())
        headers = {"Content-Disposition": saved_under(found.name), "X-Content-Type-Options": "nosniff"}
        return finish(Response(found.content, media_type=found.media_type, headers=headers))

    path = f"{page.path}/{file.word}" + ("/{number}" if file.part else "")
    page_route(router, "GET", path, lambda request: guarded(served, request, lambda: made(request)))


def _number(given: str) -> int:
    if not given.isascii() or not given.isdecimal() or int(given[:20]) > NUMBER_MAX:
        raise NotFound(what="file", id=given[:40])
    return int(given)

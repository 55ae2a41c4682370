"""Files of a thing: saved from its page in their exact bytes (inclusion files, and those that nouns declare), and handed in there."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from counterfoil.api.http.bodies import attachment, saved_under
from counterfoil.base.ids import valid_id
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.dashboard.web.driver import FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.nouns import pages_of
from counterfoil.dashboard.web.serving import Served, answered, finish, guarded, page_route
from counterfoil.operations.noun_pages import FileOfThing, TakenFile
from counterfoil.operations.verbs import Noun
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
            if one.takes is not None:
                _add_taken(router, served, noun, page, one.takes)


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


def _add_taken(router: APIRouter, served: Served, noun: Noun, page: DashboardPage, taken: TakenFile) -> None:
    def handed_in(call: FormCall) -> FormDone:
        """Kept at once, since a browser sends a file only once."""
        subject_id, file = valid_id(call.request.path_params["id"], noun.prefix, "id"), call.file
        if file is None or not (file.name or file.content):  # what a browser sends where none was chosen
            raise InvalidInput("file", "a file")
        with call.served.database.transaction(program_id=call.caller.program_id) as conn:
            kept = taken.keep(conn, subject_id, file.name, file.content, call.caller, call.now)
            call.record(conn, taken.verb, subject_id, kept)
        return FormDone(goto=f"/admin/{noun.plural}/{subject_id}#{taken.word}")

    needs = (taken.permission, noun.area)
    add_form(router, served, PageForm(f"{page.path}/{taken.word}", page, handed_in, lambda _: needs, takes_file=True))

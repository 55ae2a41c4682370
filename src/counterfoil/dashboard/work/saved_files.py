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
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.noun_pages import FileOfThing
from counterfoil.payouts.disputes.evidence import add_evidence
from counterfoil.payouts.disputes.noun import DISPUTE_NOUN
from counterfoil.wiring import NOUNS

EVIDENCE: Final = "dispute.evidence"  # as over HTTP
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
    dispute = next(page for noun, page in pages_of(NOUNS) if noun is DISPUTE_NOUN)
    needs = (OPERATE, DISPUTE_NOUN.area)
    add_form(router, served, PageForm(f"{dispute.path}/evidence", dispute, _handed_in, lambda _: needs, takes_file=True))


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


def _handed_in(call: FormCall) -> FormDone:
    """Kept at once, since a browser sends a file only once; the same file again is the one that is there."""
    dispute_id, file = valid_id(call.request.path_params["id"], DISPUTE_NOUN.prefix, "id"), call.file
    if file is None or not (file.name or file.content):  # what a browser sends where none was chosen
        raise InvalidInput("file", "a file")
    with call.served.database.transaction(program_id=call.caller.program_id) as conn:
        number, sha256 = add_evidence(conn, dispute_id, file.content, name=file.name, by=call.caller, now=call.now)
        call.record(conn, EVIDENCE, dispute_id, {"id": dispute_id, "name": file.name, "sha256": sha256, "number": number})
    return FormDone(goto=f"/admin/disputes/{dispute_id}#evidence")

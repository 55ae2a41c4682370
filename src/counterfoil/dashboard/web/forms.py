"""One verb said of many breaks on their page: the lines that were ticked, each done or refused by itself, as over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.problems import Busy, NotAuthenticated, Problem, ReasonRequired
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served, finish, guarded, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.operations.verbs import BulkLine, LineDone, VerbCall, say_of_many
from counterfoil.reconciliation.breaks import work
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN

LIST: Final = next(page for page in PAGES if page.path == "/admin/breaks")
REFUSED_TOLD: Final = 20
Texts = Annotated[list[str] | None, Form()]
Text = Annotated[str, Form()]


@dataclass(frozen=True)
class Filled:
    """The form as it was filled in. `rows`: `id state` of each break that was ticked."""

    verb: str
    reason: str
    owner: str
    duplicate_of: str
    rows: Sequence[str]

    def typed(self) -> dict[str, str]:
        """What is shown again when it is refused."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, str)}


def add_acts(router: APIRouter, served: Served) -> None:
    """The address that the form of the list is sent to."""

    @router.post("/admin/breaks")
    def many(
        request: Request,
        csrf: Text = "",
        verb: Text = "",
        reason: Text = "",
        owner: Text = "",
        row: Texts = None,
        duplicate_of: Text = "",
    ) -> Response:
        filled = Filled(verb, reason.strip(), owner.strip(), duplicate_of.strip(), row or ())
        return guarded(served, request, lambda: _many(served, request, csrf, filled))


def _many(served: Served, request: Request, csrf: str, filled: Filled) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, csrf)
    try:
        refuse_unclean_form(filled.typed() | {f"row{n}": row for n, row in enumerate(filled.rows)})
        done = _say(served, request, session, filled)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, LIST, request, session, refused=problem, typed=filled.typed())
    if some := some_refused(done):
        return shown(served, LIST, request, session, refused=some, typed=filled.typed())
    return finish(RedirectResponse(f"/admin/breaks?done={filled.verb}", 303))


def some_refused(done: Sequence[LineDone]) -> work.SomeRefused | None:
    """What a bulk did not do: how many of how many, the first of them with their reasons, and that there are more where there are."""
    refused = [one for one in done if one.refused]
    if not refused:
        return None
    lines = [f"{one.id}: {one.refused}" for one in refused[:REFUSED_TOLD]]
    if more := len(refused) - len(lines):
        lines.append(f"… and {more} more: say it again for them to see why")
    return work.SomeRefused(done=len(done) - len(refused), refused=f"{len(refused)} of {len(done)}", lines=lines)


def _say(served: Served, request: Request, session: Session, filled: Filled) -> list[LineDone]:
    if not filled.reason:
        raise ReasonRequired(field="reason", limit="at least one word")
    wanted = [BulkLine(*row.partition(" ")[::2]) for row in filled.rows]
    given = {"owner": filled.owner, "duplicate_of": filled.duplicate_of or None, "text": filled.reason}
    caller, now = session.caller, served.wiring.clock()
    with served.database.transaction(program_id=session.caller.program_id) as conn:
        saying = VerbCall(conn, "", caller, now, served.wiring.make_id, filled.reason)
        done = say_of_many(BREAK_NOUN, filled.verb, wanted, saying, given)
        record_action(
            conn,
            served.wiring.make_id("act"),
            actor=caller.actor,
            role=caller.role,
            verb=f"break.{filled.verb}",
            subject_id="bulk",
            reason=filled.reason,
            request_id=request_id_of(request),
            origin=origin_in(request, caller),
            at=now,
            payload=filled.typed() | {"rows": list(filled.rows)},
        )
    return done

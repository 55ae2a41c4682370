"""Reconciling now, on the page of runs: looked at, confirmed, done once per form. As over HTTP, with the same entry in the action log."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from psycopg import Connection

from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.problems import Busy, InvalidInput, NotAuthenticated, NotFound, Problem
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served, finish, guarded, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.dashboard.work.form_keys import once_of_form
from counterfoil.ledger.reads.books import known_programs
from counterfoil.operations.access.access import OPERATE, require
from counterfoil.reconciliation.runs.continuous import RunPlan, Scope, reconcile_all, sources_in_use
from counterfoil.reconciliation.runs.pairings import Pairing, pairing

PAGE: Final = next(page for page in PAGES if page.path == "/admin/reconciliation/runs")
RAN: Final = "reconciliation.run"
Text = Annotated[str, Form()]


class RunFilled(NamedTuple):
    """The form as it was filled in. `run_source`: one source, or empty for all in use; without days what is new is held against it."""

    program_id: str
    run_source: str
    first_on: str
    last_on: str
    confirm: str
    key: str

    @property
    def confirmed(self) -> bool:
        """Was it looked at, and is it meant?"""
        return self.confirm == "yes"


class RunWanted(NamedTuple):
    """What is reconciled."""

    program_id: str
    sources: tuple[Pairing, ...]
    scope: Scope
    days: tuple[date, date] | None


def add_reconcile_form(router: APIRouter, served: Served) -> None:
    """The address that the form is sent to."""

    @router.post(PAGE.path)
    def form(
        request: Request,
        csrf: Text = "",
        program_id: Text = "",
        run_source: Text = "",
        first_on: Text = "",
        last_on: Text = "",
        confirm: Text = "",
        key: Text = "",
    ) -> Response:
        filled = RunFilled(program_id, run_source, first_on.strip(), last_on.strip(), confirm, key)
        return guarded(served, request, lambda: _asked(served, request, csrf, filled))


def _asked(served: Served, request: Request, csrf: str, filled: RunFilled) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, csrf)
    typed = {name: value for name, value in filled._asdict().items() if name not in ("confirm", "key")}
    try:
        refuse_unclean_form(filled._asdict())
        require(session.caller, OPERATE, "reconciliation")
        wanted = _wanted(served, session, filled)
        if not filled.confirmed:
            return shown(served, PAGE, request, session, typed=typed | _preview(served, wanted))
        made, told = _ran(served, request, session, wanted, filled)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, PAGE, request, session, refused=problem, typed=typed)
    if len(made) == 1 and not told:
        return finish(RedirectResponse(f"{PAGE.path}/{made[0]}", 303))
    return shown(served, PAGE, request, session, typed={"receipt": "\n".join([f"{len(made):,} runs were made.", *told])})


def _wanted(served: Served, session: Session, filled: RunFilled) -> RunWanted:
    """What the form asks for. Raises NotFound, InvalidInput."""
    only, known = session.caller.program_id, served.wiring.pairings()
    with served.database.transaction(read_only=True, program_id=only) as conn:
        if filled.program_id not in known_programs(conn) or only not in (None, filled.program_id):
            raise NotFound(what="program", id=filled.program_id[:64])
        found = [pairing(known, filled.run_source)] if filled.run_source else sources_in_use(conn, list(known.values()), filled.program_id)
    if bool(filled.first_on) != bool(filled.last_on):
        raise InvalidInput("days", "a first and a last day, or neither")
    days = (_day("first_on", filled.first_on), _day("last_on", filled.last_on)) if filled.first_on else None
    return RunWanted(filled.program_id, tuple(found), "range" if days else "recent", days)


def _day(name: str, given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidInput(name, "a day such as 2026-11-20", got=given[:40]) from None


def _preview(served: Served, wanted: RunWanted) -> dict[str, str]:
    of = ", ".join(one.name for one in wanted.sources) or "no source: none is in use"
    when = f"from {wanted.days[0]} to {wanted.days[1]}" if wanted.days else "since the last run that concluded"
    told = (
        f"It reads {of}, and holds what they say {when} against the books of {wanted.program_id}.\nIt moves no money, and takes a moment."
    )
    return {"preview": told, "key": served.wiring.make_id("key")}


def _ran(served: Served, request: Request, session: Session, wanted: RunWanted, filled: RunFilled) -> tuple[list[str], list[str]]:
    """The runs that were made, and what of it could not be done, each in a sentence."""
    caller, asked = session.caller, {name: value for name, value in filled._asdict().items() if name not in ("confirm", "key")}

    def act() -> dict[str, Any]:
        plan = RunPlan(wanted.program_id, wanted.sources, wanted.scope, wanted.days, caller.actor)
        tried = reconcile_all(served.wiring.means(), plan, served.wiring.make_id)
        failed = [f"{one.source}: {one.problem.sentence()}" for one in tried if one.problem is not None]
        return {"runs": [one.run.id for one in tried if one.run is not None], "failed": failed}

    def record(conn: Connection[Any]) -> None:
        record_action(
            conn,
            served.wiring.make_id("act"),
            actor=caller.actor,
            role=caller.role,
            verb=RAN,
            subject_id=wanted.program_id,
            reason=None,
            request_id=request_id_of(request),
            origin=origin_in(request, caller),
            at=served.wiring.clock(),
            payload=asked,
        )

    done = once_of_form(served, session, RAN, filled.key, asked, act, record).get()
    return done["runs"], done["failed"]

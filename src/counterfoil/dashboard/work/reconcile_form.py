"""Reconciling now, on the page of runs: looked at, given a reason, confirmed, done once per form. As over HTTP, with the same entry in the
action log."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.dashboard.web.driver import FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.ledger.reads.books import known_programs
from counterfoil.operations.access.access import OPERATE
from counterfoil.reconciliation.runs.continuous import RunPlan, Scope, reconcile_all, sources_in_use
from counterfoil.reconciliation.runs.pairings import Pairing, pairing

PAGE: Final = next(page for page in PAGES if page.path == "/admin/reconciliation/runs")
RAN: Final = "reconciliation.run"
FIELDS: Final = ("program_id", "run_source", "first_on", "last_on")  # without days what is new is held against the source, or all in use


class RunWanted(NamedTuple):
    """What is reconciled."""

    program_id: str
    sources: tuple[Pairing, ...]
    scope: Scope
    days: tuple[date, date] | None


def add_reconcile_form(router: APIRouter, served: Served) -> None:
    """The address that the form is sent to."""
    needs = (OPERATE, "reconciliation")
    add_form(router, served, PageForm(PAGE.path, PAGE, _asked, lambda _: needs, reasoned=True, shows=(*FIELDS, "reason")))


def _asked(call: FormCall) -> FormDone:
    wanted = _wanted(call)
    if not call.confirmed:
        call.look_at(RAN, call.of(*FIELDS, "reason"))
        return FormDone({"preview": _preview(wanted)})
    return call.receipt_at(_ran(call, wanted))


def _wanted(call: FormCall) -> RunWanted:
    """What the form asks for. Raises NotFound, InvalidInput."""
    only, known = call.caller.program_id, call.served.wiring.pairings()
    program_id, source, first_on, last_on = call.of(*FIELDS).values()
    with call.served.database.transaction(read_only=True, program_id=only) as conn:
        if program_id not in known_programs(conn) or only not in (None, program_id):
            raise NotFound(what="program", id=program_id[:64])
        found = [pairing(known, source)] if source else sources_in_use(conn, list(known.values()), program_id)
    if bool(first_on) != bool(last_on):
        raise InvalidInput("days", "a first and a last day, or neither")
    days = (_day("first_on", first_on), _day("last_on", last_on)) if first_on else None
    return RunWanted(program_id, tuple(found), "range" if days else "recent", days)


def _day(name: str, given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidInput(name, "a day such as 2026-11-20", got=given[:40]) from None


def _preview(wanted: RunWanted) -> str:
    of = ", ".join(one.name for one in wanted.sources) or "no source: none is in use"
    when = f"from {wanted.days[0]} to {wanted.days[1]}" if wanted.days else "since the last run that concluded"
    reads = f"It reads {of}, and holds what they say {when} against the books of {wanted.program_id}."
    return f"{reads}\nIt moves no money, and takes a moment."


def _ran(call: FormCall, wanted: RunWanted) -> str:
    """The page of the run that was made, or that of all runs, where more were made or some could not be."""
    asked, wiring = call.of(*FIELDS, "reason"), call.served.wiring

    def act() -> dict[str, Any]:
        plan = RunPlan(wanted.program_id, wanted.sources, wanted.scope, wanted.days, call.caller.actor)
        tried = reconcile_all(wiring.means(), plan, wiring.make_id)
        failed = [f"{one.source}: {one.problem.sentence()}" for one in tried if one.problem is not None]
        runs = [one.run.id for one in tried if one.run is not None]
        told = counted(len(runs), "run was made.", "runs were made.")
        on = f"{PAGE.path}/{runs[0]}" if len(runs) == 1 and not failed else PAGE.path
        return {"on": on, "receipt": "\n".join([told, *failed]), "partly": bool(failed)}

    def record(conn: Connection[Any]) -> None:
        call.record(conn, RAN, wanted.program_id, asked, reason=call.reason)

    on: str = call.done_outside(RAN, asked, act, record).get()["on"]
    return on

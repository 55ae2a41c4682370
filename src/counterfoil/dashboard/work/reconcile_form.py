"""Reconciling now, on the page of runs: looked at, confirmed, done once per form. As over HTTP, with the same entry in the action log."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, NamedTuple

from fastapi import APIRouter

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
    add_form(router, served, PageForm(PAGE.path, PAGE, _asked, lambda _: (OPERATE, "reconciliation"), shows=FIELDS))


def _asked(call: FormCall) -> FormDone:
    wanted = _wanted(call)
    if not call.confirmed:
        return FormDone({"preview": _preview(wanted)})
    made, told = _ran(call, wanted)
    if len(made) == 1 and not told:
        return FormDone(goto=f"{PAGE.path}/{made[0]}")
    return FormDone({"receipt": "\n".join([f"{len(made):,} runs were made.", *told])}, over=True)


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


def _ran(call: FormCall, wanted: RunWanted) -> tuple[list[str], list[str]]:
    """The runs that were made, and what of it could not be done, each in a sentence."""
    asked, wiring = call.of(*FIELDS), call.served.wiring

    def act() -> dict[str, Any]:
        plan = RunPlan(wanted.program_id, wanted.sources, wanted.scope, wanted.days, call.caller.actor)
        tried = reconcile_all(wiring.means(), plan, wiring.make_id)
        failed = [f"{one.source}: {one.problem.sentence()}" for one in tried if one.problem is not None]
        return {"runs": [one.run.id for one in tried if one.run is not None], "failed": failed}

    done = call.done_outside(RAN, asked, act, lambda conn: call.record(conn, RAN, wanted.program_id, asked)).get()
    return done["runs"], done["failed"]

"""Reconciliation: hold what others say against our books, and what each run found."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi.responses import Response
from psycopg import Connection

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import OneProgram, id_in_path
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, WriteResult, answer
from counterfoil.api.nouns.reconciliation.run_schemas import (
    FindingView,
    ForceRequest,
    NotRun,
    ReconciliationStatusView,
    RunInFull,
    RunsWritten,
    RunView,
    RunWritten,
    ScheduleGapView,
    ScheduleView,
    SourceView,
    StartRunRequest,
    Unexplained,
)
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.reconciliation.reach import DueSource, never_concluded
from counterfoil.reconciliation.runs.continuous import RunPlan, Scope, Tried, reconcile_all, reconcile_one, sources_in_use, sources_of_agent
from counterfoil.reconciliation.runs.pairings import Pairing, pairing
from counterfoil.reconciliation.runs.run import RUN_LIST, Run, findings_of, show_run
from counterfoil.reconciliation.runs.schedule import gaps, set_schedules
from counterfoil.reconciliation.runs.slot_ends import schedules
from counterfoil.reconciliation.runs.standing import RunState, concluded, standings

router = routes("Reconciliation")
RunId = Annotated[str, id_in_path("rec")]
BREAKS_SHOWN_MAX = 500
DAYS_BACK_MAX: Final = 366
RAN: Final = "reconciliation.run"


@router.post(
    "/reconciliation/runs", response_model=RunWritten | RunsWritten, status_code=201, operation_id="run_create", summary="Reconcile"
)
def run(body: StartRunRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Reads what the other side says and holds it against our books. Moves no money. A run that cannot conclude is kept as failed.

    With a source the answer is its run; without one, the runs of all that are in use. Nothing new since an earlier run: that one.
    The same Idempotency-Key again reads nothing anew and gives the first answer.
    """
    program_id = body.program_id or call.services.wiring.program_id
    scope, days = _scope(body, call.now.astimezone(UTC).date())
    asked = body.model_dump(mode="json", by_alias=True)
    if body.source is not None and body.agent_id is not None:
        raise InvalidInput("agentId", "a source or an agent, not both", got=body.agent_id)
    _real(call)
    if body.source is None:
        return _reconciled(call, program_id, lambda: _all(call, program_id, scope, days, body.agent_id), asked)
    one = pairing(call.services.wiring.pairings(), body.source)

    def act() -> Done:
        wanted = RunPlan(program_id, [one], scope, days, call.actor)
        made = reconcile_one(call.services.wiring.means(), one, wanted, call.make_id)
        with call.reading() as conn:
            shown = in_full(conn, made, call.now)
        return Done(made.id, RunWritten(**shown.model_dump()), 201)

    return call.write_outside(RAN, act, asked=asked)


@router.post(
    "/admin/reconciliation/force-reconcile",
    response_model=RunsWritten,
    status_code=201,
    operation_id="run_create_alias",
    summary="Reconcile a program now",
)
def force(body: ForceRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Reconciles what is new with every source that is in use."""
    _real(call)
    asked = body.model_dump(mode="json")
    return _reconciled(call, body.program_id, lambda: _all(call, body.program_id, "recent", None), asked)


def _all(call: ApiCall, program_id: str, scope: Scope, days: tuple[date, date] | None, agent_id: str | None = None) -> RunsWritten:
    wiring = call.services.wiring
    with call.reading() as conn:
        sources = sources_in_use(conn, list(wiring.pairings().values()), program_id)
        if agent_id is not None:
            sources = sources_of_agent(conn, sources, program_id, agent_id, days)
    tried = reconcile_all(wiring.means(), RunPlan(program_id, sources, scope, days, call.actor), call.make_id)
    with call.reading() as conn:
        shown = [in_full(conn, one.run, call.now) for one in tried if one.run is not None]
    return RunsWritten(runs=shown, failed=[_not_run(one) for one in tried if one.problem is not None])


def _not_run(one: Tried) -> NotRun:
    problem = one.problem
    return NotRun(source=one.source, problem=type(problem).__name__, sentence=problem.sentence() if problem else "")


def _real(call: ApiCall) -> None:
    if call.dry_run:
        raise InvalidInput("dryRun", "a reconciliation moves no money: run it")


def _reconciled(call: ApiCall, subject_id: str, reconcile: Callable[[], WriteResult], asked: dict[str, Any]) -> Response:
    return call.write_outside(RAN, lambda: Done(subject_id, reconcile(), 201), asked=asked)


def _scope(body: StartRunRequest, today: date) -> tuple[Scope, tuple[date, date] | None]:
    given = [name for name, value in (("date", body.date_), ("from", body.first_on or body.last_on), ("last", body.span)) if value]
    if len(given) > 1:
        raise InvalidInput(given[1], "one of date, from and to, or last", got=", ".join(given))
    if (body.first_on is None) != (body.last_on is None):
        raise InvalidInput("from" if body.first_on is None else "to", "from and to go together")
    if given and body.scope == "recent":
        raise InvalidInput("scope", "recent goes without days: it knows where it begins", got="recent")
    if body.first_on and body.last_on:
        return "range", (body.first_on, body.last_on)
    if body.span:
        return "range", (today - timedelta(days=_days(body.span) - 1), today)
    if body.date_:
        return "range", (body.date_, body.date_)
    return (body.scope, None) if body.scope else ("range", (today, today))


def _days(span: str) -> int:
    found = re.fullmatch(r"([0-9]{1,3})d", span, re.ASCII)
    if not found or not 1 <= int(found[1]) <= DAYS_BACK_MAX:
        raise InvalidInput("last", f"a number of days from 1d to {DAYS_BACK_MAX}d", got=span[:20])
    return int(found[1])


@router.get("/reconciliation/runs", response_model=Paged[RunView], operation_id="run_list", summary="List runs")
def runs(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(RUN_LIST)],
) -> Response:
    """Newest first, unless sorted otherwise."""

    def as_they_stand(conn: Connection[Any], runs: Sequence[Run]) -> list[RunView]:
        stand = standings(conn, runs)
        return [RunView(**_told(one, stand[one.id], call.now)) for one in runs]

    return answer_listed(call, page, RUN_LIST, asked, RunView, beside=as_they_stand)


@router.get("/reconciliation/runs/{run_id}", response_model=RunInFull, operation_id="run_show", summary="Show a run")
def show(run_id: RunId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """With its footing and its breaks, each with its explanation."""
    with call.reading() as conn:
        return answer(in_full(conn, show_run(conn, run_id), call.now))


@router.get(
    "/reconciliation/sources",
    response_model=ReconciliationStatusView,
    operation_id="source_list",
    summary="List sources and how far each is reconciled",
)
def sources(call: Annotated[ApiCall, may(READ)], program_id: OneProgram = None) -> Response:
    """The last conclusion of every source, and every schedule with what is overdue."""
    wiring = call.services.wiring
    with call.reading() as conn:
        found = concluded(conn, program_id=program_id)
        tried = {(one.program_id, one.source) for one, _ in found}
        never = [one for one in never_concluded(conn, program_id=program_id) if (one.program_id, one.source) not in tried]
        due, missed = schedules(conn, set_schedules(conn), now=call.now), gaps(conn)
    return answer(
        ReconciliationStatusView(
            sources=[
                *(SourceView(**one._asdict() | _stands(standing)) for one, standing in found),
                *(_never(one) for one in never),
            ],
            schedules=ScheduleView.each(due),
            gaps=ScheduleGapView.each(missed),
            known=_names(list(wiring.pairings().values())),
            measured_at=call.now,
        )
    )


def _never(one: DueSource) -> SourceView:
    """A source that money went through and that nobody ever tried to reconcile."""
    told: dict[str, Any] = dict.fromkeys(("watermark", "succeeded_at", "run_id", "attempted_at", "error"))
    told |= {"program_id": one.program_id, "source": one.source, "attempt": "never"} | _stands(None)
    told["not_checked"] = [f"never reconciled: money of {one.program_id} went through {one.account}"]
    return SourceView(**told)


def _names(known: Sequence[Pairing]) -> list[str]:
    return [one.name for one in known]


def in_full(conn: Connection[Any], one: Run, now: datetime) -> RunInFull:
    """A run as it is shown, with the first of its breaks."""
    found = findings_of(conn, one.id, rows_max=BREAKS_SHOWN_MAX)
    told = _told(one, standings(conn, [one])[one.id], now)
    return RunInFull(**told, found=FindingView.each(found), not_shown=max((one.breaks or 0) - len(found), 0))


def _told(one: Run, standing: RunState, now: datetime) -> dict[str, Any]:
    return one._asdict() | _stands(standing) | {"state": one.standing(now), "found_verdict": one.verdict}


def _stands(one: RunState | None) -> dict[str, Any]:
    """The fields of `StandingView`; of a source without a conclusion, nothing is known."""
    if one is None:
        return {
            "verdict": None,
            "open_breaks": 0,
            "decided_breaks": 0,
            "unexplained": [],
            "not_checked": [],
            "measured_at": None,
        }
    return {
        "verdict": one.verdict,
        "open_breaks": one.open + one.told_elsewhere,
        "decided_breaks": one.decided,
        "unexplained": [Unexplained(asset=asset, minor=minor) for asset, minor in sorted(one.unexplained.items())],
        "not_checked": list(one.not_checked),
        "measured_at": one.measured_at,
    }

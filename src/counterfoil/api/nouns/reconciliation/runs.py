"""Reconciliation: hold what others say against our books, and what each run found."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.lists import LIMIT, Cursor, Limit, page_of
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import (
    Minor,
    Paged,
    ProgramId,
    RequestModel,
    ViewModel,
    WriteResult,
    answer,
    id_in_path,
)
from counterfoil.base.paging import Keyset, Page
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.reconciliation.runs.continuous import (
    RunPlan,
    Scope,
    Tried,
    reconcile_all,
    reconcile_one,
    sources_in_use,
    sources_of_agent,
)
from counterfoil.reconciliation.runs.pairings import Pairing, pairing
from counterfoil.reconciliation.runs.run import Run, breaks_of, list_runs, show_run
from counterfoil.reconciliation.runs.schedule import gaps, schedules
from counterfoil.reconciliation.runs.standing import RunState, concluded, standings

router = routes("Reconciliation")
RUNS = Keyset("reconciliation runs", (str,))
RunId = Annotated[str, id_in_path("rec")]
BREAKS_SHOWN_MAX = 500
DAYS_BACK_MAX: Final = 366
RAN: Final = "reconciliation.run"


AgentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["agent_123"])]


class StartRunRequest(RequestModel):
    """What to hold against our books: one source or all of them, over days or in a scope."""

    source: str | None = Field(
        None, max_length=64, description="One source; absent: all that are in use.", examples=["simulator"]
    )
    program_id: ProgramId | None = Field(None, description="Absent: the installation's own program.")
    scope: Literal["full", "recent"] | None = Field(
        None,
        description="recent: since the last conclusion. full: everything, compared with what the recent runs said; with days, those "
        "days of every source.",
    )
    date_: date | None = Field(
        None, alias="date", description="One day (UTC); today when neither scope nor days are given."
    )
    first_on: date | None = Field(None, alias="from", description="The first day of a range.")
    last_on: date | None = Field(None, alias="to", description="The last day of a range, included.")
    span: str | None = Field(None, alias="last", description="So many days up to today.", examples=["7d"])
    agent_id: AgentId | None = Field(
        None, description="The sources through which this agent's money moved on those days, instead of one or all."
    )


class ForceRequest(RequestModel):
    """Which program to reconcile now."""

    program_id: ProgramId


class Unexplained(ViewModel):
    """What of a balance no listed item explains, in minor units."""

    asset: str
    minor: Minor


class StandingView(ViewModel):
    """How a run stands now: what it found, and what people have decided on it since."""

    verdict: str | None = Field(
        description="reconciled, reconciled with accepted items, not reconciled or incomplete; null: it says nothing about the money."
    )
    open_breaks: int = Field(description="Of what it found, breaks on which nobody has decided.")
    decided_breaks: int = Field(description="Breaks that people closed, or that a later run no longer found.")
    unexplained: list[Unexplained] = Field(description="By asset, what of the balance no listed item explains.")
    not_checked: list[str] = Field(description="What was not compared, cut short or too old; never green.")
    measured_at: datetime | None = Field(description="When it began to read; what was recorded later it has not seen.")


class RunView(StandingView):
    """A run. `verdict` is null while it runs and when it failed: a run without a verdict says nothing about the money."""

    id: str
    program_id: str
    source: str
    scope: str = Field(description="range, recent or full.")
    first_on: date
    last_on: date
    state: str = Field(
        description="running, finished, failed, or stale: it says that it runs and was silent for a minute."
    )
    found_verdict: str | None = Field(description="The verdict as it was recorded, before people decided on anything.")
    actor: str
    slot_at: datetime | None = Field(description="The moment of its schedule; null when somebody asked for it.")
    started_at: datetime
    progress: str | None = Field(description="What it was doing at its last sign of life.")
    finished_at: datetime | None
    confirmed_at: datetime | None = Field(description="When the same inputs and rules were last found again.")
    matched: int | None
    breaks: int | None
    expected: int | None = Field(description="Records that need not be on the other side yet.")
    notes: list[str] = Field(description="What the reader noticed in the statement.")
    error: str | None


class FindingView(ViewModel):
    """One thing that does not agree; `atStake` in minor units of `asset`."""

    number: int
    break_id: str = Field(description="The same in every run that finds it.")
    kind: str
    severity: str
    asset: str
    at_stake: Minor
    cause: str
    day: date | None
    detail: dict[str, Any] = Field(
        description="Both records, what differs, hypotheses with their tests, the safe action."
    )


class RunInFull(RunView):
    """A run with its report and its breaks."""

    report: dict[str, Any] | None = Field(description="Sources, footing per side and asset, passes, kinds, balances.")
    comparison: dict[str, Any] | None = Field(
        description="Of a full run: does it agree with what the recent runs said?"
    )
    found: list[FindingView]


class RunWritten(RunInFull, WriteResult):
    """What a run that was just made found."""


class NotRun(ViewModel):
    """A source that could not be brought to a conclusion, and why."""

    source: str
    problem: str
    sentence: str


class RunsWritten(WriteResult):
    """What the runs that were just made found; `failed` could not conclude."""

    runs: list[RunInFull]
    failed: list[NotRun]


class SourceView(StandingView):
    """How far a source is reconciled. `watermark` is the last day of its last conclusion, null when there was none."""

    program_id: str
    source: str
    watermark: date | None
    succeeded_at: datetime | None
    run_id: str | None
    attempted_at: datetime
    attempt: str = Field(description="What became of the last attempt: running, finished or failed.")
    error: str | None


class ScheduleView(ViewModel):
    """A schedule: when it was last due, who took that moment, and whether one waits for somebody."""

    name: str
    cron: str
    slot_at: datetime | None
    taken_at: datetime | None
    taken_by: str | None
    skipped: int | None = Field(description="Moments before that which nobody took.")
    next_at: datetime
    overdue_s: int | None = Field(description="For how long a moment has been waiting; null when none does.")
    late_s: int | None = Field(description="How late the last one was taken; null when it was in time.")


class ScheduleGapView(ViewModel):
    """Moments of a schedule that passed with nobody there."""

    name: str
    first_at: datetime
    last_at: datetime
    missed: int
    noticed_at: datetime
    noticed_by: str


class ReconciliationStatusView(ViewModel):
    """How reconciliation stands: each source, each schedule, and what was missed."""

    sources: list[SourceView]
    schedules: list[ScheduleView]
    gaps: list[ScheduleGapView] = Field(description="Moments that nobody took, the newest first.")
    known: list[str] = Field(description="Every source that can be asked for.")
    measured_at: datetime


@router.post(
    "/reconciliation/runs",
    response_model=RunWritten | RunsWritten,
    status_code=201,
    operation_id="run_create",
    summary="Reconcile",
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


def _all(
    call: ApiCall, program_id: str, scope: Scope, days: tuple[date, date] | None, agent_id: str | None = None
) -> RunsWritten:
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


def _reconciled(
    call: ApiCall, subject_id: str, reconcile: Callable[[], WriteResult], asked: dict[str, Any]
) -> Response:
    return call.write_outside(RAN, lambda: Done(subject_id, reconcile(), 201), asked=asked)


def _scope(body: StartRunRequest, today: date) -> tuple[Scope, tuple[date, date] | None]:
    given = [
        name
        for name, value in (("date", body.date_), ("from", body.first_on or body.last_on), ("last", body.span))
        if value
    ]
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
    source: Annotated[str | None, Query(max_length=64, description="Only of this source.")] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    after = RUNS.after(cursor)
    with call.reading() as conn:
        rows = list_runs(conn, rows_max=limit + 1, after=str(after[0]) if after else None, source=source)
        stand = standings(conn, rows)
    page = RUNS.page(rows, limit, lambda row: (row.id,))
    told = [RunView(**_told(one, stand[one.id], call.now)) for one in page.rows]
    return page_of(RunView, Page(told, page.next_cursor))


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
def sources(
    call: Annotated[ApiCall, may(READ)], program_id: Annotated[ProgramId | None, Query(alias="programId")] = None
) -> Response:
    """The last conclusion of every source, and every schedule with what is overdue."""
    wiring = call.services.wiring
    with call.reading() as conn:
        found = concluded(conn, program_id=program_id)
        due, missed = schedules(conn, wiring.crons, now=call.now), gaps(conn)
    return answer(
        ReconciliationStatusView(
            sources=[SourceView(**one._asdict() | _stands(standing)) for one, standing in found],
            schedules=ScheduleView.each(due),
            gaps=ScheduleGapView.each(missed),
            known=_names(list(wiring.pairings().values())),
            measured_at=call.now,
        )
    )


def _names(known: Sequence[Pairing]) -> list[str]:
    return [one.name for one in known]


def in_full(conn: Connection[Any], one: Run, now: datetime) -> RunInFull:
    """A run as it is shown, with the first of its breaks."""
    found = breaks_of(conn, one.id, rows_max=BREAKS_SHOWN_MAX)
    return RunInFull(**_told(one, standings(conn, [one])[one.id], now), found=FindingView.each(found))


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

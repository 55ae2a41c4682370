"""Reconciliation: hold a provider's statement against our books, and what each run found."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.calls import Call, Done, may
from counterfoil.api.lists import LIMIT, Cursor, Limit, page_of
from counterfoil.api.routing import routes
from counterfoil.api.shapes import Asked, Instant, Minor, Paged, ProgramId, Shown, Written, answer, id_in_path
from counterfoil.base.paging import Keyset
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.access import OPERATE, READ
from counterfoil.reconciliation.runs import (
    Run,
    breaks_of,
    list_runs,
    reconcile_provider,
    runs_between,
    show_run,
)

router = routes("Reconciliation")
RUNS = Keyset("reconciliation runs", (str,))
RunId = Annotated[str, id_in_path("rec")]
BREAKS_SHOWN_MAX = 500


class RunAsked(Asked):
    """Which statement to hold against which books."""

    source: str = Field("simulator", max_length=64, description="The provider.", examples=["simulator"])
    program_id: ProgramId | None = Field(None, description="Absent: the installation's own program.")
    date_: date | None = Field(None, alias="date", description="One day (UTC); today when no day is given.")
    first: date | None = Field(None, alias="from", description="The first day of a range.")
    last: date | None = Field(None, alias="to", description="The last day of a range, included.")


class ForceAsked(Asked):
    """Which program to reconcile now."""

    program_id: ProgramId


class RunShown(Shown):
    """A run. `verdict` is null while it runs and when it failed: a run without a verdict says nothing about the money."""

    id: str
    program_id: str
    source: str
    first_on: date
    last_on: date
    state: str = Field(description="running, finished or failed.")
    verdict: str | None = Field(description="reconciled, not reconciled or incomplete.")
    actor: str
    started_at: datetime
    finished_at: datetime | None
    matched: int | None
    breaks: int | None
    notes: list[str] = Field(description="What the reader noticed in the statement.")
    error: str | None


class BreakShown(Shown):
    """One thing that does not agree; `atStake` in minor units of `asset`."""

    number: int
    break_id: str = Field(description="The same in every run that finds it.")
    kind: str
    severity: str
    asset: str
    at_stake: Minor
    cause: str
    detail: dict[str, Any] = Field(
        description="Both records, what differs, hypotheses with their tests, the safe action."
    )


class RunInFull(RunShown):
    """A run with its report and its breaks."""

    report: dict[str, Any] | None = Field(description="Sources, footing per side and asset, passes, kinds.")
    found: list[BreakShown]


class RunWritten(RunInFull, Written):
    """What a run that was just made found."""


class RunsWritten(Written):
    """What the runs that were just made found."""

    runs: list[RunInFull]


class Report(Shown):
    """The reconciliation report of a time range: every run whose days touch it."""

    start_time: datetime
    end_time: datetime
    verdict: str = Field(description="The worst of its runs; `not checked` when there was none.")
    runs: list[RunInFull]


@router.post("/reconciliation/runs", response_model=RunWritten, status_code=201, summary="Reconcile a provider")
def run(body: RunAsked, call: Annotated[Call, may(OPERATE)]) -> Response:
    """Fetches the provider's statement and holds it against our books. Moves no money. A run that cannot conclude is kept as failed."""
    first, last = _range(body, call.now.date())
    made = _run(call, body.source, body.program_id or call.services.wiring.program_id, first, last)
    with call.reading() as conn:
        shown = _in_full(conn, made)
    return _recorded(call, made.id, RunWritten(**shown.model_dump()), body.model_dump(mode="json"))


@router.post("/admin/reconciliation/force-reconcile", response_model=RunsWritten, summary="Reconcile a program now")
def force(body: ForceAsked, call: Annotated[Call, may(OPERATE)]) -> Response:
    """Reconciles today with every provider."""
    today = call.now.date()
    made = [_run(call, name, body.program_id, today, today) for name in sorted(call.services.wiring.providers)]
    with call.reading() as conn:
        shown = [_in_full(conn, one) for one in made]
    return _recorded(call, body.program_id, RunsWritten(runs=shown), body.model_dump(mode="json"))


def _run(call: Call, source: str, program_id: str, first: date, last: date) -> Run:
    wiring = call.services.wiring
    if source not in wiring.providers:
        raise NotFound(what="provider", id=source, known=sorted(wiring.providers))
    if call.dry_run:
        raise InvalidInput("dryRun", "a reconciliation moves no money: run it")
    return reconcile_provider(
        wiring.database,
        wiring.clock,
        wiring.providers[source],
        run_id=call.make_id("rec"),
        program_id=program_id,
        source=source,
        first=first,
        last=last,
        actor=call.actor,
    )


def _recorded(call: Call, subject_id: str, shown: Written, asked: dict[str, Any]) -> Response:
    def act(_: Connection[Any]) -> Done:
        return Done(subject_id, shown, 201)

    return call.write("reconciliation.run", act, asked=asked, remembered=False)


def _range(body: RunAsked, today: date) -> tuple[date, date]:
    if body.date_ and (body.first or body.last):
        raise InvalidInput("date", "either date, or from and to")
    if (body.first is None) != (body.last is None):
        raise InvalidInput("from" if body.first is None else "to", "from and to go together")
    if body.first and body.last:
        return body.first, body.last
    return (body.date_ or today,) * 2


@router.get("/reconciliation/runs", response_model=Paged[RunShown], summary="List runs")
def runs(
    call: Annotated[Call, may(READ)],
    source: Annotated[str | None, Query(max_length=64, description="Only of this provider.")] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    after = RUNS.after(cursor)
    with call.reading() as conn:
        rows = list_runs(conn, rows_max=limit + 1, after=str(after[0]) if after else None, source=source)
    return page_of(RunShown, RUNS.page(rows, limit, lambda row: (row.id,)))


@router.get("/reconciliation/runs/{run_id}", response_model=RunInFull, summary="Show a run")
def show(run_id: RunId, call: Annotated[Call, may(READ)]) -> Response:
    """With its footing and its breaks, each with its explanation."""
    with call.reading() as conn:
        return answer(_in_full(conn, show_run(conn, run_id)))


@router.get("/reconciliation/report", response_model=Report, summary="The report of a time range")
def report(
    call: Annotated[Call, may(READ)],
    start_time: Annotated[Instant, Query(alias="startTime")],
    end_time: Annotated[Instant, Query(alias="endTime", description="Not included.")],
) -> Response:
    """Every finished or failed run whose days touch the range, newest first."""
    if end_time <= start_time:
        raise InvalidInput("endTime", "later than startTime")
    with call.reading() as conn:
        found = [_in_full(conn, one) for one in runs_between(conn, first=start_time.date(), last=_last_day(end_time))]
    return answer(Report(start_time=start_time, end_time=end_time, verdict=_worst(found), runs=found))


def _last_day(end: datetime) -> date:
    midnight = (end.hour, end.minute, end.second, end.microsecond) == (0, 0, 0, 0)
    return date.fromordinal(end.toordinal() - 1) if midnight else end.date()


def _worst(found: list[RunInFull]) -> str:
    latest = {(one.program_id, one.source, one.first_on, one.last_on): one for one in reversed(found)}
    said = {one.verdict or "incomplete" for one in latest.values()}
    return next((word for word in ("not reconciled", "incomplete", "reconciled") if word in said), "not checked")


def _in_full(conn: Connection[Any], one: Run) -> RunInFull:
    found = breaks_of(conn, one.id, rows_max=BREAKS_SHOWN_MAX)
    return RunInFull(**one._asdict(), found=BreakShown.each(found))

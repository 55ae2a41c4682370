"""The pages of reconciliation runs: which there were, and what one of them found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.finding.ordering import ColumnOrder
from counterfoil.dashboard.finding.plain_lists import asked_here, plain_export, plain_page
from counterfoil.dashboard.pages.provider_balances import OLD_AFTER, BreaksOfKind, never_reconciled
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.ledger.reads.books import known_programs
from counterfoil.matching.findings.recorded import RunReport, Sum
from counterfoil.operations.listing import order_of
from counterfoil.reconciliation.breaks.queries import Filter, count_breaks, list_breaks
from counterfoil.reconciliation.breaks.work import Break
from counterfoil.reconciliation.runs.run import RUN_LIST, Run, latest_runs, show_run
from counterfoil.reconciliation.runs.schedule import ScheduleGap, gaps, set_schedules
from counterfoil.reconciliation.runs.slot_ends import ScheduleState, schedules
from counterfoil.reconciliation.runs.standing import ACCEPTED, NOT_RECONCILED, RECONCILED, RunState, standings

RUNS_SHOWN_MAX: Final = 20
RUN_COLUMNS: Final = (
    *("id", "program_id", "source", "scope", "first_on", "last_on", "state", "verdict", "actor", "started_at", "finished_at"),
    *("confirmed_at", "matched", "breaks", "expected", "complete", "error"),
)
RECENT: Final = timedelta(days=7)
BREAKS_SHOWN_MAX: Final = 20


class RunLine(NamedTuple):
    """A run in a list. `breaks` is None when nothing is known."""

    id: str
    program_id: str
    source: str
    first_on: date
    last_on: date
    state: str
    said: str
    grade: Grade
    started_at: datetime
    finished_at: datetime | None
    took: timedelta | None
    matched: int | None
    breaks: int | None
    measured_at: datetime  # when it began to read: what was recorded later it has not seen


class RunsListed(NamedTuple):
    """One page of runs. `after`: behind what the next begins; None on the last."""

    rows: tuple[RunLine, ...]
    after: str | None
    orders: Mapping[str, ColumnOrder]  # by the columns
    order: str | None  # in words
    query: str  # what was asked, as it stands in an address
    unsorted: str  # the same without the order


class RunsAnswer(NamedTuple):
    """What the page of runs shows; `sources` and `programs`: what may be reconciled now; `program`: the one that is offered first."""

    readings: dict[str, SectionReading]
    sources: tuple[str, ...]
    programs: tuple[str, ...]
    program: str


class FootingPart(NamedTuple):
    """Records and their amount."""

    rows: int
    amount: Money


class FootingLine(NamedTuple):
    """One side and asset: what came in is what was matched, broken or expected later, to the unit."""

    side: str
    asset: str
    source: FootingPart
    matched: FootingPart
    breaks: FootingPart
    expected: FootingPart


class PassLine(NamedTuple):
    """What one pass of the rules found."""

    name: str
    left: int
    right: int
    breaks: int
    suggested: int


class Tolerance(NamedTuple):
    """How often a pass let a difference go, and how much of it."""

    step: str
    pairs: int
    amount: Money


class BookedLaterLine(NamedTuple):
    """A record that both sides have, booked on the first open day because the period in which it happened was closed."""

    id: str
    amount: Money
    happened_on: date
    booked_on: date


class InFull(NamedTuple):
    """What a finished run reported beside its footing and its passes."""

    kinds: tuple[BreaksOfKind, ...]
    tolerances: tuple[Tolerance, ...]
    not_checked: tuple[str, ...]
    booked_later: tuple[BookedLaterLine, ...]
    lists_cut: tuple[str, ...]
    notes: tuple[str, ...]
    suggested: int
    rejected: int
    unexplained: tuple[Money, ...]


class OpenOfRun(NamedTuple):
    """The breaks that this run was the first or the last to find and that are live; `total` of them, the newest shown."""

    rows: tuple[Break, ...]
    total: int
    closed: int


class ScheduleGaps(NamedTuple):
    """Schedules that wait for somebody now, and moments that passed with nobody there."""

    due: tuple[ScheduleState, ...]
    missed: tuple[ScheduleGap, ...]


class RunAnswer(NamedTuple):
    """What the page of one run shows."""

    run: RunLine
    error: str | None
    readings: dict[str, SectionReading]


def runs_answer(ask: SectionContext) -> RunsAnswer:
    """The last run of each program and source, and all runs, newest first unless sorted otherwise. Raises InvalidInput."""
    order_of(RUN_LIST, ask.params.get("sort"))  # refused for the whole page, not in one of its sections
    programs = tuple(known_programs(ask.conn))
    wiring = ask.extra.wiring
    return RunsAnswer(measure(ask, RUNS), tuple(wiring.pairings()), programs, ask.program_id or wiring.program_id)


def run_answer(ask: SectionContext) -> RunAnswer:
    """One run. Raises NotFound."""
    run = show_run(ask.conn, ask.params["run_id"])
    readings = measure(ask, RUN)
    return RunAnswer(_line(run, standings(ask.conn, [run])[run.id]), run.error, readings)


def _lines(ask: SectionContext, runs: Sequence[Run]) -> tuple[RunLine, ...]:
    """These runs of the program that was chosen, as they stand now."""
    mine = [run for run in runs if ask.program_id in (None, run.program_id)]
    stand = standings(ask.conn, mine)
    return tuple(_line(run, stand[run.id]) for run in mine)


def runs_told(ask: SectionContext) -> SectionAnswer:
    """The last run of each program and source: do they agree, were they made lately, and of everything that money went through?"""
    rows = _lines(ask, latest_runs(ask.conn))
    lacking = never_reconciled(ask)
    if not rows:
        said = f"Never reconciled: {', '.join(lacking)}" if lacking else "Nothing was ever reconciled"
        return SectionAnswer(said, "unknown", rows, "not_checked")
    wrong = [row for row in rows if row.grade == "wrong"]
    unknown = [row for row in rows if row.grade == "unknown"]
    oldest = min(row.measured_at for row in rows)
    more = f"; never reconciled: {', '.join(lacking)}" if lacking else ""
    if wrong:
        return SectionAnswer(f"{len(wrong)} of {len(rows)} do not agree{more}", "wrong", rows, as_of=oldest)
    if unknown:
        return SectionAnswer(f"{len(unknown)} of {len(rows)} could not conclude{more}", "unknown", rows, as_of=oldest)
    if lacking:
        return SectionAnswer(f"Never reconciled: {', '.join(lacking)}", "unknown", rows, as_of=oldest)
    if oldest is not None and ask.clock() - oldest > OLD_AFTER:
        return SectionAnswer("They agreed, but that was long ago", "unknown", rows, "stale", oldest)
    if accepted := [row for row in rows if row.grade == "accepted"]:
        return SectionAnswer(f"{len(accepted)} of {len(rows)} with differences that were accepted", "accepted", rows, as_of=oldest)
    return SectionAnswer("They agree" if len(rows) > 1 else "It agrees", "right", rows, as_of=oldest)


def _all(ask: SectionContext) -> SectionAnswer:
    page = plain_page(ask, RUN_LIST, rows_max=RUNS_SHOWN_MAX, program_id=ask.program_id)
    rows = _lines(ask, page.rows)
    value = RunsListed(rows, page.after, page.orders, page.order, page.query, page.unsorted)
    if not rows:
        return SectionAnswer("There was none", value=value, state="empty")
    if page.order is not None:
        return SectionAnswer(f"{len(rows)} {page.order}", value=value)
    return SectionAnswer(f"The last {len(rows)}" if page.is_first else f"{len(rows)} of an earlier time", value=value)


def runs_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All runs as rows of a file, narrowed and sorted as the page is."""
    return plain_export(ask, RUN_LIST, RUN_COLUMNS, asked=asked_here(ask, RUN_LIST, ask.program_id))


def _gaps(ask: SectionContext) -> SectionAnswer:
    """Missed moments of the schedules, and those that wait for somebody now."""
    crons = set_schedules(ask.conn)
    due = tuple(one for one in schedules(ask.conn, crons, now=ask.clock()) if one.overdue_s is not None)
    missed = tuple(gaps(ask.conn))
    value = ScheduleGaps(due, missed)
    if due:
        return SectionAnswer(f"{due[0].name} is overdue: no worker took it", "wrong", value)
    if not missed:
        return SectionAnswer("None" if crons else "No schedule is set", "plain", value, "empty")
    recent = [one for one in missed if ask.clock() - one.noticed_at < RECENT]
    return SectionAnswer(
        f"{sum(one.missed for one in missed):,} in the last {len(missed)} gaps",
        "attention" if recent else "plain",
        value,
    )


def _line(run: Run, standing: RunState) -> RunLine:
    said, grade = _judged(run, standing)
    took = run.finished_at - run.started_at if run.finished_at else None
    stood = max(filter(None, (run.finished_at, run.confirmed_at)), default=None)  # the same was found again then
    return RunLine(
        run.id,
        run.program_id,
        run.source,
        run.first_on,
        run.last_on,
        run.state,
        said,
        grade,
        run.started_at,
        stood,
        took,
        run.matched,
        run.breaks,
        standing.measured_at,
    )


def _judged(run: Run, standing: RunState) -> tuple[str, Grade]:
    """What a run says as it stands now: accepted items are said, an unexplained amount and what was not checked, too."""
    if run.state == "running":
        return "Still running", "unknown"
    if standing.verdict is None:
        return "Could not conclude", "unknown"
    grades: dict[str, Grade] = {NOT_RECONCILED: "wrong", ACCEPTED: "accepted", RECONCILED: "right"}
    grade = grades.get(standing.verdict, "unknown")
    said = standing.sentence()
    return said[:1].upper() + said[1:], grade


def _of_report(told: Callable[[SectionContext, Run, RunReport], SectionAnswer]) -> Callable[[SectionContext], SectionAnswer]:
    """A section out of a run's report; without one it is not known."""

    def section(ask: SectionContext) -> SectionAnswer:
        run = show_run(ask.conn, ask.params["run_id"])
        if run.report is not None:
            return told(ask, run, RunReport.read(run.report))
        said = "Not known while it runs" if run.state == "running" else "Not known: the run could not conclude"
        return SectionAnswer(said, "unknown", state="not_checked", as_of=run.finished_at)

    return section


@_of_report
def _footing(_: SectionContext, run: Run, report: RunReport) -> SectionAnswer:
    rows = tuple(
        FootingLine(row.side, row.asset, *(_part(row.asset, one) for one in (row.source, row.matched, row.breaks, row.expected)))
        for row in report.footing
    )
    if not rows:
        return SectionAnswer("Neither side has a record in these days", "plain", rows, "empty", run.finished_at)
    return SectionAnswer("It foots, to the unit", "right", rows, as_of=run.finished_at)


def _part(asset: str, one: Sum) -> FootingPart:
    return FootingPart(one.rows, Money(one.minor, asset))


@_of_report
def _passes(_: SectionContext, run: Run, report: RunReport) -> SectionAnswer:
    rows = tuple(PassLine(name, counts.left, counts.right, counts.breaks, counts.suggested) for name, counts in report.passes.items())
    return SectionAnswer(f"{run.matched or 0:,} matched", value=rows, as_of=run.finished_at)


@_of_report
def _found(ask: SectionContext, run: Run, report: RunReport) -> SectionAnswer:
    value = InFull(
        tuple(BreaksOfKind(row.kind, row.breaks, Money(row.at_stake_minor, row.asset)) for row in report.kinds),
        tuple(Tolerance(row.step, row.pairs, Money(row.minor, row.asset)) for row in report.tolerances_used),
        report.not_checked,
        tuple(BookedLaterLine(one.id, Money(one.amount, one.asset), one.happened_on, one.booked_on) for one in report.booked_later),
        report.lists_cut,
        tuple(run.notes),
        report.suggested,
        report.rejected_total,
        tuple(Money(minor, asset) for asset, minor in sorted(report.unexplained().items())),
    )
    said, grade = _judged(run, standings(ask.conn, [run])[run.id])
    return SectionAnswer(said, grade, value, as_of=run.finished_at)


def _open(ask: SectionContext) -> SectionAnswer:
    run_id = ask.params["run_id"]
    live = count_breaks(ask.conn, Filter(run_id=run_id, state="live"))
    closed = count_breaks(ask.conn, Filter(run_id=run_id, state="closed"))
    rows = tuple(list_breaks(ask.conn, Filter(run_id=run_id, state="live"), rows_max=BREAKS_SHOWN_MAX))
    value = OpenOfRun(rows, live, closed)
    if not live and not closed:
        return SectionAnswer("No break is known by this run", "plain", value, "empty")
    if not live:
        run = show_run(ask.conn, run_id)
        by_people = standings(ask.conn, [run])[run_id].verdict == ACCEPTED
        return SectionAnswer(f"None is open, {closed} are closed", "accepted" if by_people else "right", value)
    worst: Grade = "wrong" if any(one.severity == "critical" for one in rows) else "attention"
    return SectionAnswer(f"{live} open, {closed} closed", worst, value)


RUNS: Final = (
    Section(
        "latest",
        "Does the last run of each source agree?",
        "money",
        "the last run of each program and source",
        runs_told,
    ),
    Section("gaps", "Missed schedule slots", "work", "moments of the schedules that nobody took", _gaps, whole=True),
    Section("runs", "Which runs were there?", "work", "all runs, newest first", _all),
)
RUN: Final = (
    Section("footing", "Control totals", "money", "the report of this run", _footing),
    Section("found", "What does not agree?", "money", "the report of this run", _found),
    Section("open", "What of it is still open?", "money", "breaks as they stand now", _open),
    Section("passes", "How was it matched?", "work", "the report of this run", _passes),
)

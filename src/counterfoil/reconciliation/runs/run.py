"""Runs: one side of our books against what somebody else says, by the same engine and rules as two files; what was found is kept."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.ids import ENTROPY_BYTES, new_id
from counterfoil.base.problems import InvalidInput, Problem, check
from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.findings.outcome import MatchingResult, matches_of, reconcile
from counterfoil.matching.findings.recorded import detail_of
from counterfoil.matching.output.files import canonical, write_breaks
from counterfoil.matching.passes.pipeline import Progress
from counterfoil.matching.reading.loading import file_digest
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.providers import Provider
from counterfoil.operations.work.clocks import Clock
from counterfoil.reconciliation.bank_statements import Reach, reach_of
from counterfoil.reconciliation.breaks.breaks import lock_source
from counterfoil.reconciliation.breaks.filing import file_breaks
from counterfoil.reconciliation.breaks.sights import sights_of
from counterfoil.reconciliation.runs.books import first_day, late_reach
from counterfoil.reconciliation.runs.copying import Books
from counterfoil.reconciliation.runs.heartbeat import living
from counterfoil.reconciliation.runs.our_side import Ours, read_ours
from counterfoil.reconciliation.runs.overpaid import with_overpaid
from counterfoil.reconciliation.runs.pairings import Pairing, pairings
from counterfoil.reconciliation.runs.report import holes_of, report_of, tie, unlisted_of, untied, verdict_of
from counterfoil.reconciliation.runs.rows import (
    RUN_LIST,
    Run,
    RunFinding,
    Success,
    begin,
    bury,
    confirm,
    fail,
    findings_of,
    keep_findings,
    last_successes,
    latest_runs,
    newest_of_day,
    next_number,
    runs_between,
    same_before,
    show_run,
)
from counterfoil.reconciliation.runs.sides import UnderWay, booked_later, bounded, expected_records, read_sides, with_under_way
from counterfoil.reconciliation.runs.statements import ProviderStatement, StatementUnavailable, fetch_statement

DAYS_MAX: Final = 366
WHOLE_DAYS_MAX: Final = 36_600
TELLS_MANY: Final = "select set_config('idle_in_transaction_session_timeout', '300000', true)"  # a million breaks are put in words
KEPT: Final = ("left.parquet", "right.parquet", "matches.parquet", "report.json", "breaks.csv")

EVENT_KINDS: Final = declare(info={"reconciliation_finished": "A reconciliation run ended."})


class RunContext(NamedTuple):
    """What a run works with. `folder`: where its lines, matches and report are kept; None keeps the figures and breaks alone."""

    database: Books
    clock: Clock
    providers: Mapping[str, Provider]
    folder: Path | None = None


class RunRequest(NamedTuple):
    """Which run: of a program, over these days, how, for whom; `slot_at` is the moment of its schedule."""

    run_id: str
    program_id: str
    first: date
    last: date
    actor: str
    scope: str = "range"
    slot_at: datetime | None = None


class RunResult(NamedTuple):
    """What a run leads to, before it is recorded. `complete`: it saw all of its days and lists all that it found."""

    outcome: MatchingResult
    verdict: str
    inputs_sha256: bytes
    statement: ProviderStatement
    report: dict[str, Any]
    complete: bool


class RunWasGivenUp(Problem):
    """This run was silent for so long that it was given up; run it again."""


_Reaches = tuple[Reach | None, tuple[date, date] | None]  # of the bank's statements; of facts that were booked later


class _Same(Exception):
    """Inputs and rules are those of the run before."""

    def __init__(self, found: RunResult) -> None:
        super().__init__(found.inputs_sha256.hex())
        self.found = found


def reconcile_provider(
    database: Books,
    clock: Clock,
    provider: Provider,
    *,
    run_id: str,
    program_id: str,
    source: str,
    first: date,
    last: date,
    actor: str,
) -> Run:
    """Hold the provider's statement of these days against our clearing account, and keep what was found; see `run_pairing`."""
    means = RunContext(database, clock, {source: provider})
    return run_pairing(means, pairings([source])[source], RunRequest(run_id, program_id, first, last, actor))


def run_pairing(means: RunContext, one: Pairing, asked: RunRequest) -> Run:
    """Hold one source against our books over days, and keep what was found.

    Three stations: take a number and say that it runs; read and match with no transaction open, with a sign of life every two seconds;
    record. The same inputs and rules as the run before give that run, read once more. A run that could not conclude is kept as
    failed, never as reconciled.
    Raises InvalidInput, StatementUnavailable, and what broke the run.
    """
    days_max = DAYS_MAX if asked.scope == "range" else WHOLE_DAYS_MAX
    if not asked.first <= asked.last or (asked.last - asked.first).days >= days_max:
        raise InvalidInput("date", f"a range of 1 to {days_max} days", got=f"{asked.first} to {asked.last}")
    database, clock = means.database, means.clock
    with database.transaction() as conn:
        number = next_number(conn, asked.program_id, one.name)  # before the first read
        asked = _from_its_beginning(conn, one, asked)
        reach = reach_of(conn, asked.program_id, one.account or "") if one.provider is None else None
        late = late_reach(conn, asked.program_id, one.account, first=asked.first, last=asked.last) if one.account else None
        began = clock()
        begin(
            conn,
            asked.run_id,
            asked.program_id,
            one.name,
            (asked.first, asked.last),
            number=number,
            scope=asked.scope,
            actor=asked.actor,
            slot_at=asked.slot_at,
            now=began,
        )
    try:
        with living(database, clock, asked.run_id) as progress, _folder(means.folder) as folder:
            found = _match(means, one, asked, (reach, late), folder, progress)
            _keep(means.folder, asked.run_id, folder)
    except _Same as same:
        with database.transaction() as conn:
            return _again(conn, one, asked, same.found, clock())
    except Exception as error:
        with database.transaction() as conn:
            fail(conn, asked.run_id, asked.program_id, f"{type(error).__name__}: {error}", clock())
        raise
    with database.transaction() as conn:
        _finish(conn, one, asked, found, began, clock())
        return show_run(conn, asked.run_id)


def _from_its_beginning(conn: Connection[Any], one: Pairing, asked: RunRequest) -> RunRequest:
    """A bank account is always taken from its first day: what ties is its balance, and its lines share no key with ours."""
    if one.provider is not None:
        return asked
    days = [day for day in (first_day(conn, asked.program_id, one.account or ""),) if day]
    reach = reach_of(conn, asked.program_id, one.account or "")
    days += [reach.first_on] if reach.first_on else []
    return asked._replace(first=min([*days, asked.last]))


def _match(means: RunContext, one: Pairing, asked: RunRequest, reaches: _Reaches, folder: Path, progress: Progress) -> RunResult:
    today = means.clock().astimezone(UTC).date()
    reach, late = reaches
    around, as_of = _window(one, asked, reach, today)
    if late is not None:  # the partner of what was booked later lies on the day on which it happened, however far away
        around = (min(around[0], late[0]), max(around[1], late[1]))
    engine = DuckEngine(folder)
    try:
        progress("Reading our books")
        raw = {"left": folder / "ours.parquet", "right": folder / "theirs.parquet"}
        ours = read_ours(means.database, one, asked.program_id, (asked.first, asked.last), around, today=today, paths=raw)
        progress("Reading the other side")
        statement = _theirs(means, one, asked, around, ours, raw["right"], engine)
        progress("Taking apart what belongs to these days")
        rules = one.rules_as_of(as_of, late=(late[1] - late[0]).days if late else 0)
        on_time = as_of - timedelta(days=rules.right.expected_within_days or 0)
        with means.database.transaction() as conn:
            tell = tell_in(known_assets(conn))
        paths, under_way = bounded(engine, raw, (asked.first, asked.last), ours.flying, folder, on_time=on_time, tell=tell)
        left, right = read_sides(engine, paths, {"left": rules.left, "right": rules.right}, folder)
        matched, outcome = reconcile(engine, left, right, rules, progress=progress, tell=tell)
        if one.provider is not None:
            outcome = with_overpaid(outcome, ours.overpaid, tell)
        inputs = _digest(paths, under_way, statement, ours)
        with means.database.transaction() as conn:
            if same_before(conn, asked.run_id, inputs, outcome.rules_sha256):
                raise _Same(RunResult(outcome, outcome.verdict, inputs, statement, {}, False))
        progress("Writing the matches")
        outcome = replace(outcome, footing=with_under_way(outcome.footing, under_way))
        waiting = [*under_way.records, *expected_records(engine)]
        engine.write(matches_of(engine, matched, left, right), folder / "matches.parquet")
        balances = tie(one, statement, ours, outcome.footing, under_way)
        unlisted = unlisted_of(outcome)
        holes = [*holes_of(asked, reach, statement), *untied(one, balances), *unlisted]
        verdict = verdict_of(outcome.verdict, holes, balances, cut_short=bool(unlisted))
        report = report_of(
            one, asked, outcome, verdict, waiting, booked_later(engine, (asked.first, asked.last)), holes, balances
        ).written()
        (folder / "report.json").write_text(canonical({**report, "breaks": [detail_of(each).written() for each in outcome.breaks]}))
        write_breaks(outcome.breaks, folder / "breaks.csv")
        complete = not holes and outcome.complete
        return RunResult(outcome, verdict, inputs, statement, report, complete)
    finally:
        engine.close()


def _window(one: Pairing, asked: RunRequest, reach: Reach | None, today: date) -> tuple[tuple[date, date], date]:
    """The days that are read, and the watermark: the last day that both sides cover."""
    if reach is not None:
        return (asked.first, asked.last), min(asked.last, reach.last_on or asked.last)
    wait = timedelta(days=one.wait_days)
    until = max(asked.last, min(asked.last + wait, today))
    return (asked.first - wait, until), min(until, today) if today >= asked.last else asked.last


def _theirs(
    means: RunContext,
    one: Pairing,
    asked: RunRequest,
    around: tuple[date, date],
    ours: Ours,
    path: Path,
    engine: DuckEngine,
) -> ProviderStatement:
    if one.provider is not None:
        return fetch_statement(engine, means.providers[one.provider], one.lines, (asked.first, asked.last), around, path)
    reach = ours.reach
    check(reach is not None, "a bank account's statements are read with our side", source=one.name)
    return ProviderStatement(reach.files_sha256, [], reach.rejected, reach.opening, reach.closing)  # type: ignore[union-attr]


def _digest(paths: Mapping[str, Path], under_way: UnderWay, statement: ProviderStatement, ours: Ours) -> bytes:
    parts = [file_digest(paths[side]) for side in ("left", "right")]
    tables = (under_way.totals, under_way.ahead, under_way.sent, ours.booked_before, ours.booked)
    apart = [sorted(map(str, table.items())) for table in tables]
    apart.append([*map(str, ours.overpaid)])
    told = canonical([parts, apart, under_way.contradicted, statement.notes, statement.opening, statement.stated])
    return hashlib.sha256(told.encode()).digest()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    name = tempfile.mkdtemp(prefix=".work-", dir=kept)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)


def _keep(kept: Path | None, run_id: str, folder: Path) -> None:
    """What was matched, with what, and what came of it: files that nobody writes again."""
    if kept is None:
        return
    place = kept / run_id
    place.mkdir()
    for name in KEPT:
        (folder / name).chmod(0o444)
        (folder / name).rename(place / name)


def _again(conn: Connection[Any], one: Pairing, asked: RunRequest, found: RunResult, now: datetime) -> Run:
    """The run before stands, and speaks once more: what people closed since, and is still found, is open again.

    Where another run came between, that one has read later or something else, and this view is not needed.
    """
    lock_source(conn, asked.program_id, one.name)
    conn.execute(TELLS_MANY)
    first_id = same_before(conn, asked.run_id, found.inputs_sha256, found.outcome.rules_sha256)
    if first_id is None:
        fail(conn, asked.run_id, asked.program_id, "another run of these days ended meanwhile; run it again", now)
        return show_run(conn, asked.run_id)
    run = confirm(conn, asked.run_id, first_id, now)
    file_breaks(
        conn,
        run.id,
        asked.program_id,
        one.name,
        found.outcome.breaks,
        first=asked.first,
        last=asked.last,
        make_id=_ids_of(run.number, now),
        now=now,
        complete=run.complete,
    )
    return show_run(conn, run.id)


def _finish(conn: Connection[Any], one: Pairing, asked: RunRequest, found: RunResult, began: datetime, now: datetime) -> None:
    lock_source(conn, asked.program_id, one.name)  # before any row: whoever holds a row of a run holds this
    conn.execute(TELLS_MANY)
    outcome, report = found.outcome, found.report
    matched = sum(row.matched.rows for row in outcome.footing if row.side == "left")
    expected = sum(row.expected.rows for row in outcome.footing)
    breaks = [detail_of(each).written() for each in outcome.breaks]
    done = conn.execute(
        """update reconciliation_run set state = 'finished', verdict = %s, finished_at = %s, statement_sha256 = %s, inputs_sha256 = %s,
                  rules_sha256 = %s, result_sha256 = %s, matched = %s, breaks = %s, expected = %s, notes = %s, report = %s,
                  read_until = %s, beat_at = %s where id = %s and state = 'running'""",
        [
            found.verdict,
            now,
            found.statement.sha256,
            found.inputs_sha256,
            outcome.rules_sha256,
            hashlib.sha256(canonical([report, breaks]).encode()).digest(),
            matched,
            outcome.breaks_total,
            expected,
            found.statement.notes,
            Jsonb(report),
            began,
            now,
            asked.run_id,
        ],
    )
    if done.rowcount == 0:
        raise RunWasGivenUp(run=asked.run_id)
    keep_findings(conn, asked.run_id, outcome.breaks, breaks, sights_of(one.name, outcome.breaks, asked.first))
    file_breaks(
        conn,
        asked.run_id,
        asked.program_id,
        one.name,
        outcome.breaks,
        first=asked.first,
        last=asked.last,
        make_id=_ids_of(show_run(conn, asked.run_id).number, now),
        now=now,
        complete=found.complete,
    )
    told = {"verdict": found.verdict, "breaks": outcome.breaks_total}
    emit(conn, [NewEvent("reconciliation_finished", asked.program_id, asked.run_id, told)], at=now)


def _ids_of(number: int, now: datetime) -> Any:
    """Ids of what a run opens: drawn from its number, so that they are the same however often it is tried, and sort as they came.

    Two breaks of one moment, and of one identity, are told apart by which run read later.
    """
    count = iter(range(1 << 24))

    def make(prefix: str) -> str:
        return new_id(prefix, now=now, entropy=number.to_bytes(ENTROPY_BYTES - 3) + next(count).to_bytes(3))

    return make


__all__ = [
    "RUN_LIST",
    "Run",
    "RunContext",
    "RunFinding",
    "RunRequest",
    "StatementUnavailable",
    "Success",
    "bury",
    "findings_of",
    "last_successes",
    "latest_runs",
    "newest_of_day",
    "reconcile_provider",
    "run_pairing",
    "runs_between",
    "show_run",
]

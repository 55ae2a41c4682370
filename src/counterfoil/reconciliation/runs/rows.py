"""Runs as rows: how they begin, show that they live, end, and are found again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.problems import NotFound
from counterfoil.matching.findings.findings import Finding
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey
from counterfoil.reconciliation.breaks.breaks import lock_source
from counterfoil.reconciliation.breaks.sights import Sight

SILENT_AFTER: Final = timedelta(seconds=60)  # a run whose process says nothing for so long is dead
ERROR_MAX: Final = 500

EVENT_KINDS: Final = declare(warning={"reconciliation_failed": "A reconciliation run could not conclude, so nothing is known of its days."})


class Run(NamedTuple):
    """A run as it was recorded. `matched`, `breaks` and `expected` are None while it runs and when it failed."""

    id: str
    program_id: str
    source: str
    scope: str
    first_on: date
    last_on: date
    state: str
    verdict: str | None
    actor: str
    slot_at: datetime | None
    started_at: datetime
    beat_at: datetime
    progress: str | None
    finished_at: datetime | None
    confirmed_at: datetime | None
    matched: int | None
    breaks: int | None
    expected: int | None
    notes: list[str]
    report: dict[str, Any] | None
    comparison: dict[str, Any] | None
    error: str | None
    number: int  # taken before its first read: of two runs, the one with the higher number read later
    complete: bool  # it saw all of its days: what it did not find is gone
    read_until: datetime | None  # it began to read then; what was recorded later it has not seen

    def standing(self, now: datetime) -> str:
        """Its state; `stale` for one that says it runs and whose process has been silent for a minute."""
        return "stale" if self.state == "running" and now - self.beat_at > SILENT_AFTER else self.state


class RunFinding(NamedTuple):
    """A break as a run found it; `at_stake` in minor units."""

    run_id: str
    number: int
    identity: str
    kind: str
    severity: str
    asset: str
    at_stake: int
    cause: str
    day: date | None
    detail: dict[str, Any]


class Success(NamedTuple):
    """When a source was last brought to a conclusion, and up to which day; and what became of the last attempt."""

    program_id: str
    source: str
    watermark: date | None
    succeeded_at: datetime | None
    verdict: str | None
    run_id: str | None
    attempted_at: datetime
    attempt: str
    error: str | None


def next_number(conn: Connection[Any], program_id: str, source: str) -> int:
    """The number of a run that is about to read. No journal for a break of the source is being posted while it is given."""
    lock_source(conn, program_id, source)
    row = conn.execute("select nextval('reconciliation_run_number')").fetchone()
    return int(row[0]) if row else 0


def begin(
    conn: Connection[Any],
    run_id: str,
    program_id: str,
    source: str,
    days: tuple[date, date],
    *,
    number: int,
    scope: str,
    actor: str,
    slot_at: datetime | None,
    now: datetime,
) -> None:
    """Say that a run has begun, and that those are dead whose process is."""
    bury(conn, now=now)
    conn.execute(
        """insert into reconciliation_run
               (id, program_id, source, scope, first_on, last_on, state, actor, slot_at, started_at, beat_at, number)
           values (%s, %s, %s, %s, %s, %s, 'running', %s, %s, %s, %s, %s)""",
        [run_id, program_id, source, scope, *days, actor, slot_at, now, now, number],
    )


def beat(conn: Connection[Any], run_id: str, progress: str, now: datetime) -> None:
    """The run lives, and this is what it does."""
    conn.execute(
        "update reconciliation_run set beat_at = %s, progress = %s where id = %s and state = 'running'",
        [now, progress[:ERROR_MAX], run_id],
    )


def bury(conn: Connection[Any], *, now: datetime) -> int:
    """Runs whose process was killed are failed, and say what they were doing; returns how many there were."""
    rows = conn.execute(
        """update reconciliation_run
           set state = 'failed', finished_at = %(now)s,
               error = 'its process was gone: nothing was heard of it after '
                       || to_char(beat_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
                       || coalesce(' UTC, while: ' || progress, ' UTC')
           where state = 'running' and beat_at < %(dead)s returning id, program_id, error""",
        {"now": now, "dead": now - SILENT_AFTER},
    ).fetchall()
    emit(conn, [NewEvent("reconciliation_failed", row[1], row[0], {"error": row[2]}) for row in rows], at=now)
    return len(rows)


def fail(conn: Connection[Any], run_id: str, program_id: str, error: str, now: datetime) -> None:
    """It could not conclude. One that was buried meanwhile keeps that."""
    done = conn.execute(
        "update reconciliation_run set state = 'failed', error = %s, finished_at = %s where id = %s and state = 'running'",
        [error[:ERROR_MAX], now, run_id],
    )
    if done.rowcount:
        emit(conn, [NewEvent("reconciliation_failed", program_id, run_id, {"error": error[:ERROR_MAX]})], at=now)


def same_before(conn: Connection[Any], run_id: str, inputs: bytes, rules_sha256: str) -> str | None:
    """The newest finished run of the same scope and days, if it had the same inputs and rules and read before this one.

    What was the same some runs ago and was another in between is not nothing new: it is back. A run of other days in between does not
    matter: whoever is confirmed takes the number of the later reading, and files what it found once more.
    """
    row = conn.execute(
        """select newest.id, newest.inputs_sha256 = %s and newest.rules_sha256 = %s and newest.number < mine.number
           from reconciliation_run mine join lateral (
               select * from reconciliation_run r
               where (r.program_id, r.source, r.scope, r.first_on, r.last_on)
                   = (mine.program_id, mine.source, mine.scope, mine.first_on, mine.last_on) and r.state = 'finished'
               order by r.number desc limit 1) newest on true
           where mine.id = %s""",
        [inputs, rules_sha256, run_id],
    ).fetchone()
    return str(row[0]) if row and row[1] else None


def confirm(conn: Connection[Any], run_id: str, first_id: str, now: datetime) -> Run:
    """Nothing has changed since the run `first_id`: it stands, with the number of the later reading, and `run_id` never was."""
    row = conn.execute(
        "delete from reconciliation_run where id = %s and state = 'running' returning number, started_at", [run_id]
    ).fetchone()
    if row is not None:
        conn.execute(
            "update reconciliation_run set confirmed_at = %s, number = %s, read_until = %s where id = %s",
            [now, row[0], row[1], first_id],
        )
    return show_run(conn, first_id)


def show_run(conn: Connection[Any], run_id: str) -> Run:
    """One run. Raises NotFound."""
    found = select_runs(conn, "where id = %s", [run_id])
    if not found:
        raise NotFound(what="reconciliation run", id=run_id)
    return found[0]


RUN_LIST: Final = PlainList(
    "reconciliation runs",
    "rec",
    "reconciliation_run",
    lambda conn, ids: select_runs(conn, "where id = any(%s)", [list(ids)]),
    (SortKey("started_at", datetime), SortKey("last_on", date), SortKey("source", str)),
    (Narrow("source", "t.source = %(source)s", "Only of this source."),),
)


def latest_runs(conn: Connection[Any]) -> list[Run]:
    """The last run of each program and source, whatever became of it."""
    return select_runs(
        conn,
        """where id in (select distinct on (program_id, source) id from reconciliation_run
                        order by program_id, source, number desc)
           order by program_id, source""",
        [],
    )


def runs_between(conn: Connection[Any], *, first: date, last: date, program_id: str | None = None, rows_max: int) -> list[Run]:
    """Finished and failed runs whose range touches these days, newest first: the reconciliation report of a time range."""
    return select_runs(
        conn,
        """where last_on >= %s and first_on <= %s and state <> 'running' and (%s::text is null or program_id = %s)
           order by id desc limit %s""",
        [first, last, program_id, program_id, rows_max],
    )


def newest_of_day(conn: Connection[Any], on: date) -> list[Run]:
    """The newest run of each program and source, finished or failed, whose days include this one."""
    return select_runs(
        conn,
        """where id in (select distinct on (program_id, source) id from reconciliation_run
                        where last_on >= %(on)s and first_on <= %(on)s and state <> 'running'
                        order by program_id, source, id desc)
           order by program_id, source""",
        {"on": on},
    )


def last_successes(conn: Connection[Any], *, program_id: str | None = None, until: date | None = None) -> list[Success]:
    """For each program and source: the last conclusion and how far it reaches, and the last attempt. By name. With `until` as far as
    that day, not more: runs that begin later say nothing of it.
    """
    with conn.cursor(row_factory=class_row(Success)) as cur:
        return cur.execute(
            """select tried.program_id, tried.source, least(good.last_on, %(until)s::date) as watermark,
                      greatest(good.finished_at, good.confirmed_at) as succeeded_at, good.verdict, good.id as run_id,
                      tried.started_at as attempted_at, tried.state as attempt, tried.error
               from (select distinct on (program_id, source) program_id, source, started_at, state, error from reconciliation_run
                     where (%(program)s::text is null or program_id = %(program)s) and first_on <= coalesce(%(until)s::date, 'infinity')
                     order by program_id, source, number desc) tried
               left join lateral (
                   select id, last_on, finished_at, confirmed_at, verdict from reconciliation_run r
                   where (r.program_id, r.source) = (tried.program_id, tried.source) and r.state = 'finished'
                     and r.first_on <= coalesce(%(until)s::date, 'infinity')
                   order by least(r.last_on, %(until)s::date) desc, r.number desc limit 1) good on true
               order by tried.program_id, tried.source""",
            {"program": program_id, "until": until},
        ).fetchall()


def findings_of(conn: Connection[Any], run_id: str, *, rows_max: int, after: int = 0) -> list[RunFinding]:
    """The breaks of a run, in their fixed order, from number `after` + 1 on."""
    with conn.cursor(row_factory=class_row(RunFinding)) as cur:
        return cur.execute(
            """select run_id, number, identity, kind, severity, asset, at_stake, cause, day, detail
               from run_finding where run_id = %s and number > %s order by number limit %s""",
            [run_id, after, rows_max],
        ).fetchall()


def select_runs(conn: Connection[Any], ending: str, given: Sequence[Any] | dict[str, Any]) -> list[Run]:
    """Runs by a condition, order and limit of ours."""
    with conn.cursor(row_factory=class_row(Run)) as cur:
        return cur.execute(
            """select id, program_id, source, scope, first_on, last_on, state, verdict, actor, slot_at, started_at, beat_at, progress,
                      finished_at, confirmed_at, matched, breaks, expected, notes, report, comparison, error, number, complete,
                      read_until
               from reconciliation_run """
            + ending,
            given,
        ).fetchall()


def keep_findings(
    conn: Connection[Any],
    run_id: str,
    found: Sequence[Finding],
    told: Sequence[dict[str, Any]],
    sights: Iterable[Sight],
) -> None:
    """Write what a run found, each with its detail as it is told and with the thing that it is about."""
    rows = [
        (
            run_id,
            sight.number,
            sight.identity,
            each.kind,
            each.severity,
            each.asset,
            each.at_stake,
            each.cause,
            _day(each),
            Jsonb(detail),
        )
        for each, detail, sight in zip(found, told, sights, strict=True)
    ]
    with conn.cursor() as cur:
        cur.executemany(
            """insert into run_finding (run_id, number, identity, kind, severity, asset, at_stake, cause, day, detail)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            rows,
        )


def _day(one: Finding) -> date | None:
    return min((record.day for record in (*one.left, *one.right) if record.day), default=None)

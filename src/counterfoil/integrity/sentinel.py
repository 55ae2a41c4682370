"""The sentinel: asks every check, by a schedule, and files what it finds.

A recent run asks of what was touched since the last one, less an overlap, so it takes as long as there was work, whatever the history. A
full run asks of everything. Each answer and its alerts are written as soon as they are known: a run that is killed loses nothing, and is
cut short, never green.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import structlog

from counterfoil.base.ids import MakeId
from counterfoil.base.invariant import Invariant, recent_query
from counterfoil.base.problems import DatabaseAway, Problem
from counterfoil.integrity.alerts.filing import Reading, file_answer
from counterfoil.integrity.asking import CHECK_LIMIT, ERROR_MAX, CheckReply, ask
from counterfoil.integrity.incidents.opening import open_incidents
from counterfoil.integrity.runs import ACTOR, SentinelRun, begin_run, end_run, note_answer, watermark_of
from counterfoil.integrity.touched import ROWS_MAX, Span, touched
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.reconciliation.runs.schedule import take_slot, withdraw

Kind = Literal["recent", "full"]
OVERLAP: Final = timedelta(minutes=10)  # longer than any transaction: what commits late is not passed over
RECENT_LIMIT_S: Final = 120.0  # of a recent run that has much to catch up with; the rest follows in the next
REST_S: Final = 20.0
SCHEDULES: Final[Mapping[str, Kind]] = {"sentinel-full": "full", "sentinel-recent": "recent"}
_log = structlog.get_logger("counterfoil.sentinel")


@dataclass(frozen=True)
class Sentinel:
    """What a run works with: the database, the checks in their order, the clock, ids, and where a thing is kept by its prefix."""

    database: Any  # `base.edge.Database`
    checks: Sequence[Invariant]
    clock: Any
    make_id: MakeId
    tables: Mapping[str, str]
    rows_max: int = ROWS_MAX
    recent_limit_s: float = RECENT_LIMIT_S

    def run(self, kind: Kind, *, actor: str = ACTOR, slot_at: datetime | None = None) -> SentinelRun:
        """One run, to its end. A recent run without a full one before it would not know where to begin: it is a full one."""
        began = self.clock()
        run_id = self.make_id("srun")
        with self.database.transaction() as conn:
            known = watermark_of(conn)
            since = known - OVERLAP if kind == "recent" and known is not None else None
            begin_run(conn, run_id, "recent" if since else "full", since=since, actor=actor, slot_at=slot_at, now=began)
        try:
            watermark, counts, error = self._recent(run_id, since, began) if since else self._full(run_id, began)
        except Exception as failure:  # noqa: BLE001 - whatever it was: a run that does not end would be taken for one that still asks
            _log.exception("the sentinel was cut short", run=run_id)
            watermark, counts, error = None, {}, str(failure)[:500] or type(failure).__name__
        with self.database.transaction() as conn:
            return end_run(conn, run_id, watermark=watermark, touched=counts, error=error, now=self.clock())

    def _full(self, run_id: str, began: datetime) -> tuple[datetime | None, dict[str, int], str | None]:
        for place, check in enumerate(self.checks, start=1):
            self._file(run_id, place, check, self._ask(check, None), Reading(run_id, began, True))
        return began, {}, None

    def _recent(self, run_id: str, since: datetime, began: datetime) -> tuple[datetime | None, dict[str, int], str | None]:
        """Span after span, until there is nothing left or the time is over; then it says up to when it came."""
        started, counts, reached = time.monotonic(), dict[str, int](), since
        answers: dict[str, CheckReply] = {}
        while reached < began and time.monotonic() - started < self.recent_limit_s:
            with self.database.transaction(read_only=True) as conn:
                span = touched(conn, since=reached, now=began, rows_max=self.rows_max)
            for check in self.checks:
                if check.monitor or recent_query(check) is None:
                    continue
                answers[check.code] = _joined(answers.get(check.code), self._ask(check, span))
            for noun, number in span.counts.items():
                counts[noun] = counts.get(noun, 0) + number
            reached = span.until
        place, whole = 0, all(one.outcome != "failed" for one in answers.values())
        for check in self.checks:
            answer = self._ask(check, None) if check.monitor else answers.get(check.code)
            if answer is not None:
                place += 1
                filed = self._file(run_id, place, check, answer, Reading(run_id, reached, False))
                whole = whole and (filed or check.monitor)
        if not whole:
            return None, counts, None  # the next run begins where this one did: nothing is passed over
        error = None if reached >= began else f"the time was over: what happened after {reached.isoformat()} was not looked at"
        return reached, counts, error

    def _ask(self, check: Invariant, span: Span | None) -> CheckReply:
        try:
            with self.database.transaction(read_only=True) as conn:
                return ask(conn, check, now=self.clock(), tables=self.tables, span=span, limit=CHECK_LIMIT)
        except DatabaseAway:
            raise
        except Exception as error:  # noqa: BLE001 - one check that trips over its data must not keep the others from being asked
            return CheckReply(check.code, "failed", 0, error=_why(error))

    def _file(self, run_id: str, place: int, check: Invariant, answer: CheckReply, reading: Reading) -> bool:
        """Keep an answer and its alerts; where they cannot be kept the check has failed, since what it found is nowhere. Were they kept?"""
        now = self.clock()
        try:
            with self.database.transaction() as conn:
                opened = file_answer(conn, check, answer, reading, make_id=self.make_id, now=now)
                open_incidents(conn, check, run_id, make_id=self.make_id, now=now)
                note_answer(conn, run_id, place, answer, opened=len(opened), now=now)
        except DatabaseAway:
            raise
        except Exception as error:  # noqa: BLE001 - as above: one answer that cannot be kept must not keep the others from being
            failed = CheckReply(check.code, "failed", answer.took_ms, error=f"what it found could not be kept: {_why(error)}"[:ERROR_MAX])
            with self.database.transaction() as conn:
                note_answer(conn, run_id, place, failed, opened=0, now=self.clock())
            return False
        return True


def _why(error: Exception) -> str:
    said = error.sentence() if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
    return said.strip()[:ERROR_MAX]


def _joined(before: CheckReply | None, answer: CheckReply) -> CheckReply:
    """What a check answered of several spans: it holds when it held in each of them."""
    if before is None or before.outcome == "failed":
        return before or answer
    if answer.outcome == "failed":
        return answer
    took, total = before.took_ms + answer.took_ms, before.total + answer.total
    findings = {(one.program_id, one.subject, one.period): one for one in (*before.findings, *answer.findings)}
    base = answer if answer.outcome == "broken" else before
    return base._replace(took_ms=took, total=total, findings=tuple(findings.values()))


def sentinel_of(context: JobContext) -> Sentinel:
    """The sentinel of a process that runs jobs."""
    return Sentinel(context.database, context.checks, context.clock, context.make_id, context.tables)


def _scheduled(context: JobContext, _: str | None) -> Tally:
    """One tick: the run that a schedule wants and that nobody has taken."""
    total = Tally()
    with context.database.transaction() as conn:
        withdraw(conn, SCHEDULES.keys() - context.crons.keys(), by=context.runner.owner, now=context.clock())
    for name, kind in SCHEDULES.items():
        if not (cron := context.crons.get(name)):
            continue
        with context.database.transaction() as conn:
            slot = take_slot(conn, name, cron, by=context.runner.owner, now=context.clock())
        if slot is not None:
            total = total.plus(_tally(sentinel_of(context).run(kind, slot_at=slot.slot_at)))
    return total


def _on_demand(context: JobContext, _: str | None) -> Tally:
    """For an outside cron: everything when that was not asked for a day, else what is new."""
    sentinel = sentinel_of(context)
    with context.database.transaction(read_only=True) as conn:
        row = conn.execute("select max(started_at) from sentinel_run where kind = 'full' and state = 'finished'").fetchone()
    last = row[0] if row else None
    is_due = last is None or context.clock() - last >= timedelta(hours=23, minutes=30)
    return _tally(sentinel.run("full" if is_due else "recent", actor=f"system:{context.runner.owner}"))


def _tally(run: SentinelRun) -> Tally:
    return Tally(handled=run.checks, failed=run.failed)


JOBS: Final = (
    Job(
        "sentinel",
        None,
        _scheduled,
        "Asks every check: of what is new each hour, of everything at night. On demand, whichever is due.",
        every=lambda _: REST_S,
        on_demand=_on_demand,
    ),
)

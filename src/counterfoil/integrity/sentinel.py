"""The sentinel: asks every check, by a schedule, and files what it finds.

A recent run asks of what was touched since the last one, less an overlap, so it takes as long as there was work, whatever the history. A
full run asks of everything. What must hold in time, the monitors, is asked each minute beside them. Each answer and its alerts are written
as soon as they are known: a run that is killed loses nothing, and is cut short, never green.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import structlog
from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.invariant import Invariant, recent_query
from counterfoil.base.problems import DatabaseAway, Problem
from counterfoil.integrity.alerts.filing import Reading, file_answer
from counterfoil.integrity.asking import CHECK_LIMIT, ERROR_MAX, CheckReply, ask
from counterfoil.integrity.incidents.opening import open_incidents
from counterfoil.integrity.runs import ACTOR, SentinelRun, begin_run, end_run, note_answer, watermark_of
from counterfoil.integrity.touched import ROWS_MAX, Span, touched

Kind = Literal["recent", "full"]
OVERLAP: Final = timedelta(minutes=10)  # longer than any transaction: what commits late is not passed over
SIDE_BY_SIDE: Final = 2
RECENT_LIMIT_S: Final = 120.0  # of a recent run that has much to catch up with; the rest follows in the next
_log = structlog.get_logger("counterfoil.sentinel")


class MonitorRound(NamedTuple):
    """Monitors that were asked, those of them that could not be, and the run that was kept of it, if one was."""

    asked: int
    failed: int
    run: SentinelRun | None


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
            begin_run(
                conn, run_id, "recent" if since else "full", since=since, actor=actor, slot_at=slot_at, now=began, codes=self._codes()
            )
        try:
            watermark, counts, error = self._recent(run_id, since, began) if since else self._full(run_id, began)
        except Exception as failure:  # noqa: BLE001 - whatever it was: a run that does not end would be taken for one that still asks
            _log.exception("the sentinel was cut short", run=run_id)
            watermark, counts, error = None, {}, str(failure)[:500] or type(failure).__name__
        with self.database.transaction() as conn:
            return end_run(conn, run_id, watermark=watermark, touched=counts, error=error, now=self.clock())

    def round(self, *, actor: str = ACTOR) -> MonitorRound:
        """Every monitor asked once. It is kept as a run where there is something to say: a finding, an alert that may be over, a monitor
        that could not be asked, or that the round before was kept for one of these."""
        answers = [(check, self._ask(check, None)) for check in self.checks if check.monitor]
        failed = sum(one.outcome == "failed" for _, one in answers)
        with self.database.transaction() as conn:
            if all(one.outcome == "holds" for _, one in answers) and not _has_news(conn, [check.code for check, _ in answers]):
                return MonitorRound(len(answers), failed, None)
            run_id, began = self.make_id("srun"), self.clock()
            begin_run(conn, run_id, "monitors", since=None, actor=actor, slot_at=None, now=began, codes=self._codes())
        for place, (check, answer) in enumerate(answers, start=1):
            self._file(run_id, place, check, answer, Reading(run_id, began, "monitors"))
        with self.database.transaction() as conn:
            return MonitorRound(len(answers), failed, end_run(conn, run_id, watermark=None, touched={}, error=None, now=self.clock()))

    def _codes(self) -> list[str]:
        return [check.code for check in self.checks]

    def _full(self, run_id: str, began: datetime) -> tuple[datetime | None, dict[str, int], str | None]:
        for place, (check, answer) in enumerate(self._asked(), start=1):
            self._file(run_id, place, check, answer, Reading(run_id, began, "full"))
        return began, {}, None

    def _asked(self) -> Iterator[tuple[Invariant, CheckReply]]:
        """Every check with its answer, in their order. Two invariants are asked side by side, since some wait for the database and some for
        this process, and those of this process first: they take longest. Monitors after them, one by one: the last looks at what the others
        answered."""
        lasting = [check for check in self.checks if not check.monitor]
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="sentinel") as askers:
            begun = sorted(lasting, key=lambda check: isinstance(check.offenders, str))
            asked = {check.code: askers.submit(self._ask, check, None) for check in begun}
            try:
                yield from ((check, asked[check.code].result()) for check in lasting)
            finally:
                askers.shutdown(wait=False, cancel_futures=True)  # only where we end early is anything left
        yield from ((check, self._ask(check, None)) for check in self.checks if check.monitor)

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
                filed = self._file(run_id, place, check, answer, Reading(run_id, reached, "recent"))
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


def _has_news(conn: Connection[Any], codes: Sequence[str]) -> bool:
    """Does that all of them hold change anything: is an alert of one open, or did the round before say otherwise?"""
    row = conn.execute(
        """select exists (select from alert where code = any(%s) and state <> 'resolved')
               or coalesce((select state <> 'finished' or broken > 0 from sentinel_run
                            where kind = 'monitors' order by number desc limit 1), false)""",
        [list(codes)],
    ).fetchone()
    return bool(row and row[0])


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

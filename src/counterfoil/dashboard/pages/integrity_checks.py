"""Integrity checks: the invariants, asked beside the page: a slow question must not hold up the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import psycopg
import structlog
from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.invariant import Invariant, run_invariants
from counterfoil.base.problems import Problem
from counterfoil.dashboard.web.sections import Grade, SectionAnswer, SectionContext

ASKED_EVERY: Final = timedelta(minutes=5)
STALE_AFTER: Final = timedelta(minutes=15)
AGAIN_AFTER: Final = timedelta(seconds=20)  # however often somebody asks
WAIT_S: Final = 2.0  # small books are through by then, and the first page shows their answers
_log = structlog.get_logger("counterfoil.dashboard")


class InvariantAnswer(NamedTuple):
    """What one invariant answered: it holds, it is broken by `offenders` rows (the first are `shown`), or it could not be asked."""

    code: str
    question: str
    severity: str
    meaning: str
    outcome: Literal["holds", "broken", "failed"]
    offenders: int = 0
    shown: tuple[str, ...] = ()


class InvariantAnswers(NamedTuple):
    """All answers of one asking; `took` is how long it was from the first question to the last answer."""

    asked_at: datetime
    took: timedelta
    answers: tuple[InvariantAnswer, ...]

    def having(self, outcome: str) -> tuple[InvariantAnswer, ...]:
        """The answers with one outcome, in the order of the list."""
        return tuple(answer for answer in self.answers if answer.outcome == outcome)


class IntegrityChecks:
    """Asks the invariants at most every five minutes, in a thread, while somebody looks; keeps the last answers."""

    def __init__(self, database: Database, invariants: Sequence[Invariant], clock: Callable[[], datetime]) -> None:
        """Nothing is asked before `latest` or `ask_now`."""
        self._database = database
        self._invariants = invariants
        self._clock = clock
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._asking = False
        self._last: InvariantAnswers | None = None

    def latest(self, *, wait_s: float = WAIT_S) -> InvariantAnswers | None:
        """The last answers; asks anew when they are older than five minutes, and waits a moment for that. None: none yet."""
        with self._lock:
            due = self._last is None or self._clock() - self._last.asked_at > ASKED_EVERY
            if due and not self._asking:
                self._asking = True
                self._done.clear()
                threading.Thread(target=self._ask_beside, name="integrity_checks", daemon=True).start()
        if due:
            self._done.wait(wait_s)
        return self._last

    def ask_again(self) -> None:
        """Ask every question now, unless they were asked a moment ago or are being asked: then the page tells what was found.

        Raises Busy when the database cannot be reached.
        """
        with self._lock:
            fresh = self._last is not None and self._clock() - self._last.asked_at < AGAIN_AFTER
            if fresh or self._asking:
                return
            self._asking = True
            self._done.clear()
        try:
            self.ask_now()
        finally:
            with self._lock:
                self._asking = False
            self._done.set()

    def ask_now(self) -> InvariantAnswers:
        """Ask every question now. Raises Busy when the database cannot be reached."""
        began = self._clock()
        with self._database.transaction(read_only=True) as conn:
            answers = tuple(_answer(conn, one) for one in self._invariants)
        self._last = InvariantAnswers(began, self._clock() - began, answers)
        return self._last

    def _ask_beside(self) -> None:
        try:
            self.ask_now()
        except (Problem, psycopg.Error) as error:
            _log.warning("the invariants could not be asked", error=str(error))
        finally:
            with self._lock:
                self._asking = False
            self._done.set()


def _answer(conn: Connection[Any], one: Invariant) -> InvariantAnswer:
    about = (one.code, one.question, one.severity, one.meaning)
    try:
        with conn.transaction():
            found = run_invariants(conn, [one])
    except psycopg.Error as error:
        _log.warning("an invariant could not be asked", code=one.code, error=str(error))
        return InvariantAnswer(*about, "failed")
    if not found:
        return InvariantAnswer(*about, "holds")
    return InvariantAnswer(*about, "broken", found[0].count, tuple(found[0].shown))


def everything_true(ask: SectionContext) -> SectionAnswer:
    """What the invariants last answered. What was not asked, or long ago, is never in order."""
    integrity_checks: IntegrityChecks = ask.extra.integrity_checks
    asked = integrity_checks.latest()
    if asked is None:
        return SectionAnswer("Not asked yet: the questions are on their way", "unknown", state="not_checked")
    if not asked.answers:
        return SectionAnswer("There is nothing to ask", "unknown", state="not_checked", as_of=asked.asked_at)
    said, grade = _judge(asked)
    if ask.clock() - asked.asked_at > STALE_AFTER:
        return SectionAnswer(said, "wrong" if grade == "wrong" else "unknown", asked, "stale", asked.asked_at)
    return SectionAnswer(said, grade, asked, as_of=asked.asked_at)


def _judge(asked: InvariantAnswers) -> tuple[str, Grade]:
    """All that is not in order is said; what could not be asked is graver than a warning, and a broken critical one than both."""
    broken, failed = asked.having("broken"), asked.having("failed")
    said = ", ".join(f"{len(some)} {words}" for some, words in ((broken, "do not hold"), (failed, "could not be asked")) if some)
    if not said:
        return f"All {len(asked.answers)} hold", "right"
    critical = any(answer.severity == "critical" for answer in broken)
    grade: Grade = "wrong" if critical else "unknown" if failed else "attention"
    first, _, others = said.partition(" ")
    return f"{first} of {len(asked.answers)} {others}", grade

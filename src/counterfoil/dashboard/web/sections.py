"""How a page asks: each section is measured by itself and says when, from what, and in which of five states its answer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import psycopg
import structlog
from psycopg import Connection

from counterfoil.base.database import problem_of
from counterfoil.base.problems import InvalidInput, Problem

State = Literal["measured", "empty", "not_checked", "failed", "stale"]
# accepted: a person took it as it is; plain: a figure to read, nothing to judge
Grade = Literal["right", "accepted", "attention", "wrong", "unknown", "plain"]
About = Literal["money", "work"]

# How the outcome of a step is marked in a table; what is open or left out has no mark.
OUTCOME_GRADES: Final[Mapping[str, Grade]] = {"passed": "right", "done": "right", "failed": "wrong", "not_checked": "unknown"}
WORDS: Final = {
    "right": "in order",
    "accepted": "accepted by a person",
    "attention": "needs attention",
    "wrong": "wrong",
    "unknown": "not known",
    "plain": "",
}
_log = structlog.get_logger("counterfoil.dashboard")


class Day(NamedTuple):
    """A day in UTC, `start` included and `end` not."""

    on: date
    is_today: bool

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.on.year, self.on.month, self.on.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment of the next."""
        return self.start + timedelta(days=1)

    @property
    def before(self) -> date:
        """The day before."""
        return self.on - timedelta(days=1)

    @property
    def after(self) -> date | None:
        """The day after, unless this is today."""
        return None if self.is_today else self.on + timedelta(days=1)


@dataclass(frozen=True)
class SectionContext:
    """Who asks what: an open read-only transaction, the chosen day and program, the clock, and what else answers."""

    conn: Connection[Any]
    day: Day
    program_id: str | None
    clock: Callable[[], datetime]
    extra: Any  # what the server was started with (`serving.Served`)
    params: Mapping[str, str] = field(default_factory=dict)  # parts of the path, and what else was asked for
    refused: Problem | None = None  # why a form of this page was not carried out just now
    typed: Mapping[str, str] = field(default_factory=dict)  # and what stood in it
    only: str | None = None  # who looks sees this program only; the database shows no other to them
    caller: Any = None  # who looks (`operations.access.access.Caller`)
    brakes: Any = None  # what is paused, for the top of the page (`work.brakes.BrakesTold`)
    receipt: Any = None  # what the form led to whose key the address names (`work.receipts.FormReceipt`)
    acts: Any = None  # what may be done on the page beside the verbs of its thing (`settings.page_acts.ActsHere`)
    booked: Any = None  # what the form that is looked at would book (`ledger.reads.booked.BookedHere`)
    waiting: Mapping[str, int | None] = field(default_factory=dict)  # how much waits for a person, by the page on which it stands


class SectionAnswer(NamedTuple):
    """What a section found: a few words, a judgement, and the figures. `as_of`: when it was measured, if not just now."""

    said: str
    grade: Grade = "plain"
    value: Any = None
    state: State = "measured"
    as_of: datetime | None = None


class Section(NamedTuple):
    """One question of a page. `about`: does its answer speak of the money, or of the work on it? `source`: measured from what.

    `whole`: its answer is of the whole installation and cannot be told by program.
    """

    key: str
    question: str
    about: About
    source: str
    ask: Callable[[SectionContext], SectionAnswer]
    whole: bool = False


class SectionReading(NamedTuple):
    """A section's answer with its circumstances; what a template and the JSON view are given."""

    key: str
    question: str
    about: About
    state: State
    grade: Grade
    said: str
    measured_at: datetime
    source: str
    value: Any

    @property
    def shows(self) -> bool:
        """Are there figures to show? Old ones are shown as old."""
        return self.state in ("measured", "stale")


def measure(ask: SectionContext, sections: Sequence[Section]) -> dict[str, SectionReading]:
    """Ask every section by itself: one that cannot be measured says so and leaves the others standing."""
    return {section.key: _measure(ask, section) for section in sections}


def _measure(ask: SectionContext, section: Section) -> SectionReading:
    at = ask.clock()
    try:
        with ask.conn.transaction():
            told = _of_others(section, ask.only) if section.whole and ask.only else section.ask(ask)
    except (psycopg.Error, Problem) as error:
        _log.warning("a section could not be measured", section=section.key, error=str(error))
        told = SectionAnswer(_why(error), "unknown", state="failed")
    return SectionReading(
        section.key,
        section.question,
        section.about,
        told.state,
        told.grade,
        told.said,
        told.as_of or at,
        section.source,
        told.value,
    )


def _of_others(section: Section, only: str) -> SectionAnswer:
    """Why somebody of one program is not shown what is of all of them; about the money that is not known, and never green."""
    said = f"This is about the whole installation, and you see program {only} only."
    return SectionAnswer(said, "unknown" if section.about == "money" else "plain", state="not_checked")


def _why(error: psycopg.Error | Problem) -> str:
    """What went wrong, without any insides."""
    problem = problem_of(error) if isinstance(error, psycopg.Error) else error
    return problem.headline() if problem is not None else "The database refused the question; the log says why."


def parse_day(given: str | None, *, now: datetime) -> Day:
    """The chosen day; today when none is given. Raises InvalidInput."""
    today = now.astimezone(UTC).date()
    try:
        chosen = date.fromisoformat(given) if given else today
    except ValueError:
        raise InvalidInput("day", "a date such as 2026-11-20", got=str(given)[:40]) from None
    if not date(2000, 1, 1) <= chosen <= today:
        raise InvalidInput("day", f"from 2000-01-01 to today, {today}", got=str(chosen))
    return Day(chosen, chosen == today)

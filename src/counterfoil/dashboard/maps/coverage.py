"""The coverage calendar: source × program × day, each told by a shape and words as well as by colour. Nobody looked: not green."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.reconciliation.coverage import UNKNOWN, CoverageDay, CoverageGap, CoverageRow, Word, coverage, gaps_in

SPANS: Final = {"14": "14 days", "35": "5 weeks"}
GAPS_LISTED_MAX: Final = 15
OWN: Final = "own books"
GRADES: Final[Mapping[Word, Grade]] = {
    "reconciled": "right",
    "accepted": "accepted",
    "breaks": "wrong",
    "partly": "attention",
    "no_conclusion": "unknown",
    "not_compared": "unknown",
    "no_statement": "unknown",
    "not_yet": "plain",
}
_WORDS: Final[Mapping[Word, str]] = {
    "reconciled": "reconciled",
    "accepted": "accepted by a person",
    "breaks": "with breaks",
    "partly": "in part",
    "no_conclusion": "no conclusion",
    "not_compared": "not compared",
    "no_statement": "no statement",
    "not_yet": "not due",
}


class CoverageTile(NamedTuple):
    """How many days of sources are in a state, and what that means. `key`: the state, or `due` for all of them."""

    key: str
    title: str
    days: int
    grade: Grade
    said: str


class ProgramCoverage(NamedTuple):
    """A program's sources."""

    program_id: str
    rows: tuple[CoverageRow, ...]


class CoverageFound(NamedTuple):
    """The calendar. `own`: what the checks of our own books said on each day; None for who sees one program only."""

    days: tuple[date, ...]
    tiles: tuple[CoverageTile, ...]
    programs: tuple[ProgramCoverage, ...]
    own: CoverageRow | None
    gaps: tuple[CoverageGap, ...]
    gaps_total: int
    span: str


class CoverageAnswer(NamedTuple):
    """What the page shows. `spans`: the stretches that one may choose."""

    readings: dict[str, SectionReading]
    spans: dict[str, str]
    span: str


def coverage_answer(ask: SectionContext) -> CoverageAnswer:
    """The days up to the chosen one. Raises InvalidInput."""
    span = ask.params.get("span") or "14"
    if span not in SPANS:
        raise InvalidInput("span", f"one of {', '.join(SPANS)}", got=span[:20])
    return CoverageAnswer(measure(ask, COVERAGE), dict(SPANS), span)


def _coverage(ask: SectionContext) -> SectionAnswer:
    span = ask.params.get("span") or "14"
    days = tuple(ask.day.on - timedelta(days=n) for n in reversed(range(int(span))))
    known = list(ask.extra.wiring.pairings().values())
    program = ask.only or ask.program_id
    rows = coverage(ask.conn, known, program_id=program, first=days[0], last=days[-1], now=ask.clock())
    if not rows:
        return SectionAnswer("No money went through any source yet, so there is nothing to compare", state="empty")
    cells = [cell for row in rows for cell in row.days]
    count = Counter(cell.word for cell in cells)
    gaps = gaps_in(rows)
    own = None if ask.only else _own_books(ask, days)
    found = CoverageFound(days, _tiles(count, rows), _by_program(rows), own, tuple(gaps[:GAPS_LISTED_MAX]), len(gaps), span)
    said, grade = _verdict(count)
    return SectionAnswer(said, grade, found)


def _verdict(count: Mapping[Word, int]) -> tuple[str, Grade]:
    """Worst first. Of today nothing can be whole yet, so a day in part is told and is no fault of anybody."""
    due = sum(count.values()) - count["not_yet"]
    unknown = sum(count[one] for one in UNKNOWN)
    told = f"{count['reconciled'] + count['accepted']:,} of {due:,} reconciled"
    if not due:
        return "Nothing was due in these days", "plain"
    if count["breaks"]:
        return f"{told}, {count['breaks']:,} with breaks" + (f", {unknown:,} not known" if unknown else ""), "wrong"
    if unknown:
        return f"{told}; of {unknown:,} nothing is known", "unknown"
    if count["partly"]:
        return f"{told}, {count['partly']:,} in part", "attention"
    return told, "accepted" if count["accepted"] else "right"


def _tiles(count: Mapping[Word, int], rows: Sequence[CoverageRow]) -> tuple[CoverageTile, ...]:
    due = sum(count.values()) - count["not_yet"]
    programs = len({row.program_id for row in rows})
    breaks = sum(cell.breaks for row in rows for cell in row.days)
    sources = f"{len(rows):,} {'source' if len(rows) == 1 else 'sources'}, {programs:,} {'program' if programs == 1 else 'programs'}"
    said: dict[Word, str] = {
        "reconciled": "every record has its partner",
        "accepted": "somebody has said why not",
        "breaks": f"{breaks:,} {'break is' if breaks == 1 else 'breaks are'} open",
        "partly": "not over then, or changed since",
        "no_statement": "the other side's is missing",
        "not_compared": "no run has looked",
    }
    shown = [CoverageTile(word, _WORDS[word].capitalize(), count[word], GRADES[word], text) for word, text in said.items()]
    shown[-1] = shown[-1]._replace(days=count["not_compared"] + count["no_conclusion"])
    return (CoverageTile("due", "Due", due, "plain", sources), *shown)


def _by_program(rows: Sequence[CoverageRow]) -> tuple[ProgramCoverage, ...]:
    programs = sorted({row.program_id for row in rows})
    return tuple(ProgramCoverage(one, tuple(row for row in rows if row.program_id == one)) for one in programs)


def _own_books(ask: SectionContext, days: Sequence[date]) -> CoverageRow:
    """The sentinel's last run of everything that ended on each day; recent runs alone look at a part."""
    rows: list[tuple[Any, ...]] = ask.conn.execute(
        """select distinct on (day) (finished_at at time zone 'UTC')::date as day, kind, id, checks, broken, findings, finished_at
           from sentinel_run where state = 'finished' and finished_at >= %s and finished_at < %s
           order by day, (kind = 'full') desc, number desc""",
        [days[0], days[-1] + timedelta(days=1)],
    ).fetchall()
    told = {row[0]: _own_day(*row) for row in rows}
    opened = ask.conn.execute("select (min(opened_at) at time zone 'UTC')::date from program").fetchone()
    since = opened[0] if opened and opened[0] else days[-1]
    lacking = {day: _not_asked(day, since) for day in days}
    return CoverageRow("", OWN, "Does what we recorded agree with itself?", tuple({**lacking, **told}[day] for day in days))


def _not_asked(day: date, since: date) -> CoverageDay:
    if day < since:
        return CoverageDay(day, "not_yet", "there were no books yet")
    return CoverageDay(day, "not_compared", "the checks were not asked")


def _own_day(day: date, kind: str, run_id: str, checks: int, broken: int, findings: int, at: datetime) -> CoverageDay:
    if broken:
        return CoverageDay(day, "breaks", f"{findings:,} found by {broken:,} of {counted(checks, 'check')}", findings, run_id=run_id)
    if kind == "full":
        return CoverageDay(day, "reconciled", f"all {checks:,} checks found nothing at {at:%H:%M} UTC", run_id=run_id)
    return CoverageDay(day, "partly", f"{checks:,} checks found nothing in what was touched; not all of it was asked", run_id=run_id)


COVERAGE: Final = (
    Section(
        "coverage",
        "What was compared, and with what outcome?",
        "money",
        "the newest run that covers each day, as it stands now",
        _coverage,
    ),
)

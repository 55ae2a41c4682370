"""The page of schedules: every moment that came, who took it and how its work ended, and each that nobody took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, asked_page, plain_export, plain_page
from counterfoil.dashboard.settings.offers import refuse_one_program
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.reconciliation.runs.schedule import set_schedules
from counterfoil.reconciliation.runs.slot_ends import MOMENT_LIST, OUTCOMES, ScheduleRun

SLOTS_SHOWN_MAX: Final = 20
COLUMNS: Final = ScheduleRun._fields[1:]
GRADE_OF_OUTCOME: Final[Mapping[str, Grade]] = {
    "running": "plain",
    "done": "right",
    "failed": "wrong",
    "never_ended": "wrong",
    "missed": "attention",
}


class SlotRow(NamedTuple):
    """A moment, and how its end is to be taken."""

    run: ScheduleRun
    grade: Grade


class SlotsListed(NamedTuple):
    """A page of them; `after` asks for the next."""

    rows: tuple[SlotRow, ...]
    after: str | None


class SchedulesAnswer(NamedTuple):
    """What the page shows, narrowed to a schedule or to how they ended."""

    readings: dict[str, SectionReading]
    schedules: tuple[str, ...]
    outcomes: tuple[str, ...]
    schedule: str | None
    outcome: str | None
    asked: AskedPage
    measured_at: datetime


def schedules_answer(ask: SectionContext) -> SchedulesAnswer:
    """Every moment that came, newest first unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    names = () if ask.only else tuple(set_schedules(ask.conn))
    asked = asked_page(ask, MOMENT_LIST)  # refused before anything is measured
    outcome, schedule = ask.params.get("outcome") or None, ask.params.get("schedule") or None
    return SchedulesAnswer(measure(ask, (_RUNS,)), names, OUTCOMES, schedule, outcome, asked, ask.clock())


def schedules_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """Every moment as rows of a file, narrowed and sorted as the page is. Raises InvalidInput, WholeInstallation."""
    refuse_one_program(ask)
    return plain_export(ask, MOMENT_LIST, COLUMNS, asked=asked_here(ask, MOMENT_LIST))


def _runs(ask: SectionContext) -> SectionAnswer:
    page = plain_page(ask, MOMENT_LIST, rows_max=SLOTS_SHOWN_MAX)
    rows = tuple(SlotRow(one, GRADE_OF_OUTCOME[one.outcome]) for one in page.rows)
    if not rows:
        return SectionAnswer("No such moment came", value=SlotsListed(rows, None), state="empty")
    bad = sum(one.grade in ("wrong", "attention") for one in rows)
    grade: Grade = max((one.grade for one in rows), key=("plain", "right", "attention", "wrong").index)
    said = f"{bad} of these {len(rows)} were not done" if bad else f"None of these {len(rows)} failed"
    return SectionAnswer(said, grade, SlotsListed(rows, page.after))


_RUNS: Final = Section("runs", "Moments", "work", "moments that were taken, their ends, and gaps that were noticed", _runs, whole=True)

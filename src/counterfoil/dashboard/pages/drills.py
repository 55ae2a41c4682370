"""The page of drills: what is practised, whether it went as it must, when it is due; and asking for one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.settings.offers import refuse_one_program
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.drills.drills import DRILL, DRILL_NOUN, Drill, DrillStanding, list_drills, running_drills, standings

SHOWN_MAX: Final = 20


class DrillRow(NamedTuple):
    """A drill, and how it stands in words. `under_way`: one that was asked for or runs."""

    standing: DrillStanding
    grade: Grade
    word: str
    under_way: Drill | None


class DrillsAnswer(NamedTuple):
    """What the page shows; `rows` is None for who sees one program only: drills are of the whole installation. `newest`: a page of all of
    them, in a state if one was chosen, in the order that was asked for; the next begins behind `after`."""

    rows: tuple[DrillRow, ...] | None
    newest: tuple[Drill, ...]
    state: str | None
    states: tuple[str, ...]
    after: str | None
    asked: AskedPage | None
    measured_at: datetime


def drills_answer(ask: SectionContext) -> DrillsAnswer:
    """Each drill with its last end and when it is due, and those that were run. Raises InvalidInput, CursorBroken."""
    now = ask.clock()
    if ask.only:
        return DrillsAnswer(None, (), None, (), None, None, now)
    page = plain_page(ask, DRILL_NOUN, rows_max=SHOWN_MAX)
    waiting = list_drills(ask.conn, rows_max=SHOWN_MAX, after=None, state="waiting")  # one of a kind at the most
    under_way = {one.name: one for one in [*waiting, *running_drills(ask.conn)]}
    rows = tuple(_row(one, under_way.get(one.kind.name), now) for one in standings(ask.conn))
    state, states = ask.params.get("state") or None, tuple(DRILL.states())
    return DrillsAnswer(rows, tuple(page.rows), state, states, page.after, page.asked, now)


def drills_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All drills as rows of a file, narrowed and sorted as the page is. Raises WholeInstallation."""
    refuse_one_program(ask)
    return plain_export(ask, DRILL_NOUN, DRILL_NOUN.columns, asked=asked_here(ask, DRILL_NOUN))


def _row(one: DrillStanding, under_way: Drill | None, now: datetime) -> DrillRow:
    overdue = one.due_at is not None and one.due_at < now
    if one.last is not None and one.last.state == "failed":
        return DrillRow(one, "wrong", "failed", under_way)
    if one.last is None:
        return DrillRow(one, "attention" if overdue else "unknown", "overdue, never run" if overdue else "never run", under_way)
    return DrillRow(one, "attention" if overdue else "right", "passed, and overdue" if overdue else "passed", under_way)

"""The page of drills: what is practised, whether it went as it must, when it is due; and asking for one."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.drills.drills import Drill, DrillStanding, list_drills, running_drills, standings

SHOWN_MAX: Final = 20


class DrillRow(NamedTuple):
    """A drill, and how it stands in words. `under_way`: one that was asked for or runs."""

    standing: DrillStanding
    grade: Grade
    word: str
    under_way: Drill | None


class DrillsAnswer(NamedTuple):
    """What the page shows; `rows` is None for who sees one program only: drills are of the whole installation."""

    rows: tuple[DrillRow, ...] | None
    newest: tuple[Drill, ...]
    more: bool
    measured_at: datetime


def drills_answer(ask: SectionContext) -> DrillsAnswer:
    """Each drill with its last end and when it is due, and the newest."""
    now = ask.clock()
    if ask.only:
        return DrillsAnswer(None, (), False, now)
    waiting = list_drills(ask.conn, rows_max=SHOWN_MAX, after=None, state="waiting")  # one of a kind at the most
    under_way = {one.name: one for one in [*waiting, *running_drills(ask.conn)]}
    newest = list_drills(ask.conn, rows_max=SHOWN_MAX + 1, after=None, state=None)
    rows = tuple(_row(one, under_way.get(one.kind.name), now) for one in standings(ask.conn))
    return DrillsAnswer(rows, tuple(newest[:SHOWN_MAX]), len(newest) > SHOWN_MAX, now)


def _row(one: DrillStanding, under_way: Drill | None, now: datetime) -> DrillRow:
    overdue = one.due_at is not None and one.due_at < now
    if one.last is not None and one.last.state == "failed":
        return DrillRow(one, "wrong", "failed", under_way)
    if one.last is None:
        return DrillRow(one, "attention" if overdue else "unknown", "overdue, never run" if overdue else "never run", under_way)
    return DrillRow(one, "attention" if overdue else "right", "passed, and overdue" if overdue else "passed", under_way)

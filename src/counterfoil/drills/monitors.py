"""What must hold of drills in time: a backup that nobody ever restored is unproven."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.drills.drills import RESTORE, standings


class DrillOverdue(NamedTuple):
    """A drill that did not pass in time."""

    drill: str
    passed_at: datetime | None
    due_at: datetime
    error: str | None


def _overdue(conn: Connection[Any], now: datetime) -> Sequence[DrillOverdue]:
    """Whether with time, loss and root: a restore drill without them does not pass, the database sees to it."""
    return [
        DrillOverdue(one.kind.name, one.passed_at, one.due_at, one.last.error if one.last else None)
        for one in standings(conn)
        if one.kind.name == RESTORE and one.due_at is not None and now - one.due_at > timedelta()
    ]


MONITORS: Final = (
    Invariant(
        "RESTORE_DRILL_OVERDUE",
        "Was a backup restored within 31 days, with its time and its loss measured and its root matching?",
        _overdue,
        "warning",
        "The backups are unproven: whether one can be restored would be known on the day that it is needed.",
        "P20",
        monitor=True,
    ),
    Invariant(
        "DRILL_FAILED",
        "Did every drill go as it must when it was run last?",
        """select name, id, finished_at, error from (
               select distinct on (name) * from drill where state in ('passed', 'failed') order by name, finished_at desc) newest
           where state = 'failed' and %(now)s is not null""",
        "warning",
        "What the drill practises would fail on the day that it is needed: its checks say what did not go as it must.",
        "P20",
        monitor=True,
    ),
)

"""Metrics of reconciliation."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.metric import Metric
from counterfoil.reconciliation.breaks.ages import age_of
from counterfoil.reconciliation.breaks.breaks import BREAK


def _breaks(conn: Connection[Any], now: datetime) -> list[tuple[str, str, int]]:
    rows = conn.execute(
        """select kind, extract(day from %s - opened_at)::int as days, count(*) from break where state = any(%s)
           group by 1, 2 order by 1, 2""",
        [now, list(BREAK.open)],
    ).fetchall()
    counts = dict[tuple[str, str], int]()
    for kind, days, number in rows:
        key = (kind, age_of(days))
        counts[key] = counts.get(key, 0) + number
    return [(*key, number) for key, number in counts.items()]


METRICS: Final = (Metric("breaks", "gauge", ("kind", "age"), "Breaks that are open, by their kind and how old they are.", _breaks),)

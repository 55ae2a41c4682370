"""Metrics of the sentinel, of alerts, of service levels, and of the workers as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.base.metric import Metric
from counterfoil.integrity.alerts.queries import LIVE
from counterfoil.integrity.levels import service_levels
from counterfoil.integrity.standing import STANDINGS, workers_standing


def _workers(conn: Connection[Any], now: datetime) -> list[tuple[str, int]]:
    standing = workers_standing(conn, now=now).status
    return [(one, int(one == standing)) for one in STANDINGS]


def _kept(conn: Connection[Any], now: datetime) -> list[tuple[str, float]]:
    return [(one.name, one.kept) for one in service_levels(conn, now=now) if one.kept is not None]


def _burn(conn: Connection[Any], now: datetime) -> list[tuple[str, str, float]]:
    return [(one.name, window, rate) for one in service_levels(conn, now=now) for window, rate in one.burn.items() if rate is not None]


METRICS: Final = (
    Metric(
        "worker_status",
        "gauge",
        ("status",),
        "1 at how the workers stand: healthy, degraded (twice as slow as usual, or a job fails), or down (none heard of for 60 s).",
        _workers,
    ),
    Metric(
        "alerts_open",
        "gauge",
        ("severity",),
        "Alerts of the sentinel that are open or acknowledged.",
        f"""select s, count(a.id) from unnest(array['critical', 'warning']) s
            left join alert a on a.severity = s and a.state in {listed(LIVE)} group by s order by s""",
    ),
    Metric(
        "incidents_open",
        "gauge",
        ("level",),
        "Incidents that are not closed.",
        """select l, count(i.id) from unnest(array['P0', 'P1', 'P2', 'P3']) l
           left join incident i on i.level = l and i.state <> 'closed' group by l order by l""",
    ),
    Metric(
        "sentinel_last_success_timestamp_seconds",
        "gauge",
        ("kind",),
        "When every check was last asked, of everything (full), of what is new (recent), and monitors alone, in seconds since 1970.",
        """select kind, extract(epoch from max(finished_at)) from sentinel_run where state = 'finished' and kind <> 'monitors' group by kind
           union all select 'monitors', extract(epoch from done_at) from monitor_round where failed = 0 and done_at is not null""",
    ),
    Metric(
        "service_level_kept_ratio", "gauge", ("objective",), "The share that was good in 30 days; absent where none was measured.", _kept
    ),
    Metric(
        "service_level_burn",
        "gauge",
        ("objective", "window"),
        "How many times faster than it lasts a budget is used up; absent where nothing happened.",
        _burn,
    ),
)

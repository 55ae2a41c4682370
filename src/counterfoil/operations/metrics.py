"""Metrics of the work: queues, leases, deliveries to partners."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.metric import Metric
from counterfoil.operations.work.queries import queue_depths
from counterfoil.operations.work.runner import Queue

DELIVERY_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # an endpoint is given 30 s
_MISHAPS: Final = "select queue, sum(number)::bigint from work_mishap where at > %(since)s and at <= %(until)s"


METRICS: Final = (
    Metric(
        "lease_rescued_total",
        "counter",
        ("queue",),
        "Rows that were taken over from a worker whose lease had run out; as end-frozen-writers, frozen writers that were disconnected.",
        f"{_MISHAPS} and kind = 'lease_rescued' group by queue",
    ),
    Metric(
        "stale_write_rejected_total",
        "counter",
        ("queue",),
        "Late writes that were refused, because another worker had taken over.",
        f"{_MISHAPS} and kind = 'stale_write' group by queue",
    ),
    Metric(
        "webhook_delivery_duration_seconds",
        "histogram",
        ("outcome",),
        "How long endpoints took to answer, by whether they took it (delivered, failed).",
        """select case error when '' then 'delivered' else 'failed' end as outcome, took_ms / 1000.0 as value from webhook_attempt
           where at > %(since)s and at <= %(until)s""",
        DELIVERY_BOUNDS,
    ),
    Metric(
        "webhook_endpoint_failures",
        "gauge",
        ("endpoint",),
        "Attempts that failed in a row, of each enabled endpoint.",
        "select id, failures from webhook_endpoint where state = 'enabled' order by id",
    ),
)


def queue_metrics(queues: Sequence[Queue]) -> tuple[Metric, ...]:
    """Those of these queues."""

    def depth(conn: Connection[Any], now: datetime) -> Sequence[tuple[str, int]]:
        return [(one.name, one.due) for one in queue_depths(conn, queues, now=now)]

    def age(conn: Connection[Any], now: datetime) -> Sequence[tuple[str, float]]:
        found = queue_depths(conn, queues, now=now)
        return [(one.name, max(0.0, (now - one.oldest_due_at).total_seconds()) if one.oldest_due_at else 0.0) for one in found]

    def paused(conn: Connection[Any], now: datetime) -> Sequence[tuple[str, int]]:  # noqa: ARG001
        stopped = {row[0] for row in conn.execute("select distinct queue from queue_paused").fetchall()}
        return [(one.name, int(one.name in stopped)) for one in queues]

    return (
        Metric("queue_depth_total", "gauge", ("queue",), "Rows of each queue that are due now, counted up to 10,001.", depth),
        Metric("outbox_oldest_age_seconds", "gauge", ("queue",), "For how long the oldest due row of each queue waits; 0: none does.", age),
        Metric("queue_paused", "gauge", ("queue",), "1 where a queue is paused, wholly or in part.", paused),
    )

"""Metrics of the log and of proofs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.metric import Metric
from counterfoil.proofs.log.sequencing import unsequenced_since


def _unsequenced(conn: Connection[Any], now: datetime) -> list[tuple[float]]:
    since = unsequenced_since(conn)
    return [(max(0.0, (now - since).total_seconds()) if since else 0.0,)]


METRICS: Final = (
    Metric(
        "unsequenced_oldest_age_seconds",
        "gauge",
        (),
        "For how long the oldest record that the log lacks waits; 0: it has all.",
        _unsequenced,
    ),
    Metric(
        "checkpoint_last_success_timestamp_seconds",
        "gauge",
        (),
        "When the newest checkpoint of the log was signed, in seconds since 1970; absent while there is none.",
        "select extract(epoch from max(at)) from log_checkpoint having count(*) > 0",
    ),
    Metric(
        "exports_duration_ms",
        "gauge",
        (),
        "How long the newest proof took to make; absent while there is none.",
        "select duration_ms from proof order by created_at desc, id desc limit 1",
    ),
)

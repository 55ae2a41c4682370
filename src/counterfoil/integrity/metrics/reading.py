"""Metrics as they stand: gauges as of now; of what only grows, what was counted once and what is new since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import psycopg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from psycopg import Connection

from counterfoil.base.metric import Metric

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FAILED: Final = "metrics_failed"
SAYS_FAILED: Final = "1 for each metric that could not be read; it is absent then, not 0."
SERIES_MAX: Final = 10_000  # of one metric; with more of them it fails, and says so


class Counted(NamedTuple):
    """One series of a metric that only grows: how many, of a histogram in this bucket, and the sum of their values."""

    labels: tuple[str, ...]
    number: int
    total: Decimal


class TooManySeries(Exception):
    """A metric has more series than anybody can draw."""


def count_between(conn: Connection[Any], one: Metric, since: str, until: str) -> list[Counted]:
    """What there was after `since`, up to `until` (moments as PostgreSQL reads them)."""
    assert isinstance(one.query, str)
    given = {"since": since, "until": until}
    if one.kind == "counter":
        rows = conn.execute(one.query.encode(), given).fetchall()
        return [Counted(tuple(map(str, row[:-1])), int(row[-1]), Decimal(0)) for row in rows]
    names = ", ".join(one.labels)
    query = f"""with seen as ({one.query})
        select {names}, bucket, count(*), sum(value)
        from (select {names}, value, (select count(*) from unnest(%(bounds)s::numeric[]) b where b < value) as bucket
              from seen where value is not null) placed
        group by {names}, bucket"""
    rows = conn.execute(query.encode(), {**given, "bounds": [str(bound) for bound in one.bounds]}).fetchall()
    return [Counted(tuple(map(str, row[:-2])), int(row[-2]), Decimal(row[-1])) for row in rows]


def kept_of(conn: Connection[Any], one: Metric) -> tuple[str, list[Counted]]:
    """Up to when a metric was counted, and what that was."""
    row = conn.execute("select reached from metric_reach where name = %s", [one.name]).fetchone()
    if row is None:
        return "-infinity", []
    rows = conn.execute("select labels, number, total from metric_sum where name = %s order by labels", [one.name]).fetchall()
    return row[0].isoformat(), [Counted(tuple(labels), number, total) for labels, number, total in rows]


def _grown(conn: Connection[Any], one: Metric) -> dict[tuple[str, ...], Counted]:
    since, kept = kept_of(conn, one)
    found: dict[tuple[str, ...], Counted] = {}
    for each in (*kept, *count_between(conn, one, since, "infinity")):
        before = found.get(each.labels, Counted(each.labels, 0, Decimal(0)))
        found[each.labels] = Counted(each.labels, before.number + each.number, before.total + each.total)
    return found


def _family(conn: Connection[Any], one: Metric, name: str, now: datetime) -> Family:
    if one.kind == "gauge":
        gauge = GaugeMetricFamily(name, one.says, labels=one.labels)
        for *labels, value in _bounded(_asked(conn, one, now)):
            gauge.add_metric([str(label) for label in labels], value)
        return gauge
    grown = _grown(conn, one)
    if one.kind == "counter":
        counter = CounterMetricFamily(name.removesuffix("_total"), one.says, labels=one.labels)
        for labels, each in sorted(_bounded(list(grown.items()))):
            counter.add_metric(labels, each.number)
        return counter
    histogram = HistogramMetricFamily(name, one.says, labels=one.labels)
    for labels in sorted({key[:-1] for key in grown}):
        buckets, total, number = list[tuple[str, int]](), Decimal(0), 0
        for place, bound in enumerate((*map(str, one.bounds), "+Inf")):
            each = grown.get((*labels, str(place)), Counted((), 0, Decimal(0)))
            number, total = number + each.number, total + each.total
            buckets.append((bound, number))
        histogram.add_metric(labels, buckets, total)  # type: ignore[arg-type]  # the library writes any number
    return histogram


def _asked(conn: Connection[Any], one: Metric, now: datetime) -> Sequence[Sequence[Any]]:
    if not isinstance(one.query, str):
        return one.query(conn, now)
    return conn.execute(one.query.encode(), {"now": now}).fetchall()


def _bounded(rows: Sequence[Any]) -> Sequence[Any]:
    if len(rows) > SERIES_MAX:
        raise TooManySeries(f"{len(rows)} series, more than {SERIES_MAX}")
    return rows


class _Read(Collector):
    """What was read, for the library that writes it."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        """The families, as they were read."""
        yield from self._families


def exposition(conn: Connection[Any], metrics: Sequence[Metric], *, namespace: str, now: datetime) -> bytes:
    """All of them in Prometheus's text format, read in one transaction. One that cannot be read is left out, and said to be."""
    families, failed = list[Family](), list[tuple[str, int]]()
    for one in metrics:
        try:
            with conn.transaction():
                families.append(_family(conn, one, f"{namespace}_{one.name}", now))
            failed.append((one.name, 0))
        except (psycopg.errors.ConnectionFailure, psycopg.errors.AdminShutdown):
            raise
        except Exception:  # noqa: BLE001 - one metric that trips over its data must not hide the others
            failed.append((one.name, 1))
    told = GaugeMetricFamily(f"{namespace}_{FAILED}", SAYS_FAILED, labels=("metric",))
    for name, value in failed:
        told.add_metric([name], value)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read([*families, told]))
    return generate_latest(registry)

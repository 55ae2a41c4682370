"""Metrics: by their names, from the database, counted once, and never silent where they could not be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from counterfoil.base.edge import Database, now
from counterfoil.base.metric import Metric
from counterfoil.integrity.metrics.folding import EVERY, SETTLED, fold
from counterfoil.integrity.metrics.reading import exposition
from counterfoil.wiring import METRICS, ticks
from tests.api.office import wiring_for
from tests.builders import Clock
from tests.integrity.conftest import Watch

# As the runbooks and the operations page of the specification name them.
NAMED = (
    "intent_processing_duration_seconds",
    "ledger_balance_difference_cents",
    "queue_depth_total",
    "worker_status",
    "payouts_total",
    "payout_unknown_oldest_age_seconds",
    "outbox_oldest_age_seconds",
    "lease_rescued_total",
    "stale_write_rejected_total",
    "webhook_delivery_duration_seconds",
    "breaks",
    "unsequenced_oldest_age_seconds",
    "checkpoint_last_success_timestamp_seconds",
    "queue_paused",
    "exports_duration_ms",
)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def read(database: Database, *, at: Clock | None = None, namespace: str = "cf") -> Samples:
    with database.transaction(read_only=True) as conn:
        return samples(exposition(conn, METRICS, namespace=namespace, now=at() if at else now()).decode())


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


def test_every_metric_that_the_runbooks_name_is_declared() -> None:
    assert sorted(set(NAMED) - {one.name for one in METRICS}) == []
    assert len({one.name for one in METRICS}) == len(METRICS)
    for one in METRICS:
        assert one.says, one.name
        assert (one.kind == "counter") <= one.name.endswith("_total"), one.name
        assert (one.kind == "histogram") == bool(one.bounds), one.name
        assert list(one.bounds) == sorted(one.bounds)


def test_every_metric_can_be_read_and_a_book_that_does_not_balance_shows_by_how_much(watch: Watch) -> None:
    found = read(watch.database)
    assert {key[1][0][1] for key, number in found.items() if key[0] == "cf_metrics_failed" and number} == set()
    assert value(found, "cf_ledger_balance_difference_cents", program="main", asset="EUR") == 0
    watch.past_the_rules("update account set debits = debits + 7 where name = 'suspense' and book_id = 1")
    found = read(watch.database, namespace="sge")
    told = [number for key, number in found.items() if key[0] == "sge_ledger_balance_difference_cents"]
    assert sorted(told) == [0, 7]


def test_a_metric_that_cannot_be_read_is_absent_and_said_to_be_and_the_others_stand(watch: Watch) -> None:
    broken = Metric("broken", "gauge", (), "It cannot be read.", "select from nowhere")
    with watch.database.transaction(read_only=True) as conn:
        found = samples(exposition(conn, [broken, *METRICS], namespace="cf", now=watch.clock.now).decode())
    assert value(found, "cf_metrics_failed", metric="broken") == 1
    assert value(found, "cf_metrics_failed", metric="worker_status") == 0
    assert value(found, "cf_broken") is None
    assert value(found, "cf_worker_status", status="down") == 1


def test_what_only_grows_is_counted_once_and_a_scrape_adds_what_is_new(watch: Watch) -> None:
    job = ticks(replace(wiring_for(watch.database), clock=watch.clock), "t")["fold-metrics"]

    def mishap(number: int) -> None:
        with watch.database.transaction() as conn:
            statement = "insert into work_mishap (kind, queue, number, worker, at) values ('lease_rescued', 'send', %s, 'w', %s)"
            conn.execute(statement, [number, watch.clock.now])

    mishap(3)
    assert value(read(watch.database), "cf_lease_rescued_total", queue="send") == 3
    watch.clock.advance(minutes=20)
    assert job().handled > 0
    assert watch.rows("select labels, number from metric_sum where name = 'lease_rescued_total'") == [(["send"], 3)]
    mishap(2)
    assert value(read(watch.database), "cf_lease_rescued_total", queue="send") == 5
    assert job().handled == 0, "nothing is counted again so soon"
    watch.clock.advance(seconds=(SETTLED + EVERY).total_seconds())
    assert job().handled > 0
    assert watch.rows("select labels, number from metric_sum where name = 'lease_rescued_total'") == [(["send"], 5)]
    assert value(read(watch.database), "cf_lease_rescued_total", queue="send") == 5


def test_a_histogram_counts_up_to_each_bound_and_is_the_same_before_and_after_it_was_kept(watch: Watch) -> None:
    took = Metric(
        "took_seconds",
        "histogram",
        ("queue",),
        "How long.",
        """select queue, number::numeric as value from work_mishap where at > %(since)s and at <= %(until)s""",
        (1.0, 2.5, 10.0),
    )
    with watch.database.transaction() as conn:
        for number in (1, 2, 3, 50):
            given = [number, watch.clock.now - timedelta(hours=1)]
            conn.execute("insert into work_mishap (kind, queue, number, worker, at) values ('stale_write', 'q', %s, 'w', %s)", given)

    def buckets() -> dict[str, float]:
        with watch.database.transaction(read_only=True) as conn:
            found = samples(exposition(conn, [took], namespace="cf", now=watch.clock.now).decode())
        told = {dict(key[1])["le"]: number for key, number in found.items() if key[0] == "cf_took_seconds_bucket"}
        return {**told, "sum": found["cf_took_seconds_sum", (("queue", "q"),)], "count": found["cf_took_seconds_count", (("queue", "q"),)]}

    before = buckets()
    assert before == {"1.0": 1, "2.5": 2, "10.0": 3, "+Inf": 4, "sum": 56, "count": 4}, "a value on a bound is of its bucket"
    with watch.database.transaction() as conn:
        assert fold(conn, took, now=watch.clock.now)
    assert buckets() == before


@pytest.mark.parametrize("beats", [True, False], ids=["a worker beats", "none does"])
def test_the_workers_stand_at_exactly_one_status(watch: Watch, beats: bool) -> None:
    if beats:
        with watch.database.transaction() as conn:
            conn.execute(
                """insert into worker (id, host, pid, version, started_at, beat_at, jobs) values ('w', 'h', 1, 'v', %s, %s, '{}')""",
                [watch.clock.now] * 2,
            )
    found = read(watch.database, at=watch.clock)
    told = {status: value(found, "cf_worker_status", status=status) for status in ("healthy", "degraded", "down")}
    assert told == {"healthy": int(beats), "degraded": 0, "down": int(not beats)}

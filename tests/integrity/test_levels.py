"""Service levels: what counts, what is not measured, and when a budget burns. Samples are taken once a minute; trends say what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from counterfoil.base.edge import Database
from counterfoil.integrity.levels import BURNS, OBJECTIVES, WINDOWS, Count, burn_of, hottest, service_levels
from counterfoil.integrity.trends import trends
from counterfoil.wiring import ticks
from tests.api.office import wiring_for
from tests.builders import Clock
from tests.receiver import Receiver, received

NOW = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
AVAILABILITY, INTENTS, LEDGER, PAYOUTS = OBJECTIVES


def counts(**given: Count) -> dict[str, Count]:
    return {name: given.get(f"w{name}", Count(1000, 1000)) for name in WINDOWS}


@given(good=some.integers(0, 10_000), bad=some.integers(0, 10_000))
def test_a_budget_that_burns_at_one_is_used_up_in_just_its_time(good: int, bad: int):
    rate = burn_of(INTENTS, Count(good, good + bad))
    if good + bad == 0:
        assert rate is None, "where nothing happened, nothing is said"
    else:
        assert rate == pytest.approx(bad / (good + bad) / 0.05, abs=0.01)


def test_an_alert_needs_both_windows_and_more_than_a_few_events():
    fast = BURNS[0]
    assert hottest(INTENTS, counts(w1h=Count(20, 100), w5m=Count(1, 10))) == fast
    assert hottest(INTENTS, counts(w1h=Count(20, 100))) is None, "it does not go on"
    assert hottest(INTENTS, counts(w5m=Count(0, 10))) is None, "it does not matter yet"
    assert hottest(AVAILABILITY, counts(w1h=Count(58, 60), w5m=Count(3, 5))) is None, "two minutes are no trend"
    assert hottest(INTENTS, counts(w3d=Count(900, 1000), w6h=Count(90, 100))) == BURNS[2]
    assert hottest(LEDGER, counts(w1h=Count(0, 9), w5m=Count(0, 9))) is None, "the ledger's own invariant tells"
    assert burn_of(LEDGER, Count(7, 9)) == 2.0


def levels(database: Database, now: datetime) -> dict[str, tuple[str, int, int]]:
    with database.transaction(read_only=True) as conn:
        return {one.name: (one.verdict, one.good, one.counted) for one in service_levels(conn, now=now)}


@pytest.fixture
def health() -> Iterator[Receiver]:
    """A server that answers."""
    with received() as made:
        yield made


def measure(database: Database, clock: Clock, **more: object) -> None:
    ticks(replace(wiring_for(database), clock=clock, database_clock=clock, **more), "w1")["samples"]()  # type: ignore[arg-type]


def test_what_nobody_measured_is_not_kept(database: Database):
    assert {one[0] for one in levels(database, NOW).values()} == {"not_measured"}


def test_without_a_server_to_ask_whether_it_is_there_is_not_known_and_queues_are_measured(database: Database):
    clock = Clock(NOW)
    measure(database, clock)
    with database.transaction(read_only=True) as conn:
        assert conn.execute("select available, why_not from minute_sample").fetchall() == [(None, None)]
        assert trends(conn, days=1, now=clock.now).queues != []
    assert levels(database, NOW + timedelta(minutes=3))["availability"] == ("not_measured", 0, 0)


def test_the_minute_that_runs_hides_no_bad_one(database: Database, health: Receiver):
    clock, url = Clock(NOW), f"http://127.0.0.1:{health.port}/healthz"
    for status in (200, 503, 200):
        health.status = status
        measure(database, clock, health_url=url)
        clock.advance(minutes=1)
    assert levels(database, clock.now - timedelta(minutes=1))["availability"] == ("missed", 1, 2)


def test_a_minute_is_measured_once_and_one_without_a_measurement_counts_as_away(database: Database, health: Receiver):
    clock = Clock(NOW)
    for minute in (0, 0, 1, 2, 5, 6):
        clock.now = NOW + timedelta(minutes=minute)
        measure(database, clock, health_url=f"http://127.0.0.1:{health.port}/healthz")
    with database.transaction(read_only=True) as conn:
        assert conn.execute("select count(*) from minute_sample").fetchone()[0] == 5
    assert levels(database, NOW + timedelta(minutes=7))["availability"] == ("missed", 5, 7)
    with database.transaction(read_only=True) as conn:
        found = trends(conn, days=3, now=clock.now)
    hours = {(one.hour, one.queue): one for one in found.queues}
    assert (hours[12, "settle"].minutes_measured, hours[12, "settle"].depth_max) == (5, 0)
    assert [one.day.isoformat() for one in found.processing] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert {one.median_s for one in found.processing} == {None}, "no intent was completed"


def test_a_server_that_does_not_answer_is_away_and_says_why(database: Database):
    clock = Clock(NOW)
    measure(database, clock, health_url="http://127.0.0.1:9/healthz")
    clock.advance(minutes=1)
    with received() as receiver:
        receiver.status = 503
        measure(database, clock, health_url=f"http://127.0.0.1:{receiver.port}/healthz")
        receiver.status = 200
        clock.advance(minutes=1)
        measure(database, clock, health_url=f"http://127.0.0.1:{receiver.port}/healthz")
    with database.transaction(read_only=True) as conn:
        rows = conn.execute("select available, why_not from minute_sample order by minute").fetchall()
    assert rows == [(False, "ConnectError"), (False, "status 503"), (True, None)]
    assert levels(database, clock.now + timedelta(minutes=1))["availability"] == ("missed", 1, 3)

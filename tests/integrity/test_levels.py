"""Service levels: what counts, what is not measured, and when a budget burns. Samples are taken once a minute; trends say what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as some

from counterfoil.base.edge import Database
from counterfoil.integrity.levels import BURNS, OBJECTIVES, WINDOWS, Count, Level, burn_of, hottest, service_levels
from counterfoil.integrity.trends import trends
from counterfoil.settlement.queries import processing_of_last
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


def level(database: Database, now: datetime, name: str) -> Level:
    with database.transaction(read_only=True) as conn:
        return next(one for one in service_levels(conn, now=now) if one.name == name)


def past_the_rules(database: Database, statement: str, *given: object) -> None:
    with psycopg.connect(database.url, autocommit=True) as conn, conn.transaction():
        conn.execute("set local session_replication_role = replica")
        conn.execute(statement.encode(), given)


BATCH = """insert into payout_batch (id, program_id, asset, state, state_at, created_by, maker, sha256, frozen_at, created_at, approved_at,
                                     executed_at, lines, amount)
           values (%s, 'main', 'EUR', %s, %s, 'm', 'm', sha256(''), now(), %s, %s, %s, %s, 1)"""


def test_a_payout_is_late_at_the_moment_when_its_day_is_over_so_that_short_windows_see_it(database: Database):
    approved = NOW - timedelta(hours=24, minutes=2)
    for number in range(2):
        past_the_rules(database, BATCH, f"late{number}", "approved", approved, approved, approved, None, 4)
    past_the_rules(database, BATCH, "good", "executed", NOW, approved, NOW - timedelta(hours=3), NOW - timedelta(hours=2), 2)
    past_the_rules(database, BATCH, "waits", "approved", NOW, approved, NOW - timedelta(hours=9), None, 50)
    past_the_rules(database, BATCH, "given up", "cancelled", approved, approved, approved, None, 50)
    found = level(database, NOW, "payouts")
    assert (found.good, found.counted, found.burn["5m"], found.burn["1h"]) == (2, 10, 20.0, 20.0)
    assert found.burning == "critical: faster than 14.4 over 1h and 5m"
    past_the_rules(database, "update payout_batch set executed_at = %s, state = 'executed' where state = 'approved'", NOW)
    again = level(database, NOW + timedelta(minutes=1), "payouts")
    assert (again.good, again.counted) == (52, 60), "what was late stays late, and counts once"


def test_what_is_paid_after_an_intent_is_complete_does_not_make_it_fast(database: Database):
    paid, done = NOW - timedelta(minutes=9), NOW - timedelta(minutes=8)
    past_the_rules(
        database,
        """insert into intent (id, program_id, invoice_id, provider, created_at, completed_at, state, state_at)
           values ('int_1', 'main', 'inv_1', 's', %s, %s, 'completed', %s)""",
        *[paid, done, done],
    )
    for name, at in (("first", paid), ("too much", NOW - timedelta(minutes=1))):
        past_the_rules(
            database,
            """insert into payment (id, program_id, provider, charge_id, invoice_id, reference, asset, amount, applied, fee, occurred_at,
                                    recorded_at) values (%s, 'main', 's', %s, 'inv_1', 'x', 'EUR', 1, 1, 0, %s, %s)""",
            *[name, name, at, at],
        )
    assert levels(database, NOW)["intents"] == ("missed", 0, 1), "it took a minute"
    with database.transaction(read_only=True) as conn:
        assert [one.median_s for one in trends(conn, days=1, now=NOW).processing] == [60.0]
        processing = processing_of_last(conn)
        assert processing is not None
        assert processing.average == timedelta(minutes=1)

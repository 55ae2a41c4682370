"""Events: told once in the transaction of their fact, followed by set, parked when nobody can follow, taken up again by a person."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from counterfoil.base.problems import InvariantBroken, ReasonRequired
from counterfoil.operations.events.events import EVENT_LIST, NewEvent, emit, follow, requeue_event
from counterfoil.operations.listing import asked_of, read_listed
from counterfoil.operations.work.runner import Runner, Tally
from counterfoil.wiring import EVENT_KINDS
from tests.listed import newest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def told(conn, *subjects: str, name: str = "invoice_paid") -> None:
    emit(conn, [NewEvent(name, "main", subject, {"n": subject}) for subject in subjects], at=NOW)


def test_an_event_is_told_once_for_its_subject(conn):
    told(conn, "inv_1")
    with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
        told(conn, "inv_1")
    assert [(one.name, one.level, one.state) for one in newest(conn, EVENT_LIST, 9)] == [("invoice_paid", "info", "due")]


def test_a_name_that_is_not_declared_is_our_own_mistake(conn):
    with pytest.raises(InvariantBroken):
        told(conn, "x", name="something_new")


def test_what_was_rolled_back_was_never_told(database):
    with database.transaction(commit=False) as conn:
        told(conn, "inv_1")
    with database.transaction() as conn:
        assert newest(conn, EVENT_LIST, 9) == []


def test_followers_get_their_events_by_set_and_nobody_gets_the_others(database):
    with database.transaction() as conn:
        told(conn, "inv_1", "inv_2")
        told(conn, "set_1", name="settlement_completed")
    seen = []
    runner = Runner(database, lambda _: NOW, "test")
    follower = {"invoice_paid": lambda conn, events, now: seen.append([one.subject_id for one in events])}
    assert follow(runner, follower) == Tally(handled=3)
    assert follow(runner, follower) == Tally()
    assert seen == [["inv_1", "inv_2"]]


def test_each_event_is_written_once_to_be_handled_whoever_follows_it(database):
    with database.transaction() as conn:
        told(conn, "inv_1", "inv_2")
    written = []

    def count(conn, events, now):
        row = conn.execute("select n_tup_upd from pg_stat_xact_user_tables where relname = 'event'").fetchone()
        written.append((row[0], [one.state for one in events]))

    assert follow(Runner(database, lambda _: NOW, "test"), {"invoice_paid": count}) == Tally(handled=2)
    assert written == [(2, ["handled", "handled"])]
    with database.transaction() as conn:
        row = conn.execute("select due_at, attempt, lease_owner, fence, steps from event").fetchall()
        steps = conn.execute("select step, from_state, verb, to_state, actor, at from step where step = 2").fetchall()
    assert row == [(None, 0, None, 1, 2)] * 2
    assert steps == [(2, "due", "handle", "handled", "system:worker", NOW)] * 2


def test_an_event_that_cannot_be_followed_is_parked_and_a_person_takes_it_up_again(database):
    with database.transaction() as conn:
        told(conn, "inv_1")
    clock = [NOW]
    runner = Runner(database, lambda _: clock[0], "test")

    def broken(conn, events, now):
        raise ValueError("no")

    for _ in range(6):
        follow(runner, {"invoice_paid": broken})
        clock[0] += timedelta(hours=2)
    with database.transaction() as conn:
        (event,) = newest(conn, EVENT_LIST, 9)
        assert event.state == "parked"
        with pytest.raises(ReasonRequired), conn.transaction():
            requeue_event(conn, event.id, reason=" ", actor="key:ada", now=clock[0])
        assert requeue_event(conn, event.id, reason="mended", actor="key:ada", now=clock[0]) == "due"
    assert follow(runner, {}) == Tally(handled=1)


def test_pages_of_events_go_from_new_to_old_without_gaps(conn):
    for minute in range(5):
        at = NOW + timedelta(minutes=minute)
        emit(conn, [NewEvent("invoice_paid", "main", f"inv_{minute}", {})], at=at)
    asked, found, after = asked_of(EVENT_LIST, state=None, sort=None, given={}), [], None
    while page := read_listed(conn, EVENT_LIST, asked, rows_max=2, after=after, now=None):
        found += page
        after = asked.place(page[-1])
    assert [one.subject_id for one in found] == [f"inv_{minute}" for minute in (4, 3, 2, 1, 0)]


SOURCE = Path(__file__).parents[2] / "src" / "counterfoil"


def test_every_event_that_is_emitted_anywhere_is_declared_once_with_its_meaning():
    kinds = list(EVENT_KINDS)
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert all(kind.says.endswith(".") for kind in kinds)
    emitted = {name for path in SOURCE.rglob("*.py") for name in re.findall(r'NewEvent\(\s*"([a-z_]+)"', path.read_text())}
    assert emitted <= {kind.name for kind in kinds}
    assert len(emitted) > 10

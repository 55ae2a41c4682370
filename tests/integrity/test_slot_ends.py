"""A moment of a schedule that was taken is not one whose work was done: how it ended is kept, and said where it is not well."""

from __future__ import annotations

import pytest

from counterfoil.reconciliation.runs.schedule import Slot, take_slot
from counterfoil.reconciliation.runs.slot_ends import at_work, end_slot, make_good, newest_slots
from tests.integrity.conftest import Watch
from tests.integrity.test_monitor_rounds import BEAT, a_worker_beats

HOURLY = "0 * * * *"


def taken(watch: Watch, by: str = "w") -> Slot:
    """The newest moment of an hourly schedule, taken now."""
    for _ in range(2):  # the first look notes it
        with watch.database.transaction() as conn:
            slot = take_slot(conn, "full", HOURLY, by=by, now=watch.clock.now)
        if slot is not None:
            return slot
        watch.clock.advance(hours=1)
    raise AssertionError("there was no moment")


def said(watch: Watch) -> list[tuple[str, str]]:
    """What is said of the schedule now: by which code, and why."""
    a_worker_beats(watch)
    watch.sentinel.round()
    found = [one for one in watch.alerts() if one.subject == "full" and one.state == "open"]
    return [(one.code, one.evidence["rows"][0][-1]) for one in found]


def test_what_fails_is_said_at_once_and_over_when_it_is_made_good_by_hand(watch: Watch) -> None:
    slot = taken(watch)
    with pytest.raises(ValueError, match="the source is gone"), at_work(watch.database, slot, watch.clock):
        raise ValueError("the source is gone")
    assert said(watch) == [("JOB_FAILED", "it failed: the source is gone")]
    with watch.database.transaction() as conn:
        make_good(conn, "full", now=watch.clock.now)
        make_good(conn, "full", now=watch.clock.now)
    assert said(watch) == []
    assert watch.rows("select error from schedule_end order by number") == [("the source is gone",), (None,)]


def test_what_its_worker_took_and_never_ended_is_said_once_that_worker_is_gone(watch: Watch) -> None:
    with watch.database.transaction() as conn:
        conn.execute(BEAT.replace("'w'", "'gone'"), [watch.clock.now] * 2)
    slot = taken(watch, by="gone")
    with watch.database.transaction() as conn:
        conn.execute(BEAT.replace("'w'", "'gone'"), [watch.clock.now] * 2)
    assert said(watch) == [], "it is at work"
    watch.clock.advance(minutes=2)
    assert said(watch) == [("JOB_FAILED", "whoever took it never ended it")]
    with watch.database.transaction() as conn:
        end_slot(conn, slot, now=watch.clock.now)
    assert said(watch) == []


def test_moments_that_are_taken_each_time_and_never_done_are_a_schedule_that_nobody_completes(watch: Watch) -> None:
    """Taking one was what counted: a worker that took each and tripped over it showed green for ever."""
    for _ in range(3):
        taken(watch)
        watch.clock.advance(hours=1)
    assert [code for code, _ in said(watch)] == ["JOB_NOT_RUN"]
    with watch.database.transaction(read_only=True) as conn:
        assert newest_slots(conn)["full"].ended_at is None
    with at_work(watch.database, taken(watch), watch.clock):
        watch.clock.advance(minutes=1)
    assert said(watch) == []

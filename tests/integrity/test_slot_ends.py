"""A moment of a schedule that was taken is not one whose work was done: how it ended is kept, and said where it is not well."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.paging import Key
from counterfoil.operations.listing import asked_of, read_listed
from counterfoil.reconciliation.runs.schedule import Slot, set_schedules, take_slot
from counterfoil.reconciliation.runs.slot_ends import MOMENT_LIST, OUTCOMES, at_work, end_slot, make_good, newest_slots, schedules
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
        assert newest_slots(conn, now=watch.clock.now)["full"].ended_at is None
    with at_work(watch.database, taken(watch), watch.clock):
        watch.clock.advance(minutes=1)
    assert said(watch) == []


NEWEST = asked_of(MOMENT_LIST, state=None, sort=None, given={})


def moments(watch: Watch, conn: Connection[Any], *, rows_max: int, after: Sequence[Key] | None = None, **given: str) -> list[Any]:
    asked = asked_of(MOMENT_LIST, state=None, sort=given.pop("sort", None), given=given)
    return read_listed(conn, MOMENT_LIST, asked, rows_max=rows_max, after=after, now=watch.clock.now)


def test_every_moment_is_listed_with_its_end_and_each_that_nobody_took(watch: Watch) -> None:
    began = watch.clock.now
    for by in ("w", "gone", "w", "w"):
        with watch.database.transaction() as conn:
            conn.execute(BEAT.replace("'w'", f"'{by}'"), [watch.clock.now] * 2)
        slot = taken(watch, by=by)
        with watch.database.transaction() as conn:
            if len(moments(watch, conn, rows_max=9)) == 1:
                end_slot(conn, slot, now=watch.clock.now, error="the source is gone")
            elif by == "w" and slot.skipped == 0:
                end_slot(conn, slot, now=watch.clock.now)
        watch.clock.advance(hours=1 if by == "w" else 4)
    watch.clock.advance(hours=-1)
    a_worker_beats(watch)
    with watch.database.transaction() as conn:
        conn.execute("insert into reconciliation_slot values ('full', %s, %s, 'long dead', 0)", [began - timedelta(days=9)] * 2)
        end_slot(conn, Slot("full", began - timedelta(days=9), began, 0), now=began, error="x")
        end_slot(conn, Slot("full", began - timedelta(days=9), began, 0), now=began)
        found = moments(watch, conn, rows_max=9)
        assert [(one.outcome, one.missed) for one in found] == [
            ("done", 0),
            ("running", 0),
            ("missed", 3),
            ("never_ended", 0),
            ("failed", 0),
            ("done", 0),
        ]
        assert found[2].first_at == found[2].at - timedelta(hours=2)
        assert (found[4].error, found[4].taken_by) == ("the source is gone", "w")
        one_by_one, after = [], None
        while rows := moments(watch, conn, rows_max=1, after=after):
            one_by_one += rows
            after = NEWEST.place(rows[-1])
        assert one_by_one == found, "no row twice, none left out"
        of_each = {one: len(moments(watch, conn, rows_max=9, outcome=one)) for one in OUTCOMES}
        assert of_each == {"running": 1, "done": 2, "failed": 1, "never_ended": 1, "missed": 1}
        assert moments(watch, conn, rows_max=9, schedule="recent") == []
        assert moments(watch, conn, rows_max=9, sort="at") == found[::-1]
        assert [one.taken_at for one in moments(watch, conn, rows_max=9, sort="takenAt")] == sorted(one.taken_at for one in found)
        [state] = schedules(conn, set_schedules(conn), now=watch.clock.now)
    assert (state.outcome, state.ended_at, state.slot_at) == ("done", found[0].ended_at, found[0].at)

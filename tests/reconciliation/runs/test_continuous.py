"""Incremental since the watermark, in full from time to time, by schedule: and both say the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput
from counterfoil.reconciliation.runs.continuous import RunPlan, reconcile_all, reconcile_one, sources_in_use
from counterfoil.reconciliation.runs.rows import RUN_LIST, bury, last_successes
from counterfoil.reconciliation.runs.schedule import given_up_at, take_slot, valid_cron
from counterfoil.reconciliation.runs.slot_ends import schedules
from tests.listed import newest
from tests.reconciliation.runs.builders import PROGRAM, TODAY, House, at

DAILY = "0 2 * * *"


def run(house: House, scope: str = "recent", source: str = "simulator"):
    wanted = RunPlan(PROGRAM, [house.pairings[source]], scope, None, "test")
    return reconcile_one(house.means, house.pairings[source], wanted, make_id)


def test_the_first_recent_run_begins_with_the_books_and_the_next_where_things_may_still_change(house: House):
    start = TODAY - timedelta(days=40)
    house.charged("ch-1", 1000, start)
    assert (run(house).first_on, run(house).last_on) == (start, TODAY)
    house.clock.now += timedelta(days=1)
    assert run(house).first_on == TODAY - timedelta(days=14)


def test_what_is_booked_late_into_an_older_day_is_seen_by_the_next_recent_run(house: House):
    house.clock.now = datetime.now(UTC)  # the ledger stamps what it records by the real clock
    long_ago = house.clock.now.date() - timedelta(days=40)
    house.charged("ch-0", 1000, long_ago)
    house.provider.line("charge", "ch-1", 2000, long_ago)
    assert house.found(run(house)) == [("MISSING_LEFT", long_ago)]
    house.charged("ch-1", 2000, long_ago, there=False)
    found = run(house)
    assert (found.first_on, found.verdict) == (long_ago, "reconciled")


def test_a_full_run_agrees_with_the_recent_ones_day_after_day(house: House):
    days = 22  # a recent run looks two weeks back: the first of them are seen by the full one alone in the end
    for number in range(days):
        day = TODAY - timedelta(days=days - number)
        house.clock.now = at(day, 20)
        house.charged(f"ch-{number}", 1000 + number, day, there=number % 7 != 3)
        house.owes(100, day)
        house.sent(f"a{number}", 100, day)
        house.provider.line("payout", f"pp-a{number}", -100, day, reference=f"a{number}")
        if number > 2 and number % 5:
            house.arrived(f"a{number - 1}", 100, day)
        if number % 11 == 5:
            house.provider.line("charge", f"stray-{number}", 50, day)
        run(house)
    house.clock.now = at(TODAY, 2)
    full = run(house, "full")
    assert full.comparison == {**full.comparison, "agrees": True, "differing": 0}
    assert full.comparison["breaks"] == full.breaks > 5
    assert house.rows("select 1 from event where name = 'reconciliation_disagrees'") == []


def test_a_provider_that_changes_its_past_is_a_critical_event_of_the_full_run(house: House):
    long_ago = TODAY - timedelta(days=40)
    house.charged("ch-1", 1000, long_ago)
    assert run(house).verdict == "reconciled"
    house.clock.now += timedelta(days=3)
    house.provider.lines[0]["gross"] = house.provider.lines[0]["net"] = 900
    full = run(house, "full")
    assert (full.comparison["agrees"], len(full.comparison["only_in_full"])) == (False, 1)
    assert house.rows("select level, subject_id from event where name = 'reconciliation_disagrees'") == [("critical", full.id)]


def test_what_runs_find_becomes_cases_and_what_they_find_no_more_is_matched(house: House):
    house.charged("ch-0", 1000, TODAY - timedelta(days=4))
    house.provider.line("charge", "ch-1", 1000, TODAY - timedelta(days=3))
    run(house)
    assert house.rows("select state, kind from break") == [("open", "MISSING_LEFT")]
    house.charged("ch-1", 1000, TODAY - timedelta(days=3), there=False)
    run(house)
    assert house.rows("select state from break") == [("matched",)]


def test_one_source_that_fails_holds_no_other_up(house: House):
    house.posts("cash:bank:client", "escrow:e", 100, TODAY)
    house.provider.broken = httpx2.ConnectError("gone")
    with house.database.transaction() as conn:
        sources = sources_in_use(conn, list(house.pairings.values()), PROGRAM)
    tried = reconcile_all(house.means, RunPlan(PROGRAM, sources, "recent", None, "test"), make_id)
    assert [(one.source, one.run is None) for one in tried] == [
        ("simulator", True),
        ("simulator:payouts", True),
        ("simulator:charges", True),
    ]


def test_a_mistake_of_ours_is_raised_once_every_source_was_tried(house: House):
    house.posts("cash:bank:client", "escrow:e", 100, TODAY)
    house.provider.broken = TypeError("ours")
    with house.database.transaction() as conn:
        sources = sources_in_use(conn, list(house.pairings.values()), PROGRAM)
    with pytest.raises(TypeError, match="ours"):
        reconcile_all(house.means, RunPlan(PROGRAM, sources, "recent", None, "test"), make_id)
    assert house.rows("select count(*), min(state), max(state) from reconciliation_run") == [(3, "failed", "failed")]


def test_the_last_success_is_told_apart_from_the_last_attempt(house: House):
    house.charged("ch-1", 1000, TODAY)
    good = run(house)
    house.clock.now += timedelta(days=2)
    house.provider.broken = httpx2.ConnectError("gone")
    with pytest.raises(Exception, match="ConnectError: gone"):
        run(house)
    with house.database.transaction() as conn:
        [found] = last_successes(conn)
    assert (found.watermark, found.verdict, found.run_id) == (TODAY, "reconciled", good.id)
    assert (found.attempt, found.succeeded_at) == ("failed", good.finished_at)


def test_a_moment_of_a_schedule_is_taken_once_whoever_comes(house: House):
    with house.database.transaction() as conn:
        assert take_slot(conn, "full", DAILY, by="a", now=at(TODAY)) is None  # it is new: nothing is made up for
    tomorrow = at(TODAY + timedelta(days=1), 2) + timedelta(minutes=20)
    taken = []
    for worker in ("a", "b", "c"):
        with house.database.transaction() as conn:
            taken.append(take_slot(conn, "full", DAILY, by=worker, now=tomorrow))
    assert [slot is not None for slot in taken] == [True, False, False]
    assert taken[0].slot_at == at(TODAY + timedelta(days=1), 2)
    with house.database.transaction() as conn:
        [due] = schedules(conn, {"full": DAILY}, now=tomorrow)
    assert (due.taken_by, due.late_s, due.overdue_s, due.next_at) == ("a", 1200, None, at(TODAY + timedelta(days=2), 2))


def test_two_workers_at_the_same_moment_take_one_slot(house: House):
    from concurrent.futures import ThreadPoolExecutor

    with house.database.transaction() as conn:
        take_slot(conn, "full", DAILY, by="a", now=at(TODAY))

    def take(worker: str):
        with house.database.transaction() as conn:
            slot = take_slot(conn, "full", DAILY, by=worker, now=at(TODAY + timedelta(days=1), 3))
            time.sleep(0.05)
            return slot

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, "abcd"))
    assert sum(slot is not None for slot in taken) == 1


def test_moments_with_nobody_there_are_counted_and_shown_as_overdue(house: House):
    with house.database.transaction() as conn:
        take_slot(conn, "full", DAILY, by="a", now=at(TODAY))
    later = at(TODAY + timedelta(days=3), 5)
    with house.database.transaction() as conn:
        [due] = schedules(conn, {"full": DAILY}, now=later)
        assert due.overdue_s == (2 * 24 + 3) * 3600
        slot = take_slot(conn, "full", DAILY, by="a", now=later)
    assert slot.skipped == 2


@pytest.mark.parametrize(("cron", "waiting_s"), [("0 * * * *", 2 * 3600 + 60), ("* * * * *", 3 * 3600)])
def test_a_schedule_that_nobody_takes_stays_overdue_also_just_after_each_new_moment(house: House, cron, waiting_s):
    began = at(TODAY, 2) + timedelta(minutes=1)
    with house.database.transaction() as conn:
        take_slot(conn, "recent", cron, by="a", now=began)
    with house.database.transaction() as conn:
        [due] = schedules(conn, {"recent": cron}, now=began + timedelta(hours=3))
    assert due.overdue_s == pytest.approx(waiting_s, abs=60)


@pytest.mark.parametrize(
    ("cron", "completed", "given_up"),
    [
        ("0 2 * * *", "2026-03-02 02:01", "2026-03-04 02:05"),
        ("0 9 * * 1-5", "2026-03-06 09:01", "2026-03-10 09:05"),  # a Friday: Monday is the first moment, Tuesday the second
        ("0 9,10 * * *", "2026-03-02 10:01", "2026-03-03 10:05"),
        ("0 2 1 * *", "2026-01-01 02:01", "2026-03-01 02:05"),  # 31 days, then 28
        ("0 2 29 2 *", "2024-02-29 02:01", "2032-02-29 02:05"),
        ("*/10 * * * *", "2026-12-31 23:50:30", "2027-01-01 00:15"),
    ],
)
def test_a_schedule_is_given_up_when_two_moments_passed_however_far_apart_they_are(cron, completed, given_up):
    assert given_up_at(cron, datetime.fromisoformat(f"{completed}+00:00")) == datetime.fromisoformat(f"{given_up}+00:00")


@pytest.mark.parametrize("text", ["", "every day", "61 2 * * *", "0 2 * *", "0 0 2 * * *", "@daily", "0 0 30 2 *", "0 0 31 4,6 *"])
def test_what_is_no_cron_expression_of_five_fields_is_refused(text):
    with pytest.raises(InvalidInput):
        valid_cron(text)


KILLED = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from counterfoil.base.edge import Database, now
from counterfoil.reconciliation.runs.run import RunContext, RunRequest, run_pairing
from counterfoil.reconciliation.runs.pairings import pairings

class Slow:
    def statement(self, first, last):
        print("asked", flush=True)
        time.sleep(60)

url, folder = sys.argv[1:]
database = Database(url).open()
day = datetime(2026, 11, 20, tzinfo=UTC).date()
run_pairing(RunContext(database, now, {"simulator": Slow()}, Path(folder)), pairings(["simulator"])["simulator"],
            RunRequest("rec_01KA0000000000000000000000", "main", day, day, "test"))
"""


def test_a_run_whose_process_is_killed_is_stale_after_a_minute_and_then_failed_with_what_it_did(house: House):
    child = subprocess.Popen([sys.executable, "-c", KILLED, house.database.url, str(house.folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "asked\n"
    time.sleep(2.5)  # one sign of life
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    with house.database.transaction() as conn:
        [found] = newest(conn, RUN_LIST)
    assert (found.state, found.progress) == ("running", "Reading the other side")
    assert found.standing(found.beat_at + timedelta(seconds=30)) == "running"
    assert found.standing(found.beat_at + timedelta(seconds=61)) == "stale"
    with house.database.transaction() as conn:
        assert bury(conn, now=found.beat_at + timedelta(seconds=30)) == 0
        assert bury(conn, now=found.beat_at + timedelta(seconds=61)) == 1
        [found] = newest(conn, RUN_LIST)
    assert found.state == "failed"
    assert "its process was gone" in found.error
    assert found.error.endswith("while: Reading the other side")

"""Notices against real peers on this machine: an HTTP receiver and a mail server; what a channel refuses is tried again, then told."""

from __future__ import annotations

import email.header
import threading
import time
from datetime import timedelta

import pytest

from counterfoil.base.edge import make_id
from counterfoil.integrity.silences import silence_alerts
from counterfoil.operations.access.access import Caller
from counterfoil.operations.notices.notices import NOTICE_NOUN, attempts_of
from counterfoil.operations.verbs import VerbCall, say
from counterfoil.wiring import loops, ticks
from tests.operations.notices.conftest import teller
from tests.points import at_points
from tests.receiver import received


def test_an_alert_is_told_at_once_by_http_and_by_mail(database, clock, receiver, mailbox):
    letters, port = mailbox
    mail = f"mail=mailto://127.0.0.1:{port}?from=cf@example.org&to=olga@example.org&mode=insecure"
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/alerts {mail}")
    one.happened("alert_critical", "alt_1", program="main", code="LEDGER_UNBALANCED", subject="book main EUR")
    one.work()
    assert {(each.channel, each.state) for each in one.notices()} == {("hook", "delivered"), ("mail", "delivered")}
    [heard] = receiver.heard
    assert ("LEDGER_UNBALANCED in main" in heard["title"], "book main EUR" in heard["message"], heard["type"]) == (True, True, "failure")
    [letter] = letters.letters
    assert "LEDGER_UNBALANCED in main" in str(email.header.make_header(email.header.decode_header(letter["subject"])))
    one.work()
    assert len(receiver.heard) == 1, "told once"


def test_what_a_channel_refuses_is_tried_again_and_then_told_of_and_sent_by_a_person(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    receiver.status = 503
    one.happened("alert_warning", "alt_1", code="QUEUE_DEPTH", subject="send")
    clock.advance(minutes=2)  # warnings are gathered for a minute
    for _ in range(6):
        one.work()
        clock.advance(minutes=90)
    [notice] = one.notices()
    assert (notice.state, notice.attempt, len(receiver.heard)) == ("failed", 5, 5)
    assert "503" in str(notice.last_error)
    with database.transaction() as conn:
        assert conn.execute("select count(*) from event where name = 'notice_failed'").fetchone()[0] == 1
    receiver.status = 200
    with database.transaction() as conn:
        call = VerbCall(conn, notice.id, Caller("", "olga", "operator", principal_id="prn_olga"), clock.now, make_id, "it works again")
        say(NOTICE_NOUN, NOTICE_NOUN.verb("send_again"), call)
    one.work()
    assert [each.state for each in one.notices()] == ["delivered"]


def test_what_belongs_together_is_one_notice_and_another_channel_is_not_held_up(database, clock, receiver):
    one = teller(database, clock, f"dead=json://127.0.0.1:9/ hook=json://127.0.0.1:{receiver.port}/")
    for number in range(5):
        one.happened("alert_warning", f"alt_{number}", program="main", code="HELD_AGED", subject=f"po_{number}")
        one.work()
    assert receiver.heard == [], "gathered for a minute"
    clock.advance(minutes=2)
    one.work()
    [heard] = receiver.heard
    assert ("5 times" in heard["title"], all(f"po_{number}" in heard["message"] for number in range(5))) == (True, True)
    assert {each.channel: each.state for each in one.notices()} == {"dead": "waiting", "hook": "delivered"}


def test_what_is_silenced_or_follows_from_something_graver_is_not_told(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    with database.transaction() as conn:
        until = clock.now + timedelta(hours=1)
        silence_alerts(conn, make_id("sil"), code="HELD_AGED", program_id="", until=until, reason="known", actor="olga", now=clock.now)
    one.happened("alert_critical", "alt_1", code="HELD_AGED", subject="po_1")
    one.work()
    assert receiver.heard == []
    clock.advance(hours=2)
    one.happened("alert_critical", "alt_2", code="HELD_AGED", subject="po_2")
    one.work()
    assert len(receiver.heard) == 1, "the silence is over"


def test_the_heartbeat_is_told_also_when_all_is_well_once_for_its_slot(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    beat = ticks(one.wiring(crons={"heartbeat": "0 6 * * *"}), "test")["heartbeat"]
    beat()  # the schedule comes to be known
    clock.advance(days=1)
    beat()
    beat()
    clock.advance(minutes=2)  # without a full run of the sentinel it is a warning, which is gathered
    one.work("notices")
    assert [("counterfoil lives" in heard["title"]) for heard in receiver.heard] == [True]


def test_a_channel_that_hangs_holds_up_no_other(database, clock, receiver):
    with received() as slow:
        slow.hang.clear()
        one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/ slow=json://127.0.0.1:{slow.port}/?rto=50")
        one.told("slow", times=60)
        one.told("hook")
        lanes = {loop.name: loop.tick for loop in loops(one.wiring(), "w", poll_s=1) if loop.name.startswith("notices")}
        assert set(lanes) == {"notices", "notices:hook", "notices:slow"}
        hanging = threading.Thread(target=lanes["notices:slow"], daemon=True)
        hanging.start()
        deadline = time.monotonic() + 20
        while slow.asked < 8 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert slow.asked >= 8, "the slow one was called, by as many as there are for one queue"
        beside = threading.Thread(target=lanes["notices:hook"], daemon=True)
        beside.start()
        beside.join(20)
        assert not beside.is_alive(), "it waited for the other"
        assert (len(receiver.heard), slow.heard) == (1, []), "told while the other hangs"
        slow.hang.set()
        hanging.join(30)
    assert not hanging.is_alive()


def test_workers_at_once_tell_each_notice_once(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    one.told("hook", times=40)
    workers = [threading.Thread(target=one.work, args=("notices",)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    one.work("notices")
    assert sorted(heard["title"] for heard in receiver.heard) == sorted(f"t{number}" for number in range(40))


def test_a_worker_that_ends_after_its_call_tells_it_once_more_and_loses_nothing(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    one.told("hook")
    ends = []

    def end(point: str) -> None:
        if point == "notices.before_commit" and not ends:
            ends.append(point)
            raise SystemExit

    with at_points(end), pytest.raises(SystemExit):
        one.work("notices")
    assert ([each.state for each in one.notices()], len(receiver.heard)) == (["waiting"], 1), "told, and not written down"
    one.work("notices")
    assert len(receiver.heard) == 1, "its lease holds"
    clock.advance(minutes=2)
    one.work("notices")
    assert ([each.state for each in one.notices()], len(receiver.heard)) == (["delivered"], 2)


def test_each_time_that_it_was_handed_over_is_kept(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    [notice] = one.told("hook")
    receiver.status = 500
    one.work("notices")
    [waiting] = one.notices()
    assert waiting.due_at is not None
    assert timedelta(seconds=40) < waiting.due_at - clock.now < timedelta(seconds=80), "about a minute"
    receiver.status = 200
    clock.advance(minutes=2)
    one.work("notices")
    with database.transaction() as conn:
        first, second = attempts_of(conn, notice, rows_max=10)
    assert (first.taken, "500" in str(first.error), second.taken, second.error) == (False, True, True, None)


def test_that_a_channel_does_not_work_is_told_on_the_others_and_comes_to_an_end(database, clock, receiver):
    one = teller(database, clock, f"dead=json://127.0.0.1:9/ gone=json://127.0.0.1:9/ hook=json://127.0.0.1:{receiver.port}/")
    one.told("dead")
    for _ in range(20):
        one.work()
        clock.advance(minutes=80)
    titles = [heard["title"] for heard in receiver.heard]
    assert titles == ["Notice failed", "Notice failed"], "of the dead one, and of the one that is gone"
    assert {(each.channel, each.state) for each in one.notices()} == {("dead", "failed"), ("gone", "failed"), ("hook", "delivered")}
    with database.transaction() as conn:
        assert conn.execute("select count(*) from event where name = 'notice_failed'").fetchone() == (2,)


def test_a_notice_for_a_channel_that_no_worker_knows_any_more_is_given_up_and_says_so(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    [notice] = one.told("old")
    one.work("notices")
    assert [each.state for each in one.notices()] == ["waiting"], "another worker may know it"
    clock.advance(hours=2)
    one.work("notices")
    one.work()
    clock.advance(minutes=2)
    one.work()
    assert {(each.id == notice, each.state) for each in one.notices()} == {(True, "failed"), (False, "delivered")}
    assert "no worker knows the channel old" in receiver.heard[0]["message"]


def test_an_incident_is_told_whatever_is_silenced(database, clock, receiver):
    one = teller(database, clock, f"hook=json://127.0.0.1:{receiver.port}/")
    with database.transaction() as conn:
        until = clock.now + timedelta(hours=1)
        silence_alerts(conn, make_id("sil"), code="", program_id="", until=until, reason="known", actor="olga", now=clock.now)
    one.happened("alert_critical", "alt_1", program="main", code="LEDGER_UNBALANCED", subject="book main EUR")
    facts = {"level": "P0", "title": "It does not balance.", "respondBy": "2026-11-29T13:02:04+00:00", "paused": "settle"}
    one.happened("incident_opened", "inc_1", program="main", code="LEDGER_UNBALANCED", **facts)
    one.work()
    [heard] = receiver.heard
    assert heard["title"] == "P0 Incident opened: LEDGER_UNBALANCED in main"
    said = "It does not balance. · inc_1 · to be answered by 2026-11-29 13:02 UTC · the queue settle is paused"
    assert said in heard["message"], "by when, and what stands still"
    clock.advance(hours=2)
    one.work("silences")
    with database.transaction() as conn:
        assert conn.execute("select state from silence").fetchall() == [("ended",)]

"""A key of long work is renewed while it lasts, and by nobody who was taken for dead."""

from __future__ import annotations

from datetime import datetime, timedelta

from structlog.testing import capture_logs

from counterfoil.api.http.kept_key import KeptKey
from counterfoil.base.edge import Database
from counterfoil.base.idempotency import BEGUN_FOR, Answer, BegunWork, begin
from tests.builders import NOW, Clock
from tests.chaos.wire import Wire
from tests.waiting import until

ANSWER = Answer(1, None, replayed=False)


def taken(database: Database, now: datetime, *, holder: str = "one") -> BegunWork:
    with database.transaction() as conn:
        found = begin(conn, "job", "k", {}, holder=holder, now=now)
    assert isinstance(found, BegunWork)
    return found


def renewed_at(database: Database) -> datetime:
    with database.transaction() as conn:
        row = conn.execute("select at from idempotency").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def test_work_that_lasts_longer_than_a_key_is_trusted_keeps_its_key(database: Database) -> None:
    clock = Clock(NOW)
    kept = KeptKey(database, taken(database, NOW), clock, every_s=0.01)
    clock.advance(minutes=14)
    assert until(lambda: renewed_at(database) == clock.now)
    clock.advance(minutes=14)
    assert until(lambda: renewed_at(database) == clock.now)
    kept.stop()
    with database.transaction() as conn:
        assert kept.finish(conn, ANSWER)


def test_it_renews_no_more_what_another_began_anew_and_says_so(database: Database) -> None:
    mine = taken(database, NOW)
    taken(database, NOW + BEGUN_FOR, holder="other")
    with capture_logs() as told:
        kept = KeptKey(database, mine, Clock(NOW + BEGUN_FOR * 2), every_s=0.01)
        assert until(lambda: not kept._thread.is_alive())
        kept.stop()
        with database.transaction() as conn:
            assert (kept.finish(conn, ANSWER), kept.give_up(conn)) == (False, False)
    assert renewed_at(database) == NOW + BEGUN_FOR
    assert [one["event"] for one in told] == [
        "key taken over by another",
        "key not ours when its work was done",
        "key not ours when its work was given up",
    ]
    assert {one["key"] for one in told} == {"k"}


def test_a_renewal_whose_acknowledgement_is_lost_leaves_the_key_ours(database: Database) -> None:
    """The commit lands, the connection ends before its answer: whoever renewed does not know when."""
    clock = Clock(NOW)
    mine = taken(database, NOW)
    with Wire(lambda: database.url) as wire, wire.database(database.url) as theirs, capture_logs() as told:
        clock.advance(minutes=5)
        wire.arm("after")
        kept = KeptKey(theirs, mine, clock, every_s=0.01)
        assert until(lambda: wire.cuts.total() == 1)
        assert renewed_at(database) == NOW + timedelta(minutes=5), "the commit landed"
        clock.advance(minutes=5)
        assert until(lambda: renewed_at(database) == clock.now)
        kept.stop()
    with database.transaction() as conn:
        assert kept.finish(conn, ANSWER)
    assert {one["event"] for one in told} == {"key not renewed"}

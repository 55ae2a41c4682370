"""A key of long work is renewed while it lasts, and by nobody who was taken for dead."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from counterfoil.api.http.kept_key import KeptKey
from counterfoil.base.edge import Database
from counterfoil.base.idempotency import BEGUN_FOR, Answer, BegunWork, begin, finish
from tests.builders import NOW, Clock


def taken(database: Database, now: datetime) -> BegunWork:
    with database.transaction() as conn:
        found = begin(conn, "job", "k", {}, now=now)
    assert isinstance(found, BegunWork)
    return found


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


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
    until(lambda: renewed_at(database) == clock.now)
    clock.advance(minutes=14)
    until(lambda: renewed_at(database) == clock.now)
    mine = kept.stop()
    assert mine.at == NOW + timedelta(minutes=28)
    with database.transaction() as conn:
        assert finish(conn, mine, Answer(1, None, replayed=False))


def test_it_renews_no_more_what_another_began_anew(database: Database) -> None:
    mine = taken(database, NOW)
    other = taken(database, NOW + BEGUN_FOR)
    kept = KeptKey(database, mine, Clock(NOW + BEGUN_FOR * 2), every_s=0.01)
    until(lambda: not kept._thread.is_alive())
    assert (kept.stop(), renewed_at(database)) == (mine, other.at)

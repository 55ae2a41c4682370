"""Pulling events: a page is taken once, and one event that cannot be stored holds up none of those behind it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from counterfoil.base.edge import make_id
from counterfoil.operations.providers import PulledEvent, Unclear
from counterfoil.operations.webhooks.event_pull import pull_events
from counterfoil.operations.webhooks.inbound import BODY_BYTES_MAX, receive
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import Runner, Tally
from tests.builders import a_context

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Lists:
    """A provider whose list of events is `page`, once."""

    name = "sim"

    def __init__(self, *page: PulledEvent) -> None:
        self.page, self.asked = list(page), []

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:
        self.asked.append(after)
        behind = [one.event_id for one in self.page].index(after) + 1 if after else 0
        return self.page[behind:]


def an_event(name: str, body: bytes = b"{}") -> PulledEvent:
    return PulledEvent(name, "payout.paid", body)


@pytest.fixture
def runner(database):
    return Runner(database, lambda _: NOW, "test")


def stored(database) -> list[str]:
    with database.transaction() as conn:
        return [row[0] for row in conn.execute("select event_id from webhook_in order by event_id").fetchall()]


def test_an_event_that_cannot_be_stored_is_counted_and_holds_up_none_behind_it(runner, database):
    provider = Lists(an_event("a"), an_event("b", b"x" * (BODY_BYTES_MAX + 1)), an_event("c"))
    assert pull_events(runner, {"sim": provider}, make_id) == Tally(handled=2, failed=1)
    assert stored(database) == ["a", "c"]
    provider.page.append(an_event("d"))
    assert pull_events(runner, {"sim": provider}, make_id) == Tally(handled=1)
    assert provider.asked == [None, "c"]
    with database.transaction() as conn:
        [(reason, count)] = conn.execute("select reason, count from webhook_in_rejection").fetchall()
    assert (reason, count) == ("pulled, not stored: DatabaseRefused", 1)


def test_of_what_is_stored_it_is_not_said_that_it_is_not(runner, database):
    with database.transaction() as conn:
        receive(conn, make_id("whi"), provider="sim", event_id="a", event_type="payout.paid", body=b"{}", now=NOW)
    assert pull_events(runner, {"sim": Lists(an_event("a", b"x" * (BODY_BYTES_MAX + 1)))}, make_id) == Tally(failed=1)
    with database.transaction() as conn:
        assert conn.execute("select reason from webhook_in_rejection").fetchall() == [("pulled, not compared: DatabaseRefused",)]


def test_a_provider_whose_part_of_a_job_fails_stops_no_other(runner):
    ran = []

    def tick(context, lane):
        ran.append(lane)
        if lane == "broken":
            raise ValueError("an adapter that raises")
        return Tally(handled=1)

    context = a_context(runner, lambda: NOW, providers={"able": Lists(), "broken": Lists(), "well": Lists()})
    with pytest.raises(ValueError, match="adapter"):
        Job("a-job", None, tick, "Does it.", per_provider=True).run(context)
    assert ran == ["able", "broken", "well"]


def test_of_events_that_are_known_nothing_is_written_and_one_that_says_something_else_is_told(runner, database):
    with database.transaction() as conn:
        for name in ("a", "b"):
            receive(conn, make_id("whi"), provider="sim", event_id=name, event_type="payout.paid", body=b'{"at":1}', now=NOW)
        rows = "select event_id, ctid::text, duplicates, conflicts from webhook_in order by event_id"
        before = conn.execute(rows).fetchall()
    same, other = an_event("a", b'{ "at": 1 }'), an_event("b", b'{"at":2}')
    assert pull_events(runner, {"sim": Lists(same, other, an_event("c"))}, make_id) == Tally(handled=3)
    with database.transaction() as conn:
        after = conn.execute(rows).fetchall()
        assert conn.execute("select count(*) from event where name = 'webhook_conflict'").fetchone() == (1,)
    assert after[0] == before[0], "its row was written anew for nothing"
    assert [(row[0], *row[2:]) for row in after] == [("a", 0, 0), ("b", 0, 1), ("c", 0, 0)]

"""Webhooks over the wire: believed when they are signed, stored once, answered only when they are on the disk."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import psycopg
import pytest

from counterfoil.base import failpoints as points
from counterfoil.operations.work.runner import channel_of
from counterfoil.wiring import ticks
from tests.api.office import Office, charge_event, fresh, signed
from tests.waiting import at_once

PATH = "/webhooks/simulator"


def stored(office: Office) -> list[tuple[str, str, int, int]]:
    with office.database.transaction() as conn:
        return conn.execute("select event_id, state, duplicates, conflicts from webhook_in order by received_at").fetchall()


def rejected(office: Office) -> dict[str, int]:
    with office.database.transaction() as conn:
        return dict(conn.execute("select reason, count from webhook_in_rejection").fetchall())


def test_a_signed_webhook_is_stored_and_a_duplicate_is_told_so(office: Office):
    body = charge_event(office.invoice(), "ch_1")
    first = office.ask("POST", PATH, role=None, content=body, headers=signed(body, "evt_1"))
    again = office.ask("POST", PATH, role=None, content=body, headers=signed(body, "evt_1"))
    assert (first.status_code, first.json()) == (200, {"received": True, "duplicate": False})
    assert (again.status_code, again.json()) == (200, {"received": True, "duplicate": True})
    assert stored(office) == [("evt_1", "received", 1, 0)]


class TellsToPull:
    """The provider of the office, whose webhooks of charges only say that there is something to be pulled."""

    tells = MappingProxyType({"charge.succeeded": "pull"})

    def __init__(self, right: Any) -> None:
        self._right = right

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)


def test_what_only_says_that_an_event_is_to_be_pulled_wakes_whoever_pulls_it_and_applies_nothing(office: Office):
    body = charge_event(office.invoice(), "ch_1")
    office.wiring.providers["simulator"] = TellsToPull(office.wiring.providers["simulator"])  # type: ignore[index]
    with psycopg.connect(office.database.url, autocommit=True) as listening:
        listening.execute(f"listen {channel_of('work')}")
        for _ in range(2):  # the second is a duplicate and wakes nobody
            assert office.ask("POST", PATH, role=None, content=body, headers=signed(body, "evt_1")).status_code == 200
        assert len(list(listening.notifies(timeout=2, stop_after=2))) == 1
    ticks(office.wiring, "test")["webhooks"]()
    assert [row[1] for row in stored(office)] == ["ignored"]


def test_it_is_stored_as_it_came_and_applied_later(office: Office):
    invoice = office.invoice()
    body = charge_event(invoice, "ch_1")
    office.ask("POST", PATH, role=None, content=body, headers=signed(body, "evt_1"))
    assert office.ask("GET", f"/api/invoices/{invoice['id']}").json()["state"] == "pending"
    assert ticks(office.wiring, "test")["webhooks"]().handled == 1
    shown = office.ask("GET", f"/api/invoices/{invoice['id']}").json()
    assert (shown["state"], shown["payments"][0]["chargeId"], shown["paid"]) == ("paid", "ch_1", invoice["total"])


@pytest.mark.parametrize(
    ("spoil", "status", "reason"),
    [
        (lambda body, headers: (body + b" ", headers), 401, "SignatureRefused"),
        (lambda body, headers: (body, {**headers, "webhook-id": "evt_2"}), 401, "SignatureRefused"),
        (lambda body, headers: (body, {**headers, "webhook-signature": ""}), 401, "SignatureRefused"),
        (lambda body, _: (body, signed(body, "evt_1", age_s=310)), 401, "TooOld"),
        (lambda body, _: (body, signed(body, "evt_1", age_s=-310)), 401, "TooOld"),
        (lambda body, _: (body, {}), 422, "InvalidInput"),
        (lambda body, headers: (body, {**headers, "webhook-timestamp": "soon"}), 422, "InvalidInput"),
        (lambda *_: (b"{", signed(b"{", "evt_1")), 422, "InvalidInput"),
        (lambda *_: (b"[]", signed(b"[]", "evt_1")), 422, "InvalidInput"),
    ],
)
def test_what_is_not_believed_is_counted_and_not_kept(office: Office, spoil, status: int, reason: str):
    body = charge_event(office.invoice(), "ch_1")
    sent, headers = spoil(body, signed(body, "evt_1"))
    answer = office.ask("POST", PATH, role=None, content=sent, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{reason}")
    assert (stored(office), rejected(office)) == ([], {reason: 1})
    assert office.ask("GET", "/api/admin/ops/health").json()["webhooksRejectedToday"] == 1


def test_a_provider_that_we_do_not_have_is_missing(office: Office):
    assert office.ask("POST", "/webhooks/nobody", role=None, content=b"{}").status_code == 404


def test_a_webhook_has_a_limit(office: Office):
    body = b" " * 262_145
    answer = office.ask("POST", PATH, role=None, content=body, headers=signed(body, "evt_1"))
    assert (answer.status_code, stored(office)) == (413, [])


def test_many_at_once_with_the_same_id_are_stored_once(office: Office):
    body = charge_event(office.invoice(), "ch_1")
    headers, answers = signed(body, "evt_1"), []

    def send() -> None:
        answers.append(office.ask("POST", PATH, role=None, content=body, headers=headers))

    at_once(send, 8, within_s=30)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 7
    assert stored(office) == [("evt_1", "received", 7, 0)]


def test_the_points_lie_inside_the_transaction_and_after_it_before_the_answer(office: Office):
    """At the first the row is not there yet, at the second it is: so a kill between them costs nothing."""
    seen = []

    def hook(point: str) -> None:
        if point.startswith("webhook_in."):
            seen.append((point, len(stored(office))))

    body = charge_event(office.invoice(), "ch_1")
    points.on_point(hook)
    try:
        assert office.ask("POST", PATH, role=None, content=body, headers=signed(body, fresh("evt"))).status_code == 200
    finally:
        points._hooks.remove(hook)
    kind = "charge.succeeded"  # each is a point of its own, too, for what it is about
    before = [("webhook_in.before_commit", 0), (f"webhook_in.before_commit:{kind}", 0)]
    assert seen == [*before, ("webhook_in.after_commit", 1), (f"webhook_in.after_commit:{kind}", 1)]


def test_the_same_id_with_another_body_is_an_event(office: Office):
    invoice = office.invoice()
    for charge in ("ch_1", "ch_2"):
        body = charge_event(invoice, charge)
        assert office.ask("POST", PATH, role=None, content=body, headers=signed(body, "evt_1")).status_code == 200
    events = office.ask("GET", "/api/events?name=webhook_conflict").json()["data"]
    assert (stored(office), events[0]["level"]) == ([("evt_1", "received", 1, 1)], "critical")

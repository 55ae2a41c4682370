"""What failed five times waits for a person, who has it tried again or leaves it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from counterfoil.base.edge import now
from counterfoil.operations.events.events import NewEvent, emit, follow
from counterfoil.operations.work.runner import ATTEMPTS_MAX, Runner
from tests.api.office import PROGRAM, Office, charge_event, fresh, signed
from tests.api.test_one_payment import run


def told(office: Office, body: bytes) -> None:
    taken = office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, fresh("evt")))
    assert taken.status_code == 200, taken.text


def tried_in_vain(office: Office) -> None:
    """As often as it is tried at all, without the waits between."""
    for _ in range(ATTEMPTS_MAX):
        run(office, "webhooks")
        with office.database.transaction() as conn:
            conn.execute("update webhook_in set due_at = now() where state = 'received'")


def parked(office: Office, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.ask("GET", "/api/admin/parked").json()[kind]
    return found


def state_of(office: Office, webhook: str) -> str:
    with office.database.transaction() as conn:
        row = conn.execute("select state from webhook_in where id = %s", [webhook]).fetchone()
    assert row is not None
    return str(row[0])


def by_hand(office: Office, path: str, reason: str) -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", path, role="operator", key=fresh(), json={"reason": reason})
    return answer.status_code, answer.json()


class Mute:
    """The provider of the office, whose webhooks of charges our program cannot read today."""

    def __init__(self, right: Any) -> None:
        self._right = right

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def charge_of(self, body: bytes) -> Any:
        raise ValueError(f"{len(body)} bytes that nobody reads")


def test_a_parked_webhook_is_tried_again_once_its_cause_is_mended(office: Office):
    invoice = office.invoice()
    right = office.wiring.providers["simulator"]
    office.wiring.providers["simulator"] = Mute(right)  # type: ignore[index, assignment]
    told(office, charge_event(invoice, "ch_1"))
    tried_in_vain(office)
    (one,) = parked(office, "webhooks")
    assert "that nobody reads" in one["error"]
    office.wiring.providers["simulator"] = right  # type: ignore[index]
    status, done = by_hand(office, f"/api/admin/webhooks-in/{one['id']}/requeue", "the program was mended")
    assert (status, done) == (200, {"id": one["id"], "state": "received", "dryRun": False})
    assert parked(office, "webhooks") == []
    assert run(office, "webhooks")["handled"] == 1
    assert office.ask("GET", f"/api/invoices/{invoice['id']}").json()["state"] == "paid"


def test_a_parked_webhook_that_is_ignored_stays_stored_and_is_never_applied(office: Office):
    told(office, json.dumps({"type": "charge.succeeded", "data": {"id": "ch_1"}}).encode())
    tried_in_vain(office)
    (one,) = parked(office, "webhooks")
    status, done = by_hand(office, f"/api/admin/webhooks-in/{one['id']}/ignore", "a test of theirs")
    assert (status, done["state"], state_of(office, one["id"])) == (200, "ignored", "ignored")
    assert (parked(office, "webhooks"), run(office, "webhooks")["handled"]) == ([], 0)
    status, refused = by_hand(office, f"/api/admin/webhooks-in/{one['id']}/requeue", "after all")
    assert status == 409, refused


def test_a_parked_event_is_followed_once_its_cause_is_mended(office: Office):
    clock = [now()]
    with office.database.transaction() as conn:
        emit(conn, [NewEvent("invoice_paid", PROGRAM, "inv_1", {})], at=clock[0])

    def broken(*_: Any) -> None:
        raise ValueError("no")

    for _ in range(ATTEMPTS_MAX):
        follow(Runner(office.database, lambda _: clock[0], "test"), {"invoice_paid": broken})
        clock[0] += timedelta(hours=2)
    (one,) = parked(office, "events")
    assert "ValueError: no" in one["error"]
    status, done = by_hand(office, f"/api/admin/events/{one['id']}/requeue", "the program was mended")
    assert (status, done["state"], parked(office, "events")) == (200, "due", [])
    assert run(office, "events")["handled"] >= 1
    (event,) = office.ask("GET", "/api/events?name=invoice_paid").json()["data"]
    assert event["state"] == "handled"

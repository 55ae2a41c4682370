"""Disputes over HTTP: evidence is asked for, it goes up, it is taken back or appealed; what it holds is held until it is over."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.payouts.disputes.rules import LEVEL_MAX
from counterfoil.settlement.fees.fees import set_rates
from tests.api.office import PROGRAM, Office, charge_event, fresh, signed
from tests.api.test_one_payment import Books, run
from tests.api.test_payouts_by_hand import a_payout
from tests.people import log_in_as, past_the_guard

EMPTY = {"reason": "the parcel came empty"}


def shown(office: Office, path: str) -> dict[str, Any]:
    found: dict[str, Any] = office.ask("GET", path).json()
    return found


def say(office: Office, dispute: str, verb: str, *, role: str = "operator", **body: Any) -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", f"/api/disputes/{dispute}/{verb}", role=role, key=fresh(), json=body or None)
    return answer.status_code, answer.json()


def told(office: Office, name: str, subject: str) -> int:
    """How many events of this name there are of it."""
    return sum(one["subjectId"] == subject for one in shown(office, f"/api/events?name={name}")["data"])


@pytest.fixture
def payout(office: Office) -> str:
    return a_payout(office)


@pytest.fixture
def dispute(office: Office, payout: str) -> str:
    """A dispute that holds that payout."""
    asked = {"invoiceId": shown(office, f"/api/payouts/{payout}")["invoiceId"], **EMPTY}
    opened = office.ask("POST", "/api/disputes", role="operator", key=fresh(), json=asked)
    assert (opened.status_code, shown(office, f"/api/payouts/{payout}")["state"]) == (201, "held"), opened.text
    return str(opened.json()["id"])


def hours_left(office: Office, dispute: str) -> int:
    from datetime import datetime

    due = datetime.fromisoformat(shown(office, f"/api/disputes/{dispute}")["dueAt"])
    return round((due - now()).total_seconds() / 3600)


def test_both_sides_are_asked_for_evidence_within_48_hours(office: Office, dispute: str):
    status, done = say(office, dispute, "ask-evidence")
    assert (status, done["state"], hours_left(office, dispute)) == (200, "evidence", 48)
    path = f"/api/disputes/{dispute}/evidence?fileName=photo.txt"
    handed = office.ask("POST", path, role="operator", key=fresh(), content=b"an empty box")
    assert handed.status_code == 201
    found = shown(office, f"/api/disputes/{dispute}")
    assert ([one["name"] for one in found["evidence"]], "review" in found["allowed"]) == (["photo.txt"], True)
    assert say(office, dispute, "ask-evidence")[0] == 409, "they are asked already"


def test_it_goes_up_to_the_highest_level_and_no_further(office: Office, payout: str, dispute: str):
    first = shown(office, f"/api/disputes/{dispute}")["level"]
    for level in range(first + 1, LEVEL_MAX + 1):
        status, done = say(office, dispute, "escalate", reason="too much for one person")
        assert (status, done["state"], shown(office, f"/api/disputes/{dispute}")["level"]) == (200, "escalated", level)
    assert (told(office, "dispute_escalated", dispute), hours_left(office, dispute)) == (LEVEL_MAX - first, 72)
    status, refused = say(office, dispute, "escalate", reason="again")
    assert (status, "the highest" in refused["why"]) == (409, True)
    assert shown(office, f"/api/payouts/{payout}")["state"] == "held", "nothing is decided by going up"


def test_who_complained_takes_it_back_and_the_payout_goes_on_its_way(office: Office, payout: str, dispute: str):
    run(office, "reserve")
    assert shown(office, f"/api/payouts/{payout}")["state"] == "held"
    status, done = say(office, dispute, "cancel", reason="it was found")
    assert (status, done["state"], told(office, "dispute_ended", dispute)) == (200, "cancelled", 1)
    assert shown(office, f"/api/disputes/{dispute}")["endedAt"] is not None
    for job in ("reserve", "outbox"):
        run(office, job)
    assert shown(office, f"/api/payouts/{payout}")["state"] == "completed"


def test_a_ruling_is_appealed_once_and_is_void_until_somebody_else_decides(office: Office, payout: str, dispute: str):
    with past_the_guard(office.database.url) as conn:
        office.keys["carl"] = log_in_as(conn, "carl", "approver")[1]
    say(office, dispute, "review")
    ruling = {"outcome": "customer_win", "reason": "the photo shows it"}
    assert say(office, dispute, "resolve", role="approver", **ruling)[1]["state"] == "resolved_pending_appeal"
    status, done = say(office, dispute, "appeal", reason="the photo is of another parcel")
    found = shown(office, f"/api/disputes/{dispute}")
    assert (status, done["state"], found["outcome"], found["refund"], found["appealUntil"]) == (200, "under_review", None, None, None)
    status, refused = say(office, dispute, "resolve", role="approver", **ruling)
    assert (status, "does not decide it" in refused["why"]) == (409, True)
    ruled = say(office, dispute, "resolve", role="carl", outcome="provider_win", reason="another parcel")
    assert ruled[1]["state"] == "resolved_pending_appeal"
    status, refused = say(office, dispute, "appeal", reason="once more")
    assert (status, "only once" in refused["why"], shown(office, f"/api/payouts/{payout}")["state"]) == (409, True, "held")


def test_a_refund_and_the_holdback_that_it_took_from_are_shown(office: Office):
    with office.database.transaction() as conn:
        set_rates(conn, PROGRAM, platform_bps=500, validator_bps=100, holdback_bps=500, actor="test", now=now())
    invoice = office.invoice()
    office.wiring.providers["simulator"] = Books(office.wiring.providers["simulator"], invoice)  # type: ignore[index]
    charge = charge_event(invoice, "ch_1")
    office.ask("POST", "/webhooks/simulator", role=None, content=charge, headers=signed(charge, "evt_1"))
    for job in ("webhooks", "verify", "settle"):
        run(office, job)
    body = {"invoiceId": invoice["id"], "amount": "250", "reason": "a quarter was missing"}
    made = office.ask("POST", "/api/refunds", role="operator", key=fresh(), json=body).json()["id"]
    refund = shown(office, f"/api/refunds/{made}")
    assert (refund["amount"], refund["state"], refund["allowed"]) == ("250", "owed", ["execute"])
    assert refund["actions"][0]["verb"] == "refund.open"
    parts = ("escrow", "platformFee", "validatorFee", "ownHoldback", "payable", "holdback", "receivable")
    assert sum(int(refund[name]) for name in parts) == 250 + int(refund["credited"])
    (row,) = shown(office, "/api/holdbacks")["data"]
    tranche = shown(office, f"/api/holdbacks/{row['id']}")
    assert (tranche["amount"], tranche["state"], [one["toState"] for one in tranche["steps"]]) == ("50", "held", ["held"])
    assert int(tranche["remaining"]) == 50 - int(refund["ownHoldback"]) - int(refund["holdback"]) < 50

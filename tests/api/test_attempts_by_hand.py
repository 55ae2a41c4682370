"""An attempt whose end nobody knows, over HTTP: the provider is asked, it is let go or given up, and two people say what is proven."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from counterfoil.base.edge import now
from counterfoil.operations.providers import Accepted, Found, PayoutFact, PayoutOrder, Unclear
from counterfoil.payouts.queries import payouts_in_need
from tests.api.office import Office, fresh, signed
from tests.api.test_one_payment import run
from tests.api.test_payouts_by_hand import a_payout, said

LOST = Unclear("the answer was lost")


class Says:
    """The provider of the office: what it answers to an order, and what it says of it when it is asked."""

    def __init__(self, provider: Any, answer: Callable[[PayoutOrder], Any]) -> None:
        self._provider, self._answer = provider, answer
        self.found: Found = Unclear("it does not answer")
        self.orders: list[PayoutOrder] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def connect(self) -> Says:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def send(self, order: PayoutOrder) -> Any:
        self.orders.append(order)
        return self._answer(order)

    def find_payout(self, _: Any) -> Found:
        return self.found


def fact(order: PayoutOrder, status: Any) -> PayoutFact:
    return PayoutFact("pout_1", order.key, order.amount, 25, order.asset, status, None, now())


def sent(office: Office, answer: Callable[[PayoutOrder], Any]) -> tuple[str, Says]:
    """A payout whose order went out and was answered so, and its provider."""
    payout = a_payout(office)
    provider = Says(office.wiring.providers["simulator"], answer)
    office.wiring.providers["simulator"] = provider  # type: ignore[index]
    for job in ("reserve", "outbox"):
        run(office, job)
    return payout, provider


def in_doubt(office: Office) -> tuple[str, Says]:
    """A payout of which nobody knows whether it was paid; the provider was asked once, in vain, and is asked again only later."""
    payout, provider = sent(office, lambda _: LOST)
    assert run(office, "reconcile-pull")["handled"] == 1
    assert run(office, "reconcile-pull")["handled"] == 0
    return payout, provider


def shown(office: Office, payout: str) -> dict[str, Any]:
    found: dict[str, Any] = office.ask("GET", f"/api/payouts/{payout}").json()
    return found


def attempt_of(office: Office, payout: str) -> str:
    (one,) = shown(office, payout)["providerPayouts"]
    return str(one["state"])


def booked(office: Office, payout: str) -> list[str]:
    """What was booked of it after it was settled, in that order."""
    newest_first = [one["kind"] for one in shown(office, payout)["journals"]]
    return [kind for kind in reversed(newest_first) if kind != "settlement"]


def owed(office: Office) -> int:
    """What the payee is owed, in minor units."""
    with office.database.transaction() as conn:
        row = conn.execute("select credits - debits from account where name = 'payable:payee:bolt'").fetchone()
    assert row is not None
    return int(row[0])


def proposed(office: Office, path: str, **body: Any) -> dict[str, Any]:
    answer = office.ask("POST", path, role="operator", key=fresh(), json=body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def approved(office: Office, proposal: dict[str, Any]) -> None:
    decision = {"payloadSha256": proposal["payloadSha256"], "reason": "seen"}
    path = f"/api/approvals/{proposal['proposal']}/approve"
    answer = office.ask("POST", path, role="approver", key=fresh(), json=decision)
    assert (answer.status_code, answer.json().get("state")) == (200, "done"), answer.text


def told_by_webhook(office: Office, order: PayoutOrder, status: str) -> str:
    """What the provider tells of an order by itself; the id under which the webhook is stored."""
    at = now().isoformat()
    data = {"id": "pout_1", "idempotency_key": order.key, "amount": str(order.amount), "amount_paid": None, "fee": "25"}
    data |= {"asset": order.asset, "status": status, "failure_code": None, "created_at": at, "updated_at": at}
    body = json.dumps({"type": f"payout.{status}", "data": data}).encode()
    event = fresh("evt")
    answer = office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, event))
    assert answer.status_code == 200, answer.text
    with office.database.transaction() as conn:
        row = conn.execute("select id from webhook_in where event_id = %s", [event]).fetchone()
    assert row is not None
    return str(row[0])


def test_the_provider_is_asked_now_and_its_answer_decides(office: Office):
    payout, provider = in_doubt(office)
    assert shown(office, payout)["state"] == "reconcile_required"
    for path in (f"/api/payouts/{payout}/force-reconcile", f"/api/admin/ops/payouts/{payout}/force-reconcile"):
        assert said(office, path) == (200, {"id": payout, "state": "unknown", "made": None, "told": None, "dryRun": False})
        assert run(office, "reconcile-pull")["handled"] == 1
        assert (shown(office, payout)["state"], booked(office, payout)) == ("reconcile_required", ["payout_reserve"])
    said(office, f"/api/payouts/{payout}/force-reconcile")
    provider.found = Accepted(fact(provider.orders[0], "paid"))
    run(office, "reconcile-pull")
    assert (shown(office, payout)["state"], booked(office, payout)) == ("completed", ["payout_reserve", "payout_finalize"])


def test_a_quarantine_ends_by_asking_the_provider(office: Office):
    payout, provider = in_doubt(office)
    for path in (f"/api/payouts/{payout}/release-to-look-up", f"/api/admin/ops/payouts/{payout}/release"):
        assert said(office, f"/api/payouts/{payout}/quarantine", reason="a tip")[1]["state"] == "quarantined"
        status, done = said(office, path, reason="the tip was wrong")
        assert (status, done["state"], attempt_of(office, payout)) == (200, "unknown", "unknown")
    provider.found = Accepted(fact(provider.orders[0], "paid"))
    assert run(office, "reconcile-pull")["handled"] == 1
    assert (shown(office, payout)["state"], len(provider.orders)) == ("completed", 1)


def test_two_people_let_an_attempt_be_sent_of_which_no_call_began(office: Office):
    payout = a_payout(office)
    run(office, "reserve")
    said(office, f"/api/payouts/{payout}/quarantine", reason="a tip")
    waits = proposed(office, f"/api/payouts/{payout}/release-to-queue", reason="the tip was wrong")
    assert run(office, "outbox")["handled"] == 0, "one person lets nothing go"
    approved(office, waits)
    assert attempt_of(office, payout) == "queued"
    assert run(office, "outbox")["handled"] == 1
    assert (shown(office, payout)["state"], booked(office, payout)) == ("completed", ["payout_reserve", "payout_finalize"])


def test_two_people_give_an_attempt_up_and_its_money_is_owed_again(office: Office):
    payout = a_payout(office)
    before = owed(office)
    run(office, "reserve")
    assert owed(office) == 0 < before
    said(office, f"/api/payouts/{payout}/quarantine", reason="a tip")
    waits = proposed(office, f"/api/payouts/{payout}/release-cancelled", reason="the tip was right")
    assert owed(office) == 0, "one person gives nothing back"
    approved(office, waits)
    assert (attempt_of(office, payout), shown(office, payout)["state"], owed(office)) == ("cancelled", "failed", before)
    assert booked(office, payout) == ["payout_reserve", "payout_release"]


def test_two_people_book_as_paid_what_a_webhook_says_that_was_never_applied(office: Office):
    payout, provider = in_doubt(office)
    (order,) = provider.orders
    webhook = told_by_webhook(office, order, "paid")
    body = {"webhookId": webhook, "reason": "parked, and right"}
    first = proposed(office, f"/api/admin/ops/payouts/{payout}/force-finalize", **body)
    refused = office.ask("POST", f"/api/approvals/{first['proposal']}/reject", role="approver", json={"reason": "say where it was seen"})
    assert (refused.status_code, attempt_of(office, payout)) == (200, "unknown"), refused.text
    approved(office, proposed(office, f"/api/payouts/{payout}/force-finalize", **body))
    assert (attempt_of(office, payout), shown(office, payout)["state"]) == ("succeeded", "completed")
    assert booked(office, payout) == ["payout_reserve", "payout_finalize"]
    run(office, "webhooks")  # the webhook itself comes to its turn, and books nothing a second time
    assert booked(office, payout) == ["payout_reserve", "payout_finalize"]


def contradicted(office: Office) -> tuple[str, str]:
    """A payout that is booked as paid and of which the provider says that it failed; and that conflict."""
    payout, provider = sent(office, lambda order: Accepted(fact(order, "paid")))
    assert shown(office, payout)["state"] == "completed"
    told_by_webhook(office, provider.orders[0], "failed")
    run(office, "webhooks")
    (conflict,) = shown(office, payout)["conflicts"]
    assert (conflict["state"], conflict["said"]) == ("open", "failed")
    return payout, str(conflict["id"])


def test_two_people_find_that_it_was_not_paid_and_a_return_is_booked(office: Office):
    payout, conflict = contradicted(office)
    waits = proposed(office, f"/api/payouts/{payout}/end-conflict", conflictId=conflict, found="not_paid", reason="their bank says so")
    assert shown(office, payout)["conflicts"][0]["state"] == "open"
    approved(office, waits)
    found = shown(office, payout)
    assert (found["conflicts"][0]["state"], found["state"], attempt_of(office, payout)) == ("not_paid", "returned", "returned")
    assert booked(office, payout) == ["payout_reserve", "payout_finalize", "payout_return"]
    assert owed(office) > 0


def test_a_returned_payout_is_closed_once_another_paid_what_was_owed(office: Office):
    payout, conflict = contradicted(office)
    approved(office, proposed(office, f"/api/payouts/{payout}/end-conflict", conflictId=conflict, found="not_paid", reason="seen"))
    status, refused = said(office, f"/api/payouts/{payout}/close", reason="x")
    assert (status, refused["why"]) == (409, "money is still owed for it")
    made = said(office, f"/api/payouts/{payout}/reissue", reason="their account is right now")[1]["made"]
    for job in ("reserve", "outbox"):
        run(office, job)
    assert (shown(office, made)["state"], owed(office)) == ("completed", 0)
    status, done = said(office, f"/api/payouts/{payout}/close", reason="paid anew")
    assert (status, done["state"]) == (200, "refunded")
    last = shown(office, payout)["steps"][-1]
    assert (last["verb"], last["fromState"], last["actor"]) == ("close", "returned", "key:operator")
    assert office.ask("GET", "/api/admin/invariants").json()["allHold"] is True


def test_what_was_found_paid_in_part_is_still_owed_until_it_is_issued_anew(office: Office):
    payout, provider = sent(office, lambda order: Accepted(fact(order, "paid")._replace(amount=order.amount - 5)))
    provider.found = Accepted(fact(provider.orders[0], "paid")._replace(amount=provider.orders[0].amount - 5))
    [conflict] = [one["id"] for one in shown(office, payout)["conflicts"]]
    approved(office, proposed(office, f"/api/payouts/{payout}/end-conflict", conflictId=conflict, found="paid", reason="seen"))
    told = shown(office, payout)
    assert (told["state"], owed(office)) == ("completed", 5)
    assert told["nextAction"] == {
        "need": "owed",
        "why": "Money is still owed for its settlement, and nothing pays it until it is issued anew. (it paid less than is owed)",
        "command": f'counterfoil payouts reissue {payout} --reason "…"',
    }
    with office.database.transaction(read_only=True) as conn:
        assert [(one.id, one.amount.minor) for one in payouts_in_need(conn, "owed", rows_max=10)] == [(payout, 5)]
    said(office, f"/api/payouts/{payout}/reissue", reason="the rest of it")
    assert shown(office, payout)["nextAction"]["need"] != "owed"

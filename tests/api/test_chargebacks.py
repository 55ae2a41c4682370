"""Chargebacks over HTTP: what was said of one, what excludes it, and two people who end one that would wait for ever."""

from __future__ import annotations

from counterfoil.base.edge import make_id, now
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from tests.api.office import Office, charge_event, fresh, signed
from tests.api.test_one_payment import run


def says(office: Office, status: str, amount: int) -> None:
    fact = ChargebackFact("cbk_1", "ch_taken", amount, 0, "EUR", "open", "fraudulent", now())
    with office.database.transaction() as conn:
        word = fact._replace(status=status)  # type: ignore[arg-type]
        apply_chargebacks(conn, [word], provider="simulator", make_id=make_id, now=now())


def test_one_whose_words_exclude_each_other_is_ended_by_two(office: Office):
    invoice = office.invoice()
    body = charge_event(invoice, "ch_taken")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_taken"))
    run(office, "webhooks")
    says(office, "open", 400)
    (one,) = office.ask("GET", "/api/chargebacks").json()["data"]
    path = f"/api/chargebacks/{one['id']}"
    given = {"outcome": "lost", "reason": "decided, says the provider's page"}
    early = office.ask("POST", f"{path}/rule", role="operator", key=fresh(), json=given)
    assert (early.status_code, "decides it" in early.json()["why"]) == (409, True)
    says(office, "lost", 500)
    shown = office.ask("GET", path).json()
    assert (shown["state"], shown["allowed"], shown["cut"]) == ("open", ["rule"], [])
    assert [(each["status"], each["differs"]) for each in shown["conflicts"]] == [("lost", "amount was 400, now 500")]
    proposed = office.ask("POST", f"{path}/rule", role="operator", key=fresh(), json=given)
    assert (proposed.status_code, office.approve(proposed.json()).json()["state"]) == (202, "done")
    assert office.ask("GET", path).json()["state"] == "lost"

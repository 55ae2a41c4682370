"""Escrows at the command line and over HTTP: what is refused says why, a dry run books nothing, and who may do what is kept."""

from __future__ import annotations

from datetime import timedelta

from counterfoil.base.edge import make_id, now
from counterfoil.operations.access.principals import create_principal
from tests.api.office import Office, fresh
from tests.cli.conftest import Cli

OPEN = ("escrow", "open", "--customer-id", "ann", "--payee-id", "bolt", "--asset", "EUR", "--reference", "order 7")
SOON = (now() + timedelta(days=300)).isoformat()
UNTIL = ("--expires-at", SOON)


def fund(cli: Cli, office: Office, escrow: str, reference: str) -> None:
    """With all that it lacks, which two people saw on the bank account."""
    waits = cli("escrow", "fund-from-bank", escrow, "--reference", reference, "--reason", "statement 12", "-o", "json").json()
    assert office.approve(waits).json()["state"] == "done"
    assert cli("escrow", "show", escrow, "-o", "json").json()["state"] == "active"


def test_an_escrow_is_opened_funded_signed_released_and_refunded(cli: Cli, office: Office):
    asked = (*OPEN, *UNTIL, "--amount", "100.00")
    assert cli(*asked, "--dry-run").code == 0
    assert cli("escrow", "list").out == "No such escrows.\n"
    either = ("--signed-by-of", "1=key:operator,person:anna")
    assert "conditions[1].signers" in cli(*asked, *either).err, "nobody is called so here"
    with office.database.transaction() as conn:
        create_principal(conn, make_id("prn"), kind="person", name="anna", by="test", now=now())
    made = cli(*asked, *either, "-o", "json").json()["id"]
    fund(cli, office, made, "B-1")
    refused = cli("escrow", "release", made)
    assert "condition 1 does not hold: signed by 1 of key:operator, person:anna (0 signed)" in refused.err
    shown = office.ask("GET", f"/api/escrows/{made}").json()
    assert ("release" in shown["allowed"], shown["conditions"][0]["holds"], shown["remaining"]) == (False, False, "10000")
    actor = shown["steps"][0]["actor"]
    again = cli(*asked, "--signed-by", actor, "--not-before", "2020-01-01T00:00:00Z", "-o", "json").json()["id"]
    fund(cli, office, again, "B-2")
    assert cli("escrow", "sign", again).code == 0
    assert "is active" in cli("escrow", "release", again, "--amount", "40.00").out
    assert "from 0.01 EUR to 60.00 EUR" in cli("escrow", "release", again, "--amount", "60.01").err
    assert "is split" in cli("escrow", "refund", again, "--reason", "the rest was not delivered").out
    assert "has the money" in cli("escrow", "repay", again, "--provider", "bank", "--reference", "R-1").out
    listed = cli("escrow", "list", "-o", "json").json()
    assert [(one["state"], one["remaining"]) for one in listed] == [("split", "0"), ("active", "10000")]
    assert cli("invariants").code == 0


def test_a_dispute_freezes_it_and_a_ruling_of_another_ends_it(cli: Cli, office: Office):
    made = cli(*OPEN, *UNTIL, "--amount", "10.00", "-o", "json").json()["id"]
    fund(cli, office, made, "B-1")
    assert "is disputed" in cli("escrow", "freeze", made, "--reason", "not what was agreed").out
    assert "it is disputed" in cli("escrow", "release", made).err
    assert "is split" in cli("escrow", "rule", made, "--refund", "2.50", "--reason", "a quarter was missing").out
    [freeze] = [one for one in cli("escrow", "show", made, "-o", "json").json()["steps"] if one["verb"] == "freeze"]
    ruled = cli("escrow", "show", made, "-o", "json").json()["movements"][-1]
    assert (freeze["actor"], ruled["actor"], ruled["byRuling"]) == ("key:operator", "person:vera", True)
    assert cli("invariants").code == 0


def test_what_is_wrong_is_named_by_its_field(office: Office):
    body = {
        "programId": "main",
        "customerId": "ann",
        "payeeId": "bolt",
        "asset": "EUR",
        "amount": "100",
        "reference": "o",
        "expiresAt": SOON,
    }

    def field(**more: object) -> str:
        told = office.ask("POST", "/api/escrows", role="operator", key=fresh(), json=body | more)
        return str(told.json().get("field"))

    assert field(expiresAt="2020-01-01T00:00:00Z") == "expires_at"
    assert field(asset="USD") == "asset"
    assert field(conditions=[{"kind": "score", "least": "-1"}]) == "conditions[1].least"
    assert field(conditions=[{"kind": "time"}]) == "conditions[1]"
    made = office.ask("POST", "/api/escrows", role="operator", key=fresh(), json=body).json()["id"]
    path = f"/api/escrows/{made}/fund"
    for given, wrong in (({"provider": "nobody"}, "provider"), ({"provider": "simulator"}, "reference")):
        told = office.ask("POST", path, role="operator", key=fresh(), json={"reference": "ch_1", **given})
        assert (told.status_code, told.json()["field"]) == (422, wrong)

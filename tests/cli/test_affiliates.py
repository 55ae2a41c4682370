"""Affiliates and commissions at the command line and over HTTP: placed, referred, earned, verified, paid."""

from __future__ import annotations

from datetime import timedelta

from counterfoil.base.edge import make_id, now
from counterfoil.settlement.commissions.accruing import accrue
from counterfoil.settlement.commissions.moving import mature, pay_affiliates
from counterfoil.settlement.escrow.escrows import NewEscrow, open_escrow
from counterfoil.settlement.escrow.moving import Hand, release_escrow
from tests.api.office import PROGRAM, Office, fresh
from tests.cli.conftest import Cli

BECAUSE = ("--reason", "signed the contract")


def sold(office: Office, *, earns: bool = True) -> str:
    """A release of an escrow to a customer who was referred."""
    at = now()
    with office.database.transaction() as conn:
        new = NewEscrow(PROGRAM, "carl", "bolt", "EUR", 100_00, "order 7", at + timedelta(days=9))
        one = open_escrow(conn, make_id("esc"), new, actor="t", now=at).id
    given = {"reference": one, "reason": "statement 12"}
    proposed = office.ask("POST", f"/api/escrows/{one}/fund-from-bank", role="operator", key=fresh(), json=given)
    assert office.approve(proposed.json()).json()["state"] == "done"
    with office.database.transaction() as conn:
        at = now()
        release_escrow(conn, one, Hand("t", at, make_id))
        ((sale,),) = conn.execute("select id from escrow_movement where escrow_id = %s and kind = 'release'", [one]).fetchall()
        if earns:
            accrue(conn, [sale], make_id=make_id, now=at)
    return str(sale)


def test_affiliates_are_placed_earn_and_are_verified(cli: Cli, office: Office):
    assert "No sale was referred" in cli("commissions", "verify").out
    assert "0 affiliates were looked at" in cli("affiliates", "verify").out
    bob = cli("affiliates", "set", "bob", *BECAUSE, "-o", "json").json()["id"]
    ann = cli("affiliates", "set", "ann", "--parent-id", bob, *BECAUSE, "-o", "json").json()["id"]
    assert "stands above" in cli("affiliates", "set", "bob", "--parent-id", ann, *BECAUSE).err
    given = ("--asset", "EUR", "--level-bps", "1000", "--level-bps", "200", "--mature-days", "0")
    assert "together at most 1000" in cli("commissions", "rates", "set", PROGRAM, *given, "--cap-bps", "1000").err
    assert "version 1" in cli("commissions", "rates", "set", PROGRAM, *given, "--cap-bps", "2000").out
    assert cli("commissions", "rates", "list", PROGRAM, "-o", "json").json()[0]["minimum"] == "1000"
    assert "earn commissions" in cli("affiliates", "refer", ann, "--customer-id", "carl").out
    assert "came through another" in cli("affiliates", "refer", bob, "--customer-id", "carl").err
    sale = sold(office)
    rows = cli("commissions", "list", "-o", "json").json()
    assert {(one["affiliateId"], one["amount"], one["state"]) for one in rows} == {(ann, "1000", "accrued"), (bob, "200", "accrued")}
    assert cli("commissions", "show", rows[0]["id"], "-o", "json").json()["saleId"] == sale
    verified = cli("commissions", "verify")
    assert (verified.code, "Of all 1 referred sales 1 were worked out again; 0 differ." in verified.out) == (0, True), verified.out
    assert "2 affiliates were looked at, all there are; 0 faults." in cli("affiliates", "verify").out


def test_a_sample_says_so_and_a_sale_whose_event_waits_is_not_green(cli: Cli, office: Office):
    ann = cli("affiliates", "set", "ann", *BECAUSE, "-o", "json").json()["id"]
    cli("commissions", "rates", "set", PROGRAM, "--asset", "EUR", "--level-bps", "1000", "--cap-bps", "1000", "--mature-days", "0")
    cli("affiliates", "refer", ann, "--customer-id", "carl")
    sold(office)
    sold(office)
    sampled = cli("commissions", "verify", "--sample", "1")
    assert "Of a sample of 1 of 2 referred sales 1 were worked out again; 0 differ." in sampled.out
    assert "Nothing is said of the others." in sampled.out
    sold(office, earns=False)
    answer = office.ask("GET", "/api/commissions/verification").json()
    assert (answer["sales"], answer["lookedAt"], answer["waiting"], answer["isSample"]) == (3, 3, 1, False)
    waiting = cli("commissions", "verify")
    assert (waiting.code, "1 wait for an event" in waiting.out) == (1, True), waiting.out


def test_what_matured_is_shown_and_paid_to_the_affiliate_as_a_payee(cli: Cli, office: Office):
    ann = cli("affiliates", "set", "ann", *BECAUSE, "-o", "json").json()["id"]
    cli("commissions", "rates", "set", PROGRAM, "--asset", "EUR", "--level-bps", "1000", "--cap-bps", "1000", "--mature-days", "0")
    cli("affiliates", "refer", ann, "--customer-id", "carl")
    sold(office)
    with office.database.transaction() as conn:
        mature(conn, [row[0] for row in conn.execute("select id from commission").fetchall()], make_id=make_id, now=now())
    assert cli("affiliates", "payable", ann, "-o", "json").json()[0]["earned"] == "1000"
    with office.database.transaction() as conn:
        assert pay_affiliates(conn, [ann], make_id=make_id, now=now())
    assert "Nothing of it matured" in cli("affiliates", "payable", ann).out
    assert cli("commissions", "list", "--state", "paid", "-o", "json").json()[0]["remaining"] == "1000"
    assert cli("invariants").code == 0

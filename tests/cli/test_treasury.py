"""The treasury at the command line and over HTTP: a withdrawal takes two people, and the summary shows it."""

from __future__ import annotations

from datetime import timedelta

from counterfoil.base.edge import make_id, now
from counterfoil.cli.core.exit_codes import EXIT
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewPosting, post
from counterfoil.settlement.escrow.escrows import NewEscrow, open_escrow
from counterfoil.settlement.escrow.moving import Hand, release_escrow
from tests.api.office import PROGRAM, Office, fresh
from tests.cli.conftest import Cli

SPAN = ("--start-time", "2020-01-01T00:00:00Z", "--end-time", "2099-01-01T00:00:00Z")


def earned(office: Office) -> None:
    at = now()
    with office.database.transaction() as conn:
        new = NewEscrow(PROGRAM, "ann", "bolt", "EUR", 100_00, "order 7", at + timedelta(days=9))
        one = open_escrow(conn, make_id("esc"), new, actor="t", now=at).id
    given = {"reference": "B-1", "reason": "statement 12"}
    proposed = office.ask("POST", f"/api/escrows/{one}/fund-from-bank", role="operator", key=fresh(), json=given)
    assert office.approve(proposed.json()).json()["state"] == "done"
    with office.database.transaction() as conn:
        release_escrow(conn, one, Hand("t", now(), make_id))


def test_fees_are_distributed_by_one_and_withdrawn_by_two(cli: Cli, office: Office):
    assert "No fees were ever taken here." in cli("treasury", "summary", *SPAN).out
    earned(office)
    given = ("--asset", "EUR", "--reason", "monthly")
    tried = cli("treasury", "distribute", *given, "--amount", "1.00", "--reference", "V-1", "--dry-run").out
    assert "cash:bank:client is at 99.00 EUR with it.\n" in tried
    assert "validators have 1.00 EUR" in cli("treasury", "distribute", *given, "--amount", "1.00", "--reference", "V-1").out
    refused = cli("treasury", "withdraw", *given, "--amount", "5.01", "--reference", "W-1")
    assert "does not hold so much" in refused.err
    assert ("  held: 5.00 EUR\n" in refused.err, "  asked: 5.01 EUR\n" in refused.err, "asset:" in refused.err) == (True, True, False)
    asked = {"programId": PROGRAM, "asset": "EUR", "amount": "501", "reference": "W-1", "reason": "monthly"}
    told = office.ask("POST", "/api/treasury/withdrawals", role="controller", key=fresh(), json=asked).json()
    assert (told["held"], told["asked"], told["asset"]) == ("500", "501", "EUR"), "machines read minor units"
    assert (refused.code, "movement: withdrawal" in refused.err) == (EXIT["conflict"], True), "the fault is not ours"
    proposed = cli("treasury", "withdraw", *given, "--amount", "3.00", "--reference", "W-1").out
    assert ("cash:bank:client is at 96.00 EUR with it." in proposed, "It takes two people" in proposed) == (True, True)
    assert [one["kind"] for one in cli("treasury", "list", "-o", "json").json()] == ["distribution"], "nothing moved yet"
    body = {"programId": PROGRAM, "asset": "EUR", "amount": "300", "reference": "  W-2 ", "reason": "monthly"}
    done = office.by_two("/api/treasury/withdrawals", body, role="controller", checker="approver")
    assert (done.status_code, done.json()["amount"]) == (201, "300")
    assert cli("treasury", "list", "-o", "json").json()[0]["reference"] == "W-2", "what two people agreed on is what is kept"
    narrowed = ("--kind", "distribution", "--asset", "EUR", "--amount-max", "1.00")
    assert [one["reference"] for one in cli("treasury", "list", "-o", "json", *narrowed).json()] == ["V-1"]
    assert cli("treasury", "list", "--kind", "gift").code == EXIT["invalid"]
    shown = cli("treasury", "summary", *SPAN, "-o", "json").json()["assets"][0]
    assert (shown["feesIn"], shown["withdrawn"], shown["held"], shown["distributed"], shown["addsUp"]) == ("500", "300", "200", "100", True)
    told = office.ask("GET", "/api/events", params={"name": "treasury_withdrawal"}).json()["data"]
    assert [one["level"] for one in told] == ["critical"]
    assert cli("invariants").code == 0


def test_a_preview_says_plainly_when_the_account_that_pays_goes_below_zero(cli: Cli, office: Office):
    earned(office)
    with office.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["cash:bank:own"], asset="EUR", actor="t", now=now())
        lines = [NewPosting("cash:bank:own", "cash:bank:client", 99_50)]
        post(conn, PROGRAM, key="away", kind="test", lines=lines, asset="EUR", actor="system:test", now=now())
    given = ("--asset", "EUR", "--amount", "1.00", "--reference", "V-1", "--reason", "monthly", "--dry-run")
    tried = cli("treasury", "distribute", *given)
    assert tried.code == 0
    assert "cash:bank:client is at -0.50 EUR with it: below zero." in tried.out
    shown = cli("treasury", "distribute", *given, "-o", "json").json()
    assert (shown["paidFrom"], shown["accountBalance"], shown["dryRun"]) == ("cash:bank:client", "-50", True)

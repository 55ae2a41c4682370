"""Whether an agent's money is what its transactions say; each fault is planted past the rules, and named with its cause and its remedy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.problems import NotFound
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post, reverse
from counterfoil.treasury.agents.model import account_name
from counterfoil.treasury.two_phase.model import participants_of
from counterfoil.treasury.verification.rules import Pending, of_pending
from counterfoil.treasury.verification.verify import verify_agents
from tests.builders import NOW, PROGRAM
from tests.treasury.purse import LATER, a_treasury, an_agent, money_of, run, transfer


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    a_treasury(conn)
    return conn


def test_what_was_given_paid_got_and_promised_agrees(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    run(books, transfer(books, payer, payee, 30))
    run(books, transfer(books, payer, payee, 5, commits="on_request"))
    first, second = verify_agents(books, [payer, payee, payer], now=NOW)
    [euro, _] = first.assets
    assert (euro.balance, euro.from_postings, euro.received, euro.sent, euro.other, euro.expected) == (70, 70, 0, 30, 100, 70)
    assert (euro.held, euro.promised, euro.agrees) == (5, 5, True)
    assert (first.agrees, second.agrees, first.findings) == (True, True, [])
    with pytest.raises(NotFound):
        verify_agents(books, [make_id("agent")], now=NOW)


def test_a_credit_that_somebody_booked_again_is_a_duplicate_credit_until_it_is_reversed(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    one = transfer(books, payer, payee, 30)
    run(books, one)
    open_accounts(books, PROGRAM, ["suspense"], asset="EUR", actor="test", now=NOW)
    given: dict[str, Any] = {"kind": "adjustment", "asset": "EUR", "actor": "test", "now": NOW, "narrative": f"{one} did not arrive"}
    posted = post(books, PROGRAM, key="again", lines=[("suspense", account_name(payee), 30)], **given)
    [found] = verify_agents(books, [payee], now=NOW)
    [finding] = found.findings
    assert (found.agrees, finding.symptom, finding.cause) == (False, "balance higher than its transactions", "duplicate credit")
    assert str(posted.journal_id) in finding.command
    assert one in finding.evidence
    assert verify_agents(books, [payer], now=NOW)[0].agrees
    reverse(books, PROGRAM, posted.journal_id, key="back", reason="it had arrived", actor="test", now=NOW)
    [found] = verify_agents(books, [payee], now=NOW)
    assert (found.agrees, money_of(books, payee)) == (True, 30)


def test_a_debit_whose_credit_is_missing_is_an_orphaned_debit(owner_conn: Connection[Any]):
    a_treasury(owner_conn)
    payer, payee = an_agent(owner_conn, money=100), an_agent(owner_conn)
    one = transfer(owner_conn, payer, payee, 30)
    run(owner_conn, one)
    credit = participants_of(owner_conn, one)[1]
    owner_conn.execute("set local session_replication_role = replica")
    for table in ("two_phase_outcome", "posting"):
        owner_conn.execute(f"alter table {table} disable trigger user".encode())
    owner_conn.execute("delete from two_phase_outcome where transaction_id = %s and number = 2", [one])
    [found] = verify_agents(owner_conn, [payee], now=NOW)
    assert {(each.cause, each.symptom) for each in found.findings} >= {
        ("orphaned debit", "balance lower than its transactions"),
        ("duplicate credit", "balance higher than its transactions"),
    }, "its part is open, and the money of it is there"
    assert str(credit.journal_id) in " ".join(each.evidence for each in found.findings)


def test_an_account_whose_total_was_changed_is_told_although_no_journal_explains_it(owner_conn: Connection[Any]):
    a_treasury(owner_conn)
    agent = an_agent(owner_conn, money=100)
    owner_conn.execute("alter table account disable trigger user")
    owner_conn.execute(
        "update account set credits = credits + 7 where name = %s and book_id in (select id from book where asset = 'EUR')",
        [account_name(agent)],
    )
    [found] = verify_agents(owner_conn, [agent], now=NOW)
    assert [(one.cause, one.asset) for one in found.findings] == [("changed record", "EUR")]
    assert "its account says 1.07 EUR, its postings 1.00 EUR" in found.findings[0].evidence
    assert not found.agrees


def test_a_transaction_that_nobody_takes_on_is_a_coordinator_failure(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    one = transfer(books, payer, payee, 30)
    assert verify_agents(books, [payer], now=NOW)[0].agrees
    [found] = verify_agents(books, [payer], now=LATER)
    [finding] = found.findings
    assert found.agrees, "nothing moved yet"
    assert (finding.cause, finding.command) == ("coordinator failure", f"counterfoil transactions inspect --txn-id {one}")
    assert "is initiated for 6 minutes; nothing is decided" in finding.evidence


def pending(**more: Any) -> Pending:
    given: dict[str, Any] = {"state": "prepared", "commits": "by_itself", "decision": None, "last_error": None, "paused": False}
    return Pending("txn_1", **(given | {"created_at": NOW, "expires_at": NOW + timedelta(hours=1)} | more))


def test_what_only_waits_for_whoever_began_it_is_no_failure():
    assert of_pending(pending(commits="on_request"), LATER) is None
    assert of_pending(pending(), NOW + timedelta(minutes=5)) is None
    over = of_pending(pending(commits="on_request", expires_at=NOW + timedelta(minutes=5)), LATER)
    assert over is not None


def test_the_remedy_is_that_of_its_cause():
    cases: list[dict[str, Any]] = [{"paused": True}, {"decision": "commit", "state": "committing"}, {"last_error": "busy"}]
    found = [of_pending(pending(**more), LATER) for more in cases]
    assert [one.command.split(" --")[0] for one in found if one] == [
        "counterfoil queue resume transactions",
        "counterfoil jobs run transactions",
        "counterfoil transactions inspect",
    ]

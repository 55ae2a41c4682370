"""Agents in the real tables: their accounts, what stops them, and what they may spend, by the code and by the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, NotFound, TransitionRefused
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.ledger.problems import AccountFrozen
from counterfoil.treasury.agents.agents import (
    AgentNameTaken,
    AgentRefuses,
    close_agent,
    create_agent,
    freeze_agent,
    revoke_mandate,
    unfreeze_agent,
)
from counterfoil.treasury.agents.model import account_name, accounts_of_agent, mandates_of, show_agent
from counterfoil.treasury.two_phase.transactions import prepare_transaction
from tests.builders import NOW, PROGRAM
from tests.treasury.purse import a_treasury, an_agent, begun, give, mandate, money_of, run, still_true, transfer

SAID: dict[str, Any] = {"reason": "asked", "actor": "test", "now": NOW}


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    a_treasury(conn)
    return conn


def test_an_agent_has_an_account_in_each_asset_and_a_name_of_its_own(books: Connection[Any]):
    made = create_agent(books, make_id("agent"), PROGRAM, name="buyer", actor="test", now=NOW)
    assert (made.state, [one.asset for one in accounts_of_agent(books, made.id)]) == ("active", ["EUR", "JPY"])
    with pytest.raises(AgentNameTaken) as refused, books.transaction():
        create_agent(books, make_id("agent"), PROGRAM, name="buyer", actor="test", now=NOW)
    assert refused.value.facts["agent"] == made.id
    with pytest.raises(NotFound):
        create_agent(books, make_id("agent"), "nowhere", name="buyer", actor="test", now=NOW)
    still_true(books)


def test_without_a_mandate_it_spends_nothing_and_gets_what_it_is_given(books: Connection[Any]):
    payer, payee = an_agent(books, money=100, mandated=False), an_agent(books, mandated=False)
    assert run(books, transfer(books, payer, payee, 10)) == "aborted"
    mandate(books, payer)
    assert run(books, transfer(books, payer, payee, 10)) == "committed"
    assert (money_of(books, payer), money_of(books, payee)) == (90, 10)
    revoke_mandate(books, make_id("mdt"), payer, asset="EUR", counterparty=None, **SAID)
    assert (run(books, transfer(books, payer, payee, 10)), mandates_of(books, payer)) == ("aborted", [])
    with pytest.raises(InvalidInput, match="it has none"):
        revoke_mandate(books, make_id("mdt"), payer, asset="EUR", counterparty=None, **SAID)
    still_true(books)


def why_not(books: Connection[Any], transaction_id: str) -> str:
    row = books.execute("select why from two_phase_vote where transaction_id = %s and vote = 'no'", [transaction_id]).fetchone()
    return str(row[0]) if row else ""


@pytest.mark.parametrize("span", ["hour", "day", "week", "month"])
def test_a_budget_is_of_its_span_of_the_calendar_and_begins_anew_after_it(books: Connection[Any], span: str):
    payer, payee = an_agent(books, money=1000, **{f"per_{span}": 100}), an_agent(books)
    assert run(books, transfer(books, payer, payee, 60)) == "committed"
    over = transfer(books, payer, payee, 41)
    assert run(books, over) == "aborted"
    assert f"1.00 EUR in each {span}, 0.60 EUR is spent, and this is 0.41 EUR" in why_not(books, over)
    assert run(books, transfer(books, payer, payee, 40)) == "committed"
    following = NOW + {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=20)}[span]
    assert run(books, transfer(books, payer, payee, 100, now=following), now=following) == "committed"
    still_true(books)


def test_what_was_given_back_is_not_spent(books: Connection[Any]):
    payer, poor, payee = an_agent(books, money=1000, per_day=100), an_agent(books), an_agent(books)
    failing = begun(books, (payer, "debit", 100), (poor, "debit", 1), (payee, "credit", 101))
    assert run(books, failing) == "aborted"
    assert run(books, transfer(books, payer, payee, 100)) == "committed"
    still_true(books)


def test_a_transaction_has_a_limit_of_its_own_and_a_mandate_an_end(books: Connection[Any]):
    until = NOW + timedelta(hours=1)
    payer, payee = an_agent(books, money=1000, per_transaction=50, expires_at=until), an_agent(books)
    over = transfer(books, payer, payee, 51)
    assert (run(books, over), "0.50 EUR in a transaction, and this is 0.51 EUR" in why_not(books, over)) == ("aborted", True)
    assert run(books, transfer(books, payer, payee, 50)) == "committed"
    late = transfer(books, payer, payee, 50, now=until)
    assert (run(books, late, now=until), "it has no mandate" in why_not(books, late)) == ("aborted", True)
    still_true(books)


def test_a_counterparty_has_a_budget_of_its_own_and_only_the_named_ones_get_anything(books: Connection[Any]):
    payer, near, far = an_agent(books, money=1000, towards="named"), an_agent(books), an_agent(books)
    stranger = transfer(books, payer, far, 10)
    assert (run(books, stranger), f"does not name {far}" in why_not(books, stranger)) == ("aborted", True)
    mandate(books, payer, counterparty=near, per_day=30)
    assert run(books, transfer(books, payer, near, 30)) == "committed"
    over = transfer(books, payer, near, 1)
    assert (run(books, over), f"each day towards {near}, 0.30 EUR is spent" in why_not(books, over)) == ("aborted", True)
    mandate(books, payer, counterparty=far)
    assert run(books, begun(books, (payer, "debit", 20), (far, "credit", 20))) == "committed"
    still_true(books)


def test_a_frozen_agent_spends_nothing_by_any_way_and_what_it_promised_goes_out(books: Connection[Any]):
    payer, payee = an_agent(books, money=100), an_agent(books)
    promised = transfer(books, payer, payee, 30)
    assert prepare_transaction(books, promised, actor="test", now=NOW) == "prepared"
    freeze_agent(books, payer, **SAID)
    stopped = transfer(books, payer, payee, 10)
    assert (run(books, stopped), "is frozen" in why_not(books, stopped)) == ("aborted", True)
    lines = [(account_name(payer), account_name(payee), 5)]
    with pytest.raises(AccountFrozen), books.transaction():
        post(books, PROGRAM, key="around", kind="test", lines=lines, asset="EUR", actor="test", now=NOW)
    assert run(books, promised) == "committed"
    assert run(books, transfer(books, payee, payer, 30)) == "committed", "it may get something"
    with pytest.raises(ApprovalNeeded), books.transaction():
        unfreeze_agent(books, payer, **SAID)
    with pytest.raises(TransitionRefused):
        freeze_agent(books, payer, **SAID)
    still_true(books)


def test_an_agent_is_closed_once_nothing_is_left_and_nothing_is_promised(books: Connection[Any]):
    payer, payee = an_agent(books, money=30), an_agent(books)
    promised = transfer(books, payer, payee, 30)
    prepare_transaction(books, promised, actor="test", now=NOW)
    for one, why in ((payer, r"holds 0\.30 EUR"), (payee, "is promised")):
        with pytest.raises(AgentRefuses, match=why), books.transaction():
            close_agent(books, one, **SAID)
    run(books, promised)
    assert close_agent(books, payer, **SAID) == "closed"
    with pytest.raises(InvalidInput, match="that is not closed"):
        transfer(books, payer, payee, 1)
    with pytest.raises(AgentRefuses, match="it is closed"):
        mandate(books, payer)
    assert show_agent(books, payer).state == "closed"
    still_true(books)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("asset", {"asset": "USD"}),
        ("counterparty", {"counterparty": "agent_01KA0000000000000000000000"}),
        ("expires_at", {"expires_at": NOW}),
    ],
)
def test_a_mandate_that_cannot_be_names_its_field(books: Connection[Any], field: str, given: dict[str, Any]):
    agent = an_agent(books, mandated=False)
    with pytest.raises(InvalidInput) as refused:
        mandate(books, agent, **given)
    assert refused.value.facts["field"] == field


def test_the_database_takes_no_mandate_of_another_program_or_out_of_turn(books: Connection[Any]):
    open_program(books, "other", name="Other", assets=[Asset("EUR", 2)], now=NOW)
    agent = an_agent(books, mandated=False)
    stranger = create_agent(books, make_id("agent"), "other", name="x", actor="test", now=NOW).id
    for program, number, other in (("other", 1, None), (PROGRAM, 2, None), (PROGRAM, 1, stranger), (PROGRAM, 1, agent)):
        with pytest.raises(psycopg.DatabaseError), books.transaction():
            books.execute(
                """insert into agent_mandate (id, agent_id, program_id, number, asset, counterparty_id, towards, revoked, actor, reason, at)
                   values ('mdt_x', %s, %s, %s, 'EUR', %s, 'anyone', false, 'x', 'x', %s)""",
                [agent, program, number, other, NOW],
            )


def test_money_that_an_agent_was_given_is_its_own(books: Connection[Any]):
    agent = an_agent(books)
    give(books, agent, 12_34)
    [euro, _] = accounts_of_agent(books, agent)
    assert (euro.balance, euro.held, euro.available) == (12_34, 0, 12_34)

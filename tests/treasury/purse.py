"""Agents with money and mandates in the real tables, for tests that move it by hand."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.invariants import INVARIANTS as LEDGER
from counterfoil.ledger.journals.journal import post
from counterfoil.treasury.agents.agents import NewMandate, create_agent, grant_mandate
from counterfoil.treasury.agents.invariants import INVARIANTS as AGENTS
from counterfoil.treasury.agents.model import account_name
from counterfoil.treasury.two_phase.invariants import INVARIANTS as TRANSACTIONS
from counterfoil.treasury.two_phase.model import show_transaction
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, advance, begin_transaction
from tests.builders import NOW, PROGRAM

_numbers = itertools.count(1)


def a_treasury(conn: Connection[Any]) -> None:
    open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2), Asset("JPY", 0)], now=NOW)


def an_agent(conn: Connection[Any], *, money: int = 0, asset: str = "EUR", mandated: bool = True, **limits: Any) -> str:
    """An agent with so much money, that may spend it within `limits`."""
    one = create_agent(conn, make_id("agent"), PROGRAM, name=f"agent {next(_numbers)}", actor="test", now=NOW).id
    if money:
        give(conn, one, money, asset=asset)
    if mandated:
        mandate(conn, one, asset=asset, **limits)
    return one


def give(conn: Connection[Any], agent_id: str, minor: int, *, asset: str = "EUR") -> None:
    """Money of the house, by a journal."""
    open_accounts(conn, PROGRAM, ["cash:bank:own"], asset=asset, actor="test", now=NOW)
    lines = [("cash:bank:own", account_name(agent_id), minor)]
    post(conn, PROGRAM, key=f"give-{next(_numbers)}", kind="test", lines=lines, asset=asset, actor="test", now=NOW)


def mandate(
    conn: Connection[Any],
    agent_id: str,
    *,
    asset: str = "EUR",
    counterparty: str | None = None,
    towards: str = "anyone",
    expires_at: datetime | None = None,
    now: datetime = NOW,
    **limits: int,
) -> None:
    """As two people would have agreed; nobody administers these books yet."""
    new = NewMandate(asset, counterparty, towards, limits, expires_at)
    grant_mandate(conn, make_id("mdt"), agent_id, new, reason="agreed", actor="test", now=now)


def begun(
    conn: Connection[Any],
    *parts: tuple[str, str, int] | tuple[str, str, int, str],
    commits: str = "by_itself",
    now: datetime = NOW,
    **more: Any,
) -> str:
    """A transaction of parts (agent, side, amount[, asset])."""
    made = [NewParticipant(one[0], one[1], one[3] if len(one) == 4 else "EUR", one[2]) for one in parts]
    new = NewTransaction(PROGRAM, "task 7", made, commits, **more)
    return begin_transaction(conn, make_id("txn"), new, actor="test", now=now).id


def transfer(conn: Connection[Any], payer: str, payee: str, amount: int, **more: Any) -> str:
    """A transaction of two."""
    return begun(conn, (payer, "debit", amount), (payee, "credit", amount), **more)


def run(conn: Connection[Any], transaction_id: str, *, now: datetime = NOW) -> str:
    """As many phases as it takes by itself; its state then."""
    before = ""
    while (state := advance(conn, transaction_id, now=now)) != before:
        before = state
    return state


def state_of(conn: Connection[Any], transaction_id: str) -> str:
    return show_transaction(conn, transaction_id).state


def money_of(conn: Connection[Any], agent_id: str, asset: str = "EUR") -> int:
    row = conn.execute(
        """select a.credits - a.debits from account a join book b on b.id = a.book_id where a.name = %s and b.asset = %s""",
        [account_name(agent_id), asset],
    ).fetchone()
    return int(row[0]) if row else 0


def still_true(conn: Connection[Any]) -> None:
    assert run_invariants(conn, [*AGENTS, *TRANSACTIONS, *LEDGER]) == []


LATER = NOW + timedelta(minutes=6)

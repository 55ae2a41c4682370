"""Promised holds by sets: in order, as one by one, and all or nothing where something is wrong that is no answer."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.holds import get_hold, post_hold
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.journal import post
from counterfoil.ledger.journals.key_spaces import TWO_PHASE
from counterfoil.ledger.problems import HoldPromised, InsufficientFunds
from counterfoil.ledger.promises import Kept, NewPromise, post_promises, take_promises
from counterfoil.ledger.reads.balances import balance
from tests.builders import NOW, PROGRAM

AGENT, OTHER = "treasury:agent:agent_1", "treasury:agent:agent_2"
GIVEN: dict[str, Any] = {"kind": "two_phase", "actor": "test", "now": NOW}


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2), Asset("JPY", 0)], now=NOW)
    for asset in ("EUR", "JPY"):
        open_accounts(conn, PROGRAM, [AGENT, OTHER, "two_phase", "cash:bank:own"], asset=asset, actor="test", now=NOW)
        lines = [("cash:bank:own", AGENT, 100)]
        post(conn, PROGRAM, key=f"give {asset}", kind="test", lines=lines, asset=asset, actor="test", now=NOW)
    return conn


def wanted(number: int, minor: int, *, payer: str = AGENT, asset: str = "EUR") -> NewPromise:
    source = ("test", f"txn_{number}:1")
    return NewPromise(TWO_PHASE.key(f"txn_{number}", "1"), payer, "two_phase", minor, asset, f"task {number}", source)


def taken(books: Connection[Any], *ones: NewPromise) -> list[Any]:
    return take_promises(books, PROGRAM, ones, space=TWO_PHASE, **GIVEN)


def still_true(books: Connection[Any]) -> None:
    assert run_invariants(books, INVARIANTS) == []


def test_a_later_promise_finds_what_an_earlier_one_left_and_a_refused_one_stops_none(books: Connection[Any]) -> None:
    found = taken(books, wanted(1, 60), wanted(2, 60), wanted(3, 40), wanted(4, 60, asset="JPY"))
    assert [isinstance(one, Problem) for one in found] == [False, True, False, False]
    assert isinstance(found[1], InsufficientFunds)
    assert balance(books, PROGRAM, AGENT, asset="EUR").held == 100
    first = get_hold(books, PROGRAM, found[0])
    assert (first.source_id, first.narrative, first.promised, first.expires_at) == ("txn_1:1", "task 1", True, None)
    still_true(books)


def test_each_is_posted_by_a_journal_of_its_own_in_its_asset_and_again_is_answered_alike(books: Connection[Any]) -> None:
    ones = [wanted(1, 60), wanted(2, 30, asset="JPY"), wanted(3, 40)]
    kept = [Kept(hold, new.source, new.narrative) for hold, new in zip(taken(books, *ones), ones, strict=True)]
    posted = post_promises(books, PROGRAM, kept, **GIVEN)
    assert len({one.journal_id for one in posted}) == 3
    ids = [one.journal_id for one in posted]
    rows = books.execute("select key, narrative, source_id from journal where id = any(%s) order by narrative", [ids])
    assert rows.fetchall() == [(f"hold.post:{one.hold_id}", one.narrative, one.source[1]) for one in kept]
    assert [balance(books, PROGRAM, AGENT, asset=asset).minor for asset in ("EUR", "JPY")] == [0, 70]
    again = post_hold(books, PROGRAM, kept[0].hold_id, actor="test", now=NOW, kind="two_phase", narrative="task 1", source=kept[0].source)
    assert (again.journal_id, again.existed) == (posted[0].journal_id, True), "the same request, whoever made it"
    still_true(books)


def test_nothing_is_posted_where_one_is_no_promise_of_its_source(books: Connection[Any]) -> None:
    first, second = taken(books, wanted(1, 10), wanted(2, 10))
    kept = [Kept(first, wanted(1, 10).source, "task 1"), Kept(second, wanted(1, 10).source, "task 2")]
    with pytest.raises(Exception, match="by who took it"), books.transaction():
        post_promises(books, PROGRAM, kept, **GIVEN)
    with pytest.raises(HoldPromised):
        post_hold(books, PROGRAM, second, actor="test", now=NOW)
    assert balance(books, PROGRAM, AGENT, asset="EUR").held == 20
    still_true(books)


def test_a_key_that_was_used_before_breaks_the_call(books: Connection[Any]) -> None:
    taken(books, wanted(1, 10))
    with pytest.raises(psycopg.errors.UniqueViolation), books.transaction():
        taken(books, wanted(2, 10), wanted(1, 10))
    assert balance(books, PROGRAM, AGENT, asset="EUR").held == 10
    still_true(books)


def test_nothing_wanted_is_nothing_done(books: Connection[Any]) -> None:
    assert taken(books) == []
    assert post_promises(books, PROGRAM, [], **GIVEN) == []

"""The treasury of fees: what came in, was distributed and withdrawn adds up to the balances, and no more leaves than was earned."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import InvalidInput
from counterfoil.settlement.escrow.moving import release_escrow
from counterfoil.settlement.treasury.invariants import INVARIANTS
from counterfoil.settlement.treasury.treasury import TreasuryHoldsLess, TreasuryMovement, move_fees, summarize
from tests.builders import NOW, PROGRAM, balance_of
from tests.settlement.escrow.vault import EXPIRES, a_funded_escrow, a_program_for_escrow, hand


@pytest.fixture
def books(conn: Any) -> Any:
    a_program_for_escrow(conn)
    return conn


def earn(conn: Any, at: datetime, amount: int = 100_00) -> None:
    """5 % for the platform, 1 % for validators."""
    release_escrow(conn, a_funded_escrow(conn, amount), hand(at))


def move(conn: Any, kind: str, amount: int, *, at: datetime = NOW, reference: str = "", asset: str = "EUR") -> None:
    given = (PROGRAM, asset, kind, amount, reference or make_id("ref"), "monthly", "test", at)
    move_fees(conn, TreasuryMovement(make_id("trm"), *given))


def test_a_range_opens_with_what_was_held_and_ends_with_what_is(books: Any) -> None:
    day = timedelta(days=1)
    earn(books, NOW)
    move(books, "withdrawal", 2_00, at=NOW)
    earn(books, NOW + day, 200_00)
    move(books, "withdrawal", 3_00, at=NOW + day)
    move(books, "distribution", 1_50, at=NOW + day)
    earn(books, NOW + 2 * day, 999_99)
    (one,) = summarize(books, PROGRAM, start=NOW + day, end=NOW + 2 * day)
    assert one[:11] == ("EUR", 3_00, 10_00, 0, 3_00, 10_00, 1_00, 2_00, 0, 1_50, 1_50)
    assert one.adds_up
    (whole,) = summarize(books, PROGRAM, start=NOW - day, end=EXPIRES)
    assert (whole.opening, whole.held) == (0, balance_of(books, "fee:platform") - 5_00)
    assert whole.validator_held == balance_of(books, "payable:validator")
    assert balance_of(books, "cash:bank:own") == 5_00
    assert run_invariants(books, INVARIANTS) == []


def test_no_more_is_withdrawn_than_was_earned_and_a_reference_counts_once(books: Any) -> None:
    earn(books, NOW)
    with pytest.raises(TreasuryHoldsLess, match="held 500"):
        move(books, "withdrawal", 5_01)
    move(books, "withdrawal", 4_00, reference="W-1")
    with pytest.raises(TreasuryHoldsLess, match="held 100"):
        move(books, "withdrawal", 1_01)
    with pytest.raises(InvalidInput, match=r"no other movement has; withdrawal .* has it"):
        move(books, "withdrawal", 1_00, reference="W-1")
    with pytest.raises(TreasuryHoldsLess, match="held 100"):
        move(books, "distribution", 1_01)
    with pytest.raises(InvalidInput, match="one of EUR"):
        move(books, "withdrawal", 1, asset="USD")
    with pytest.raises(psycopg.DatabaseError, match="no more is withdrawn than was earned"), books.transaction():
        books.execute(
            "insert into treasury_movement values ('x', 'main', 'EUR', 'withdrawal', 101, 'r', 'r', 'person:x', now())",
        )


def test_a_withdrawal_is_told_as_critical(books: Any) -> None:
    earn(books, NOW)
    move(books, "withdrawal", 1)
    assert books.execute("select level from event where name = 'treasury_withdrawal'").fetchall() == [("critical",)]


def test_a_figure_of_an_account_that_its_postings_do_not_bear_out_is_told(database: Database) -> None:
    with database.transaction() as conn:
        a_program_for_escrow(conn)
        earn(conn, NOW)
    with psycopg.connect(database.url) as conn, conn.transaction(force_rollback=True):
        conn.execute("alter table account disable trigger all")  # as a superuser could
        conn.execute("update account set credits = credits + 1 where name = 'fee:platform'")
        assert [one.adds_up for one in summarize(conn, PROGRAM, start=NOW, end=EXPIRES)] == [False]

"""Explaining an account: what a hand did past the ledger is named."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.invariant import run_invariants
from counterfoil.ledger.holds import take_hold
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.reads.explain import Explanation, explain
from tests.ledger.builders import CASH, ESCROW, NOW, PAYEE, PROGRAM, a_program, next_segment, posted

TAMPERED = (
    "posting",
    "account",
    "journal",
    "hold",
    "hold_resolution",
    "open_hold",
    "reversal",
    "period_close",
    "program_segment",
)


def by_hand(conn: Connection[Any], statement: str) -> None:
    """What only the owner of the database can do: switch the guards off, and write."""
    conn.execute("set local role none")
    for table in TAMPERED:
        conn.execute(f"alter table {table} disable trigger user")
    assert conn.execute(statement).rowcount > 0, "the fault must happen"  # type: ignore[call-overload]


def told(conn: Connection[Any], name: str = ESCROW) -> Explanation:
    return explain(conn, PROGRAM, name, asset="EUR")


def broken(conn: Connection[Any]) -> set[str]:
    return {finding.code for finding in run_invariants(conn, INVARIANTS)}


@pytest.fixture
def account(conn: Connection[Any]) -> Connection[Any]:
    """Three journals through an escrow, and a hold on it."""
    a_program(conn)
    posted(conn, (CASH, ESCROW, 100), key="in", source=("payment", "pay_1"))
    next_segment(conn)
    posted(conn, (ESCROW, PAYEE, 30), (ESCROW, PAYEE, 5), key="out", source=("payment", "pay_1"))
    posted(conn, (ESCROW, PAYEE, 20), key="last")
    take_hold(conn, PROGRAM, key="h", debit=ESCROW, credit=PAYEE, minor=7, asset="EUR", actor="ann", now=NOW)
    return conn


def test_an_account_that_is_right_is_sound(account: Connection[Any]):
    found = told(account)
    assert found.sound
    assert (found.cached_debits, found.cached_credits, found.entries, found.cached_held) == (55, 100, 4, 7)
    assert broken(account) == set()


def test_a_posting_in_an_older_segment_than_its_neighbours_is_told(account: Connection[Any]):
    by_hand(account, "update posting set segment = 1 - segment where line = 1")
    assert broken(account) == {"POSTING_OUT_OF_SEGMENT"}


@pytest.mark.parametrize(
    "statement",
    [
        "update posting set segment = 7 where line = 1",
        "update program_segment set first_seq = (select max(seq) + 1 from posting) where segment = 1",
    ],
)
def test_a_posting_in_a_segment_that_is_not_there_or_began_later_is_told(account: Connection[Any], statement: str):
    by_hand(account, statement)
    assert broken(account) == {"POSTING_OUT_OF_SEGMENT"}


def test_a_total_that_was_changed_is_drift(account: Connection[Any]):
    by_hand(account, f"update account set credits = credits + 1 where name = '{ESCROW}'")
    found = told(account)
    assert (found.sound, found.drift) == (False, 1)
    assert broken(account) >= {"ACCOUNT_BALANCE_DRIFT", "TRIAL_BALANCE_NONZERO", "LEDGER_UNBALANCED"}


def test_a_posting_that_was_deleted_is_missing(account: Connection[Any]):
    by_hand(account, "delete from posting p using journal j where j.id = p.journal_id and j.key = 'out' and p.line = 2")
    found = told(account)
    assert [(missing.key, missing.line) for missing in found.missing] == [("out", 2)]
    assert [(gap.expected, gap.found) for gap in found.gaps] == [(70, 65)]
    assert (found.sound, found.drift) == (False, -5)
    assert broken(account) >= {"ACCOUNT_BALANCE_DRIFT", "LEDGER_UNBALANCED"}


def test_a_posting_that_was_added_is_stray(account: Connection[Any]):
    by_hand(
        account,
        """insert into posting select journal_id, debit, credit, 1, debit_balance, credit_balance, p.effective_at, seq + 5, 9, segment,
                                      off_clock
           from posting p join journal j on j.id = p.journal_id where j.key = 'last'""",
    )
    found = told(account)
    assert [(stray.line, stray.minor) for stray in found.stray] == [(9, 1)]
    assert found.gaps
    assert not found.sound
    assert "LEDGER_UNBALANCED" in broken(account)


def test_a_posting_that_was_altered_leaves_a_gap(account: Connection[Any]):
    by_hand(
        account,
        "update posting p set amount = 29 from journal j where j.id = p.journal_id and j.key = 'out' and p.line = 1",
    )
    found = told(account)
    assert [(gap.line, gap.expected, gap.found) for gap in found.gaps] == [(1, 100, 99)]
    assert (found.drift, found.sound) == (-1, False)


def test_the_same_payment_twice_under_two_keys_is_a_suspect(account: Connection[Any]):
    posted(account, (CASH, ESCROW, 100), key="in again", source=("payment", "pay_1"))
    found = told(account)
    assert [(suspect.minor, suspect.keys) for suspect in found.suspects] == [(100, ["in", "in again"])]
    assert found.sound


@pytest.mark.parametrize(
    ("code", "statement"),
    [
        (
            "NEGATIVE_BALANCE",
            "update account set debits = debits + 1000, credits = credits + 900 where name = 'escrow:inv_1'",
        ),
        ("HOLD_ORPHAN", "delete from open_hold"),
        ("HOLD_ORPHAN", "update account set debits_pending = 0 where debits_pending > 0"),
        ("LEDGER_UNBALANCED", "delete from journal where key = 'last'"),
        ("IDEMPOTENCY_CONFLICT", "update journal set reverses = id where key = 'last'"),
        (
            "PERIOD_CLOSED_POST",
            """insert into period_close (program_id, step, verb, closed_until, actor, reason, at, recorded_at)
               values ('program_main', 1, 'close', '2030-01-01', 'me', 'by hand', now(), now() - interval '1 day')""",
        ),
    ],
)
def test_each_invariant_finds_its_fault(account: Connection[Any], code: str, statement: str):
    if code == "NEGATIVE_BALANCE":
        account.execute("set local role none")
        account.execute("alter table account drop constraint account_is_not_overdrawn")
    by_hand(account, statement)
    assert code in broken(account)

"""Journals: whole or not at all, once per key, in the books of one program, reversed once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import InvalidInput, KeyReused, Problem
from counterfoil.ledger.accounts.accounts import close_account, open_accounts
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.journal import NewPosting, Posted, post_journals, reverse
from counterfoil.ledger.periods import PeriodNotLater, close_period, closed_until
from counterfoil.ledger.problems import (
    AccountClosed,
    AlreadyReversed,
    InsufficientFunds,
    PeriodClosed,
    UnknownAccount,
    UnknownJournal,
    UnknownProgram,
)
from counterfoil.ledger.reads.balances import balance, journal_by_key, journal_lines
from tests.ledger.builders import CASH, ESCROW, FEES, NOW, PAYEE, PROGRAM, a_journal, a_program, posted


def minor(conn: Connection[Any], name: str, asset: str = "EUR") -> int:
    return balance(conn, PROGRAM, name, asset=asset).minor


def nothing_is_broken(conn: Connection[Any]) -> bool:
    return run_invariants(conn, INVARIANTS) == []


def test_a_journal_moves_money_line_by_line(conn: Connection[Any]):
    a_program(conn)
    done = posted(conn, (CASH, ESCROW, 10_00), (ESCROW, PAYEE, 9_00), (ESCROW, FEES, 1_00), source=("payment", "pay_1"))
    assert [minor(conn, name) for name in (CASH, ESCROW, PAYEE, FEES)] == [10_00, 0, 9_00, 1_00]
    assert [(line.debit, line.minor, line.debit_balance) for line in journal_lines(conn, done.journal_id, rows_max=1_000)] == [
        (CASH, 10_00, 10_00),
        (ESCROW, 9_00, 1_00),
        (ESCROW, 1_00, 0),
    ]
    assert nothing_is_broken(conn)


def test_the_same_request_again_gets_the_first_answer(conn: Connection[Any]):
    a_program(conn)
    first = posted(conn, key="k")
    again = posted(conn, key="k", now=NOW + timedelta(hours=1))  # a retry comes later
    assert again == first._replace(existed=True)
    assert minor(conn, ESCROW) == 10_00


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"asset": "USD"},
        {"narrative": "other"},
        {"source": ("payment", "pay_1")},
        {"effective_at": NOW - timedelta(days=1)},
    ],
)
def test_a_key_used_for_another_request_is_refused(conn: Connection[Any], change: dict[str, Any]):
    a_program(conn)
    posted(conn, key="k")
    with pytest.raises(KeyReused):
        posted(conn, key="k", **change)
    with pytest.raises(KeyReused):
        posted(conn, (CASH, ESCROW, 10_01), key="k")


def test_the_same_key_in_two_programs_is_two_journals(conn: Connection[Any]):
    a_program(conn)
    a_program(conn, "other")
    assert posted(conn, key="k").journal_id != posted(conn, key="k", program="other").journal_id


def test_a_journal_falls_whole_with_the_line_that_is_refused(conn: Connection[Any]):
    a_program(conn)
    with pytest.raises(InsufficientFunds) as refused:
        posted(conn, (CASH, ESCROW, 10_00), (ESCROW, PAYEE, 10_01))
    assert refused.value.facts == {"account": ESCROW, "minor": "1001", "asset": "EUR", "line": 2}
    assert conn.execute("select count(*) from journal").fetchone() == (0,)
    assert minor(conn, ESCROW) == 0


def test_many_journals_are_decided_one_after_the_other_each_with_its_result(conn: Connection[Any]):
    a_program(conn)
    results = post_journals(
        conn,
        PROGRAM,
        [
            a_journal((CASH, ESCROW, 100), key="a"),
            a_journal((ESCROW, PAYEE, 60), (ESCROW, PAYEE, 60), key="b"),
            a_journal((ESCROW, PAYEE, 60), key="c"),
            a_journal((CASH, ESCROW, 100), key="a"),
            a_journal((CASH, ESCROW, 101), key="a"),
            a_journal((CASH, ESCROW, 7), key="d", asset="USD"),
            a_journal((CASH, "escrow:nobody", 7), key="e"),
            a_journal((CASH, ESCROW, 7), key="f", asset="JPY"),
            a_journal((CASH, ESCROW, 7), key=""),
            a_journal((ESCROW, PAYEE, 60), (ESCROW, PAYEE, 60), key="b"),
        ],
        now=NOW,
    )
    kinds = [type(result) for result in results]
    assert kinds == [
        Posted,
        InsufficientFunds,
        Posted,
        Posted,
        KeyReused,
        Posted,
        UnknownAccount,
        UnknownProgram,
        InvalidInput,
        InsufficientFunds,
    ]
    assert results[3] == results[0]._replace(existed=True)  # type: ignore[union-attr]
    assert [minor(conn, ESCROW), minor(conn, PAYEE), minor(conn, ESCROW, "USD")] == [40, 60, 7]
    assert nothing_is_broken(conn)


def test_what_was_posted_singly_is_known_in_a_batch(conn: Connection[Any]):
    a_program(conn)
    first = posted(conn, key="k")
    results = post_journals(conn, PROGRAM, [a_journal(key="k"), a_journal((CASH, ESCROW, 1), key="k")], now=NOW)
    assert results[0] == first._replace(existed=True)
    assert isinstance(results[1], KeyReused)


@pytest.mark.parametrize(
    ("field", "journal"),
    [
        ("key", a_journal(key="k" * 256)),
        ("kind", a_journal(kind="")),
        ("narrative", a_journal(narrative="n" * 2_001)),
        ("lines", a_journal()._replace(lines=[])),
        ("minor", a_journal((CASH, ESCROW, 1.5))),  # type: ignore[arg-type]
        ("minor", a_journal((CASH, ESCROW, True))),
        ("minor", a_journal((CASH, ESCROW, 0))),
        ("minor", a_journal((CASH, ESCROW, -1))),
        ("minor", a_journal((CASH, ESCROW, 10**18 + 1))),
        ("credit", a_journal((CASH, CASH, 1))),
        ("asset", a_journal(asset="eur")),
        ("effective_at", a_journal(effective_at=NOW.replace(tzinfo=None))),
        ("effective_at", a_journal(effective_at=NOW + timedelta(days=400_000))),
    ],
)
def test_bad_input_names_its_field(conn: Connection[Any], field: str, journal: Any):
    a_program(conn)
    (result,) = post_journals(conn, PROGRAM, [journal], now=NOW)
    assert isinstance(result, InvalidInput)
    assert result.facts["field"] == field
    assert result.facts["limit"]


def test_an_unknown_program_is_a_problem(conn: Connection[Any]):
    with pytest.raises(UnknownProgram):
        posted(conn)


# Reversal.


def test_a_reversal_moves_everything_back_from_the_last_line_to_the_first(conn: Connection[Any]):
    a_program(conn)
    done = posted(conn, (CASH, ESCROW, 10_00), (ESCROW, PAYEE, 10_00))
    back = reverse(conn, PROGRAM, done.journal_id, key="r", reason="wrong customer", actor="ann", now=NOW)
    assert [minor(conn, name) for name in (CASH, ESCROW, PAYEE)] == [0, 0, 0]
    assert [(line.debit, line.credit) for line in journal_lines(conn, back.journal_id, rows_max=1_000)] == [
        (PAYEE, ESCROW),
        (ESCROW, CASH),
    ]
    header = journal_by_key(conn, PROGRAM, "r")
    assert header is not None
    assert (header.reverses, header.narrative, header.kind) == (done.journal_id, "wrong customer", "reversal")
    assert nothing_is_broken(conn)


def test_a_journal_is_reversed_once_and_the_same_reversal_again_is_answered_again(conn: Connection[Any]):
    a_program(conn)
    done = posted(conn)
    back = reverse(conn, PROGRAM, done.journal_id, key="r", reason="wrong", actor="ann", now=NOW)
    assert reverse(conn, PROGRAM, done.journal_id, key="r", reason="wrong", actor="ann", now=NOW) == back._replace(existed=True)
    with pytest.raises(AlreadyReversed):
        reverse(conn, PROGRAM, done.journal_id, key="r2", reason="wrong", actor="ann", now=NOW)


def test_a_line_is_reversed_once_alone_or_with_the_whole(conn: Connection[Any]):
    a_program(conn)
    done = posted(conn, (CASH, ESCROW, 1), (CASH, ESCROW, 2))
    reverse(conn, PROGRAM, done.journal_id, line=2, key="r1", reason="wrong", actor="ann", now=NOW)
    assert minor(conn, ESCROW) == 1
    for line in (2, None):
        with pytest.raises(AlreadyReversed):
            reverse(conn, PROGRAM, done.journal_id, line=line, key="r2", reason="wrong", actor="ann", now=NOW)
    reverse(conn, PROGRAM, done.journal_id, line=1, key="r3", reason="wrong", actor="ann", now=NOW)
    assert minor(conn, ESCROW) == 0
    assert nothing_is_broken(conn)


def test_money_that_has_moved_on_is_not_moved_back(conn: Connection[Any]):
    a_program(conn)
    done = posted(conn, (CASH, ESCROW, 10))
    posted(conn, (ESCROW, PAYEE, 1))
    with pytest.raises(InsufficientFunds):
        reverse(conn, PROGRAM, done.journal_id, key="r", reason="wrong", actor="ann", now=NOW)


def test_another_program_cannot_reverse_a_journal(conn: Connection[Any]):
    a_program(conn)
    a_program(conn, "other")
    done = posted(conn)
    with pytest.raises(UnknownJournal):
        reverse(conn, "other", done.journal_id, key="r", reason="wrong", actor="ann", now=NOW)
    with pytest.raises(UnknownJournal):
        reverse(conn, PROGRAM, done.journal_id, line=2, key="r", reason="wrong", actor="ann", now=NOW)


# Periods.


def test_nothing_is_posted_into_a_closed_period(conn: Connection[Any]):
    a_program(conn)
    posted(conn, effective_at=NOW - timedelta(days=40))
    until = NOW - timedelta(days=20)
    close_period(conn, PROGRAM, until=until, reason="October is done", actor="ann", now=NOW)
    assert closed_until(conn, PROGRAM) == until
    with pytest.raises(PeriodClosed):
        posted(conn, effective_at=until - timedelta(microseconds=1))
    posted(conn, effective_at=until)
    assert nothing_is_broken(conn)


def test_a_period_is_closed_forward_only_and_not_into_the_future(conn: Connection[Any]):
    a_program(conn)
    close_period(conn, PROGRAM, until=NOW - timedelta(days=1), reason="done", actor="ann", now=NOW)
    with pytest.raises(PeriodNotLater):
        close_period(conn, PROGRAM, until=NOW - timedelta(days=2), reason="done", actor="ann", now=NOW)
    with pytest.raises(InvalidInput):
        close_period(conn, PROGRAM, until=NOW + timedelta(days=1), reason="done", actor="ann", now=NOW)


# Several writers.


def test_two_writers_with_one_key_post_one_journal(database: Database):
    with database.transaction() as conn:
        a_program(conn)
    barrier = Barrier(4)

    def write(_: int) -> Posted | Problem:
        with database.transaction() as conn:
            barrier.wait()
            return posted(conn, (CASH, ESCROW, 5), key="k")

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(4)))
    assert len({result.journal_id for result in results if isinstance(result, Posted)}) == 1
    assert sorted(result.existed for result in results if isinstance(result, Posted)) == [False, True, True, True]
    with database.transaction() as conn:
        assert minor(conn, ESCROW) == 5
        assert nothing_is_broken(conn)


def test_two_writers_do_not_spend_the_same_money(database: Database):
    with database.transaction() as conn:
        a_program(conn)
        posted(conn, (CASH, ESCROW, 10))
    barrier = Barrier(4)

    def write(number: int) -> bool:
        try:
            with database.transaction() as conn:
                barrier.wait()
                posted(conn, (ESCROW, PAYEE, 4), key=f"k{number}")
        except InsufficientFunds:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4))) == [False, False, True, True]
    with database.transaction() as conn:
        assert (minor(conn, ESCROW), minor(conn, PAYEE)) == (2, 8)
        assert nothing_is_broken(conn)


def test_closing_a_period_waits_for_who_writes_and_refuses_who_comes_later(database: Database):
    early, order = NOW - timedelta(days=2), []
    with database.transaction() as conn:
        a_program(conn)
    started = Barrier(2)

    def close() -> None:
        with database.transaction() as conn:
            started.wait()
            close_period(conn, PROGRAM, until=NOW - timedelta(days=1), reason="done", actor="ann", now=NOW)
            order.append("closed")

    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as conn:
            posted(conn, effective_at=early)
            closing = pool.submit(close)
            started.wait()
            waiting = """select count(*) from pg_locks l join pg_database d on d.oid = l.database
                         where d.datname = current_database() and l.locktype = 'advisory' and not l.granted"""
            for _ in range(1_000):
                if conn.execute(waiting).fetchone() == (1,):
                    break
                time.sleep(0.005)
            else:
                pytest.fail("the closer does not wait for us")
            posted(conn, effective_at=early)
            order.append("posted")
        closing.result(timeout=10)
    assert order == ["posted", "closed"]
    with database.transaction() as conn:
        with pytest.raises(PeriodClosed):
            posted(conn, effective_at=early)
        assert nothing_is_broken(conn)


def test_a_closed_account_takes_nothing(conn: Connection[Any]):
    a_program(conn)
    open_accounts(conn, PROGRAM, ["escrow:old"], asset="EUR", actor="ann", now=NOW)
    close_account(conn, PROGRAM, "escrow:old", asset="EUR", reason="left", actor="ann", now=NOW)
    with pytest.raises(AccountClosed):
        posted(conn, (CASH, "escrow:old", 1))


def test_a_plain_line_will_do(conn: Connection[Any]):
    a_program(conn)
    assert posted(conn, NewPosting(CASH, ESCROW, 1)).journal_id

"""Bulk: thousands of movements under one header, an outcome each, once per id, and the same answer to the same request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import InvalidInput, KeyReused
from counterfoil.ledger.accounts.accounts import freeze_account, open_accounts
from counterfoil.ledger.holds import holds_on
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import Movement, MovementKind, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, BulkPosted, post_many
from counterfoil.ledger.journals.journal import reverse
from counterfoil.ledger.journals.memory import Memory
from counterfoil.ledger.reads.balances import balance, balances, journal_by_key
from tests.ledger.builders import (
    CASH,
    ESCROW,
    FEES,
    NOW,
    PAYEE,
    PROGRAM,
    a_hold,
    a_movement,
    a_program,
    a_resolution,
    an_id,
    posted,
)

PAYEES = [f"payable:payee:{number}" for number in range(40)]


def many(conn: Connection[Any], movements: list[Movement], key: str = "b", **rest: Any) -> BulkPosted:
    memory = rest.pop("memory", None)
    return post_many(conn, PROGRAM, Bulk(key, "test", "EUR", "tester", **rest), movements, now=NOW, memory=memory)


def minor(conn: Connection[Any], name: str) -> int:
    return balance(conn, PROGRAM, name, asset="EUR").minor


def nothing_is_broken(conn: Connection[Any]) -> bool:
    return run_invariants(conn, INVARIANTS) == []


@pytest.mark.parametrize("count", [1, 3, 4, 64, 600, 2_000])
def test_a_bulk_is_one_journal_with_a_line_per_movement(conn: Connection[Any], count: int):
    a_program(conn)
    done = many(conn, [a_movement(minor=1) for _ in range(count)])
    assert done.outcomes == [MovementOutcome.POSTED] * count
    assert minor(conn, ESCROW) == count
    header = journal_by_key(conn, PROGRAM, "b")
    assert header is not None
    assert (header.id, header.lines, header.recorded_at) == (done.journal_id, count, done.recorded_at)
    assert nothing_is_broken(conn)


@pytest.mark.parametrize("count", [3, 100])
def test_what_is_refused_leaves_the_rest_standing_and_is_remembered(conn: Connection[Any], count: int):
    a_program(conn)
    movements = [a_movement() if place % 3 else a_movement(PAYEE, FEES) for place in range(count)]
    first = many(conn, movements)
    assert first.outcomes == [MovementOutcome.POSTED if place % 3 else MovementOutcome.DEBIT_INSUFFICIENT for place in range(count)]
    posted(conn, (CASH, PAYEE, 10**6))  # now there would be enough
    assert many(conn, movements) == first._replace(existed=True)
    assert nothing_is_broken(conn)


def test_a_bulk_of_refusals_alone_is_remembered_too(conn: Connection[Any]):
    a_program(conn)
    for size in (2, 70):
        first = many(conn, refused := [a_movement(PAYEE, FEES) for _ in range(size)], key=f"b{size}")
        assert set(first.outcomes) == {MovementOutcome.DEBIT_INSUFFICIENT}
        assert many(conn, refused, key=f"b{size}").existed
    assert nothing_is_broken(conn)


def test_a_key_used_for_other_movements_is_refused(conn: Connection[Any]):
    a_program(conn)
    many(conn, [a_movement()])
    with pytest.raises(KeyReused):
        many(conn, [a_movement()])


@pytest.mark.parametrize("count", [2, 200])
def test_a_movement_is_posted_once_in_whatever_batch_it_comes(conn: Connection[Any], count: int):
    a_program(conn)
    movements = [a_movement(minor=1) for _ in range(count)]
    many(conn, movements)
    again = [movements[0]._replace(minor=2), *movements[1:], a_movement(minor=1)]
    expected = [MovementOutcome.ID_REUSED, *[MovementOutcome.EXISTS] * (count - 1), MovementOutcome.POSTED]
    assert many(conn, again, key="c").outcomes == expected
    assert minor(conn, ESCROW) == count + 1
    assert nothing_is_broken(conn)


def test_an_id_used_in_another_program_is_not_taken_for_ours(conn: Connection[Any]):
    a_program(conn)
    a_program(conn, "other")
    movement = a_movement()
    many(conn, [movement])
    bulk = Bulk("b", "test", "EUR", "tester")
    assert post_many(conn, "other", bulk, [movement], now=NOW).outcomes == [MovementOutcome.ID_REUSED]


def test_a_linked_set_is_not_torn_where_a_bulk_is_sent_in_parts(conn: Connection[Any]):
    a_program(conn)
    chain = [a_movement(minor=1, linked=True) for _ in range(700)]
    done = many(conn, [*[a_movement(minor=1) for _ in range(500)], *chain, a_movement(PAYEE, FEES, 1), a_movement(minor=1)])
    refused = [MovementOutcome.LINKED_REFUSED] * 700 + [MovementOutcome.DEBIT_INSUFFICIENT]
    assert done.outcomes == [MovementOutcome.POSTED] * 500 + refused + [MovementOutcome.POSTED]
    assert minor(conn, ESCROW) == 501
    assert nothing_is_broken(conn)


def test_holds_and_their_ends_are_posted_in_bulk(conn: Connection[Any]):
    a_program(conn)
    posted(conn, (CASH, ESCROW, 100))
    stays, ends, voided = a_hold(minor=10), a_hold(minor=50), a_hold(minor=40)
    done = many(
        conn,
        [
            stays,
            ends,
            voided,
            a_movement(ESCROW, FEES, 1),
            a_resolution(MovementKind.POST_HOLD, ends, 30, id=an_id()),
            a_resolution(MovementKind.VOID_HOLD, voided),
            a_movement(ESCROW, FEES, 60),
            a_movement(ESCROW, FEES, 1),
        ],
    )
    assert [outcome.value for outcome in done.outcomes] == [
        "posted",
        "posted",
        "posted",
        "debit_insufficient",
        "posted",
        "posted",
        "posted",
        "debit_insufficient",
    ]
    found = balances(conn, PROGRAM, [ESCROW, PAYEE, FEES], asset="EUR")
    assert [(found[name].minor, found[name].held) for name in (ESCROW, PAYEE, FEES)] == [(10, 10), (30, 0), (60, 0)]
    assert [hold.minor for hold in holds_on(conn, PROGRAM, PAYEE, asset="EUR")] == [10]
    assert nothing_is_broken(conn)


def test_one_movement_of_a_bulk_is_reversed_alone(conn: Connection[Any]):
    a_program(conn)
    done = many(conn, [a_movement(minor=minor) for minor in (1, 2, 4)])
    reverse(conn, PROGRAM, done.journal_id, line=2, key="r", reason="wrong", actor="ann", now=NOW)
    assert minor(conn, ESCROW) == 5
    assert nothing_is_broken(conn)


@pytest.mark.parametrize(
    ("field", "movements", "key"),
    [
        ("movements", [], "b"),
        ("id", [a_movement()._replace(id=None)], "b"),
        ("id", [a_movement()._replace(id=b"short")], "b"),
        ("key", [a_movement()], ""),
        ("key", [a_movement()], "k" * 256),
    ],
)
def test_bad_input_names_its_field(conn: Connection[Any], field: str, movements: list[Movement], key: str):
    a_program(conn)
    with pytest.raises(InvalidInput) as refused:
        many(conn, movements, key=key)
    assert refused.value.facts["field"] == field


# What a writer remembers between its batches.


def test_a_writer_that_remembers_sees_what_others_wrote_in_between(database: Database):
    memory = Memory()
    with database.transaction() as conn:
        a_program(conn, accounts=[CASH, ESCROW, PAYEE, FEES, *PAYEES])
        many(conn, [a_movement(minor=10)], key="1", memory=memory)
    with database.transaction() as conn:
        many(conn, [a_movement(minor=10), a_movement(ESCROW, PAYEE, 5)], key="2", memory=memory)
        assert memory.readings == 1
    with database.transaction() as other:
        posted(other, (ESCROW, FEES, 15))
    with database.transaction() as conn:
        done = many(conn, [a_movement(ESCROW, PAYEE, 1), a_movement(ESCROW, "payable:payee:new", 1)], key="3", memory=memory)
        assert done.outcomes == [MovementOutcome.DEBIT_INSUFFICIENT, MovementOutcome.CREDIT_UNKNOWN]
    with database.transaction() as other:
        open_accounts(other, PROGRAM, ["payable:payee:new"], asset="EUR", actor="ann", now=NOW)
        posted(other, (CASH, ESCROW, 2))
        freeze_account(other, PROGRAM, PAYEE, asset="EUR", reason="asked", actor="ann", now=NOW)
    with database.transaction() as conn:
        done = many(
            conn,
            [a_movement(ESCROW, "payable:payee:new", 1), a_movement(PAYEE, ESCROW, 1), a_movement(ESCROW, PAYEE, 1)],
            key="4",
            memory=memory,
        )
        assert done.outcomes == [MovementOutcome.POSTED, MovementOutcome.DEBIT_FROZEN, MovementOutcome.POSTED]
        assert nothing_is_broken(conn)


def test_a_writer_forgets_a_batch_that_was_rolled_back(database: Database):
    memory = Memory()
    with database.transaction() as conn:
        a_program(conn)
    with database.transaction(commit=False) as conn:
        assert many(conn, [a_movement(minor=10)], memory=memory).outcomes == [MovementOutcome.POSTED]
    with database.transaction() as conn:
        done = many(conn, [a_movement(ESCROW, PAYEE, 1)], memory=memory)
        assert done.outcomes == [MovementOutcome.DEBIT_INSUFFICIENT]
        assert nothing_is_broken(conn)


def test_writers_that_remember_take_turns_without_losing_a_unit(database: Database):
    with database.transaction() as conn:
        a_program(conn, accounts=[CASH, ESCROW, PAYEE, FEES, *PAYEES])

    def write(writer: int) -> int:
        memory, done = Memory(), 0
        for number in range(12):
            moves = [a_movement(CASH, PAYEES[(writer + place) % 40], 1) for place in range(60 + writer * 10)]
            moves += [a_movement(PAYEES[place], FEES, 2) for place in range(40)]
            with database.transaction() as conn:
                outcomes = many(conn, moves, key=f"{writer}-{number}", memory=memory).outcomes
            done += outcomes.count(MovementOutcome.POSTED)
        return done

    with ThreadPoolExecutor(3) as pool:
        done = sum(pool.map(write, range(3)))
    with database.transaction() as conn:
        assert conn.execute("select count(*) from posting").fetchone() == (done,)
        assert nothing_is_broken(conn)


def test_effective_times_of_their_own_go_with_the_movements(conn: Connection[Any]):
    a_program(conn)
    early = NOW - timedelta(days=100)
    us = int(early.timestamp()) * 1_000_000
    many(conn, [a_movement(minor=1, effective_us=us), *[a_movement(minor=1) for _ in range(70)]])
    assert balance(conn, PROGRAM, ESCROW, asset="EUR", as_of=early, clock="effective").minor == 1

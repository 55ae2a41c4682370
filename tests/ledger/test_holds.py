"""Holds: what is set aside cannot be spent, and is resolved once: posted in full or in part, voided, or expired."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection, errors

from counterfoil.base.edge import Database
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import InvalidInput, KeyReused, Problem
from counterfoil.ledger.accounts.accounts import close_account, freeze_account
from counterfoil.ledger.clock import to_us
from counterfoil.ledger.holds import (
    Hold,
    expire_holds,
    get_hold,
    holds_expiring,
    holds_on,
    post_hold,
    take_hold,
    void_hold,
)
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import Movement, MovementKind, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.journals.journal import Posted
from counterfoil.ledger.periods import close_period
from counterfoil.ledger.problems import (
    AccountFrozen,
    HoldExpired,
    HoldPromised,
    HoldResolved,
    HoldTooSmall,
    InsufficientFunds,
    KeyReserved,
    UnknownAccount,
    UnknownHold,
)
from counterfoil.ledger.reads.balances import balance, journal_by_key
from tests.ledger.builders import CASH, ESCROW, NOW, PAYEE, PROGRAM, a_program, an_id, posted


def take(conn: Connection[Any], minor: int = 60, key: str = "h", **given: Any) -> Hold:
    rest: dict[str, Any] = {"debit": ESCROW, "credit": PAYEE, "asset": "EUR", "actor": "ann", "now": NOW} | given
    return take_hold(conn, PROGRAM, key=key, minor=minor, **rest)


def money(conn: Connection[Any], name: str = ESCROW) -> tuple[int, int]:
    found = balance(conn, PROGRAM, name, asset="EUR")
    assert found.available == found.minor - found.held
    return found.minor, found.held


def nothing_is_broken(conn: Connection[Any]) -> bool:
    return run_invariants(conn, INVARIANTS) == []


@pytest.fixture
def escrow(conn: Connection[Any]) -> Connection[Any]:
    """An escrow with 100 in it."""
    a_program(conn)
    posted(conn, (CASH, ESCROW, 100))
    return conn


def test_what_is_held_stays_on_the_balance_and_cannot_be_spent(escrow: Connection[Any]):
    hold = take(escrow, source=("payment", "pay_1"), narrative="on its way")
    assert (hold.state, hold.minor, hold.source_id, hold.narrative) == ("held", 60, "pay_1", "on its way")
    assert money(escrow) == (100, 60)
    with pytest.raises(InsufficientFunds):
        posted(escrow, (ESCROW, PAYEE, 41))
    with pytest.raises(InsufficientFunds):
        take(escrow, 41, key="h2")
    assert holds_on(escrow, PROGRAM, ESCROW, asset="EUR") == [hold]


def test_the_same_key_is_the_same_hold(escrow: Connection[Any]):
    assert take(escrow) == take(escrow, now=NOW + timedelta(hours=1))
    assert money(escrow) == (100, 60)
    with pytest.raises(KeyReused):
        take(escrow, 61)


@pytest.mark.parametrize(("minor", "left"), [(None, 40), (60, 40), (25, 75)])
def test_a_hold_is_posted_in_full_or_in_part_and_the_rest_returns(escrow: Connection[Any], minor: int | None, left: int):
    hold = take(escrow, source=("payment", "pay_1"))
    done = post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW, minor=minor)
    assert money(escrow) == (left, 0)
    assert money(escrow, PAYEE) == (100 - left, 0)
    assert post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW, minor=minor) == done._replace(existed=True)
    after = get_hold(escrow, PROGRAM, hold.id)
    assert (after.state, after.posted_minor) == ("post", 100 - left)
    header = journal_by_key(escrow, PROGRAM, f"hold.post:{hold.id}")
    assert header is not None
    assert (header.id, header.source_id) == (done.journal_id, "pay_1")
    assert nothing_is_broken(escrow)


def test_a_hold_that_was_posted_is_not_posted_otherwise_nor_voided(escrow: Connection[Any]):
    hold = take(escrow)
    post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW)
    with pytest.raises(HoldResolved):
        post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW, minor=59)
    with pytest.raises(HoldResolved):
        void_hold(escrow, PROGRAM, hold.id, reason="late", actor="ann", now=NOW)
    assert money(escrow) == (40, 0)


def test_a_hold_that_was_voided_returns_once(escrow: Connection[Any]):
    hold = take(escrow)
    for _ in range(2):
        void_hold(escrow, PROGRAM, hold.id, reason="cancelled", actor="ann", now=NOW)
    assert money(escrow) == (100, 0)
    with pytest.raises(HoldResolved):
        post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW)
    assert holds_on(escrow, PROGRAM, ESCROW, asset="EUR") == []
    assert nothing_is_broken(escrow)


def test_no_more_is_posted_than_was_held(escrow: Connection[Any]):
    with pytest.raises(HoldTooSmall):
        post_hold(escrow, PROGRAM, take(escrow).id, actor="ann", now=NOW, minor=61)


def test_a_hold_warns_before_it_expires_and_returns_after(escrow: Connection[Any]):
    soon, later = NOW + timedelta(minutes=50), NOW + timedelta(hours=5)
    hold, other = take(escrow, expires_at=soon), take(escrow, 10, key="h2", expires_at=later)
    never = take(escrow, 5, key="h3")
    assert holds_expiring(escrow, PROGRAM, now=NOW, within=timedelta(hours=1)) == [hold]
    assert expire_holds(escrow, PROGRAM, actor="sweep", now=NOW) == []
    assert expire_holds(escrow, PROGRAM, actor="sweep", now=soon) == [hold.id]
    assert expire_holds(escrow, PROGRAM, actor="sweep", now=soon) == []
    assert money(escrow) == (100, 15)
    assert get_hold(escrow, PROGRAM, hold.id).state == "expire"
    assert expire_holds(escrow, PROGRAM, actor="sweep", now=NOW + timedelta(days=9)) == [other.id]
    assert holds_on(escrow, PROGRAM, PAYEE, asset="EUR") == [never]
    assert nothing_is_broken(escrow)


def test_a_hold_past_its_time_is_not_posted_even_before_the_sweep(escrow: Connection[Any]):
    hold = take(escrow, expires_at=NOW + timedelta(minutes=1))
    with pytest.raises(HoldExpired):
        post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW + timedelta(minutes=1))
    post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW + timedelta(seconds=59))


def test_holds_of_many_books_expire_in_one_sweep(escrow: Connection[Any]):
    posted(escrow, (CASH, ESCROW, 100), asset="USD")
    at = NOW + timedelta(minutes=1)
    made = [take(escrow, 1, key=f"{asset}{n}", asset=asset, expires_at=at) for n in range(3) for asset in ("EUR", "USD")]
    assert len(expire_holds(escrow, PROGRAM, actor="sweep", now=at, rows_max=4)) == 4
    assert len(expire_holds(escrow, PROGRAM, actor="sweep", now=at, rows_max=4)) == 2
    assert {get_hold(escrow, PROGRAM, hold.id).state for hold in made} == {"expire"}


def test_a_freeze_stops_new_holds_and_what_was_held_before_is_posted(escrow: Connection[Any]):
    """A participant of a transaction that voted yes can always do what was decided (it could not, and was stuck for ever)."""
    hold = take(escrow)
    freeze_account(escrow, PROGRAM, ESCROW, asset="EUR", reason="asked", actor="ann", now=NOW)
    with pytest.raises(AccountFrozen), escrow.transaction():
        take(escrow, 1, key="another")
    post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW)
    assert money(escrow) == (40, 0)
    assert nothing_is_broken(escrow)


def test_what_is_held_of_a_frozen_account_may_be_given_back(escrow: Connection[Any]):
    hold = take(escrow)
    freeze_account(escrow, PROGRAM, ESCROW, asset="EUR", reason="asked", actor="ann", now=NOW)
    void_hold(escrow, PROGRAM, hold.id, reason="asked", actor="ann", now=NOW)
    assert money(escrow) == (100, 0)


def test_in_a_bulk_too_a_hold_of_a_frozen_account_is_posted_and_a_transfer_is_not(escrow: Connection[Any]):
    hold = take(escrow)
    freeze_account(escrow, PROGRAM, ESCROW, asset="EUR", reason="asked", actor="ann", now=NOW)
    moves = [
        Movement(an_id(), "", "", 60, MovementKind.POST_HOLD, hold_id=hold.id.bytes),
        Movement(an_id(), ESCROW, PAYEE, 1),
    ]
    done = post_many(escrow, PROGRAM, Bulk("b", "test", "EUR", "ann"), moves, now=NOW)
    assert done.outcomes == [MovementOutcome.POSTED, MovementOutcome.DEBIT_FROZEN]
    assert money(escrow) == (40, 0)


@pytest.mark.parametrize("how", ["alone", "in a bulk"])
def test_what_was_held_when_the_books_were_closed_is_posted_on_the_first_open_day(escrow: Connection[Any], how: str):
    hold = take(escrow)
    close_period(escrow, PROGRAM, until=NOW, reason="month end", actor="ann", now=NOW)
    happened = NOW - timedelta(hours=3)
    if how == "alone":
        done = post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW, effective_at=happened)
        assert done.effective_at == NOW
        assert post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW, effective_at=happened).existed
    else:
        at = Movement(an_id(), "", "", 60, MovementKind.POST_HOLD, to_us(happened), hold_id=hold.id.bytes)
        assert post_many(escrow, PROGRAM, Bulk("b", "test", "EUR", "ann"), [at], now=NOW).outcomes == [MovementOutcome.POSTED]
    assert escrow.execute("select occurred_at from late_posting").fetchall() == [(happened,)]
    assert nothing_is_broken(escrow)


@pytest.mark.parametrize("name", [ESCROW, PAYEE])
def test_no_account_with_a_hold_on_it_is_closed(escrow: Connection[Any], name: str):
    posted(escrow, (ESCROW, CASH, 40))
    take(escrow, 60)
    with pytest.raises(errors.DatabaseError, match="account_closes_empty"):
        close_account(escrow, PROGRAM, name, asset="EUR", reason="done", actor="ann", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": NOW + timedelta(hours=1)},
        {"narrative": "other words"},
        {"kind": "other"},
        {"source": ("thing", "1")},
        {"minor": 61},
    ],
)
def test_a_hold_key_is_for_one_request_in_every_part_of_it(escrow: Connection[Any], change: dict[str, Any]):
    first = take(escrow)
    assert take(escrow).id == first.id
    with pytest.raises(KeyReused):
        take(escrow, **change)


def test_posting_again_under_another_request_is_refused(escrow: Connection[Any]):
    hold = take(escrow)
    post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW, narrative="sold")
    assert post_hold(escrow, PROGRAM, hold.id, actor="bob", now=NOW + timedelta(days=1), narrative="sold").existed
    with pytest.raises(KeyReused):
        post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW, narrative="given away")


def test_a_hold_that_a_bulk_posted_is_answered_when_it_is_posted_alone(escrow: Connection[Any]):
    hold = take(escrow)
    move = Movement(an_id(), "", "", 60, MovementKind.POST_HOLD, hold_id=hold.id.bytes)
    done = post_many(escrow, PROGRAM, Bulk("b", "test", "EUR", "ann"), [move], now=NOW)
    again = post_hold(escrow, PROGRAM, hold.id, actor="ann", now=NOW)
    assert (again.journal_id, again.existed) == (done.journal_id, True)


def test_a_promise_has_no_expiry_and_only_who_took_it_gives_it_back(escrow: Connection[Any]):
    with pytest.raises(InvalidInput):
        take(escrow, promised=True, source=("txn", "1"), expires_at=NOW + timedelta(hours=1))
    with pytest.raises(InvalidInput):
        take(escrow, promised=True)
    hold = take(escrow, promised=True, source=("txn", "1"))
    for source in (None, ("txn", "2")):
        with pytest.raises(HoldPromised):
            void_hold(escrow, PROGRAM, hold.id, reason="tired of it", actor="ann", now=NOW, source=source)
    assert expire_holds(escrow, PROGRAM, actor="sweep", now=NOW + timedelta(days=3650)) == []
    void_hold(escrow, PROGRAM, hold.id, reason="aborted", actor="coordinator", now=NOW, source=("txn", "1"))
    assert money(escrow) == (100, 0)


def test_a_callers_hold_cannot_take_a_key_of_the_product(escrow: Connection[Any]):
    with pytest.raises(KeyReserved):
        take(escrow, key="PAYOUT_RESERVE:pp_1")


@pytest.mark.parametrize(
    ("problem", "given"),
    [
        (InsufficientFunds, {"minor": 101}),
        (UnknownAccount, {"credit": "payable:payee:nobody"}),
        (InvalidInput, {"minor": 0}),
        (InvalidInput, {"credit": ESCROW}),
        (InvalidInput, {"expires_at": NOW}),
        (InvalidInput, {"expires_at": datetime(2030, 1, 1)}),  # noqa: DTZ001  # the point: no time zone
        (InvalidInput, {"narrative": "n" * 2_001}),
    ],
)
def test_a_hold_that_cannot_be_is_a_problem(escrow: Connection[Any], problem: type[Problem], given: dict[str, Any]):
    with pytest.raises(problem):
        take(escrow, **given)


def test_a_hold_of_another_program_is_unknown(escrow: Connection[Any]):
    hold = take(escrow)
    a_program(escrow, "other")
    for act in (
        lambda: post_hold(escrow, "other", hold.id, actor="ann", now=NOW),
        lambda: void_hold(escrow, "other", hold.id, reason="mine", actor="ann", now=NOW),
        lambda: get_hold(escrow, PROGRAM, UUID(int=1)),
    ):
        with pytest.raises(UnknownHold):
            act()


def test_of_those_who_resolve_a_hold_at_once_one_succeeds(database: Database):
    with database.transaction() as conn:
        a_program(conn)
        posted(conn, (CASH, ESCROW, 100))
        hold = take(conn)
    barrier = Barrier(4)

    def resolve(number: int) -> str:
        try:
            with database.transaction() as conn:
                barrier.wait()
                if number % 2:
                    void_hold(conn, PROGRAM, hold.id, reason="late", actor="ann", now=NOW)
                    return "void"
                done: Posted = post_hold(conn, PROGRAM, hold.id, actor="ann", now=NOW)
                return f"post {done.journal_id}"
        except HoldResolved:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(resolve, range(4)))
    assert len(set(results) - {"refused"}) == 1  # a repetition of what succeeded gets the same answer
    with database.transaction() as conn:
        assert money(conn)[1] == 0
        assert nothing_is_broken(conn)

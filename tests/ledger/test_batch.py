"""A batch is decided purely: outcomes in their stated order, sets that stand or fall together, holds, limits, duplicates."""

from __future__ import annotations

import pytest

from counterfoil.base.money import MINOR_MAX
from counterfoil.ledger.journals.batch import decide
from counterfoil.ledger.journals.batch_types import (
    TOTAL_MAX,
    AccountTotals,
    HoldState,
    Movement,
    MovementKind,
    MovementOutcome,
    Terms,
)
from counterfoil.ledger.problems import refusal
from tests.ledger.builders import a_hold, a_movement, a_resolution, an_id

CASH, PAYEE, ESCROW = "cash:bank:client", "payable:payee:ann", "escrow:inv_1"
TERMS = Terms(now_us=1_000, effective_us=1_000, closed_until_us=500, effective_max_us=5_000)


def accounts(**changes: AccountTotals) -> dict[str, AccountTotals]:
    """Cash without a limit, an escrow with 100, a payee with nothing; the last two must not fall below nothing."""
    return {
        CASH: AccountTotals(1, debits=100, debit_normal=True),
        ESCROW: AccountTotals(2, credits=100, no_overdraft=True),
        PAYEE: AccountTotals(3, no_overdraft=True),
    } | changes


def outcomes(*movements: Movement, at: dict[str, AccountTotals] | None = None, **rest: object) -> list[MovementOutcome]:
    return decide(at or accounts(), movements, TERMS, **rest).outcomes  # type: ignore[arg-type]


def test_a_transfer_moves_money_and_keeps_both_balances_after_it():
    at = accounts()
    decision = decide(at, [a_movement(ESCROW, PAYEE, 30, id=(id_ := an_id()))], TERMS)
    assert decision.outcomes == [MovementOutcome.POSTED]
    assert decision.writes[0].postings == [(0, 2, 3, 30, 70, 30, 1_000, id_)]
    assert (at[ESCROW].debits, at[ESCROW].balance, at[PAYEE].credits, at[PAYEE].balance) == (30, 70, 30, 30)


def test_a_later_movement_may_spend_what_an_earlier_one_brought():
    assert outcomes(a_movement(ESCROW, PAYEE, 30), a_movement(PAYEE, CASH, 30)) == [MovementOutcome.POSTED] * 2
    assert outcomes(a_movement(PAYEE, CASH, 30), a_movement(ESCROW, PAYEE, 30)) == [
        MovementOutcome.DEBIT_INSUFFICIENT,
        MovementOutcome.POSTED,
    ]


@pytest.mark.parametrize(
    ("outcome", "movement"),
    [
        (MovementOutcome.AMOUNT_OUT_OF_RANGE, a_movement(ESCROW, PAYEE, 0)),
        (MovementOutcome.AMOUNT_OUT_OF_RANGE, a_movement(ESCROW, PAYEE, -5)),
        (MovementOutcome.AMOUNT_OUT_OF_RANGE, a_movement(ESCROW, PAYEE, MINOR_MAX + 1)),
        (MovementOutcome.SAME_ACCOUNT, a_movement(ESCROW, ESCROW, 5)),
        (MovementOutcome.DEBIT_UNKNOWN, a_movement("nobody", "nobody else", 5)),
        (MovementOutcome.CREDIT_UNKNOWN, a_movement(ESCROW, "nobody", 5)),
        (MovementOutcome.DEBIT_CLOSED, a_movement("closed", PAYEE, 5)),
        (MovementOutcome.CREDIT_CLOSED, a_movement(ESCROW, "closed", 5)),
        (MovementOutcome.DEBIT_FROZEN, a_movement("frozen", PAYEE, 5)),
        (MovementOutcome.CREDIT_FROZEN, a_movement(ESCROW, "frozen cash", 5)),
        (MovementOutcome.PERIOD_CLOSED, a_movement(ESCROW, PAYEE, 5, effective_us=499)),
        (MovementOutcome.EFFECTIVE_TOO_LATE, a_movement(ESCROW, PAYEE, 5, effective_us=5_001)),
        (MovementOutcome.TOTAL_TOO_LARGE, a_movement("full", PAYEE, 5)),
        (MovementOutcome.TOTAL_TOO_LARGE, a_movement(ESCROW, "full", 5)),
        (MovementOutcome.DEBIT_INSUFFICIENT, a_movement(ESCROW, PAYEE, 101)),
        (MovementOutcome.CREDIT_INSUFFICIENT, a_movement(ESCROW, "debts", 5)),
        (MovementOutcome.EXPIRY_PAST, a_hold(ESCROW, PAYEE, 5, expires_us=1_000)),
        (MovementOutcome.DEBIT_INSUFFICIENT, a_hold(ESCROW, PAYEE, 101)),
        (MovementOutcome.CREDIT_INSUFFICIENT, a_hold(ESCROW, "debts", 5)),
        (MovementOutcome.DEBIT_FROZEN, a_hold("frozen", PAYEE, 5)),
        (MovementOutcome.SAME_ACCOUNT, a_hold(ESCROW, ESCROW, 5)),
        (MovementOutcome.HOLD_UNKNOWN, a_resolution(MovementKind.VOID_HOLD, a_hold())),
        (MovementOutcome.LINK_OPEN, a_movement(ESCROW, PAYEE, 5, linked=True)),
    ],
)
def test_each_refusal_has_its_reason_and_leaves_no_trace(outcome: MovementOutcome, movement: Movement):
    at = accounts(
        closed=AccountTotals(4, closed=True),
        frozen=AccountTotals(5, credits=50, frozen=True),
        full=AccountTotals(7, debits=TOTAL_MAX, credits=TOTAL_MAX),
        debts=AccountTotals(8, debit_normal=True, no_overdraft=True),
        **{"frozen cash": AccountTotals(6, debits=50, debit_normal=True, frozen=True)},
    )
    before = {name: account.totals() for name, account in at.items()}
    decision = decide(at, [movement], TERMS)
    assert (decision.outcomes, decision.writes) == ([outcome], [])
    assert {name: account.totals() for name, account in at.items()} == before
    assert refusal(outcome, movement, "EUR").title()  # every reason has its problem


def test_the_first_reason_in_the_stated_order_is_told():
    wrong_in_every_way = a_movement("nobody", "nobody", -1, effective_us=1)
    assert outcomes(wrong_in_every_way) == [MovementOutcome.AMOUNT_OUT_OF_RANGE]
    assert outcomes(wrong_in_every_way._replace(minor=10**6)) == [MovementOutcome.SAME_ACCOUNT]
    assert outcomes(wrong_in_every_way._replace(minor=10**6, credit=PAYEE)) == [MovementOutcome.DEBIT_UNKNOWN]
    assert outcomes(wrong_in_every_way._replace(minor=10**6, credit=PAYEE, debit=ESCROW)) == [MovementOutcome.PERIOD_CLOSED]


def test_what_raises_a_frozen_account_is_posted():
    at = accounts(frozen=AccountTotals(5, frozen=True), **{"frozen cash": AccountTotals(6, debit_normal=True, frozen=True)})
    assert outcomes(a_movement(ESCROW, "frozen", 5), a_movement("frozen cash", PAYEE, 5), at=at) == [MovementOutcome.POSTED] * 2


# Linked sets.


def test_a_linked_set_stands_together():
    decision = decide(accounts(), [a_movement(ESCROW, PAYEE, 60, linked=True), a_movement(PAYEE, CASH, 60)], TERMS)
    assert decision.outcomes == [MovementOutcome.POSTED] * 2
    assert len(decision.writes[0].postings) == 2


def test_a_linked_set_falls_together_and_the_next_movement_sees_nothing_of_it():
    at = accounts()
    decision = decide(
        at,
        [
            a_movement(ESCROW, PAYEE, 60, linked=True),
            a_movement(PAYEE, CASH, 61, linked=True),
            a_movement(ESCROW, PAYEE, 1),
            a_movement(ESCROW, PAYEE, 100),
        ],
        TERMS,
    )
    fallen = [MovementOutcome.LINKED_REFUSED, MovementOutcome.DEBIT_INSUFFICIENT, MovementOutcome.LINKED_REFUSED]
    assert decision.outcomes == [*fallen, MovementOutcome.POSTED]
    assert [(row[0], row[3]) for row in decision.writes[0].postings] == [(3, 100)]
    assert at[PAYEE].balance == 100


def test_a_set_that_is_still_open_at_the_end_of_the_batch_is_refused_whole():
    assert outcomes(a_movement(ESCROW, PAYEE, 1, linked=True), a_movement(ESCROW, PAYEE, 1, linked=True)) == [
        MovementOutcome.LINKED_REFUSED,
        MovementOutcome.LINK_OPEN,
    ]


def test_a_fallen_set_gives_its_ids_its_holds_and_its_resolutions_back():
    at, old = accounts(), a_hold(ESCROW, PAYEE, 40)
    held = {old.id: HoldState(ESCROW, PAYEE, 40)}
    at[ESCROW].set_aside(40, debit=True)
    at[PAYEE].set_aside(40, debit=False)
    new = a_hold(ESCROW, PAYEE, 10)
    again = a_movement(ESCROW, PAYEE, 5)
    falls = [
        again._replace(linked=True),
        new._replace(linked=True),
        a_resolution(MovementKind.POST_HOLD, old, 40, linked=True),
        a_resolution(MovementKind.VOID_HOLD, new, linked=True),
        a_movement(ESCROW, PAYEE, 1_000),
    ]
    decision = decide(at, [*falls, again, new, a_resolution(MovementKind.VOID_HOLD, old)], TERMS, holds=held)
    assert decision.outcomes[:5] == [MovementOutcome.LINKED_REFUSED] * 4 + [MovementOutcome.DEBIT_INSUFFICIENT]
    assert decision.outcomes[5:] == [MovementOutcome.POSTED] * 3
    assert (at[ESCROW].debits, at[ESCROW].debits_pending, at[PAYEE].credits_pending) == (5, 10, 10)
    assert [len(rows) for rows in decision.writes[0]] == [1, 1, 1, 0]


# Ids.


def test_the_same_movement_twice_is_posted_once():
    movement = a_movement(ESCROW, PAYEE, 60)
    assert outcomes(movement, movement) == [MovementOutcome.POSTED, MovementOutcome.EXISTS]
    assert outcomes(movement, known={movement.id: movement}) == [MovementOutcome.EXISTS]


@pytest.mark.parametrize("change", [{"minor": 59}, {"debit": CASH}, {"credit": CASH}, {"kind": MovementKind.HOLD}])
def test_an_id_that_was_used_for_something_else_is_refused(change: dict[str, object]):
    movement = a_movement(ESCROW, PAYEE, 60)
    assert outcomes(movement, movement._replace(**change))[1] is MovementOutcome.ID_REUSED  # type: ignore[arg-type]


def test_an_effective_time_of_its_own_belongs_to_what_an_id_stands_for():
    movement = a_movement(ESCROW, PAYEE, 60, effective_us=700)
    assert outcomes(movement, movement._replace(effective_us=701)) == [
        MovementOutcome.POSTED,
        MovementOutcome.ID_REUSED,
    ]


def test_the_id_of_a_refused_movement_is_not_taken():
    movement = a_movement(PAYEE, CASH, 60)
    assert outcomes(movement, a_movement(ESCROW, PAYEE, 60), movement) == [
        MovementOutcome.DEBIT_INSUFFICIENT,
        MovementOutcome.POSTED,
        MovementOutcome.POSTED,
    ]


def test_a_set_of_which_a_part_was_posted_before_is_refused():
    before = a_movement(ESCROW, PAYEE, 5)
    linked = [before._replace(linked=True), a_movement(ESCROW, PAYEE, 6)]
    assert outcomes(*linked, known={before.id: before}) == [MovementOutcome.EXISTS, MovementOutcome.LINKED_REFUSED]
    assert outcomes(*linked, known={m.id: m._replace(linked=False) for m in linked}) == [MovementOutcome.EXISTS] * 2


# Holds.


def test_what_is_held_cannot_be_spent_or_held_again():
    at = accounts()
    assert outcomes(
        a_hold(ESCROW, PAYEE, 60),
        a_movement(ESCROW, PAYEE, 41),
        a_hold(ESCROW, PAYEE, 41),
        a_movement(ESCROW, PAYEE, 40),
        at=at,
    ) == [
        MovementOutcome.POSTED,
        MovementOutcome.DEBIT_INSUFFICIENT,
        MovementOutcome.DEBIT_INSUFFICIENT,
        MovementOutcome.POSTED,
    ]
    assert (at[ESCROW].balance, at[ESCROW].held) == (60, 60)


def test_what_is_held_for_an_account_cannot_be_spent_from_it():
    assert outcomes(a_hold(ESCROW, PAYEE, 60), a_movement(PAYEE, CASH, 60)) == [
        MovementOutcome.POSTED,
        MovementOutcome.DEBIT_INSUFFICIENT,
    ]


def test_a_hold_posted_in_part_returns_the_rest():
    at, hold = accounts(), a_hold(ESCROW, PAYEE, 60)
    decision = decide(at, [hold, a_resolution(MovementKind.POST_HOLD, hold, 25)], TERMS)
    assert decision.outcomes == [MovementOutcome.POSTED] * 2
    assert (at[ESCROW].balance, at[ESCROW].held, at[PAYEE].balance, at[PAYEE].credits_pending) == (75, 0, 25, 0)


@pytest.mark.parametrize("kind", [MovementKind.POST_HOLD, MovementKind.VOID_HOLD, MovementKind.EXPIRE_HOLD])
def test_a_hold_is_resolved_once(kind: MovementKind):
    first = {MovementKind.POST_HOLD: 60, MovementKind.VOID_HOLD: 0, MovementKind.EXPIRE_HOLD: 0}[kind]
    for again in (MovementKind.POST_HOLD, MovementKind.VOID_HOLD, MovementKind.EXPIRE_HOLD):
        at, hold = accounts(), a_hold(ESCROW, PAYEE, 60)
        at[ESCROW].set_aside(60, debit=True)
        at[PAYEE].set_aside(60, debit=False)
        held = {hold.id: HoldState(ESCROW, PAYEE, 60, expires_us=900 if kind is MovementKind.EXPIRE_HOLD else None)}
        minor = 60 if again is MovementKind.POST_HOLD else 0
        found = outcomes(a_resolution(kind, hold, first), a_resolution(again, hold, minor), at=at, holds=held)
        assert found == [
            MovementOutcome.POSTED,
            MovementOutcome.EXISTS if again is kind else MovementOutcome.HOLD_RESOLVED,
        ]


@pytest.mark.parametrize(
    ("expires_us", "kind", "minor", "outcome"),
    [
        (None, MovementKind.EXPIRE_HOLD, 0, MovementOutcome.HOLD_NOT_DUE),
        (1_001, MovementKind.EXPIRE_HOLD, 0, MovementOutcome.HOLD_NOT_DUE),
        (1_000, MovementKind.EXPIRE_HOLD, 0, MovementOutcome.POSTED),
        (1_000, MovementKind.POST_HOLD, 60, MovementOutcome.HOLD_EXPIRED),
        (1_001, MovementKind.POST_HOLD, 60, MovementOutcome.POSTED),
        (1_000, MovementKind.VOID_HOLD, 0, MovementOutcome.POSTED),
        (None, MovementKind.POST_HOLD, 61, MovementOutcome.HOLD_TOO_SMALL),
        (None, MovementKind.POST_HOLD, 0, MovementOutcome.AMOUNT_OUT_OF_RANGE),
    ],
)
def test_a_hold_ends_by_its_time_and_its_amount(expires_us: int | None, kind: MovementKind, minor: int, outcome: MovementOutcome):
    at, hold = accounts(), a_hold(ESCROW, PAYEE, 60)
    at[ESCROW].set_aside(60, debit=True)
    at[PAYEE].set_aside(60, debit=False)
    held = {hold.id: HoldState(ESCROW, PAYEE, 60, expires_us)}
    assert outcomes(a_resolution(kind, hold, minor), at=at, holds=held) == [outcome]
    assert at[ESCROW].held == (0 if outcome is MovementOutcome.POSTED else 60)


@pytest.mark.parametrize("kind", [MovementKind.POST_HOLD, MovementKind.VOID_HOLD])
def test_a_hold_of_an_account_that_was_frozen_since_is_voided_and_posted(kind: MovementKind):
    """Who took it built on it: a freeze stops new holds, not what was promised."""
    at, hold = (
        accounts(frozen=AccountTotals(5, credits=60, debits_pending=60, frozen=True)),
        a_hold("frozen", PAYEE, 60),
    )
    at[PAYEE].set_aside(60, debit=False)
    held = {hold.id: HoldState("frozen", PAYEE, 60)}
    end = a_resolution(kind, hold, 60 if kind is MovementKind.POST_HOLD else 0)
    assert outcomes(end, a_hold("frozen", PAYEE, 1), at=at, holds=held) == [
        MovementOutcome.POSTED,
        MovementOutcome.DEBIT_FROZEN,
    ]


def test_resolving_what_the_batch_itself_holds_makes_a_second_write():
    hold, other = a_hold(ESCROW, PAYEE, 60), a_hold(ESCROW, PAYEE, 40)
    decision = decide(accounts(), [hold, other, a_resolution(MovementKind.POST_HOLD, hold, 60), a_movement(CASH, ESCROW, 1)], TERMS)
    assert decision.outcomes == [MovementOutcome.POSTED] * 4
    assert [[len(rows) for rows in write] for write in decision.writes] == [[0, 0, 2, 0], [1, 2, 0, 0]]

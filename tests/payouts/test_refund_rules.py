"""What a refund takes: every example of the specification, and that no unit is made or lost however often and in which parts it is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.problems import InvariantBroken
from counterfoil.payouts.refunds.rules import (
    RefundParts,
    RefundSources,
    WonBack,
    refund_lines,
    refund_parts,
    sources_of,
    taken_oldest_first,
    won_back,
)
from counterfoil.settlement.fees.rules import Rates, cut

RATES = Rates(1, 500, 100, 1000)
BPS = st.integers(0, 3_333)
SOME_RATES = st.builds(Rates, st.just(1), BPS, BPS, BPS, *map(st.just, (30, 0, 0, None)))


def test_thirty_one_refunds_give_back_the_whole_fee():
    gone = fees = 0
    for amount in [333] * 30 + [10]:
        fees += refund_parts(10_000, gone, amount, RATES).platform_fee
        gone += amount
    assert (gone, fees) == (10_000, 500), "rounded one by one it would be 480"


def test_a_tiny_refund_may_leave_the_payee_a_unit_or_two():
    parts = refund_parts(10_000, 0, 1, RATES)
    assert parts == RefundParts(1, 1, 1, 1, -2)
    sources = sources_of(parts, payable=8_400, own_holdback=1_000, holdback=1_000)
    assert sources == RefundSources(1, 0, 1, 1, 1, credited=2)
    assert refund_lines(sources, validator_payable=1, invoice_id="inv", payee_id="p", customer_id="c") == [
        ("fee:platform", "refund_payable:customer:c", 1),
        ("payable:validator", "payable:payee:p", 1),
        ("holdback:payee:p", "payable:payee:p", 1),
    ]


def test_what_is_due_is_taken_from_the_payable_then_the_holdback_then_it_is_owed():
    parts = RefundParts(8_000, 0, 0, 0, 8_000)
    sources = sources_of(parts, payable=2_500, own_holdback=0, holdback=1_000)
    assert (sources.payable, sources.holdback, sources.receivable) == (2_500, 1_000, 4_500)


def test_what_was_held_back_and_is_released_is_the_payees_to_give():
    parts = refund_parts(10_000, 0, 10_000, RATES)
    sources = sources_of(parts, payable=0, own_holdback=0, holdback=0)
    assert (sources.own_holdback, sources.receivable) == (0, 9_400)


def test_with_retained_fees_the_payee_bears_them():
    assert refund_parts(10_001, 0, 3_333, RATES, retain_fees=True) == RefundParts(3_333, 0, 0, 334, 2_999)


@pytest.mark.parametrize(("gone", "amount"), [(0, 0), (0, -1), (0, 101), (60, 41), (100, 1)])
def test_no_more_goes_back_than_there_was(gone: int, amount: int):
    with pytest.raises(InvariantBroken, match="no more than is left"):
        refund_parts(100, gone, amount, RATES)


@given(st.integers(1, 10**12), SOME_RATES, st.lists(st.integers(1, 10**11), max_size=12))
def test_many_refunds_take_what_one_takes_and_the_last_takes_all_that_is_left(gross: int, rates: Rates, amounts: list[int]):
    gone, taken = 0, [0, 0, 0, 0]
    for amount in [*amounts, gross]:
        now = min(amount, gross - gone)
        if now:
            taken = [a + b for a, b in zip(taken, refund_parts(gross, gone, now, rates)[1:], strict=True)]
            gone += now
            left = cut(gross - gone, rates, "EUR") if gross > gone else (0, 0, 0, 0, 0)
            assert [a + b for a, b in zip(taken, left[1:], strict=True)] == list(cut(gross, rates, "EUR")[1:])
    assert gone == gross


@given(
    st.integers(1, 10**12),
    st.integers(1, 10**12),
    SOME_RATES,
    st.booleans(),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.integers(-1, 10**12),
)
def test_a_refund_is_paid_to_the_unit_and_nothing_below_nothing_is_taken(
    gross: int, amount: int, rates: Rates, retain: bool, payable: int, own: int, others: int, there: int
):
    amount = min(amount, gross)
    parts = refund_parts(gross, 0, amount, rates, retain_fees=retain)
    sources = sources_of(parts, payable=payable, own_holdback=own, holdback=own + others)
    assert min(sources) >= 0
    assert sources.payable <= payable
    assert sources.own_holdback + sources.holdback <= own + others
    assert not sources.receivable or (sources.payable, sources.own_holdback + sources.holdback) == (
        payable,
        own + others,
    )
    assert sources.credited <= 2
    lines = refund_lines(sources, validator_payable=there, invoice_id="inv", payee_id="p", customer_id="c")
    assert sum(minor for _, to, minor in lines if to.startswith("refund_payable")) == amount
    assert sum(minor for *_, minor in lines) == sum(sources[1:-1])
    assert sum(minor for _, to, minor in lines if to == "payable:payee:p") == sources.credited
    assert sum(minor for debit, _, minor in lines if debit == "payable:validator") == min(max(0, there), sources.validator_fee)


def test_losses_take_the_oldest_tranche_first_after_the_settlements_own():
    tranches = [("a", 50), ("b", 30), ("c", 20)]
    assert taken_oldest_first(tranches, "c", 5, 60) == {"c": 5, "a": 50, "b": 10}
    assert taken_oldest_first(tranches, None, 0, 0) == {}
    assert taken_oldest_first(tranches, "a", 50, 50) == {"a": 50, "b": 30, "c": 20}


@given(st.integers(1, 10**9), st.data(), SOME_RATES)
def test_what_is_won_back_is_shared_out_whole_and_the_fees_are_of_what_is_left(gross: int, data: st.DataObject, rates: Rates):
    gone = data.draw(st.integers(1, gross))
    amount = data.draw(st.integers(1, gone))
    shared = won_back(gross, gone, amount, rates)
    assert sum(shared) == amount
    assert min(shared) >= 0
    if amount > 2:
        kept = gross - gone
        assert shared.platform_fee == (kept + amount) * rates.platform_bps // 10_000 - kept * rates.platform_bps // 10_000


def test_one_unit_that_is_won_back_is_not_shared_out_twice():
    assert won_back(10_000, 10_000, 100, RATES) == WonBack(5, 1, 94)
    assert sum(won_back(100, 1, 1, Rates(1, 3_333, 3_333, 0))) == 1

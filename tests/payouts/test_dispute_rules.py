"""Rulings: every example of the specification, and that nothing is made or lost by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.payouts.disputes.rules import refund_of, ruled
from counterfoil.payouts.refunds.rules import refund_parts
from counterfoil.settlement.fees.rules import Rates, cut

RATES = Rates(1, 500, 100, 1000)
BPS = st.integers(0, 3_333)
SOME_RATES = st.builds(Rates, st.just(1), BPS, BPS, BPS, *map(st.just, (30, 0, 0, None)))


def test_a_proportional_ruling_takes_the_fees_of_what_is_kept():
    assert ruled(10_001, 3_333, RATES, "proportional") == (3_333, 333, 66, 666, 5_603)


def test_a_ruling_that_retains_the_fees_takes_them_of_all():
    assert ruled(10_001, 3_333, RATES, "retain_fees") == (3_333, 500, 100, 666, 5_402)


def test_fees_that_are_more_than_what_is_kept_are_not_retained():
    with pytest.raises(InvalidInput, match="policy"):
        ruled(10_000, 9_500, RATES, "retain_fees")


@given(
    st.integers(1, 10**12),
    st.integers(0, 10**12),
    SOME_RATES,
    st.booleans(),
)
def test_a_ruling_divides_everything_and_is_what_its_refund_leaves(gross: int, refund: int, rates: Rates, retain: bool):
    refund = min(refund, gross)
    try:
        found = ruled(gross, refund, rates, "retain_fees" if retain else "proportional")
    except InvalidInput:
        assert retain
        return
    assert sum(found) == gross
    assert min(found) >= 0
    if refund:
        parts, before = refund_parts(gross, 0, refund, rates, retain_fees=retain), cut(gross, rates)
        assert found[1:] == tuple(was - went for was, went in zip(before[1:], parts[1:], strict=True))


@pytest.mark.parametrize(
    ("outcome", "amount", "ratio", "wanted"),
    [
        ("provider_win", None, None, 0),
        ("customer_win", None, None, 10_001),
        ("partial", 3_333, None, 3_333),
        ("partial", None, 3_333, 3_333),
        ("partial", 0, None, 0),
    ],
)
def test_an_outcome_says_what_goes_back(outcome: str, amount: int | None, ratio: int | None, wanted: int):
    assert refund_of(outcome, 10_001, amount, ratio) == wanted


@pytest.mark.parametrize(
    ("outcome", "amount", "ratio"),
    [
        ("partial", None, None),
        ("partial", 1, 1),
        ("partial", 10_002, None),
        ("partial", -1, None),
        ("customer_win", 5, None),
        ("partial", None, 10_001),
    ],
)
def test_a_ruling_that_is_no_ruling_is_refused(outcome: str, amount: int | None, ratio: int | None):
    with pytest.raises(InvalidInput):
        refund_of(outcome, 10_001, amount, ratio)

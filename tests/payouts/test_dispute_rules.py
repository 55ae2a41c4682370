"""Rulings: every example of the specification, and that nothing is made or lost by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput
from counterfoil.payouts.disputes.rules import SettlementParts, refund_of, ruled
from counterfoil.settlement.fees.rules import Rates, cut

EUR = Asset("EUR", 2)
RATES = Rates(1, 500, 100, 1000)
BPS = st.integers(0, 3_333)
SOME_RATES = st.builds(Rates, st.just(1), BPS, BPS, BPS, *map(st.just, (30, 0, 0, None)))


def whole(gross: int, rates: Rates = RATES) -> SettlementParts:
    """A settlement of which nothing has gone back."""
    return SettlementParts(gross, 0, *cut(gross, rates, "EUR")[1:4])


def test_a_proportional_ruling_takes_the_fees_of_what_is_kept():
    assert ruled(whole(10_001), 3_333, RATES, "proportional", EUR) == (3_333, 333, 66, 666, 5_603)


def test_a_ruling_that_retains_the_fees_takes_them_of_all():
    assert ruled(whole(10_001), 3_333, RATES, "retain_fees", EUR) == (3_333, 500, 100, 666, 5_402)


def test_fees_that_are_more_than_what_is_kept_are_not_retained():
    with pytest.raises(InvalidInput, match=r"proportional: 5\.00 EUR is kept, less than fees and holdback of 6\.50 EUR"):
        ruled(whole(10_000), 9_500, RATES, "retain_fees", EUR)


def test_of_nothing_that_goes_back_there_are_no_fees_to_retain_whatever_is_left():
    kept = whole(10_001)._replace(gone=9_950)  # fees retained before are more than the 0.51 that are left
    found = {policy: ruled(kept, 0, RATES, policy, EUR) for policy in ("retain_fees", "proportional")}
    assert found["retain_fees"] == found["proportional"]
    assert found["retain_fees"].net < 0
    with pytest.raises(InvalidInput, match="policy"):
        ruled(kept, 1, RATES, "retain_fees", EUR)


def test_fees_that_are_retained_are_those_that_stand_after_what_went_back_before():
    now = SettlementParts(10_001, 4_000, 300, 60, 600)
    assert ruled(now, 1_000, RATES, "retain_fees", EUR) == (5_000, 300, 60, 500, 4_141)
    kept = now._replace(platform_fee=350, validator_fee=70)  # an earlier ruling had them keep more
    assert ruled(kept, 1_000, RATES, "proportional", EUR) == (5_000, 300, 60, 500, 4_141)
    assert ruled(kept, 6_001, RATES, "proportional", EUR) == (10_001, 50, 10, 0, -60), "the payee owes what they keep"
    assert ruled(now._replace(holdback=0), 1_000, RATES, "retain_fees", EUR) == (5_000, 300, 60, 0, 4_641), "it was released"
    with pytest.raises(InvalidInput, match=r"from 0\.00 EUR to 60\.01 EUR"):
        ruled(now, 6_002, RATES, "proportional", EUR)


@given(
    st.integers(1, 10**12),
    st.integers(0, 10**12),
    SOME_RATES,
    st.booleans(),
)
def test_a_ruling_divides_everything_and_is_what_its_refund_leaves(gross: int, refund: int, rates: Rates, retain: bool):
    refund = min(refund, gross)
    try:
        found = ruled(whole(gross, rates), refund, rates, "retain_fees" if retain else "proportional", EUR)
    except InvalidInput:
        assert retain
        return
    assert sum(found) == gross
    assert min(found) >= 0
    if not retain and refund < gross:
        assert found[1:] == cut(gross - refund, rates, "EUR")[1:], "as if no more had been settled"


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
    assert refund_of(outcome, 10_001, amount, ratio, EUR) == wanted


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
        refund_of(outcome, 10_001, amount, ratio, EUR)

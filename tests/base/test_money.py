"""Money: whole units, exact shares, and input that says what is wrong with it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.money import (
    MINOR_MAX,
    Asset,
    AssetMismatch,
    Money,
    asset_code,
    format_major,
    parse_major,
    parse_minor,
    rate_of,
    share,
)
from counterfoil.base.problems import InvalidInput, InvariantBroken

weights = st.lists(st.integers(0, 9_999), min_size=1, max_size=40).filter(any)


@pytest.mark.parametrize(
    ("total", "by", "parts"),
    [(100, [1, 1, 1], [34, 33, 33]), (1003, [49, 51], [491, 512]), (9999, [75, 25], [7499, 2500]), (0, [1, 2], [0, 0])],
)
def test_a_pot_is_divided_as_the_worked_examples_say(total, by, parts):
    assert share(total, by) == parts


@given(total=st.integers(0, 10**18), by=weights)
def test_shares_add_up_and_each_is_within_one_unit_of_its_exact_part(total, by):
    parts = share(total, by)
    assert sum(parts) == total
    assert all(abs(part - Fraction(total * weight, sum(by))) < 1 for part, weight in zip(parts, by, strict=True))
    assert all(part == 0 for part, weight in zip(parts, by, strict=True) if weight == 0)


@pytest.mark.parametrize("by", [[], [0, 0], [1, -1]])
def test_weights_that_cannot_divide_are_refused(by):
    with pytest.raises(InvalidInput, match="weights"):
        share(100, by)


@pytest.mark.parametrize(("base", "bps", "taken"), [(9999, 500, 499), (9999, 100, 99), (9999, 1000, 999), (1, 9999, 0)])
def test_a_rate_is_rounded_down(base, bps, taken):
    assert rate_of(base, bps) == taken


def test_a_rate_above_everything_is_our_own_mistake():
    with pytest.raises(InvariantBroken):
        rate_of(100, 10_001)


@pytest.mark.parametrize("given_", [1250, 12.5, True, None, "12.50", "1e3", " 5", "٣", "", "0x10", ["1"], "9" * 20])
def test_an_amount_that_is_no_string_of_whole_units_is_refused_by_name(given_):
    with pytest.raises(InvalidInput) as caught:
        parse_minor(given_, "amount")
    assert caught.value.facts["field"] == "amount"


@pytest.mark.parametrize("given_", ["0", "-1", str(MINOR_MAX + 1)])
def test_an_amount_outside_its_limits_is_refused_with_the_limits(given_):
    with pytest.raises(InvalidInput, match=f"1 to {MINOR_MAX}"):
        parse_minor(given_, "amount")


@given(minor=st.integers(-(10**17), 10**17), scale=st.integers(0, 6))
def test_what_is_shown_to_people_reads_back_as_the_same_amount(minor, scale):
    assert parse_major(format_major(minor, scale).replace(",", ""), Asset("ABC", scale), "amount") == minor


def test_more_decimals_than_the_asset_has_are_refused_unless_they_are_zeros():
    assert parse_major("12.500", Asset("USD", 2), "amount") == 1250
    with pytest.raises(InvalidInput, match="at most 2 decimals"):
        parse_major("12.505", Asset("USD", 2), "amount")
    with pytest.raises(InvalidInput, match="at most 0 decimals"):
        parse_major("12.5", Asset("JPY", 0), "amount")


def test_amounts_of_two_assets_cannot_meet():
    with pytest.raises(AssetMismatch):
        Money(1, "EUR").plus(Money(1, "USD"))
    assert Money(3, "EUR").minus(Money(1, "EUR")) == Money(2, "EUR")


@pytest.mark.parametrize("code", ["eur", "E", "EURO-CENT", "", None, "€UR"])
def test_an_asset_is_named_in_capitals_and_digits(code):
    with pytest.raises(InvalidInput, match="asset"):
        asset_code(code)

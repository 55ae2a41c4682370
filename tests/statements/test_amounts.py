"""Amounts and scales: exact, whatever the country writes."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.money import MINOR_MAX
from counterfoil.statements.amounts import (
    Unreadable,
    decimal_mark_of,
    known_scale,
    parse_amount,
    parse_whole,
    scale_of,
)

READ = [
    ("1234.56", 2, ".", 123456),
    ("1,234.56", 2, None, 123456),
    ("1.234,56", 2, None, 123456),
    ("1'234.56", 2, None, 123456),
    ("1\u2019234\u2019567.8", 2, None, 123456780),
    ("1\u2009234,5", 2, None, 123450),
    ("1\u00a0234\u00a0567,89", 2, None, 123456789),
    ("12,34,567.89", 2, None, 123456789),
    ("1,234,567", 2, None, 123456700),
    ("(12.00)", 2, None, -1200),
    ("12.00-", 2, None, -1200),
    ("\u221212.00", 2, None, -1200),
    ("- 12,5", 2, None, -1250),
    ("+7", 2, None, 700),
    ("7 DR", 2, None, -700),
    ("7,10 CR", 2, None, 710),
    ("DR 7", 2, None, -700),
    ("1.500,00 S", 2, None, -150000),
    ("1.500,00 H", 2, None, 150000),
    ("EUR 5", 2, None, 500),
    ("€ 5,25", 2, None, 525),
    ("5.25 USD", 2, None, 525),
    ("-$5.25", 2, None, -525),
    ("300,", 2, ",", 30000),
    (".5", 2, ".", 50),
    ("000000000009,00", 2, ",", 900),
    ("1.2300", 2, ".", 123),
    ("8.850", 2, ".", 885),
    ("0.500", 2, None, 50),
    ("1980", 0, None, 1980),
    ("1980.00", 0, ".", 1980),
    ("12.345", 3, ".", 12345),
    ("0.0001", 4, ".", 1),
    ("0", 2, None, 0),
    ("-0.00", 2, None, 0),
]
REFUSED = [
    ("1.234", None),  # one and a bit, or a thousand and more
    ("1,234", None),
    ("1.005", "."),
    ("1.2.3", "."),
    ("1,23,4", "."),
    ("12,34", "."),
    ("1 2", None),
    ("-5 DR", None),
    ("(-5)", None),
    ("--5", None),
    ("5 apples", None),
    ("", None),
    (" ", None),
    ("-", None),
    ("NaN", None),
    ("1e5", None),
    ("٣", None),
    ("1.23,45.6", None),
    ("EUR USD 5", None),
    ("9" * 25, None),
    ("10000000000000001.00", "."),
]


@pytest.mark.parametrize(("text", "scale", "decimal", "minor"), READ)
def test_an_amount_is_read_to_the_unit(text: str, scale: int, decimal: str | None, minor: int) -> None:
    assert parse_amount(text, scale, decimal=decimal) == minor


@pytest.mark.parametrize(("text", "decimal"), REFUSED)
def test_what_is_no_amount_beyond_doubt_is_refused(text: str, decimal: str | None) -> None:
    with pytest.raises(Unreadable):
        parse_amount(text, 2, decimal=decimal)


@given(
    st.integers(-MINOR_MAX, MINOR_MAX),
    st.sampled_from([0, 2, 3, 4]),
    st.sampled_from([(".", ","), (",", "."), (",", "'"), (".", "\u2009")]),
)
def test_an_amount_that_is_written_with_grouping_comes_back(minor: int, scale: int, marks: tuple[str, str]) -> None:
    decimal, group = marks
    digits = str(abs(minor)).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :]
    text = ("-" if minor < 0 else "") + f"{int(whole):,}".replace(",", group) + (decimal + fraction if scale else "")
    assert parse_amount(text, scale, decimal=decimal) == minor


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12),
    st.sampled_from([0, 2, 3, 4]),
)
def test_more_decimals_than_the_scale_are_refused_unless_they_are_zeros(value: Decimal, scale: int) -> None:
    exact = value * 10**scale
    if exact == exact.to_integral_value():
        assert parse_amount(format(value, "f"), scale, decimal=".") == int(exact)
    else:
        with pytest.raises(Unreadable, match="more than"):
            parse_amount(format(value, "f"), scale, decimal=".")


@given(st.text(max_size=30), st.sampled_from([None, ".", ","]))
def test_any_text_is_an_amount_within_bounds_or_refused(text: str, decimal: str | None) -> None:
    with contextlib.suppress(Unreadable):
        assert abs(parse_amount(text, 2, decimal=decimal)) <= MINOR_MAX


def test_whole_minor_units_take_a_sign_and_leading_zeros_and_nothing_else() -> None:
    assert [parse_whole(text) for text in ("+00125", "-7", "0")] == [125, -7, 0]
    for text in ("1.5", "1 5", "", "+-1", "1" * 25):
        with pytest.raises(Unreadable):
            parse_whole(text)


def test_scales_come_from_iso_4217_and_withdrawn_currencies_are_known() -> None:
    assert {code: scale_of(code) for code in ("USD", "JPY", "BHD", "CLF", "DEM", "ITL")} == {
        "USD": 2,
        "JPY": 0,
        "BHD": 3,
        "CLF": 4,
        "DEM": 2,
        "ITL": 0,
    }
    assert scale_of("XAU") is None
    assert known_scale("UVE", {"UVE": 6}) == 6
    with pytest.raises(Unreadable, match="UVE"):
        known_scale("UVE")


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["1.234", "5,50"], ","),
        (["1,234", "1,234,567"], "."),
        (["1 234,567"], ","),
        (["12", "7"], None),
        (["1.234", "2.345"], None),
    ],
)
def test_a_column_shows_its_decimal_mark_or_shows_none(values: list[str], mark: str | None) -> None:
    assert decimal_mark_of(values) == mark


def test_a_column_with_both_decimal_marks_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"decimal comma \('2,50'\) and others a decimal point \('1\.50'\)"):
        decimal_mark_of(["1.50", "2,50"])

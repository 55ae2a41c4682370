"""Amounts for people: by the decimals of the books, then by those of the currency; where nobody knows them, minor units, and so called."""

from __future__ import annotations

from decimal import Decimal

import pytest

from counterfoil.base.formats.amounts import asset_told, figure_in, tell_in
from counterfoil.base.money import Asset, Money
from counterfoil.dashboard.finding.exporting import _cells
from counterfoil.dashboard.web.format import amount

BOOKS = {"EUR": Asset("EUR", 2), "USDC": Asset("USDC", 6), "CLF": Asset("CLF", 0)}


@pytest.mark.parametrize(
    ("code", "told", "figure"),
    [
        ("EUR", "1,234.56 EUR", "1,234.56"),
        ("USDC", "0.123456 USDC", "0.123456"),
        ("CLF", "123,456 CLF", "123,456"),  # as the books have it, whatever ISO says
        ("USD", "1,234.56 USD", "1,234.56"),
        ("JPY", "123,456 JPY", "123,456"),
        ("DEM", "1,234.56 DEM", "1,234.56"),
        ("XMR", "123456 minor units of XMR", "123456 minor units of XMR"),
    ],
)
def test_an_amount_is_told_by_the_decimals_that_somebody_knows(code: str, told: str, figure: str):
    assert tell_in(BOOKS)(123_456, code) == told
    assert figure_in(BOOKS, 123_456, code) == figure
    assert f">{figure}</data>" in amount(Money(123_456, code), BOOKS), "as a page shows it"


def test_nobody_knows_the_decimals_of_gold():
    assert asset_told(BOOKS, "XAU") is None


@pytest.mark.parametrize(
    ("code", "cells"),
    [
        ("USDC", (Decimal("0.123456"), "USDC")),
        ("USD", (Decimal("1234.56"), "USD")),
        ("XMR", (None, "123456 minor units of XMR")),
    ],
)
def test_a_list_that_goes_out_as_a_file_says_in_what_an_amount_is(code: str, cells: tuple[Decimal | None, str]):
    assert _cells(Money(123_456, code), is_money=True, assets=BOOKS) == cells
    assert _cells((Money(123_456, code),), is_money=False, assets=BOOKS) == (tell_in(BOOKS)(123_456, code),)

"""Which amounts somebody means who types one, or pastes a line in which one stands."""

from __future__ import annotations

import pytest

from counterfoil.base.money import Asset
from counterfoil.dashboard.finding.asked_amounts import asked_amounts

ASSETS = {one.code: one for one in (Asset("EUR", 2), Asset("JPY", 0), Asset("BHD", 3))}


def meant(asked: str) -> list[tuple[str, int]]:
    return [(one.asset.code, one.minor) for one in asked_amounts(asked, ASSETS) if not one.as_minor]


def as_minor(asked: str) -> list[tuple[str, int]]:
    return [(one.asset.code, one.minor) for one in asked_amounts(asked, ASSETS) if one.as_minor]


@pytest.mark.parametrize(
    "asked",
    [
        "1,808.77 EUR",
        "EUR 1,808.77",
        "1808.77 eur",
        "1.808,77 EUR",
        "1808,77 EUR",
        "1 808,77 EUR",
        "1\u202f808,77\u00a0EUR",
        "1’808.77 EUR",
        "1'808.77 EUR",
        "€1,808.77",
        "1.808,77 €",
        "(1,808.77 EUR)",
        "the payout of 1,808.77 EUR, which failed",
        "asset=EUR amount=1808.77",
    ],
)
def test_an_amount_is_meant_however_people_write_it(asked: str) -> None:
    assert (meant(asked), as_minor(asked)) == ([("EUR", 180_877)], [])


@pytest.mark.parametrize(
    "asked",
    [
        '{"amount":"180877","asset":"EUR"}',
        '{"asset": "EUR", "amount": "180877"}',
        '{"total": {"minor": 180877, "asset": "EUR"}}',
        "amount=180877 asset=EUR",
        "180877 EUR",
    ],
)
def test_a_whole_figure_may_be_minor_units_as_logs_and_the_api_tell_them(asked: str) -> None:
    assert (meant(asked), as_minor(asked)) == ([("EUR", 18_087_700)], [("EUR", 180_877)])


def test_a_figure_alone_is_of_every_asset_and_what_people_write_comes_first() -> None:
    found = [(one.asset.code, one.minor, one.as_minor) for one in asked_amounts("1500", ASSETS)]
    assert found == [("EUR", 150_000, False), ("JPY", 1_500, False), ("BHD", 1_500_000, False), ("EUR", 1_500, True), ("BHD", 1_500, True)]
    assert meant("0.125") == [("BHD", 125)], "no other has three decimals"


@pytest.mark.parametrize(
    "asked",
    [
        "2026-11-28T03:38:41.00 took 41.00 s",
        "queue=send attempt=3 of 5",
        "41.001 EUR",
        "port 80 of 808,77",
        "2026-11-28 03:38:41 EUR",
        "",
    ],
)
def test_a_figure_of_something_else_is_no_amount(asked: str) -> None:
    assert meant(asked) == []

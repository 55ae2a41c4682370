"""Amounts as people read them: whole units of their asset, by the decimals that the books have. Select only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.currencies import scale_of
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, Problem, Tell, in_minor_units

ASSETS_MAX: Final = 1_000


def known_assets(conn: Connection[Any]) -> dict[str, Asset]:
    """Every asset by its code."""
    rows = conn.execute("select code, scale from asset order by code limit %s", [ASSETS_MAX]).fetchall()
    return {row[0]: Asset(row[0], row[1]) for row in rows}


def told_amount(conn: Connection[Any], minor: int, asset: str) -> str:
    """An amount for people, in whole units with its asset: `1,066.56 EUR`; minor units, and so called, where no book knows it."""
    return tell_in(known_assets(conn))(minor, asset)


def asset_told(assets: Mapping[str, Asset], code: str) -> Asset | None:
    """An asset as these books have it, or as a currency that they do not keep: a provider's line may be in any. None where nobody knows."""
    if code in assets:
        return assets[code]
    scale = scale_of(code)
    return None if scale is None else Asset(code, scale)


def figure_in(assets: Mapping[str, Asset], minor: int, code: str) -> str:
    """An amount where its code stands beside: `1,066.56`; minor units, and so called, where nobody knows its decimals."""
    asset = asset_told(assets, code)
    return in_minor_units(minor, code) if asset is None else asset.figure(minor)


def tell_in(assets: Mapping[str, Asset]) -> Tell:
    """How amounts of these assets, and of currencies, are told to people."""

    def tell(minor: int, code: str) -> str:
        asset = asset_told(assets, code)
        return in_minor_units(minor, code) if asset is None else asset.told(minor)

    return tell


def told_problem(conn: Connection[Any], problem: Problem) -> str:
    """Title and facts of a problem in one line, for a record that people read: its amounts in whole units."""
    return problem.sentence(lambda minor, asset: told_amount(conn, minor, asset))


def asset_of_book(conn: Connection[Any], code: str) -> Asset:
    """The asset with this code, which some book keeps: for what a rule says of amounts. Raises InvalidInput where none does."""
    found = known_assets(conn).get(code)
    if found is None:
        raise InvalidInput("asset", "an asset that a book keeps", got=code)
    return found

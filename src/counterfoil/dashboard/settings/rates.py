"""The pages of what is taken of a sale: every version of the fees and of the commissions, and from when each is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.money import Asset
from counterfoil.dashboard.finding.plain_lists import ListOfPage, PlainListed, Told, one_exported, one_of
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.settlement.commissions.rates import TERMS_LIST, CommissionRate
from counterfoil.settlement.fees.fees import RATE_LIST, RateVersion
from counterfoil.settlement.fees.rules import FeeLimit

RATES_SHOWN_MAX: Final = 50


class FeeRateRow(NamedTuple):
    """A version of a program's fees, its limits in words."""

    id: str
    program_id: str
    version: int
    effective_at: datetime
    platform_bps: int
    validator_bps: int
    holdback_bps: int
    holdback_days: int
    limits: str
    actor: str
    recorded_at: datetime


class CommissionRateRow(NamedTuple):
    """A version of what affiliates get, its minimum in whole units."""

    id: str
    program_id: str
    asset: str
    version: int
    effective_at: datetime
    base: str
    mode: str
    levels: str
    cap_bps: int
    mature_days: int
    minimum: str
    actor: str
    recorded_at: datetime


def _fee(one: RateVersion, assets: Mapping[str, Asset]) -> FeeRateRow:
    limits = "; ".join(_limit(each, assets[each.asset]) for each in one.limits)
    return FeeRateRow(**{name: getattr(one, name) for name in FeeRateRow._fields if name != "limits"}, limits=limits)


def _limit(one: FeeLimit, asset: Asset) -> str:
    """Such as `0.30 EUR added, at least 0.50 EUR`."""
    said = [f"{asset.told(one.fixed)} added"] if one.fixed else []
    said += [f"at least {asset.told(one.minimum)}"] if one.minimum else []
    said += [f"at most {asset.told(one.maximum)}"] if one.maximum is not None else []
    return ", ".join(said) or f"none in {asset.code}"


def _commission(one: CommissionRate, assets: Mapping[str, Asset]) -> CommissionRateRow:
    same = {name: getattr(one, name) for name in CommissionRateRow._fields if name not in ("levels", "minimum")}
    return CommissionRateRow(**same, levels=", ".join(map(str, one.levels)), minimum=assets[one.asset].told(one.minimum))


def _each(row: Callable[[Any, Mapping[str, Asset]], Any]) -> Callable[[SectionContext], Told]:
    """Rows in the words of the assets that books keep."""

    def told(conn: Connection[Any], rows: Sequence[Any], _: datetime) -> Sequence[Any]:
        assets = known_assets(conn)
        return [row(one, assets) for one in rows]

    return lambda _: told


LISTS: Final[Mapping[str, ListOfPage]] = {
    "fees": ListOfPage("Versions of fee rates", RATE_LIST, FeeRateRow._fields[1:], "counterfoil rates list PROGRAM", _each(_fee)),
    "commissions": ListOfPage(
        "Versions of commission rates",
        TERMS_LIST,
        CommissionRateRow._fields[1:],
        "counterfoil commissions rates list PROGRAM",
        _each(_commission),
    ),
}


def rates_answer(ask: SectionContext) -> PlainListed:
    """Versions, the newest first unless sorted otherwise. Raises NotFound, InvalidInput, CursorBroken."""
    return one_of(ask, LISTS, rows_max=RATES_SHOWN_MAX)


def rates_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of it as rows of a file, sorted as the page is. Raises NotFound, InvalidInput."""
    return one_exported(ask, LISTS)

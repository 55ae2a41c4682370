"""The pages of what is taken of a sale: every version of the fees and of the commissions, and from when each is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.money import Asset
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, cell_of, plain_export, plain_page
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.noun_pages import PlainList
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


class RateList(NamedTuple):
    """A list of versions: its title, its columns, what says a version so, and the command that lists them for a program."""

    title: str
    which: PlainList
    columns: tuple[str, ...]
    told: Callable[[Any, Mapping[str, Asset]], Any]
    command: str


class RatesListed(NamedTuple):
    """What the page shows: of each version its id and its cells."""

    name: str
    title: str
    command: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]
    after: str | None
    asked: AskedPage
    others: Mapping[str, str]  # of the list beside it: the title by the name
    measured_at: datetime


def rates_answer(ask: SectionContext) -> RatesListed:
    """Versions, the newest first unless sorted otherwise. Raises NotFound, InvalidInput, CursorBroken."""
    name, one = _chosen(ask)
    page = plain_page(ask, one.which, rows_max=RATES_SHOWN_MAX, program_id=ask.program_id)
    rows = tuple((row.id, tuple(cell_of(row, column) for column in one.columns)) for row in _told(one)(ask.conn, page.rows, ask.clock()))
    others = {other: each.title for other, each in LISTS.items() if other != name}
    return RatesListed(name, one.title, one.command, one.columns, rows, page.after, page.asked, others, ask.clock())


def rates_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of it as rows of a file, sorted as the page is. Raises NotFound, InvalidInput."""
    _, one = _chosen(ask)
    return plain_export(ask, one.which, one.columns, _told(one), asked=asked_here(ask, one.which, ask.program_id))


def _chosen(ask: SectionContext) -> tuple[str, RateList]:
    name = ask.params["list"]
    if name not in LISTS:
        raise NotFound(what="list", id=name[:40])
    return name, LISTS[name]


def _told(one: RateList) -> Callable[[Connection[Any], Sequence[Any], datetime], Sequence[Any]]:
    def told(conn: Connection[Any], rows: Sequence[Any], _: datetime) -> Sequence[Any]:
        assets = known_assets(conn)
        return [one.told(row, assets) for row in rows]

    return told


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


LISTS: Final[Mapping[str, RateList]] = {
    "fees": RateList("Versions of fee rates", RATE_LIST, FeeRateRow._fields[1:], _fee, "counterfoil rates list PROGRAM"),
    "commissions": RateList(
        "Versions of commission rates", TERMS_LIST, CommissionRateRow._fields[1:], _commission, "counterfoil commissions rates list PROGRAM"
    ),
}

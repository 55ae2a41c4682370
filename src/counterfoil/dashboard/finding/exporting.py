"""A list as a file: CSV, or a workbook whose amounts are numbers. Each amount stands in major units with its asset beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from counterfoil.base.formats.amounts import asset_told, tell_in
from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.formats.workbook import workbook
from counterfoil.base.money import Asset, Money
from counterfoil.base.problems import check, in_minor_units
from counterfoil.dashboard.finding.lists import exported
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.dashboard.web.serving import Served, answered, finish, guarded, page_route
from counterfoil.operations.verbs import AMOUNTS, Noun

Rows = Callable[[SectionContext], Iterable[tuple[Any, ...]]]
Write = Callable[[Iterable[tuple[Any, ...]], Mapping[str, Asset]], bytes]


def add_noun_exports(router: APIRouter, served: Served, noun: Noun, page: DashboardPage) -> None:
    """`/admin/{plural}.csv` and `.xlsx`, narrowed as the page is."""
    add_exports(router, served, page, lambda ask: exported(ask, noun))


def add_exports(router: APIRouter, served: Served, page: DashboardPage, rows: Rows) -> None:
    """A page as `.csv` and `.xlsx`; `rows` gives the names of the columns first."""
    for suffix, (media_type, write) in FORMS.items():
        _add(router, served, page, rows, suffix, media_type, write)


def _add(router: APIRouter, served: Served, page: DashboardPage, rows: Rows, suffix: str, media_type: str, write: Write) -> None:
    def export(request: Request) -> Response:
        return guarded(served, request, lambda: made(request))

    def made(request: Request) -> Response:
        whole = page._replace(answer=lambda ask: list(rows(ask)))
        _, found, assets = answered(served, whole, request, served.door.who(request))
        response = finish(Response(write(found, assets), media_type=media_type))
        name = request.url.path.rpartition("/")[2]
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    page_route(router, "GET", f"{page.path}.{suffix}", export)


def _flat(rows: Iterable[tuple[Any, ...]], assets: Mapping[str, Asset]) -> Iterator[tuple[Any, ...]]:
    """Amounts as text in major units, with a column of the asset behind each column of amounts."""
    given = iter(rows)
    names = next(given)
    money = [name in AMOUNTS for name in names]
    yield tuple(one for name, is_money in zip(names, money, strict=True) for one in ((name, f"{name}_asset") if is_money else (name,)))
    for row in given:
        if len(row) != len(names):  # that it was cut
            yield row
            continue
        yield tuple(one for cell, is_money in zip(row, money, strict=True) for one in _cells(cell, is_money, assets))


def _cells(cell: Any, is_money: bool, assets: Mapping[str, Asset]) -> tuple[Any, ...]:
    if isinstance(cell, Money):
        check(is_money, "a column of amounts has the name of one, so that its asset stands beside it")
        asset = asset_told(assets, cell.asset)
        if asset is None:
            return None, in_minor_units(cell.minor, cell.asset)  # no figure: nobody adds it to whole units
        return Decimal(cell.minor).scaleb(-asset.scale), cell.asset
    shown = cell.astimezone(UTC).isoformat() if isinstance(cell, datetime) else cell
    if isinstance(cell, tuple):  # amounts of several assets
        shown = ", ".join(tell_in(assets)(one.minor, one.asset) for one in cell)
    return (shown, None) if is_money else (shown,)


def _csv(rows: Iterable[tuple[Any, ...]], assets: Mapping[str, Asset]) -> bytes:
    header, *lines = _flat(rows, assets)
    return csv_text(header, lines).encode()


def _xlsx(rows: Iterable[tuple[Any, ...]], assets: Mapping[str, Asset]) -> bytes:
    header, *lines = _flat(rows, assets)
    return workbook(header, lines)


FORMS: Final[Mapping[str, tuple[str, Write]]] = {
    "csv": ("text/csv; charset=utf-8", _csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _xlsx),
}

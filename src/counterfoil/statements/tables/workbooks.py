"""XLSX: one sheet of a workbook as records, read row by row; figures by the digits that the program shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from counterfoil.base.problems import Problem
from counterfoil.statements.amounts import Unreadable, decimal_mark_of
from counterfoil.statements.dates import choose_format, is_iso
from counterfoil.statements.shape import Gathering, SourceBroken, SourceRead
from counterfoil.statements.tables import rows as tables
from counterfoil.statements.tables.columns import guess, is_total
from counterfoil.statements.tables.dialects import PREAMBLE_ROWS_MAX, is_header
from counterfoil.statements.tables.opening import BAD_BOOK, open_workbook
from counterfoil.statements.tables.rows import Number, Plan, TableRow, as_cell
from counterfoil.statements.tables.workbook_limits import refuse_bombs, what_zip
from counterfoil.statements.text import Content

SAMPLE_ROWS: Final = 2_000
AMOUNTS: Final = frozenset({"amount", "amount_minor", "debit", "credit"})
Row = tuple[int, list[Any]]


def read(
    path: Path,
    taken: Content,
    *,
    asset: str | None = None,
    strict: bool = True,
    sheet: str | None = None,
    columns: Mapping[str, str] | None = None,
    decimal: str | None = None,
    date_format: str | None = None,
    scales: Mapping[str, int] | None = None,
) -> SourceRead:
    """The sheet named, or the first one with a header that has an amount. Raises SourceBroken, TooLarge."""
    found = Gathering(path.name, strict=strict)
    with _opened(found, path) as book:
        name, header_at, header = _choose(found, book, sheet)
        first = list(islice(_rows(book[name], header_at), SAMPLE_ROWS))
        days = date_format or _date_format(header, first)
        base = Plan({}, asset, decimal or _decimal(found, header, first), days, scales or {})
        how = tables.plan(found, [cell for cell in header if cell], base, columns)
        how = tables.judged(_records(header, _rows(book[name], header_at)), how)
        tables.add_all(found, _records(header, _rows(book[name], header_at)), how)
    return found.read("xlsx", taken.sha256)


@contextmanager
def opened_sheet(path: Path, sheet: str | None = None) -> Iterator[tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]]:
    """Header and rows (with their numbers) of the sheet named, or of the first with a header that has an amount; cells as text,
    `Number` or None. Raises SourceBroken, TooLarge."""
    found = Gathering(path.name)
    with _opened(found, path) as book:
        name, header_at, header = _choose(found, book, sheet)
        records = _records(header, _rows(book[name], header_at))
        yield header, ((record.line, dict(record.cells)) for record in records)


@contextmanager
def _opened(found: Gathering, path: Path) -> Iterator[Any]:
    """The workbook, once it is shown to be one that can be read."""
    if told := what_zip(path):
        raise SourceBroken(path.name, None, None, f"this is no workbook, but {told}")
    refuse_bombs(path)
    try:
        with closing(open_workbook(path)) as book:
            yield book
    except Problem:
        raise
    except BAD_BOOK as fault:
        found.broken(None, None, f"this workbook is damaged or cut short ({type(fault).__name__}: {str(fault)[:120]})")


def _choose(found: Gathering, book: Any, sheet: str | None) -> tuple[str, int, list[str]]:
    """Sheet, row number of its header, and the header."""
    names = [sheet] if sheet is not None else list(book.sheetnames)
    if sheet is not None and sheet not in book.sheetnames:
        found.broken(None, sheet, f"there is no sheet {sheet!r}; there are {', '.join(book.sheetnames)[:300]}")
    fallback: tuple[str, int, list[str]] | None = None
    for name in names:
        if not hasattr(book[name], "iter_rows"):
            continue  # a sheet of charts
        for number, cells in islice(_rows(book[name], 0), PREAMBLE_ROWS_MAX):
            header = [_title(cell) for cell in cells]
            if sum(1 for cell in header if cell) > 1 and is_header(header) and not any(isinstance(c, Number) for c in cells):
                fallback = fallback or (name, number, header)
                if AMOUNTS & guess(header).keys():
                    return name, number, header
    if fallback is None:
        found.broken(1, None, "no sheet has a row that names its columns")
    return fallback


def _title(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _rows(sheet: Any, after: int) -> Iterator[Row]:
    """Rows below row `after`, with their numbers; cells as text, `Number` or None."""
    sheet.reset_dimensions()  # some writers note a range that is too small
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > after:
            yield number, [as_cell(value) for value in values]


def _records(header: list[str], rows: Iterable[Row]) -> Iterator[TableRow]:
    for number, cells in rows:
        padded = cells + [None] * (len(header) - len(cells))
        yield TableRow(number, {name: cell for name, cell in zip(header, padded, strict=False) if name})


def _cells_of(header: list[str], rows: list[Row], wanted: set[str]) -> list[str]:
    """Texts in the columns of these roles, for finding out how they are written; figures and real dates need no finding out."""
    known = guess(header)
    places = [header.index(known[role]) for role in wanted if role in known]
    cells = [row[at] for _, row in rows if not is_total(row) for at in places if at < len(row)]
    return [cell.strip() for cell in cells if isinstance(cell, str) and not isinstance(cell, Number) and cell.strip()]


def _decimal(found: Gathering, header: list[str], rows: list[Row]) -> str | None:
    try:
        return decimal_mark_of(_cells_of(header, rows, {"amount", "debit", "credit"}))
    except Unreadable as fault:
        found.broken(None, None, str(fault))


def _date_format(header: list[str], rows: list[Row]) -> str | None:
    cells = [cell for cell in _cells_of(header, rows, {"booked_on", "value_on"}) if not is_iso(cell)]
    return choose_format(cells) if cells else None

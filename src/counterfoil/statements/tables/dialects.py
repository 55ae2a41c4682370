"""How a delimited file is written: encoding, separator, header, decimal mark, dates. Found by looking, not by asking."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from counterfoil.statements.amounts import Unreadable, decimal_mark_of
from counterfoil.statements.dates import choose_format, formats_of
from counterfoil.statements.shape import SourceBroken
from counterfoil.statements.tables import columns as roles
from counterfoil.statements.text import Content, content_of

SAMPLE_CHARS: Final = 262_144
BODY_ROWS: Final = 1_000  # enough to prove an order of day and month, or a decimal mark
TAIL_BYTES: Final = 32_768
PREAMBLE_ROWS_MAX: Final = 60
DELIMITERS: Final = (",", ";", "\t", "|")
_AMOUNT: Final = re.compile(r"[(]?[-+]?\s*[0-9][0-9.,'\u2019\u00a0\u2009\u202f ]*[-)]?", re.ASCII)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written. None where the file does not show it beyond doubt."""

    encoding: str
    delimiter: str
    quote: str
    decimal: str | None
    thousands: str | None
    header: bool
    skip_rows: int
    date_format: str | None
    columns: tuple[str, ...]
    footer_rows: int = 0


def dialect(path: Path, *, taken: Content | None = None) -> Dialect:
    """Look at the beginning and the end of a delimited file. Raises SourceBroken when it is no table."""
    known = taken or content_of(path)
    with path.open(encoding=known.encoding, errors="replace", newline="") as file:
        text = file.read(SAMPLE_CHARS)
        is_whole = not file.read(1)
    lines = text.splitlines(keepends=True)
    if not is_whole and len(lines) > 1:
        lines.pop()
    best = max((_look(lines, mark) for mark in DELIMITERS), key=lambda look: look.score)
    if best.width < 2 and not (best.width == 1 and path.suffix.lower() == ".csv"):
        raise SourceBroken(path.name, 1, None, "no separator gives this file a table's columns")
    header_at = best.header_at
    body = [row for row in best.rows[(header_at or 0) + (header_at is not None) :] if len(row) == best.width][:BODY_ROWS]
    names = tuple(best.rows[header_at]) if header_at is not None else tuple(f"column{n}" for n in range(best.width))
    decimal, thousands = _marks(path, names, body)
    return Dialect(
        encoding=known.encoding,
        delimiter=best.delimiter,
        quote=best.quote,
        decimal=decimal,
        thousands=thousands,
        header=header_at is not None,
        skip_rows=best.starts[header_at] if header_at is not None else 0,
        date_format=_date_format(names, body, decimal),
        columns=tuple(name.strip() for name in names),
        footer_rows=_footer_rows(best.rows if is_whole else _tail(path, known.encoding, best), best.width),
    )


@dataclass(frozen=True)
class _Look:
    """The sample as one separator sees it; `starts` are the physical lines before each row."""

    delimiter: str
    quote: str
    rows: list[list[str]]
    starts: list[int]
    width: int
    header_at: int | None
    score: tuple[bool, float | int, int]


def _look(lines: Sequence[str], delimiter: str) -> _Look:
    quote = _quote(lines, delimiter)
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote or None, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE)
    rows, starts, before = [], [], 0
    try:
        for row in reader:
            rows.append(row)
            starts.append(before)
            before = reader.line_num
    except csv.Error:
        rows, starts = [line.rstrip("\r\n").split(delimiter) for line in lines], list(range(len(lines)))
    filled = [len(row) for row in rows if any(cell.strip() for cell in row)]
    widths = Counter(width for width in filled if width > 1)
    width = max(widths, key=lambda each: (widths[each], each)) if widths else (1 if filled else 0)
    header_at = next((at for at, row in enumerate(rows[:PREAMBLE_ROWS_MAX]) if len(row) == width and is_header(row)), None)
    fitting = 1000 * widths[width] // len(filled) if filled else 0
    return _Look(delimiter, quote, rows, starts, width, header_at, (header_at is not None and width > 1, fitting, width))


def is_header(row: Sequence[str]) -> bool:
    """Names only: no figures, no dates, none twice, and most of them filled."""
    names = [cell.strip() for cell in row if cell.strip()]
    if len(names) * 2 < len(row) or not names or len(set(names)) < len(names):
        return False
    return not any(_AMOUNT.fullmatch(name) or formats_of([name]) for name in names)


def _quote(lines: Sequence[str], delimiter: str) -> str:
    text = "".join(lines[:200])
    single = len(re.findall(rf"(?:^|{re.escape(delimiter)})'[^'\n]*'(?={re.escape(delimiter)}|\s*$)", text, re.MULTILINE))
    return "'" if single and '"' not in text else '"'


def _marks(path: Path, names: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[str | None, str | None]:
    """Decimal mark and thousands mark, out of the columns that hold amounts."""
    known = roles.guess(names)
    wanted = [known[role] for role in ("amount", "debit", "credit", "fee", "net") if role in known]
    figures: list[str] = []
    for at, name in enumerate(names):
        cells = [row[at].strip() for row in body if row[at].strip()]
        amounts = [cell for cell in cells if any(mark.isdigit() for mark in cell)]
        if (name.strip() in wanted) or (not wanted and cells and sum(map(_is_figure, cells)) * 5 >= len(cells) * 4):
            figures += amounts
    try:
        decimal = decimal_mark_of(figures)
    except Unreadable as fault:
        raise SourceBroken(path.name, None, None, str(fault)) from None
    groups = Counter(mark for cell in figures for mark in re.findall(r"(?<=[0-9])([.,'\u2019\u00a0\u2009\u202f ])(?=[0-9]{3})", cell))
    thousands = [mark for mark, _ in groups.most_common() if mark != decimal]
    return decimal, thousands[0] if thousands and decimal else None


def _is_figure(cell: str) -> bool:
    return bool(_AMOUNT.fullmatch(cell)) and not formats_of([cell])


def _date_format(names: Sequence[str], body: Sequence[Sequence[str]], decimal: str | None) -> str | None:
    """The one format that reads the columns of days. Where commas are decimal marks, days come before months."""
    known = roles.guess(names)
    wanted = {known[role] for role in ("booked_on", "value_on") if role in known}
    cells: list[str] = []
    for at, name in enumerate(names):
        if name.strip() in wanted:
            cells += [row[at].strip() for row in body if row[at].strip() and not roles.is_total(row)]
    if not cells:
        return None
    return choose_format(cells, day_first=decimal == ",")


def _tail(path: Path, encoding: str, look: _Look) -> list[list[str]]:
    """The last rows of a long file, for the lines that banks put under a table."""
    if encoding.startswith("utf-16") or encoding == "utf-32":
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(encoding, errors="replace").splitlines()[1:]
    return [next(csv.reader([line], delimiter=look.delimiter, quotechar=look.quote or '"'), []) for line in lines]


def _footer_rows(rows: Sequence[Sequence[str]], width: int) -> int:
    count = 0
    for row in reversed(rows):
        is_blank = not any(cell.strip() for cell in row)
        if is_blank or roles.is_total(row) or len(row) < width:
            count += 0 if is_blank and not count else 1
        else:
            break
    return count if count < len(rows) else 0

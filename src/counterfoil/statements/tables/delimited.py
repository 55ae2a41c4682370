"""CSV and its relatives as records, with the line each row begins on."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final

from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, SourceBroken, SourceRead, within
from counterfoil.statements.tables import rows as tables
from counterfoil.statements.tables.columns import is_total
from counterfoil.statements.tables.dialects import Dialect, dialect
from counterfoil.statements.tables.rows import Plan, TableRow
from counterfoil.statements.text import Content

CUT_SHORT: Final = "cut short"  # what every reason says that a file ends too early for
UNCLOSED: Final = ("unexpected end of data", "field larger than field limit")  # Python's words where a quote goes on to the end


def read(
    path: Path,
    taken: Content,
    *,
    asset: str | None = None,
    strict: bool = True,
    columns: Mapping[str, str] | None = None,
    written: Dialect | None = None,
    scales: Mapping[str, int] | None = None,
) -> SourceRead:
    """A delimited table whose columns are told by their names. Raises SourceBroken."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    known = written or dialect(path, taken=taken)
    if not known.header:
        found.broken(1, None, "the first rows name no columns, so it is unknown which one is the amount")
    base = Plan({}, asset, known.decimal, known.date_format, scales or {})
    how = tables.plan(found, list(known.columns), base, columns)
    how = tables.judged(records(Gathering(path.name), path, known), how)
    tables.add_all(found, records(found, path, known), how)
    return found.read("csv", taken.sha256)


def records(found: Gathering, path: Path, known: Dialect) -> Iterator[TableRow]:
    """Rows under the header. A row that is too long or too short is rejected, except a total under the table; one that is too short
    where the file ends within it stops the file."""
    width, before, short, first = len(known.columns), 0, 0, ""
    try:
        with path.open(encoding=known.encoding, newline="") as file:
            before = known.skip_rows
            for _ in range(before):
                file.readline()
            reader = _cells(file, known)
            if known.header:
                next(reader, None)
            before = known.skip_rows + reader.line_num
            for row in reader:
                line, before = before + 1, known.skip_rows + reader.line_num
                if len(row) == width + 1 and not row[-1].strip():
                    row.pop()  # a separator at the end of each line
                if len(row) != width and any(cell.strip() for cell in row) and not is_total(row):
                    raw = known.delimiter.join(row)
                    found.reject(line, None, f"the row has {len(row)} cells, the header has {width}", raw)
                    short = len(row) if 1 < len(row) < width and _begins_alike(row[0], first) else 0
                    continue
                short, first = 0, row[0].strip() or first
                yield TableRow(line, dict(zip(known.columns, chain(row, [""] * width), strict=False)))
    except csv.Error as fault:
        if not str(fault).startswith(UNCLOSED):
            found.broken(before + 1, None, f"the row cannot be split into cells ({fault})")
        found.broken(before + 1, None, f"a quote is not closed or a cell is too long: the file is {CUT_SHORT}")
    except UnicodeDecodeError as fault:
        ends = "truncated" in fault.reason or "unexpected end" in fault.reason
        reason = (
            f"the file ends inside a character ({known.encoding}): it is {CUT_SHORT}"
            if ends
            else f"the file cannot be read as {known.encoding}"
        )
        raise SourceBroken(path.name, None, None, reason) from None
    if short and not _ends_with_a_line(path):
        found.broken(before, None, f"the last row ends after {short} of {width} cells, and the file with it: the file is {CUT_SHORT}")


def cut_short(path: Path, known: Dialect, *, within_quotes: bool) -> SourceBroken | None:
    """By the rule of `records`: why a file ends within its last row or, where that may be, within a quote; None where it ends as it
    should. The file's first row tells how many columns it has."""
    if not within_quotes and _ends_with_a_line(path):
        return None
    try:
        with path.open(encoding=known.encoding, newline="") as file:
            for _ in range(known.skip_rows):
                file.readline()
            first: list[str] = next(_cells(file, known), [])
        deque(records(Gathering(path.name), path, replace(known, columns=tuple(first))), maxlen=0)
    except SourceBroken as fault:
        return fault if CUT_SHORT in fault.reason else None
    except (csv.Error, UnicodeDecodeError):
        return None  # not even one row
    return None


def _cells(file: IO[str], known: Dialect) -> Any:
    """The rows of an open file, split into cells; `line_num` tells how many lines they took."""
    return csv.reader(
        file,
        delimiter=known.delimiter,
        quotechar=known.quote or None,
        quoting=csv.QUOTE_MINIMAL if known.quote else csv.QUOTE_NONE,
        strict=bool(known.quote),
    )


def _begins_alike(cell: str, before: str) -> bool:
    """Could this be the beginning of a row as the one before it, and not a word under the table?"""
    begun = cell.strip()
    return bool(begun) and (not before or begun[0].isdigit() == before[0].isdigit())


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8))
        return file.read().replace(b"\0", b"").endswith((b"\n", b"\r", b"\x1a"))

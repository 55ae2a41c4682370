"""NDJSON, JSON and Parquet tables as records: numbers keep the digits they were written with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from counterfoil.statements.dates import choose_format, is_iso
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, SourceRead, within
from counterfoil.statements.tables import rows as tables
from counterfoil.statements.tables.columns import guess
from counterfoil.statements.tables.rows import Number, Plan, TableRow, as_cell
from counterfoil.statements.text import Content, numbered_lines, whole_text

SAMPLE_RECORDS: Final = 2_000
EXPONENT_MAX: Final = 40
LISTS: Final = ("data", "items", "transactions", "lines", "entries", "rows", "records", "results")


def read(
    path: Path,
    taken: Content,
    kind: str,
    *,
    asset: str | None = None,
    strict: bool = True,
    columns: Mapping[str, str] | None = None,
    decimal: str | None = None,
    date_format: str | None = None,
    scales: Mapping[str, int] | None = None,
) -> SourceRead:
    """A table of JSON objects or of Parquet rows whose columns are told by their names. Raises SourceBroken."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    notation = {"ndjson": _ndjson, "json": _json, "parquet": _parquet}[kind]
    rows = notation(found, path, taken)
    first = list(islice(rows, SAMPLE_RECORDS))
    if not first:
        found.notes.append("the file has no records")
        return found.read(kind, taken.sha256)
    header = list(dict.fromkeys(name for record in first for name in record.cells))
    days = date_format or _date_format(header, first)
    how = tables.plan(found, header, Plan({}, asset, decimal, days, scales or {}), columns)
    how = tables.judged(notation(Gathering(path.name), path, taken), how)
    tables.add_all(found, chain(first, rows), how)
    return found.read(kind, taken.sha256)


def _date_format(header: list[str], records: list[TableRow]) -> str | None:
    known = guess(header)
    names = [known[role] for role in ("booked_on", "value_on") if role in known]
    cells = [str(record.cells[name]).strip() for record in records for name in names if record.cells.get(name)]
    others = [cell for cell in cells if not is_iso(cell)]
    return choose_format(others) if others else None


def _ndjson(found: Gathering, path: Path, taken: Content) -> Iterator[TableRow]:
    """One object a line; a last line without its end is a file that is cut short, any other bad line is rejected."""
    pending: tuple[int, str] | None = None
    for number, text in numbered_lines(path, taken.encoding):
        if not text.strip():
            continue
        if pending:
            found.reject(pending[0], None, "the line is no JSON object", pending[1])
            pending = None
        try:
            value = _loads(text)
        except (ValueError, RecursionError):
            pending = (number, text)
            continue
        if isinstance(value, dict):
            yield TableRow(number, _flat(value))
        else:
            found.reject(number, None, "the line is no JSON object", text)
    if pending:
        found.broken(pending[0], None, "the last line is no complete JSON object: the file is cut short")


def _json(found: Gathering, path: Path, taken: Content) -> Iterator[TableRow]:
    """A list of objects, or an object that holds one. JSON keeps no line numbers: the record's place in the list stands in."""
    try:
        value = _loads(whole_text(path, taken.encoding))
    except json.JSONDecodeError as fault:
        found.broken(fault.lineno, str(fault.colno), f"this is no complete JSON: {fault.msg}")
    except (ValueError, RecursionError):
        found.broken(1, None, "this is no JSON that can be read")
    if isinstance(value, dict):
        lists = [value[name] for name in LISTS if isinstance(value.get(name), list)]
        lists += [each for each in value.values() if isinstance(each, list)]
        value = lists[0] if lists else [value]
    if not isinstance(value, list):
        found.broken(1, None, "this JSON holds no list of objects")
    for number, each in enumerate(value, 1):
        if isinstance(each, dict):
            yield TableRow(number, _flat(each))
        else:
            found.reject(number, None, "this is no JSON object", json.dumps(each, default=str)[:1000])


def _parquet(found: Gathering, path: Path, taken: Content) -> Iterator[TableRow]:  # noqa: ARG001 - one shape for all
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=8_192):
                for row in batch.to_pylist():
                    number += 1
                    yield TableRow(number, {name: as_cell(value) for name, value in row.items()})
    except (pa.ArrowException, OSError, UnicodeError) as fault:
        found.broken(number or 1, None, f"this is no complete Parquet file: {str(fault)[:200]}")


def _loads(text: str) -> Any:
    return json.loads(text, parse_float=_exact, parse_int=Number, parse_constant=Number)


def _exact(figure: str) -> Number:
    """A figure such as 1.5e2 with its decimals written out; one that is out of reach stays as it is, and is rejected."""
    value = Decimal(figure)
    return Number(format(value, "f") if abs(value.adjusted()) < EXPONENT_MAX else figure)


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested objects become dotted names, so that `{"amount": {"value": …}}` can be mapped; lists stay text."""
    cells: dict[str, Any] = {}
    for name, each in value.items():
        if isinstance(each, dict):
            cells |= _flat(each, f"{before}{name}.")
        else:
            cells[before + name] = json.dumps(each, default=str) if isinstance(each, list | bool) else each
    return cells

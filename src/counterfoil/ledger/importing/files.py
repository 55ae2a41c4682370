"""Rows out of a file of movements, one after the other: CSV, newline-delimited JSON, Parquet. Every value is a text; no floats."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import refuse_unclean
from counterfoil.ledger.importing.map import ImportMap

FIELD_LENGTH_MAX: Final = 100_000
LINE_LENGTH_MAX: Final = 1_000_000
_FORMATS: Final = {
    ".csv": "csv",
    ".txt": "csv",
    ".asc": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}


class Row(NamedTuple):
    """A row and where it stands: the line of a text file, the number of a Parquet row."""

    line: int
    values: Mapping[str, str]


def rows_of(path: Path, mapped: ImportMap) -> Iterator[Row]:
    """The rows of a file, in order. Raises InvalidInput naming line and column, also for a column that the map needs and nobody has."""
    form = mapped.file.get("format") or _FORMATS.get(path.suffix.lower())
    if form is None:
        raise InvalidInput("map.file.format", "csv, ndjson or parquet, for a name that does not tell", got=path.name)
    readers = {"csv": _csv, "ndjson": _ndjson, "parquet": _parquet}
    try:
        wanted = sorted(mapped.columns())
        for row in readers[form](path, mapped):
            for column in wanted:
                refuse_unclean(row.values[column], "file", lines=True, line=row.line, column=column)
            yield row
    except UnicodeDecodeError as error:
        raise InvalidInput("file", f"text in {error.encoding}", byte=error.start, got=path.name) from error


def sha256_of(path: Path) -> bytes:
    """Of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _csv(path: Path, mapped: ImportMap) -> Iterator[Row]:
    csv.field_size_limit(FIELD_LENGTH_MAX)
    with path.open(encoding=mapped.file.get("encoding", "utf-8-sig"), newline="") as file:
        reader = csv.reader(file, delimiter=mapped.file.get("delimiter", ","), strict=True)
        try:
            names = next(reader, [])
            _refuse_missing(names, mapped, path, line=1)
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(names):
                    column = names[len(fields)] if len(fields) < len(names) else str(len(names) + 1)
                    raise InvalidInput(
                        "file",
                        f"{len(names)} fields in each line",
                        line=reader.line_num,
                        column=column,
                        got=str(len(fields)),
                    )
                yield Row(reader.line_num, dict(zip(names, fields, strict=True)))
        except csv.Error as error:
            raise InvalidInput("file", "CSV", line=reader.line_num, detail=str(error)) from error


class _Number(str):
    """A JSON number, in the digits in which it is written."""


def _ndjson(path: Path, mapped: ImportMap) -> Iterator[Row]:
    money = [rule["column"] for rule in (mapped.amount, mapped.balance) if rule]
    with path.open(encoding=mapped.file.get("encoding", "utf-8")) as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            if len(text) > LINE_LENGTH_MAX:
                raise InvalidInput("file", f"lines of at most {LINE_LENGTH_MAX} characters", line=line)
            try:
                found = json.loads(text, parse_float=_Number, parse_int=_Number)  # a number stays as it is written
            except json.JSONDecodeError as error:
                raise InvalidInput("file", "one JSON object in each line", line=line, column=error.colno, detail=error.msg) from error
            except RecursionError:
                raise InvalidInput("file", "one JSON object in each line", line=line, detail="deeper than anything that is read") from None
            if not isinstance(found, dict):
                raise InvalidInput("file", "one JSON object in each line", line=line)
            _refuse_missing(found, mapped, path, line=line)
            if wrong := next((name for name in money if isinstance(found[name], _Number)), None):
                limit = 'an amount as a string, such as "12.50": a JSON number may have been a float'
                raise InvalidInput("amount", limit, line=line, column=wrong, got=found[wrong][:40])
            yield Row(line, {name: _text(value, name, line) for name, value in found.items()})


def _parquet(path: Path, mapped: ImportMap) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise InvalidInput("file", "Parquet", got=path.name, detail=str(error)[:200]) from error
    names = file.schema_arrow.names
    _refuse_missing(names, mapped, path, line=0)
    for name in mapped.columns():
        if pa.types.is_floating(file.schema_arrow.field(name).type):
            raise InvalidInput("file", "decimals or whole numbers, never floating point", column=name)
    line = 0
    for batch in file.iter_batches(batch_size=4_096, columns=sorted(mapped.columns())):
        for values in batch.to_pylist():
            line += 1
            yield Row(line, {name: _text(value, name, line) for name, value in values.items()})


def _text(value: Any, column: str, line: int) -> str:
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, (dict, list, float, bytes)):
        raise InvalidInput("file", "texts, whole numbers, decimals and dates", line=line, column=column, got=type(value).__name__)
    return str(value)


def _refuse_missing(names: Any, mapped: ImportMap, path: Path, *, line: int) -> None:
    missing = sorted(mapped.columns() - set(names))
    if missing:
        raise InvalidInput("file", "the columns that the map names", line=line, column=missing[0], got=path.name)

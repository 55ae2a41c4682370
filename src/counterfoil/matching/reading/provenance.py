"""Where a record stands in its file, and how it came: looked up for the few records that are shown, not for all that are read."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

from counterfoil.matching.engines.engine import DuckEngine, Row, identifier, literal
from counterfoil.matching.rules.model import Csv

SECOND_READING_BYTES_MAX: Final = 512 << 20  # larger files are not read a second time for the sake of line numbers
RAW_CHARS_MAX: Final = 2_000
# What reading adds to a file's own columns; no header is called that.
FILE_COLUMN: Final = "counterfoil file"
WORKBOOK_COLUMN: Final = "counterfoil workbook"
LINE_COLUMN: Final = "counterfoil line"
OURS: Final = ("file_row_number", "row_at", FILE_COLUMN, WORKBOOK_COLUMN, LINE_COLUMN)

TYPED: Final = ("parquet", "table")  # all others are read as texts
ONE_MARK: Final = "\x1f"  # stands for a separator of several marks
FILE_ROWS: Final = 1 << 40  # rows are numbered within their file, and each file begins at a multiple of this: a number is one place


class RecordPlace(NamedTuple):
    """Where a record stands: its file, the 1-based line, and its own columns as JSON."""

    file: str
    line: int
    raw: str


Places = Mapping[tuple[str, int], RecordPlace]  # by side and the record's number


class SideReading(NamedTuple):
    """How a side was read, so that single records can be looked up again. `broken` are (file number, record) without a row."""

    scan: str
    paths: tuple[Path, ...]
    format: str
    csv: Csv
    broken: tuple[tuple[int, int], ...] = ()
    row: str = "row_number() over () - 1"  # the number of a record, as SQL over the scan


def opened(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked when it ends in .gz."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def places_of(engine: DuckEngine, reading: SideReading, rows: Sequence[int]) -> dict[int, RecordPlace]:
    """File, line and raw record of some rows, by their numbers. Empty for files too large to read twice."""
    large = sum(path.stat().st_size for path in reading.paths if path.is_file()) > SECOND_READING_BYTES_MAX
    if not rows or (large and reading.format != "parquet"):
        return {}
    raw = raw_rows(engine, reading, rows)
    lines = {} if reading.format in ("table", "parquet", "xlsx") else lines_in(reading, rows)
    found = {}
    for row, record in raw.items():
        if "line" in record and "raw" in record and reading.format == "table":
            found[row] = RecordPlace(str(record["file"] or ""), int(record["line"] or 0), str(record["raw"] or "")[:RAW_CHARS_MAX])
            continue
        kept = {name: value for name, value in record.items() if name not in OURS and value is not None}
        text = json.dumps(kept, ensure_ascii=False, default=str)[:RAW_CHARS_MAX]
        file, line = lines.get(row) or place_told(record, row)
        found[row] = RecordPlace(file, line, text)
    return found


def place_told(record: Mapping[str, Any], row: int) -> tuple[str, int]:
    """File and line by what reading noted beside the record; the place in the file stands in for a line where there are none."""
    file = record.get(WORKBOOK_COLUMN) or Path(str(record.get(FILE_COLUMN) or "")).name
    return str(file), int(record.get(LINE_COLUMN) or line_of_row(row))


def line_of_row(row: int) -> int:
    """The 1-based place in its file of a row that is numbered by file."""
    return row % FILE_ROWS + 1


def row_in_files(paths: Sequence[Path]) -> str:
    """The number of a row of Parquet files, as SQL over their scan."""
    if len(paths) < 2:
        return "file_row_number"
    names = ", ".join(literal(str(path)) for path in paths)
    return f"(list_position([{names}], {identifier(FILE_COLUMN)}) - 1) * {FILE_ROWS} + file_row_number"


def raw_rows(engine: DuckEngine, reading: SideReading, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The source's own values of some rows, read a second time: only what is shown needs them."""
    if not rows:
        return {}
    engine.load("wanted_rows", {"row": "bigint"}, [(row,) for row in dict.fromkeys(rows)])
    engine.conn.execute("set preserve_insertion_order = true")
    try:
        scan = numbered(reading)
        columns = "*"
        if reading.format in TYPED:
            columns = ", ".join(_shown(name, kind) for name, kind, *_ in engine.rows(f"describe select * from {scan}"))
        answer = engine.conn.execute(f"select {columns} from {scan} where row_at in (select row from wanted_rows)")
        names = [column[0] for column in answer.description or []]
        fetched: list[Row] = answer.fetchall()
    finally:
        engine.conn.execute("set preserve_insertion_order = false")
    found = {}
    for values in fetched:
        record = dict(zip(names, values, strict=True))
        found[int(record.pop("row_at"))] = record
    return found


def _shown(name: str, kind: str) -> str:
    """A moment with its zone as text: DuckDB hands it over by a package that we do without."""
    column = identifier(name)
    return f"cast({column} as varchar) as {column}" if "TIME ZONE" in kind else column


def numbered(reading: SideReading) -> str:
    """The scan with `row_at`, the number of each record."""
    return f"(select *, {reading.row} as row_at from {reading.scan})"


def lines_in(reading: SideReading, rows: Sequence[int]) -> dict[int, tuple[str, int]]:
    """File and 1-based line of each row. Records that span lines, blank lines and rejected lines are counted as they are."""
    wanted, found = set(rows), {}
    broken = set(reading.broken)
    record = 0
    for number, path in enumerate(reading.paths):
        starts = _record_starts(path, reading.csv) if reading.format == "csv" else _text_lines(path)
        head = int(reading.csv.header) if reading.format == "csv" else 0
        for nth, at in enumerate(starts, 1):
            if nth <= head or (number, nth) in broken:
                continue
            if record in wanted:
                found[record] = (path.name, at)
                if len(found) == len(wanted):
                    return found
            record += 1
    return found


def _record_starts(path: Path, how: Csv) -> Iterator[int]:
    """The line at which each record of a delimited file begins."""
    with opened(path) as raw:
        text = io.TextIOWrapper(raw, encoding=how.encoding or "utf-8", errors="replace", newline="")
        for _ in range(how.skip):
            text.readline()
        before = how.skip
        mark, rows = one_mark(text, how)
        reader = csv.reader(rows, delimiter=mark, quotechar=how.quote or '"')
        for values in reader:
            if values:
                yield before + 1
            before = how.skip + reader.line_num


def one_mark(text: IO[str], how: Csv) -> tuple[str, Iterable[str]]:
    """A separator of one mark, which is all that Python's reader takes, and the lines with it."""
    given = how.delimiter or ","
    return (given, text) if len(given) == 1 else (ONE_MARK, (line.replace(given, ONE_MARK) for line in text))


def _text_lines(path: Path) -> Iterator[int]:
    """Lines that hold something: in NDJSON each is a record."""
    with opened(path) as raw:
        for number, line in enumerate(raw, 1):
            if line.strip():
                yield number


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(paths: Iterable[Path]) -> dict[Path, str]:
    """The digests of files, two at a time: one core digests some 1.5 GB a second."""
    files = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(2) as two:
        return dict(zip(files, two.map(file_digest, files), strict=True))

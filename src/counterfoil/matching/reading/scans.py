"""Files as something to select from: every notation of a table with its own columns, texts as they are written."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.matching.engines.engine import DuckEngine, identifier, literal
from counterfoil.matching.reading.provenance import FILE_COLUMN, LINE_COLUMN, WORKBOOK_COLUMN, opened
from counterfoil.matching.rules.model import Csv, Source

TABLES: Final = ("csv", "xlsx", "parquet", "ndjson", "json")
REJECTED_KEPT_MAX: Final = 100_000
BLOCK: Final = 1 << 20
BATCH_ROWS: Final = 8_192
OBJECT_MAX: Final = (1 << 31) - 1  # bytes of one JSON object, as far as DuckDB counts
FLOAT_CHARS: Final = 16  # 15 digits and the point: as many as a float keeps whatever they are
GZIP_TIMES: Final = 40  # how much a packed file of records may unpack to
_NOT_OF_THE_FILE: Final = ("file_row_number", FILE_COLUMN, WORKBOOK_COLUMN, LINE_COLUMN)
_READ_AS_IT_IS: Final = ("utf-8", "utf8", "ascii", "us-ascii", "utf-8-sig")


class SourceUnreadable(Problem):
    """A source cannot be read as a whole, so nothing is concluded from it."""


def scan_of(engine: DuckEngine, paths: Sequence[Path], source: Source, form: str, side: str, folder: Path) -> str:
    """The table function that reads these files, every text column as it is written."""
    if form == "xlsx":
        paths, form = [_sheets(paths, source, folder / f"{side}-sheets.parquet")], "parquet"
    if form in ("parquet", "table"):
        return f"read_parquet({files_of(paths)}, file_row_number = true, filename = {literal(FILE_COLUMN)})"
    if form in ("ndjson", "json"):
        if form == "json" and (wrapped := _wrapped_json(engine, paths, _figures(source))):
            return wrapped
        kind = "newline_delimited" if form == "ndjson" else "auto"
        return _json_scan(engine, f"{files_of(paths)}, format = '{kind}'", _figures(source))
    how = source.csv
    plain = [as_utf8(path, how.encoding or "utf-8", _copy(n, side, folder)) for n, path in enumerate(paths)]
    quote = literal(how.quote if how.quote is not None else chr(34))
    options = [
        "all_varchar = true",
        f"header = {str(how.header).lower()}",
        f"delim = {literal(how.delimiter or ',')}",
        f"quote = {quote}",
        f"escape = {quote}",
        f"skip = {how.skip}",
        "nullstr = ''",
        "sample_size = 2048",
        "store_rejects = true",
        f"rejects_table = '{side}_errors'",
        f"rejects_scan = '{side}_scans'",
        f"rejects_limit = {REJECTED_KEPT_MAX}",
    ]
    return f"read_csv({files_of(plain)}, {', '.join(options)})"


def _copy(number: int, side: str, folder: Path) -> Path:
    return folder / f"{side}-{number}.csv"


def copy_of(path: Path, number: int, side: str, folder: Path) -> Path:
    """What was read of a file of a side: itself, or its copy in UTF-8."""
    made = _copy(number, side, folder)
    return made if made.exists() else path


def files_of(paths: Sequence[Path]) -> str:
    """The files as a list in SQL. A name is a name: `a[1].csv` is that file, and not every file that fits a pattern."""
    return f"[{', '.join(literal(''.join(_plain_mark(mark) for mark in str(path))) for path in paths)}]"


def _plain_mark(mark: str) -> str:
    return f"[{mark}]" if mark in "[*?" else mark


def _figures(source: Source) -> tuple[str, ...]:
    """The columns that hold figures, where the rule set expects a decimal comma: a number of the file has a point all the same."""
    amount = source.amount
    if amount is None or amount.decimal == ".":
        return ()
    named = (amount.column, amount.debit, amount.credit, amount.fee, amount.balance)
    return tuple(name for name in named if name)


def _json_scan(engine: DuckEngine, files: str, figures: Sequence[str]) -> str:
    """Every value as its text: a JSON number such as 12.50 must not pass through a float."""
    import duckdb

    try:
        names = [row[0] for row in engine.rows(f"describe select * from read_json({files})")]
    except duckdb.Error as error:
        raise SourceUnreadable(reason=str(error).splitlines()[0][:300]) from error
    columns = ", ".join(f"{literal(name)}: 'JSON'" for name in names)
    texts = ", ".join(f"{_json_text(name, is_figure=name in figures)} as {identifier(name)}" for name in names)
    return f"(select {texts} from read_json({files}, columns = {{{columns}}}))"


def _wrapped_json(engine: DuckEngine, paths: Sequence[Path], figures: Sequence[str]) -> str | None:
    """Each file one object with the list of records within it, beside a title or a period; None where the records stand bare.

    Which list it is where there are several: the one with the name that such lists have, as for the readers of statements.
    """
    import duckdb

    from counterfoil.statements.tables.notations import LISTS  # the readers are loaded when a file asks for them

    with opened(paths[0]) as file:
        if not file.read(BLOCK).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return None
    most = max(path.stat().st_size for path in paths) * (GZIP_TIMES if paths[0].suffix == ".gz" else 1) + 1
    files = f"{files_of(paths)}, format = 'auto', maximum_object_size = {min(most, OBJECT_MAX)}"
    try:
        if engine.rows(f"select count(*) from read_json({files})")[0][0] != len(paths):
            return None  # a record a line after all
        lists = [
            row[0]
            for row in engine.rows(f"describe select * from read_json({files})")
            if row[1].startswith("STRUCT(") and row[1].endswith(")[]")
        ]
        if not lists:
            return None
        within = next((name for name in LISTS if name in lists), lists[0])
        names = [
            row[0]
            for row in engine.rows(
                f"describe select unnest(record) from (select unnest({identifier(within)}) as record from read_json({files}))"
            )
        ]
    except duckdb.Error as error:
        raise SourceUnreadable(reason=str(error).splitlines()[0][:300]) from error
    cells = {name: f"json_extract(record, {literal('$.' + identifier(name))})" for name in names}
    texts = ", ".join(f"{_json_cell(cell, is_figure=name in figures)} as {identifier(name)}" for name, cell in cells.items())
    records = f"select unnest({identifier(within)}) as record from read_json({files}, columns = {{{literal(within)}: 'JSON[]'}})"
    return f"(select {texts} from ({records}))"


def _json_text(name: str, *, is_figure: bool) -> str:
    return _json_cell(identifier(name), is_figure=is_figure)


def _json_cell(cell: str, *, is_figure: bool) -> str:
    """As it is written. DuckDB reads a figure with a point as a float: what has more digits than that keeps is no longer what the file
    says, so it is marked, and read as no amount."""
    written = f"{cell} ->> '$'"
    cut = f"json_type({cell}) = 'DOUBLE' and strlen(ltrim({written}, '-')) > {FLOAT_CHARS}"
    text = f"case when {cut} then {written} || ' (more digits than a JSON number keeps)' else {written} end"
    if not is_figure:
        return text
    return f"case when json_type({cell}) = 'VARCHAR' then {text} else replace({text}, '.', ',') end"


def _sheets(paths: Sequence[Path], source: Source, into: Path) -> Path:
    """One sheet of each workbook, row by row, as texts beside the file and row they stand in."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from counterfoil.statements.tables.workbooks import opened_sheet

    figures, names, writer = _figures(source), list[str](), None
    try:
        for path in paths:
            with opened_sheet(path, source.sheet) as (header, rows):
                if writer is None:
                    names = [name for name in header if name]
                    shape = pa.schema(
                        [
                            *((name, pa.string()) for name in names),
                            (WORKBOOK_COLUMN, pa.string()),
                            (LINE_COLUMN, pa.int64()),
                        ]
                    )
                    writer = pq.ParquetWriter(into, shape)
                if sorted(name for name in header if name) != sorted(names):
                    raise SourceUnreadable(file=path.name, reason=f"other columns than {paths[0].name}: {', '.join(header)[:200]}")
                batch: list[dict[str, Any]] = []
                for line, cells in rows:
                    if any(cell is not None and str(cell).strip() for cell in cells.values()):
                        batch.append({**_texts(cells, figures), WORKBOOK_COLUMN: path.name, LINE_COLUMN: line})
                    if len(batch) >= BATCH_ROWS:
                        writer.write_table(pa.Table.from_pylist(batch, shape))
                        batch.clear()
                writer.write_table(pa.Table.from_pylist(batch, shape))
    finally:
        if writer is not None:
            writer.close()
    return into


def _texts(cells: Mapping[str, Any], figures: Sequence[str]) -> dict[str, str | None]:
    from counterfoil.statements.tables.rows import Number

    return {
        name: None if cell is None else str(cell).replace(".", ",") if name in figures and isinstance(cell, Number) else str(cell)
        for name, cell in cells.items()
    }


def types_of(engine: DuckEngine, scan: str) -> dict[str, str]:
    """The source's own columns and their types."""
    described = engine.rows(f"describe select * from {scan}")
    return {row[0]: row[1] for row in described if not (scan.startswith("read_parquet") and row[0] in _NOT_OF_THE_FILE)}


def written(path: Path, given: Csv) -> Csv:
    """How a delimited file is written: what the rule set says, the rest detected."""
    if given.delimiter is not None and given.encoding is not None:
        return given
    from counterfoil import statements  # the readers are loaded when a file asks for them

    found = statements.dialect(path)
    return given.model_copy(
        update={
            "delimiter": given.delimiter or found.delimiter,
            "encoding": given.encoding or found.encoding,
            "quote": given.quote if given.quote is not None else found.quote,
            "skip": given.skip or found.skip_rows,
            "header": given.header and found.header,
        }
    )


def as_utf8(path: Path, encoding: str, into: Path) -> Path:
    """The file itself where DuckDB reads it as it is; a copy in UTF-8 otherwise. Raises SourceUnreadable at the line that is wrong."""
    if encoding.lower().replace("_", "-") in _READ_AS_IT_IS:
        return path
    line = 1
    with (
        opened(path) as raw,
        io.TextIOWrapper(raw, encoding=encoding, newline="") as read,
        into.open("w", encoding="utf-8", newline="") as write,
    ):
        try:
            while block := read.read(BLOCK):
                write.write(block)
                line += block.count("\n")
        except UnicodeError as error:
            raise SourceUnreadable(file=path.name, line=line, reason=f"not {encoding}: {error.__class__.__name__}") from error
    return into


def check_formats(engine: DuckEngine, source: Source, side: str) -> None:
    """Are the date formats formats? Raises InvalidInput, before a file is blamed for it."""
    import duckdb

    for form in source.dates.formats:
        try:
            engine.rows(f"select try_strptime('', {literal(form)})")
        except duckdb.Error as error:
            told = str(error).splitlines()[0][:200]
            raise InvalidInput(f"{side}.dates.formats", f"strptime formats such as %d.%m.%Y ({told})", got=form[:40]) from error

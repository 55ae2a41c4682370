"""Reading a side: columnar formats by the engine itself, statements by their readers; what cannot be read is rejected by line."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.reconciliation.engines import DuckEngine, identifier, literal
from counterfoil.reconciliation.rules import FIELDS, Amount, Csv, Source
from counterfoil.reconciliation.shape import SHAPE, column_of, scale_of, shaped

TABULAR: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
}
REJECTED_KEPT_MAX: Final = 100_000
RAW_SHOWN_MAX: Final = 300
BLOCK: Final = 1 << 20


class SourceUnreadable(Problem):
    """A source cannot be read as a whole, so nothing is concluded from it."""


class Rejected(NamedTuple):
    """One row that could not be read. `line` counts from 1 within the file; `column` is the file's own name."""

    file: str
    line: int
    column: str
    reason: str
    raw: str


class Side(NamedTuple):
    """One side, ready to be matched: the view `lines` has our columns; `read` has the rejected rows too."""

    key: str  # left or right
    name: str
    files: tuple[Path, ...]
    format: str
    lines: str
    rows: int  # in the file, after `where`; rejected ones count
    left_out: int  # rows that `where` took out
    rejected: list[Rejected]
    statements: tuple[object, ...] = ()


def read_side(engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, folder: Path) -> Side:
    """Read the files of one side into the view `{side}_lines`.

    Raises SourceUnreadable for a file that is truncated or does not carry, InvalidInput for a rule that does not fit the file.
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise SourceUnreadable(source=side, reason="no such file", file=", ".join(missing)[:300])
    form = source.format or TABULAR.get(_suffix(paths[0]), "")
    name = source.name or side
    if form in ("csv", "tsv"):
        return _tabular(engine, paths, source, side, name, "csv", folder)
    if form in ("parquet", "ndjson", "json"):
        return _tabular(engine, paths, source, side, name, form, folder)
    return _statement(engine, paths, source, side, name, form, folder)


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


# --- columnar formats ---------------------------------------------------------------------------------------------------------


def _tabular(
    engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, name: str, form: str, folder: Path
) -> Side:
    engine.conn.execute("set preserve_insertion_order = true")
    try:
        scan = scan_of(engine, paths, source, form, side, folder)
        types = types_of(engine, scan)
        found = shaped(source, types, side, trims=form != "parquet")
        where = " and ".join(
            f"trim(cast({_named(each.column, types, side)} as varchar)) in ({', '.join(literal(v) for v in each.values)})"
            for each in source.where
        )
        columns = ", ".join(f"{sql} as {ours}" for ours, sql in found.columns.items())
        numbered = form == "parquet"
        row = "file_row_number as row, filename as file" if numbered else "0 as row, '' as file"
        body = f"select {row}, {columns}, {found.bad} as bad from {scan}" + (f" where {where}" if where else "")
        if numbered:
            engine.view(f"{side}_read", body)
        else:
            path = folder / f"{side}.parquet"
            engine.conn.execute(f"copy ({body}) to {literal(str(path))} (format parquet, compression snappy)")
            engine.view(
                f"{side}_read",
                f"select * exclude (row, file, file_row_number), file_row_number as row, '' as file "
                f"from read_parquet({literal(str(path))}, file_row_number = true)",
            )
    finally:
        engine.conn.execute("set preserve_insertion_order = false")
    counted, bad = engine.rows(f"select count(*), count(bad) from {side}_read")[0]
    left_out = engine.rows(f"select count(*) from {scan}")[0][0] - counted if where else 0
    broken = _structural(engine, side) if form == "csv" else []
    rejected = _rejected(engine, scan, where, source, side, paths, form, bad, broken)
    _same_scale_known(engine, source, side)
    engine.view(f"{side}_lines", f"select * from {side}_read where bad is null")
    return Side(side, name, tuple(paths), form, f"{side}_lines", counted + len(broken), left_out, rejected)


def _named(column: str, types: Mapping[str, str], side: str) -> str:
    if column not in types:
        raise InvalidInput(
            f"{side}.where", f"one of the file's columns: {', '.join(list(types)[:30])}", got=column[:60]
        )
    return identifier(column)


def scan_of(engine: DuckEngine, paths: Sequence[Path], source: Source, form: str, side: str, folder: Path) -> str:
    """The table function that reads these files, every text column as it is written."""
    if form == "parquet":
        files = ", ".join(literal(str(path)) for path in paths)
        return f"read_parquet([{files}], file_row_number = true, filename = true)"
    if form in ("ndjson", "json"):
        files = ", ".join(literal(str(path)) for path in paths)
        kind = "newline_delimited" if form == "ndjson" else "auto"
        return _json_scan(engine, f"[{files}], format = '{kind}'")
    how = written(paths[0], source.csv)
    plain = [as_utf8(path, how.encoding or "utf-8", folder / f"{side}-{n}.csv") for n, path in enumerate(paths)]
    files = ", ".join(literal(str(path)) for path in plain)
    options = [
        "all_varchar = true",
        f"header = {str(how.header).lower()}",
        f"delim = {literal(how.delimiter or ',')}",
        f"quote = {literal(how.quote if how.quote is not None else chr(34))}",
        f"escape = {literal(how.quote if how.quote is not None else chr(34))}",
        f"skip = {how.skip}",
        "nullstr = ''",
        "sample_size = 2048",
        "store_rejects = true",
        f"rejects_table = '{side}_errors'",
        f"rejects_scan = '{side}_scans'",
        f"rejects_limit = {REJECTED_KEPT_MAX}",
    ]
    return f"read_csv([{files}], {', '.join(options)})"


def _json_scan(engine: DuckEngine, files: str) -> str:
    """Every value as its text: a JSON number such as 12.50 must not pass through a float."""
    try:
        names = [row[0] for row in engine.rows(f"describe select * from read_json({files})")]
    except Exception as error:
        raise SourceUnreadable(reason=str(error).splitlines()[0][:300]) from error
    columns = ", ".join(f"{literal(name)}: 'JSON'" for name in names)
    texts = ", ".join(f"{identifier(name)} ->> '$' as {identifier(name)}" for name in names)
    return f"(select {texts} from read_json({files}, columns = {{{columns}}}))"


def types_of(engine: DuckEngine, scan: str) -> dict[str, str]:
    """The source's own columns and their types."""
    described = engine.rows(f"describe select * from {scan}")
    return {row[0]: row[1] for row in described if row[0] not in ("file_row_number", "filename")}


def written(path: Path, given: Csv) -> Csv:
    """How a delimited file is written: what the rule set says, the rest detected."""
    if given.delimiter is not None and given.encoding is not None:
        return given
    from counterfoil.reconciliation import sources  # the readers are loaded when a file asks for them

    found = sources.dialect(path)
    return given.model_copy(
        update={
            "delimiter": given.delimiter or found.delimiter,
            "encoding": given.encoding or found.encoding,
            "quote": given.quote if given.quote is not None else found.quote,
        }
    )


def as_utf8(path: Path, encoding: str, into: Path) -> Path:
    """The file itself where DuckDB reads it as it is; a copy in UTF-8 otherwise. Raises SourceUnreadable at the line that is wrong."""
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "ascii", "us-ascii", "utf-8-sig"):
        return path
    line = 1
    with (
        _opened(path) as raw,
        io.TextIOWrapper(raw, encoding=encoding, newline="") as read,
        into.open("w", encoding="utf-8", newline="") as write,
    ):
        try:
            while block := read.read(BLOCK):
                write.write(block)
                line += block.count("\n")
        except UnicodeError as error:
            raise SourceUnreadable(
                file=path.name, line=line, reason=f"not {encoding}: {error.__class__.__name__}"
            ) from error
    return into


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _structural(engine: DuckEngine, side: str) -> list[tuple[int, int, str, str, str]]:
    """Lines with too few or too many columns or a broken quote, once each: record, byte, column, reason, raw."""
    return engine.rows(
        f"""select line, min(line_byte_position), coalesce(min(column_name), ''), min(error_message), min(csv_line)
            from {side}_errors group by line, file_id order by line limit {REJECTED_KEPT_MAX}"""
    )


def _rejected(
    engine: DuckEngine,
    scan: str,
    where: str,
    source: Source,
    side: str,
    paths: Sequence[Path],
    form: str,
    bad: int,
    broken: Sequence[tuple[int, int, str, str, str]],
) -> list[Rejected]:
    file = ", ".join(path.name for path in paths)[:300]
    found = [
        Rejected(file, record, column, _short(reason), (raw or "")[:RAW_SHOWN_MAX])
        for record, _, column, reason, raw in broken
    ]
    if bad:
        rows = engine.rows(
            f"select row, bad from {side}_read where bad is not null order by row limit {REJECTED_KEPT_MAX}"
        )
        raw = raw_rows(engine, scan, where, [row for row, _ in rows], form)
        line = lines_in(paths, source, form, [row for row, _ in rows], [record for record, *_ in broken])
        for row, column in rows:
            theirs = column_of(source, column)
            value = raw.get(row, {}).get(theirs, "")
            text = ", ".join(f"{k}={v}" for k, v in raw.get(row, {}).items() if v is not None)
            found.append(Rejected(file, line[row], theirs, _why(column, value), text[:RAW_SHOWN_MAX]))
    return sorted(found, key=lambda each: (each.file, each.line, each.column))


def _short(message: str) -> str:
    return " ".join(message.split())[:200]


def _why(column: str, value: object) -> str:
    shown = "" if value in (None, "") else f", but {str(value)[:40]!r}"
    wanted = {"amount": "an amount in the unit of the rule set", "asset": "a currency or asset code"}.get(
        column, "a date"
    )
    return f"wanted {wanted}{shown}" if shown else f"wanted {wanted}, but nothing stands there"


def raw_rows(engine: DuckEngine, scan: str, where: str, rows: Sequence[int], form: str) -> dict[int, dict[str, Any]]:
    """The source's own values of some rows (by position, counted after `where`), read a second time: only breaks need them."""
    if not rows:
        return {}
    engine.load("wanted_rows", {"row": "bigint"}, [(row,) for row in dict.fromkeys(rows)])
    engine.conn.execute("set preserve_insertion_order = true")
    number = "file_row_number" if form == "parquet" else "row_number() over () - 1"
    body = f"select *, {number} as row_at from {scan}" + (f" where {where}" if where else "")
    answer = engine.conn.execute(f"select * from ({body}) where row_at in (select row from wanted_rows)")
    names = [column[0] for column in answer.description or []]
    found = {}
    for values in answer.fetchall():
        record = dict(zip(names, values, strict=True))
        found[record.pop("row_at")] = {k: v for k, v in record.items() if k not in ("file_row_number", "filename")}
    engine.conn.execute("set preserve_insertion_order = false")
    return found


def lines_in(
    paths: Sequence[Path], source: Source, form: str, rows: Sequence[int], broken: Sequence[int]
) -> dict[int, int]:
    """The line of each row in its file, from 1. Rows that span lines, blank lines and rejected lines are counted as they are."""
    if form != "csv":
        return {row: row + 1 for row in rows}
    wanted, found = set(rows), {}
    skipped = set(broken)
    record = 0
    for number, at in enumerate(_record_starts(paths[0], source), 1):
        if number <= int(source.csv.header) or number in skipped:
            continue
        if record in wanted:
            found[record] = at
            if len(found) == len(wanted):
                break
        record += 1
    return {row: found.get(row, row + 1 + int(source.csv.header)) for row in rows}


def _record_starts(path: Path, source: Source) -> Iterator[int]:
    """The line at which each record begins."""
    with _opened(path) as raw:
        text = io.TextIOWrapper(raw, encoding=source.csv.encoding or "utf-8", errors="replace", newline="")
        for _ in range(source.csv.skip):
            text.readline()
        before = source.csv.skip
        reader = csv.reader(text, delimiter=source.csv.delimiter or ",", quotechar=source.csv.quote or '"')
        for values in reader:
            if values:
                yield before + 1
            before = source.csv.skip + reader.line_num


def _same_scale_known(engine: DuckEngine, source: Source, side: str) -> None:
    """Major units of an asset whose decimals nobody knows would be off by powers of ten."""
    if source.amount is None or source.amount.unit == "minor" or "asset" not in source.columns:
        return
    seen = [
        row[0] for row in engine.rows(f"select distinct asset from {side}_read where bad is null order by 1 limit 500")
    ]
    unknown = [asset for asset in seen if scale_of(source, asset) is None]
    if unknown:
        raise InvalidInput(f"{side}.scale", "the decimals of every asset in major units", got=", ".join(unknown[:10]))


# --- statements ---------------------------------------------------------------------------------------------------------------


def _statement(
    engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, name: str, form: str, folder: Path
) -> Side:
    """Formats with a reader of their own."""
    import pyarrow as pa  # type: ignore[import-untyped]

    from counterfoil.reconciliation import sources

    reads = [sources.read(path, format=form or None) for path in paths]
    found = read_table(engine, pa.concat_tables([read.lines for read in reads]), source, side, folder)
    refused = [Rejected(r.file, r.line, r.column or "", r.reason, r.raw) for read in reads for r in read.rejected]
    return found._replace(
        name=name,
        files=tuple(paths),
        format=form or reads[0].format,
        rows=found.rows + len(refused),
        rejected=[*found.rejected, *refused],
        statements=tuple(statement for read in reads for statement in read.statements),
    )


def read_table(engine: DuckEngine, table: Any, source: Source, side: str, folder: Path) -> Side:
    """An Arrow table in the common shape (external_id, reference, amount in minor units, asset, booked_on …) as a side.

    `source` may name other columns; what it leaves out is taken from the column of our own name, where the table has it.
    """
    path = folder / f"{side}-lines.parquet"
    engine.conn.register("statement_lines", table)
    engine.conn.execute(f"copy (from statement_lines) to {literal(str(path))} (format parquet)")
    engine.conn.unregister("statement_lines")
    ours = {name: name for name in FIELDS if name in table.column_names}
    if "external_id" in table.column_names:
        ours["id"] = "external_id"
    columns = {**ours, **source.columns}
    if source.asset:
        columns.pop("asset", None)
    amount = source.amount or Amount(column="amount", unit="minor")
    found = _tabular(
        engine,
        [path],
        source.model_copy(update={"columns": columns, "amount": amount}),
        side,
        source.name or side,
        "parquet",
        folder,
    )
    return found._replace(files=(), format="table")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as read:
        while block := read.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


__all__ = ["SHAPE", "Rejected", "Side", "SourceUnreadable", "file_digest", "read_side"]

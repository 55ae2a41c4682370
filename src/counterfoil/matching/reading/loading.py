"""Reading a side: columnar formats by the engine itself, statements by their readers; what cannot be read is rejected by line."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import duckdb

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.matching.engines.engine import DuckEngine, identifier, literal
from counterfoil.matching.reading.column_sql import SHAPE, Layer, Shaped, column_of, scale_of, shaped
from counterfoil.matching.reading.provenance import Reading, lines_in, numbered, opened, raw_rows
from counterfoil.matching.reading.sides import Profile, Rejected, Side, profiled
from counterfoil.matching.rules.model import FIELDS, Amount, Csv, Source

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


def read_side(engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, folder: Path) -> Side:
    """Read the files of one side into the view `{side}_lines`.

    Raises SourceUnreadable for a file that is truncated or does not carry, InvalidInput for a rule that does not fit the file.
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise SourceUnreadable(source=side, reason="no such file", file=", ".join(missing)[:300])
    try:
        return _read(engine, paths, source, side, folder)
    except (duckdb.Error, EOFError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceUnreadable(source=side, file=paths[0].name, reason=first[:300]) from error


def _read(engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, folder: Path) -> Side:
    form = source.format or TABULAR.get(_suffix(paths[0]), "")
    if form == "csv" and source.amount is None:
        form = ""  # a provider's report whose reader knows its columns
    name = source.name or side
    if form in ("csv", "tsv"):
        if _has_footer(paths, source):
            return _statement(engine, paths, source, side, name, "csv", folder)
        return _tabular(engine, paths, source, side, name, "csv", folder)
    if form in ("parquet", "ndjson", "json"):
        return _tabular(engine, paths, source, side, name, form, folder)
    return _statement(engine, paths, source, side, name, form, folder)


def _has_footer(paths: Sequence[Path], source: Source) -> bool:
    """Totals under the table need a reader that knows them; where the rule set says how the file is written, there are none."""
    if source.csv.delimiter is not None or source.where or paths[0].suffix.lower() == ".gz":
        return False
    from counterfoil import statements as sources

    return any(sources.dialect(path).footer_rows for path in paths)


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


# --- columnar formats ---------------------------------------------------------------------------------------------------------


def _tabular(
    engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, name: str, form: str, folder: Path
) -> Side:
    if form == "csv":
        source = source.model_copy(update={"csv": written(paths[0], source.csv)})
    scan = scan_of(engine, paths, source, form, side, folder)
    reading = Reading(scan, tuple(paths), "parquet" if form == "table" else form, source.csv)
    types = types_of(engine, scan)
    found = shaped(source, types, side, trims=form not in ("parquet", "table"))
    where = " and ".join(
        f"trim(cast({_named(each.column, types, side)} as varchar)) in ({', '.join(literal(v) for v in each.values)})"
        for each in source.where
    )
    relation, layer = _source(engine, reading, found, where, side)
    columns, profile, good = profiled(engine, relation, layer, where if reading.format == "parquet" else "")
    counted = profile.bad + sum(total.rows for total in profile.totals.values())
    left_out = engine.rows(f"select count(*) from {scan}")[0][0] - counted if where else 0
    broken = _structural(engine, side, paths) if form == "csv" else []
    reading = reading._replace(broken=tuple((number, record) for number, record, *_ in broken), format=form)
    rejected = [
        Rejected(
            paths[number].name,
            line_of_byte(paths[number], at) if at else record,
            column,
            _short(reason),
            (raw or "")[:RAW_SHOWN_MAX],
        )
        for number, record, at, column, reason, raw in broken
    ]
    if profile.bad:
        rejected += _unreadable(engine, reading, relation, layer, where if form == "parquet" else "", source)
    _same_scale_known(profile, source, side)
    rejected.sort(key=lambda each: (each.file, each.line, each.column))
    return Side(
        side, name, tuple(paths), form, relation, columns, good, counted + len(broken), left_out, rejected, reading, profile
    )  # fmt: skip


def _source(engine: DuckEngine, reading: Reading, found: Shaped, where: str, side: str) -> tuple[str, Layer]:
    """The file itself where it is Parquet, else a copy of our columns in the file's order: text is parsed once, and read three times."""
    if reading.format == "parquet":
        columns = {**found.raw.columns, "row": "file_row_number", "file": "filename"}
        return found.over(reading.scan), found.raw._replace(columns=columns)
    scan, row = (f"{numbered(reading)} where {where}", "row_at, ") if where else (reading.scan, "")
    engine.conn.execute("set preserve_insertion_order = true")
    try:
        engine.table(f"{side}_copy", found.copied(scan, row))
    finally:
        engine.conn.execute("set preserve_insertion_order = false")
    columns = {**found.kept.columns, "row": "row_at" if where else "rowid", "file": "''"}
    return f"{side}_copy", found.kept._replace(columns=columns)


def _named(column: str, types: Mapping[str, str], side: str) -> str:
    if column not in types:
        raise InvalidInput(
            f"{side}.where", f"one of the file's columns: {', '.join(list(types)[:30])}", got=column[:60]
        )
    return identifier(column)


def scan_of(engine: DuckEngine, paths: Sequence[Path], source: Source, form: str, side: str, folder: Path) -> str:
    """The table function that reads these files, every text column as it is written."""
    if form in ("parquet", "table"):
        files = ", ".join(literal(str(path)) for path in paths)
        return f"read_parquet([{files}], file_row_number = true, filename = true)"
    if form in ("ndjson", "json"):
        files = ", ".join(literal(str(path)) for path in paths)
        kind = "newline_delimited" if form == "ndjson" else "auto"
        return _json_scan(engine, f"[{files}], format = '{kind}'")
    how = source.csv
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
    from counterfoil import statements as sources

    found = sources.dialect(path)
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
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "ascii", "us-ascii", "utf-8-sig"):
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
            raise SourceUnreadable(
                file=path.name, line=line, reason=f"not {encoding}: {error.__class__.__name__}"
            ) from error
    return into


def _structural(engine: DuckEngine, side: str, paths: Sequence[Path]) -> list[tuple[int, int, int, str, str, str]]:
    """Lines with too few or too many columns or a broken quote, once each: file number, record, byte, column, reason, raw."""
    numbers = {path.name: number for number, path in enumerate(paths)}
    rows = engine.rows(
        f"""select min(s.file_path), e.line, coalesce(min(e.line_byte_position), 0), coalesce(min(e.column_name), ''),
                   min(e.error_message), min(e.csv_line)
            from {side}_errors e join {side}_scans s on s.scan_id = e.scan_id and s.file_id = e.file_id
            group by e.file_id, e.line order by e.file_id, e.line limit {REJECTED_KEPT_MAX}"""
    )
    single = len(paths) == 1
    return [(0 if single else numbers.get(Path(file).name, 0), *rest) for file, *rest in rows]


def line_of_byte(path: Path, at: int) -> int:
    """The 1-based line that holds this byte."""
    line = 1
    with opened(path) as read:
        while at > 1 and (block := read.read(min(BLOCK, at - 1))):
            line += block.count(b"\n")
            at -= len(block)
    return line


def _unreadable(
    engine: DuckEngine, reading: Reading, relation: str, layer: Layer, where: str, source: Source
) -> list[Rejected]:
    """Rows with a cell that cannot be read as what it must be."""
    kept = f" and ({where})" if where else ""
    rows = engine.rows(
        f"""select {layer.columns["row"]}, {layer.bad} from {relation} where ({layer.bad}) is not null{kept}
            order by 1 limit {REJECTED_KEPT_MAX}"""
    )
    wanted = [row for row, _ in rows]
    cells = raw_rows(engine, reading, wanted)
    lines = lines_in(reading, wanted) if reading.format in ("csv", "ndjson") else {}
    found = []
    for row, column in rows:
        record = {
            k: v for k, v in cells.get(row, {}).items() if v is not None and k not in ("file_row_number", "filename")
        }
        theirs = column_of(source, column)
        file, line = lines.get(row, (reading.paths[0].name, row + 1))
        text = ", ".join(f"{k}={v}" for k, v in record.items())
        found.append(Rejected(file, line, theirs, _why(column, record.get(theirs)), text[:RAW_SHOWN_MAX]))
    return found


def _short(message: str) -> str:
    return " ".join(message.split())[:200]


def _why(column: str, value: object) -> str:
    shown = "" if value in (None, "") else f", but {str(value)[:40]!r}"
    wanted = {"amount": "an amount in the unit of the rule set", "asset": "a currency or asset code"}.get(
        column, "a date"
    )
    return f"wanted {wanted}{shown}" if shown else f"wanted {wanted}, but nothing stands there"


def _same_scale_known(profile: Profile, source: Source, side: str) -> None:
    """Major units of an asset whose decimals nobody knows would be off by powers of ten."""
    if source.amount is None or source.amount.unit == "minor" or "asset" not in source.columns:
        return
    unknown = [asset for asset in sorted(profile.totals) if scale_of(source, asset) is None]
    if unknown:
        raise InvalidInput(f"{side}.scale", "the decimals of every asset in major units", got=", ".join(unknown[:10]))


# --- statements ---------------------------------------------------------------------------------------------------------------


ROLES: Final = {"id": "external_id"}  # what the readers call it


def _statement(
    engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, name: str, form: str, folder: Path
) -> Side:
    """Formats with a reader of their own; of a table's columns the rule set may name which is which."""
    import pyarrow as pa  # type: ignore[import-untyped]

    from counterfoil import statements as sources

    table = form in ("", "xlsx", "csv") and sources.detect(paths[0]) in ("xlsx", "csv")
    if source.where:
        raise InvalidInput(f"{side}.where", "a CSV, JSON or Parquet source: a statement is taken whole", got=form)
    options: dict[str, Any] = {"asset": source.asset, "scales": source.scale or None}
    if table:
        options["columns"] = _roles(source)
        options["date_format"] = source.dates.formats[0] if source.dates.formats else None
    reads = [sources.read(path, format=form or None, **options) for path in paths]
    plain = source.model_copy(update={"columns": {}, "amount": _signed(source), "asset": None}) if table else source
    found = read_table(engine, pa.concat_tables([read.lines for read in reads]), plain, side, folder)
    refused = [Rejected(r.file, r.line, r.column or "", r.reason, r.raw) for read in reads for r in read.rejected]
    return replace(
        found,
        name=name,
        files=tuple(paths),
        format=form or reads[0].format,
        rows=found.rows + len(refused),
        rejected=[*found.rejected, *refused],
        statements=tuple(statement for read in reads for statement in read.statements),
    )


def _roles(source: Source) -> dict[str, str] | None:
    """The rule set's columns in the readers' words."""
    named = {ROLES.get(ours, ours): theirs for ours, theirs in source.columns.items()}
    if source.amount:
        amount = source.amount
        figure = "amount_minor" if amount.unit == "minor" else "amount"
        given = {figure: amount.column, "debit": amount.debit, "credit": amount.credit, "direction": amount.direction}
        named |= {role: theirs for role, theirs in given.items() if theirs}
    return named or None


def _signed(source: Source) -> Amount:
    return Amount(column="amount", unit="minor", sign=source.amount.sign if source.amount else 1)


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
    known = source.model_copy(update={"columns": columns, "amount": amount})
    return replace(_tabular(engine, [path], known, side, source.name or side, "table", folder), files=())


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as read:
        while block := read.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


__all__ = ["SHAPE", "Rejected", "Side", "SourceUnreadable", "file_digest", "read_side"]

"""Reading a side: every table by the engine and the rule set, statements by their readers; what cannot be read is rejected by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine, identifier, literal
from counterfoil.matching.keeping.shelf import Shelf
from counterfoil.matching.reading.broken_lines import BrokenLine, broken_lines, line_of, refuse_cut, rejected_of
from counterfoil.matching.reading.column_sql import SHAPE, Debits, Layer, Shaped, column_of, shaped
from counterfoil.matching.reading.provenance import (
    FILE_COLUMN,
    OURS,
    SideReading,
    digests_of,
    file_digest,
    lines_in,
    numbered,
    place_told,
    raw_rows,
    row_in_files,
)
from counterfoil.matching.reading.scans import (
    REJECTED_KEPT_MAX,
    TABLES,
    SourceUnreadable,
    check_formats,
    copy_of,
    scan_of,
    types_of,
    written,
)
from counterfoil.matching.reading.sides import Side, UnreadableRow, profiled
from counterfoil.matching.reading.telling import RAW_SHOWN_MAX, same_scale_known, why
from counterfoil.matching.reading.totals import NO_RECORD, broken_balance, told_by_foot, wrong_total
from counterfoil.matching.reading.where_sql import where_sql
from counterfoil.matching.rules.model import Amount, Source
from counterfoil.matching.rules.names import FIELDS, own_fields

LEADS_NOT: Final = "the balance before this row and its amount do not lead to its balance"
ELSEWHERE: Final = "the balances lead from row to row in another order than that of the rows"
TABULAR: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
}


def read_side(engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, folder: Path, shelf: Shelf | None = None) -> Side:
    """Read the files of one side into the view `{side}_lines`; of a table whose totals are on the `shelf` these are not counted again.

    Raises SourceUnreadable for a file that is truncated or does not carry, InvalidInput for a rule that does not fit the file.
    """
    import duckdb

    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise SourceUnreadable(source=side, reason="no such file", file=", ".join(missing)[:300])
    try:
        return _read(engine, paths, source, side, folder, shelf)
    except (duckdb.Error, EOFError, OSError) as error:
        if source.amount is not None and _form(paths, source) == "csv":
            refuse_cut(paths, written(paths[0], source.csv), side, folder)
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceUnreadable(source=side, file=paths[0].name, reason=first[:300]) from error


def _read(engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, folder: Path, shelf: Shelf | None) -> Side:
    form = _form(paths, source)
    name = source.name or side
    if form in TABLES and source.amount is not None:
        check_formats(engine, source, side)
        return _tabular(engine, paths, source, side, name, form, folder, shelf)
    return _statement(engine, paths, source, side, name, source.format or "", folder)


def _form(paths: Sequence[Path], source: Source) -> str:
    """The notation: what the rule set says, what the name says of a table, else what the content shows."""
    form = {"tsv": "csv", "jsonl": "ndjson"}.get(source.format or "", source.format or "")
    form = form or TABULAR.get(_suffix(paths[0]), "")
    if form or source.amount is None:
        return form
    from counterfoil import statements  # the readers are loaded when a file asks for them

    return statements.detect(paths[0])


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


# --- columnar formats ---------------------------------------------------------------------------------------------------------


def _tabular(
    engine: DuckEngine,
    paths: Sequence[Path],
    source: Source,
    side: str,
    name: str,
    form: str,
    folder: Path,
    shelf: Shelf | None = None,
) -> Side:
    if form == "csv":
        source = source.model_copy(update={"csv": written(paths[0], source.csv)})
    scan = scan_of(engine, paths, source, form, side, folder)
    in_place = form in ("parquet", "table", "xlsx")
    reading = SideReading(scan, tuple(paths), "parquet" if in_place else form, source.csv)
    if in_place:  # workbooks and statements come as one table
        reading = reading._replace(row=row_in_files(paths if form == "parquet" else ()))
    types = types_of(engine, scan)
    where = where_sql(source, types, side)
    relation, layer = _understood(engine, reading, source, types, where, side, form)
    kept = where if in_place else ""
    columns, profile, good = profiled(
        engine, relation, layer, kept, ask=partial(shelf.answered, engine, side, paths, source, scan) if shelf else None
    )
    counted = profile.bad - profile.no_record + sum(total.rows for total in profile.totals.values())
    left_out = profile.no_record
    if where:
        left_out = engine.rows(f"select count(*) from {scan}")[0][0] - counted
    broken = broken_lines(engine, side, paths, folder) if form == "csv" else []
    if max(len(broken), profile.bad - profile.no_record) >= REJECTED_KEPT_MAX:
        raise SourceUnreadable(
            source=side,
            file=paths[0].name,
            reason=f"{REJECTED_KEPT_MAX:,} lines or more cannot be read: is it another format?",
        )
    reading = reading._replace(broken=tuple((each.file, each.record) for each in broken), format=form)
    feet = [each for each in broken if _is_foot(each.raw, source)]
    if broken:
        refuse_cut(paths, source.csv, side, folder, broken)
    read = [copy_of(path, n, side, folder) for n, path in enumerate(paths)]
    rejected = [rejected_of(paths[each.file], each, read[each.file]) for each in broken if each not in feet]
    left_out += len(feet)
    rows = counted + len(rejected)
    if profile.bad > profile.no_record:
        rejected += _unreadable(engine, reading, relation, layer, kept, source)
    same_scale_known(profile, source, side)
    if profile.no_record and not rejected and len(profile.totals) == 1:
        _refuse_wrong_total(engine, reading, relation, layer, kept, source)
    if feet and len(paths) == len(feet) == 1 and not rejected and len(profile.totals) == 1:
        _refuse_wrong_foot(
            paths[0], read[0], feet[0], source, list(types), next(iter(profile.totals)), _sum_of_figures(engine, relation, layer, kept)
        )
    rejected.sort(key=lambda each: (each.file, each.line, each.column))
    return Side(side, name, tuple(paths), form, relation, columns, good, rows, left_out, rejected, reading, profile)


def _is_foot(raw: str | None, source: Source) -> bool:
    """A line with fewer cells than the table whose first word is a total or a balance stands under it, and is no record."""
    from counterfoil.statements.tables.columns import is_total

    return is_total((raw or "").replace(source.csv.quote or '"', "").split(source.csv.delimiter or ","))


def _understood(
    engine: DuckEngine, reading: SideReading, source: Source, types: Mapping[str, str], where: str, side: str, form: str
) -> tuple[str, Layer]:
    """The source's columns as ours. Where debits come with both signs the file's own balance decides what a minus means there."""
    options: dict[str, Any] = {"trims": form not in ("parquet", "table"), "totals": form != "table"}

    def read(debits: Debits) -> tuple[str, Layer]:
        return _source(engine, reading, shaped(source, types, side, debits=debits, **options), where, side)

    found = shaped(source, types, side, **options)
    judge = source.amount is not None and source.amount.balance is not None
    ways: list[Debits] = ["out"]
    if found.debits:
        kept = f" where {where}" if where else ""
        scan = found.over(reading.scan)
        plus, minus = engine.rows(f"select bool_or({found.debits} > 0), bool_or({found.debits} < 0) from {scan}{kept}")[0]
        if plus and minus:
            ways = ["signed", "out"] if judge else ["refused"]
    broken = []
    for way in ways:
        relation, layer = read(way)
        found_broken = broken_balance(engine, relation, layer, where if reading.format == "parquet" else "") if judge else None
        if found_broken is None:
            return relation, layer
        broken.append(found_broken)
    least = min(broken, key=lambda one: one.wrong)  # by the way of reading debits in which more of it leads on
    file, line = _place(reading._replace(format=form), least.row)
    column = source.amount.balance if source.amount else None
    told = {"wrong": least.wrong, "steps": least.steps} if least.is_running else {}
    raise SourceUnreadable(source=side, file=file, line=line, column=column, reason=ELSEWHERE if least.elsewhere else LEADS_NOT, **told)


def _refuse_wrong_total(engine: DuckEngine, reading: SideReading, relation: str, layer: Layer, where: str, source: Source) -> None:
    """The sum under a table is that of its records; of a direction beside the figures it says nothing. Raises SourceUnreadable."""
    if (source.amount and source.amount.direction) or len(reading.paths) > 1:
        return
    if wrong := wrong_total(engine, relation, layer, where):
        file, line = _place(reading, wrong.row)
        reason = f"the total under the table is {wrong.told}, the rows add up to {wrong.above} minor units"
        raise SourceUnreadable(file=file, line=line, column=column_of(source, "amount"), reason=reason)


def _refuse_wrong_foot(path: Path, read: Path, foot: BrokenLine, source: Source, header: Sequence[str], asset: str, above: int) -> None:
    """The same of a sum whose line has fewer cells than the table. Raises SourceUnreadable."""
    told = told_by_foot(foot.raw or "", source, header, asset)
    if told is not None and told != above:
        reason = f"the total under the table is {told}, the rows add up to {above} minor units"
        raise SourceUnreadable(file=path.name, line=line_of(foot, read), column=column_of(source, "amount"), reason=reason)


def _sum_of_figures(engine: DuckEngine, relation: str, layer: Layer, where: str) -> int:
    """What the records add up to as the file writes them, before a known fee is taken off."""
    figure = layer.columns.get("figure", layer.columns["amount"])
    kept = f" and ({where})" if where else ""
    return int(engine.rows(f"select coalesce(sum({figure}), 0) from {relation} where ({layer.bad}) is null{kept}")[0][0])


def _place(reading: SideReading, row: int) -> tuple[str, int]:
    found = lines_in(reading, [row]) if reading.format in ("csv", "ndjson") else {}
    return found.get(row) or (reading.paths[0].name, row + 1)


def _source(engine: DuckEngine, reading: SideReading, found: Shaped, where: str, side: str) -> tuple[str, Layer]:
    """The file itself where it is Parquet, else a copy of our columns in the file's order: text is parsed once, and read three times."""
    if reading.format == "parquet":
        columns = {**found.raw.columns, "row": reading.row, "file": identifier(FILE_COLUMN)}
        return found.over(reading.scan), found.raw._replace(columns=columns)
    scan, row = (f"{numbered(reading)} where {where}", "row_at, ") if where else (reading.scan, "")
    engine.conn.execute("set preserve_insertion_order = true")
    try:
        engine.table(f"{side}_copy", found.copied(scan, row))
    finally:
        engine.conn.execute("set preserve_insertion_order = false")
    columns = {**found.kept.columns, "row": "row_at" if where else "rowid", "file": "''"}
    return f"{side}_copy", found.kept._replace(columns=columns)


def _unreadable(engine: DuckEngine, reading: SideReading, relation: str, layer: Layer, where: str, source: Source) -> list[UnreadableRow]:
    """Rows with a cell that cannot be read as what it must be."""
    kept = f" and ({where})" if where else ""
    none = ", ".join(literal(each) for each in NO_RECORD)
    rows = engine.rows(
        f"""select {layer.columns["row"]}, {layer.bad} from {relation} where ({layer.bad}) not in ({none}){kept}
            order by 1 limit {REJECTED_KEPT_MAX}"""
    )
    wanted = [row for row, _ in rows]
    cells = raw_rows(engine, reading, wanted)
    lines = lines_in(reading, wanted) if reading.format in ("csv", "ndjson") else {}
    found = []
    for row, column in rows:
        record = {k: v for k, v in cells.get(row, {}).items() if v is not None and k not in OURS}
        theirs = column_of(source, column)
        told, at = place_told(cells.get(row, {}), row)
        file, line = lines.get(row) or (told or reading.paths[0].name, at)
        text = ", ".join(f"{k}={v}" for k, v in record.items())
        found.append(UnreadableRow(file, line, theirs, why(column, record.get(theirs)), text[:RAW_SHOWN_MAX]))
    return found


# --- statements ---------------------------------------------------------------------------------------------------------------


REMARKS_MAX: Final = 40
ROLES: Final = {"id": "external_id"}  # what the readers call it


def _statement(engine: DuckEngine, paths: Sequence[Path], source: Source, side: str, name: str, form: str, folder: Path) -> Side:
    """Formats with a reader of their own; of a table's columns the rule set may name which is which."""
    import pyarrow as pa

    from counterfoil import statements as sources

    table = form in ("", *TABLES) and sources.detect(paths[0]) in TABLES
    if table and (own := own_fields(source.columns)):
        told = f"where the amount stands: a table with key fields of your own ({', '.join(own)[:80]}) is read by its own names"
        raise InvalidInput(f"{side}.amount", told, got="")
    if table and source.where:
        raise InvalidInput(f"{side}.where", "where the amount stands: conditions hold over a table's own columns", got=form)
    options: dict[str, Any] = {"asset": source.asset, "scales": source.scale or None}
    if table:
        options["columns"] = _roles(source)
        options["date_format"] = source.dates.formats[0] if source.dates.formats else None
    reads = [sources.read(path, format=form or None, **options) for path in paths]
    plain = source.model_copy(update={"columns": {}, "amount": _signed(source), "asset": None}) if table else source
    found = read_table(engine, pa.concat_tables([read.lines for read in reads]), plain, side, folder)
    refused = [UnreadableRow(r.file, r.line, r.column or "", r.reason, r.raw) for read in reads for r in read.rejected]
    return replace(
        found,
        name=name,
        files=tuple(paths),
        format=form or reads[0].format,
        rows=found.rows + len(refused),
        left_out=found.left_out + sum(read.left_out for read in reads),
        rejected=[*found.rejected, *refused],
        notes=_remarks(reads),
        statements=tuple(statement for read in reads for statement in read.statements),
    )


def _remarks(reads: Sequence[Any]) -> tuple[str, ...]:
    """What the readers remark, such as what they left out; of many files the first ones, and how many more there are."""
    told = [f"in {read.file}: {note}" for read in reads for note in read.notes]
    return (*told[:REMARKS_MAX], *([f"the readers remark {len(told) - REMARKS_MAX} things more"] if len(told) > REMARKS_MAX else []))


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


__all__ = ["SHAPE", "Side", "SourceUnreadable", "UnreadableRow", "digests_of", "file_digest", "read_side"]

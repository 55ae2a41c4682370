"""Parquet and CSV as the executors of a cluster read them, by the same SQL; the driver lists files and looks at the head of the first."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import Row, identifier, literal
from counterfoil.matching.engines.jvm import as_told, head_of, stored
from counterfoil.matching.engines.spark import SparkEngine
from counterfoil.matching.passes.clearing import RAW
from counterfoil.matching.reading.cluster_lines import base_name, by_name, rejected_rows
from counterfoil.matching.reading.column_sql import Layer, Shaped, shaped
from counterfoil.matching.reading.provenance import FILE_COLUMN, FILE_ROWS, SideReading
from counterfoil.matching.reading.scans import SourceUnreadable, written
from counterfoil.matching.reading.sides import Side, profile_of, profiled
from counterfoil.matching.reading.telling import same_scale_known
from counterfoil.matching.reading.where_sql import where_sql
from counterfoil.matching.rules.model import Csv, Source
from counterfoil.matching.rules.names import KEY_FIELDS, column_name, own_fields

KINDS: Final = {
    "string": "VARCHAR",
    "bigint": "BIGINT",
    "int": "INTEGER",
    "smallint": "SMALLINT",
    "tinyint": "TINYINT",
    "date": "DATE",
    "timestamp_ntz": "TIMESTAMP",
}
WHOLE: Final = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT")
ROW_COLUMN: Final = "counterfoil row number"
RAW_COLUMN: Final = "counterfoil raw"
STATE_COLUMN: Final = "counterfoil state"
HEADER: Final = "counterfoil header"
BROKEN: Final = "counterfoil broken"
CORRUPT: Final = "counterfoil corrupt"
ENCODINGS: Final = ("utf-8", "utf8", "ascii", "us-ascii", "utf-8-sig")


class NotForExecutors(Exception):
    """What this side asks for is read by the driver alone. The message says what."""


class FileSeen(NamedTuple):
    """A file as its store lists it: that it is still the same is told by this, without reading it."""

    path: str
    bytes: int
    modified_ms: int


class SideAsked(NamedTuple):
    """A side before anything of it was counted: what its readers know of it, and the question of its totals."""

    scan: ClusterScan
    source: Source
    key: str
    paths: Sequence[str]
    where: str
    made: Shaped
    totals: tuple[str, Layer, str]  # as `profiled` takes them


class ClusterScan(NamedTuple):
    """A view over files: its own columns with their types, and how a delimited file is written."""

    view: str
    types: Mapping[str, str]
    csv: Csv
    form: str


def files_seen(cluster: SparkEngine, paths: Sequence[str]) -> list[FileSeen]:
    """The files behind paths, folders and patterns; what is there by its name is no pattern. Raises SourceUnreadable where one is not."""
    found = list[FileSeen]()
    for path in paths:
        try:
            store, where = stored(cluster.session, path)
            listed = [store.getFileStatus(where)] if store.exists(where) else list(store.globStatus(where) or ())
            inner = [one for each in listed for one in (store.listStatus(each.getPath()) if each.isDirectory() else [each])]
        except Exception as error:  # a store that cannot be reached, asked in Java
            raise SourceUnreadable(file=path, reason=_java_reason(error)) from error
        seen = [one for one in inner if one.isFile() and not one.getPath().getName().startswith((".", "_"))]
        if not seen:
            raise SourceUnreadable(reason="no such file", file=path[:300])
        found += [FileSeen(one.getPath().toString(), int(one.getLen()), int(one.getModificationTime())) for one in seen]
    return sorted(set(found))


def ask_side(cluster: SparkEngine, files: Sequence[FileSeen], source: Source, side: str, folder: Path) -> SideAsked:
    """The files of one side, as the executors will read them. Raises NotForExecutors, SourceUnreadable, InvalidInput."""
    paths = [file.path for file in files]
    form = _form(paths[0], source)
    with _told_by_side(side, paths):
        scan = _csv(cluster, paths, source, side, folder) if form == "csv" else _parquet(cluster, paths, side)
        return _asked(cluster, scan, source, side, paths)


def totals_of(cluster: SparkEngine, sides: Sequence[SideAsked]) -> dict[str, list[Row]]:
    """The totals of sides by their keys: of both in one job. Raises SourceUnreadable."""
    questions = {each.key: profile_of(cluster, *each.totals[:2], seen=each.totals[2]) for each in sides}
    try:
        return cluster.answers(questions)
    except Exception as error:
        if not _is_of_spark(error):
            raise
    found: dict[str, list[Row]] = {}
    for each in sides:  # one by one, to tell which of them it is
        with _told_by_side(each.key, each.paths):
            found |= cluster.answers({each.key: questions[each.key]})
    return found


def read_on_cluster(cluster: SparkEngine, asked: SideAsked, totals: Sequence[Row]) -> Side:
    """A side whose totals are known. Raises NotForExecutors, SourceUnreadable."""
    with _told_by_side(asked.key, asked.paths):
        return _side(cluster, asked, totals)


@contextmanager
def _told_by_side(side: str, paths: Sequence[str]) -> Iterator[None]:
    """What Spark cannot read is a source that cannot be read."""
    try:
        yield
    except Exception as error:
        if not _is_of_spark(error):
            raise
        raise SourceUnreadable(source=side, file=base_name(paths[0]), reason=_java_reason(error)) from error


def _is_of_spark(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in ("pyspark", "py4j")


def _java_reason(error: Exception) -> str:
    told = [line for line in str(error).splitlines() if line.strip()]
    return (told[0] if told else type(error).__name__)[:300]


def _form(path: str, source: Source) -> str:
    name = path.lower().removesuffix(".gz")
    form = {"tsv": "csv"}.get(source.format or "", source.format or "")
    form = form or ("parquet" if name.endswith(".parquet") else "csv" if name.endswith((".csv", ".tsv", ".txt")) else "")
    if form not in ("parquet", "csv") or source.amount is None:
        raise NotForExecutors(f"the format {form or 'of ' + base_name(path)}")
    return form


def _parquet(cluster: SparkEngine, paths: Sequence[str], side: str) -> ClusterScan:
    frame = cluster.session.read.parquet(*by_name(paths))
    types = {name: _kind(kind) for name, kind in frame.dtypes}
    frame.selectExpr(
        *(_ticked(name) for name in types),
        f"{_row_in_files(cluster, paths)} as {_ticked(ROW_COLUMN)}",
        f"_metadata.file_path as {_ticked(FILE_COLUMN)}",
        f"to_json(struct(*)) as {_ticked(RAW_COLUMN)}",
        f"cast(null as string) as {_ticked(STATE_COLUMN)}",
    ).createOrReplaceTempView(f"{side}_scan")
    return ClusterScan(f"{side}_scan", types, Csv(), "parquet")


def _row_in_files(cluster: SparkEngine, paths: Sequence[str]) -> str:
    """The number of a row of Parquet files, as Spark's SQL: the same as where DuckDB reads them."""
    if len(paths) < 2:
        return "_metadata.row_index"
    names = ", ".join(_text(as_told(cluster.session, path)) for path in paths)
    return f"(array_position(array({names}), _metadata.file_path) - 1) * {FILE_ROWS} + _metadata.row_index"


def _kind(kind: str) -> str:
    return KINDS.get(kind, kind.upper())


def _ticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _csv(cluster: SparkEngine, paths: Sequence[str], source: Source, side: str, folder: Path) -> ClusterScan:
    """Line by line, so that files are split between executors. What a line alone does not tell is for the driver."""
    head = folder / f"{side}-head.csv"
    head.write_bytes(_head(cluster, paths[0]))
    how = written(head, source.csv)
    if how.skip or not how.header or len(how.delimiter or ",") > 1 or (how.encoding or "utf-8").lower() not in ENCODINGS:
        raise NotForExecutors("a delimited file with lines before its header, without one, or not in UTF-8")
    first = head.read_bytes().decode("utf-8", "replace").splitlines()[0]
    mark, quote = how.delimiter or ",", how.quote if how.quote is not None else '"'
    names = _cells(first.removeprefix("\ufeff"), mark, quote)
    if len(set(names)) < len(names) or not all(names):
        raise NotForExecutors("a header with an empty or doubled name")
    options = {
        "sep": mark,
        "quote": quote or "\0",
        "escape": quote or "\0",
        "nullValue": "",
        "mode": "PERMISSIVE",
        "maxCharsPerColumn": "-1",
    }
    shape = ", ".join(f"{_ticked(name)} string" for name in (*names, CORRUPT))
    lines = cluster.session.read.text(by_name(paths)).selectExpr(
        "value", f"_metadata.file_path as {_ticked(FILE_COLUMN)}", f"monotonically_increasing_id() as {_ticked(ROW_COLUMN)}"
    )
    from pyspark.sql import functions as f

    cells = f.from_csv("value", shape, {**options, "columnNameOfCorruptRecord": CORRUPT})
    lines.where("value <> ''").withColumn("cells", cells).select(
        *(f.col(f"cells.{_ticked(name)}").alias(name) for name in names),
        f.col(_ticked(ROW_COLUMN)),
        f.col(_ticked(FILE_COLUMN)),
        f.to_json(f.struct(*(f.col(f"cells.{_ticked(name)}").alias(name) for name in names))).alias(RAW_COLUMN),
        f.expr(_line_state(first, mark, quote)).alias(STATE_COLUMN),
    ).createOrReplaceTempView(f"{side}_scan")
    return ClusterScan(f"{side}_scan", dict.fromkeys(names, "VARCHAR"), how, "csv")


def _head(cluster: SparkEngine, path: str) -> bytes:
    """The first lines of a file."""
    found = head_of(cluster.session, path)
    if path.endswith(".gz"):
        found = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(found)
    whole = found.rpartition(b"\n")[0] or found
    return whole + b"\n"


def _cells(line: str, mark: str, quote: str) -> list[str]:
    return next(csv.reader([line], delimiter=mark, quotechar=quote or None, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE), [])


def _line_state(header: str, mark: str, quote: str) -> str:
    """As Spark's SQL: a line is a header, or broken (too few or too many cells, a quote that ends nowhere), or null."""
    broken = f"cells.{_ticked(CORRUPT)} is not null or not is_valid_utf8(value)"
    if quote:
        sep, mark_of = _class(mark), _class(quote)
        cell = f"(?:{quote_of(quote)}(?:[^{mark_of}]|{quote_of(quote) * 2})*{quote_of(quote)}|(?:[^{mark_of}{sep}][^{sep}]*)?)"
        grammar = rf"\A{cell}(?:{quote_of(mark)}{cell})*\z"
        broken += f" or (contains(value, {_text(quote)}) and not value rlike {_text(grammar)})"
    return f"case when value = {_text(header)} then {literal(HEADER)} when {broken} then {literal(BROKEN)} end"


def quote_of(mark: str) -> str:
    """A mark as a regular expression."""
    return "\\" + mark if not mark.isalnum() and mark != "\t" else mark


def _class(mark: str) -> str:
    return quote_of(mark)


def _text(value: str) -> str:
    """A text in Spark's SQL, where a backslash escapes."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _asked(cluster: SparkEngine, scan: ClusterScan, source: Source, side: str, paths: Sequence[str]) -> SideAsked:
    _refuse_unfit(source, scan)
    where = where_sql(source, scan.types, side)
    made = shaped(source, scan.types, side, trims=scan.form == "csv")
    if made.debits and _both_signs(cluster, made, scan, where):
        made = shaped(source, scan.types, side, trims=scan.form == "csv", debits="refused")
    kept = f"({where}) or {identifier(STATE_COLUMN)} is not null" if where else ""
    written_out = _relation(made, scan, where=kept)
    plain = written_out.replace("nfc_normalize(", "(")  # in ASCII every text is composed, and what is not empty stays so
    return SideAsked(scan, source, side, paths, where, made, (plain, _layer(made), _beyond_ascii(source, scan.types)))


def _side(cluster: SparkEngine, asked: SideAsked, totals: Sequence[Row]) -> Side:
    scan, source, side, paths, where, made, (plain, layer, seen) = asked
    state = identifier(STATE_COLUMN)
    columns, profile, _ = profiled(cluster, plain, layer, seen=seen, ask=lambda _: list(totals))
    if profile.reasons.get(BROKEN) or profile.no_record:
        raise NotForExecutors("lines that are broken, span several lines or are no records")
    if scan.form == "csv" and profile.reasons.get(HEADER) != len(paths):
        raise NotForExecutors("files whose headers differ")
    unreadable = profile.bad - profile.reasons.get(HEADER, 0)
    records = _relation(made, scan, where=" and ".join(filter(None, [f"{state} is null" if scan.form == "csv" else "", where])))
    relation = records if profile.seen else records.replace("nfc_normalize(", "(")
    rejected = rejected_rows(cluster, relation, source, paths, unreadable) if unreadable else []
    same_scale_known(profile, source, side)
    rows = sum(total.rows for total in profile.totals.values()) + len(rejected)
    left_out = cluster.rows(f"select count(*) from {scan.view} where {state} is null")[0][0] - rows if where else 0
    cluster.view(f"{side}_lines", f"select * from {relation} r")
    return Side(
        side,
        source.name or side,
        (),
        scan.form,
        f"{side}_lines",
        columns,
        "bad is null" if unreadable else "",
        rows,
        int(left_out),
        rejected,
        SideReading(scan.view, (), scan.form, scan.csv),
        replace(profile, bad=unreadable),
    )


def _refuse_unfit(source: Source, scan: ClusterScan) -> None:
    """What Spark would read otherwise than DuckDB is not given to it. Raises NotForExecutors."""
    amount, kinds = source.amount, scan.types
    if amount is None or amount.balance or amount.has_known_fee:
        raise NotForExecutors("a running balance or a known fee")
    figures = [name for name in (amount.column, amount.debit, amount.credit, amount.fee) if name]
    days = [source.columns[name] for name in ("booked_on", "value_on", "event_at") if name in source.columns]
    texts = [name for ours, name in source.columns.items() if name not in days]
    for names, fit in (
        (figures, (*WHOLE, "VARCHAR", "DECIMAL")),
        (days, ("DATE", "TIMESTAMP", "VARCHAR")),
        (texts, (*WHOLE, "VARCHAR", "DATE")),
    ):
        for name in names:
            if name in kinds and kinds[name].partition("(")[0] not in fit:
                raise NotForExecutors(f"the column {name} of the type {kinds[name]}")
    if source.dates.formats and any(kinds.get(name) == "VARCHAR" for name in days):
        raise NotForExecutors("dates in a format of their own")
    if kinds.get(source.columns.get("event_at", "")) == "VARCHAR":
        raise NotForExecutors("moments written as text")


def _both_signs(cluster: SparkEngine, made: Shaped, scan: ClusterScan, where: str) -> bool:
    kept = " and ".join(filter(None, [f"{identifier(STATE_COLUMN)} is null", where]))
    signs = f"bool_or({made.debits} > 0), bool_or({made.debits} < 0)"
    plus, minus = cluster.rows(f"select {signs} from {made.over(scan.view)} s where {kept}")[0]
    return bool(plus and minus)


def _layer(made: Shaped) -> Layer:
    names = {name: name for name in (*made.raw.columns, "row", "file", RAW)}
    return Layer(names, {}, "bad", "")


def _relation(made: Shaped, scan: ClusterScan, *, where: str) -> str:
    """Our columns over the view, each computed in a layer of its own. A line that is no row of the table is bad whatever its cells are."""
    columns = {**made.raw.columns, "row": identifier(ROW_COLUMN), "file": identifier(FILE_COLUMN), RAW: identifier(RAW_COLUMN)}
    listed = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
    bad = f"coalesce({identifier(STATE_COLUMN)}, {made.raw.bad})" if scan.form == "csv" else made.raw.bad
    return f"(select {listed}, {bad} as bad from {made.over(scan.view)} s{f' where {where}' if where else ''})"


def _beyond_ascii(source: Source, types: Mapping[str, str]) -> str:
    """Has a row a text with other letters, as SQL over our columns? Texts are composed only then."""
    named = (*KEY_FIELDS, *own_fields(source.columns))
    texts = [column_name(ours) for ours in named if types.get(source.columns.get(ours, "")) == "VARCHAR"]
    return " or ".join(f"coalesce(strlen({ours}) <> length({ours}), false)" for ours in texts) or "false"

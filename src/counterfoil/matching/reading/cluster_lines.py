"""Where the rows that executors read stand in their files, and those of them that cannot be read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from counterfoil.matching.engines.spark import SparkEngine
from counterfoil.matching.passes.clearing import RAW
from counterfoil.matching.reading.column_sql import column_of
from counterfoil.matching.reading.provenance import line_of_row
from counterfoil.matching.reading.scans import REJECTED_KEPT_MAX, SourceUnreadable
from counterfoil.matching.reading.sides import UnreadableRow
from counterfoil.matching.reading.telling import RAW_SHOWN_MAX, why
from counterfoil.matching.rules.model import Source

PATTERN: Final = re.compile(r"([\\\[\]{}*?])")


def by_name(paths: Sequence[str]) -> list[str]:
    """Paths that Spark takes for names: `a[1].parquet` is that file, and no pattern, since patterns were listed before."""
    return [PATTERN.sub(r"\\\1", path) for path in paths]


def base_name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def name_told(file: str) -> str:
    """The name of a file as a row tells it: blanks and other marks are encoded there."""
    return unquote(base_name(file))


def rejected_rows(cluster: SparkEngine, relation: str, source: Source, paths: Sequence[str], count: int) -> list[UnreadableRow]:
    """Rows with a cell that cannot be read as what it must be."""
    if count >= REJECTED_KEPT_MAX:
        reason = f"{REJECTED_KEPT_MAX:,} lines or more cannot be read: is it another format?"
        raise SourceUnreadable(file=base_name(paths[0]), reason=reason)
    found = []
    rows = cluster.rows(f'select file, "row", bad, {RAW} from {relation} r where bad is not null order by 1, 2')
    lines = lines_of(cluster, paths, [row for _, row, _, _ in rows]) if source_is_text(paths) else {}
    for file, row, column, raw in rows:
        record = record_of(raw)
        theirs = column_of(source, column)
        text = ", ".join(f"{name}={value}" for name, value in record.items())
        found.append(
            UnreadableRow(
                name_told(file), lines.get(row) or line_of_row(row), theirs, why(column, record.get(theirs)), text[:RAW_SHOWN_MAX]
            )
        )
    return sorted(found, key=lambda each: (each.file, each.line, each.column))


def source_is_text(paths: Sequence[str]) -> bool:
    """Have these files lines?"""
    return not paths[0].endswith(".parquet")


def record_of(raw: str | None) -> dict[str, Any]:
    """A record's own columns; what is not given is left out."""
    return dict(json.loads(raw)) if raw else {}


def lines_of(cluster: SparkEngine, paths: Sequence[str], rows: Sequence[int]) -> dict[int, int]:
    """The 1-based lines of some rows of text files: rows are numbered by block, and how many lines each block has is counted once."""
    if not rows:
        return {}
    blocks = (
        cluster.session.read.text(by_name(paths))
        .selectExpr("_metadata.file_path as file", "_metadata.file_block_start as at", "monotonically_increasing_id() as number")
        .groupBy("file", "at")
        .agg({"number": "min", "*": "count"})
        .orderBy("file", "at")
        .collect()
    )
    starts, before, last = [], 0, ""
    for file, _, first, count in ((row["file"], row["at"], row["min(number)"], row["count(1)"]) for row in blocks):
        before = before if file == last else 0
        starts.append((int(first), int(count), before))
        before, last = before + int(count), file
    return {row: row - first + before + 1 for row in rows for first, count, before in starts if first <= row < first + count}

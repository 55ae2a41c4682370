"""The files of a run. report.json, breaks.csv and matches.parquet depend on records and rules alone; places.csv and run.json tell the
circumstances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.formats.csv_text import CsvWriter
from counterfoil.matching.engines.engine import DuckEngine, Engine
from counterfoil.matching.findings.differences import Record
from counterfoil.matching.findings.findings import Finding, numbered_breaks, read_breaks
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.findings.plain_breaks import list_plain, plain_texts
from counterfoil.matching.findings.recorded import detail_of, report_of
from counterfoil.matching.passes.pipeline import Matched
from counterfoil.matching.reading.provenance import Places
from counterfoil.matching.reading.sides import UnreadableRow

BREAK_COLUMNS: Final = (
    "kind",
    "left_id",
    "right_id",
    "left_ref",
    "right_ref",
    "left_amount",
    "right_amount",
    "asset",
    "left_date",
    "right_date",
    "fields",
    "hypothesis",
    "candidates",
)
REJECTED_COLUMNS: Final = ("file", "line", "column", "reason", "raw")
PLACE_COLUMNS: Final = ("break", "side", "id", "file", "line")


def write_report(outcome: MatchingResult, path: Path) -> None:
    """report.json: keys sorted, no blanks, amounts as strings: one meaning has one form."""
    breaks = [detail_of(each).written() for each in outcome.breaks]
    path.write_text(canonical(report_of(outcome).written() | {"breaks": breaks}), "utf-8")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks, and a newline."""
    return canonical_json(value) + "\n"


def write_breaks(breaks: Iterable[Finding], path: Path, key_fields: Sequence[str] = ()) -> int:
    """breaks.csv, every break in one order; several ids of a group are joined by `;`. Returns how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = CsvWriter(file)
        writer.row(break_columns(key_fields))
        for count, each in enumerate(breaks, 1):  # noqa: B007 - the last number is the answer
            writer.row(break_row(each, key_fields))
    return count


def write_every_break(engine: Engine, matched: Matched, outcome: MatchingResult, path: Path) -> int:
    """breaks.csv out of the outcome, where it holds all; else out of the engine's tables: the same bytes, where most lines need nothing
    but what the engine holds."""
    own, context = matched.rules.key_fields, outcome.context
    if outcome.holds_every_break:
        return write_breaks(outcome.breaks, path, own)
    if not isinstance(engine, DuckEngine):
        return write_breaks(read_breaks(engine, matched, context), path, own)
    list_plain(engine, matched)
    told = ((n, each, 1) for n, each in numbered_breaks(engine, matched, context, unless="select n from plain_line"))
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = CsvWriter(file)
        writer.row(break_columns(own))
        every: Iterator[tuple[int, str | Finding, int]] = merge(plain_texts(engine), told, key=itemgetter(0))
        for _, each, lines in every:
            count += lines
            if isinstance(each, str):
                file.write(each)
            else:
                writer.row(break_row(each, own))
    return count


def break_columns(key_fields: Sequence[str]) -> list[str]:
    """Those of every rule set, and of each key field of its own the column of both sides behind the references."""
    own = [f"{side}_{name}" for name in key_fields for side in ("left", "right")]
    at = BREAK_COLUMNS.index("right_ref") + 1
    return [*BREAK_COLUMNS[:at], *own, *BREAK_COLUMNS[at:]]


def break_row(each: Finding, key_fields: Sequence[str] = ()) -> list[str]:
    """One break as the columns of breaks.csv."""
    left, right = each.left, each.right
    return [
        each.kind,
        _joined(left, "id"),
        _joined(right, "id"),
        _joined(left, "reference"),
        _joined(right, "reference"),
        *(_joined(side, name) for name in key_fields for side in (left, right)),
        _amount(left),
        _amount(right),
        each.asset,
        _dates(left),
        _dates(right),
        "; ".join(f"{f.name}: {f.left} ≠ {f.right} ({f.distance})" for f in each.fields),
        each.cause,
        "; ".join(c.id for c in each.candidates),
    ]


def write_rejected(rejected: Sequence[UnreadableRow], path: Path) -> None:
    """rejected.csv: rows that could not be read, by file and line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = CsvWriter(file)
        writer.row(REJECTED_COLUMNS)
        for row in rejected:
            writer.row(row)


def write_places(outcome: MatchingResult, places: Places, path: Path) -> None:
    """places.csv: where each record of a break stands in its file, by the break's number in breaks.csv, from 1. Of the breaks that the
    outcome holds, and of files that were read a second time for it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = CsvWriter(file)
        writer.row(PLACE_COLUMNS)
        for number, each in enumerate(outcome.breaks, 1):
            for record in (*each.left, *each.right):
                place = places.get((record.side, record.line or 0))
                if place is not None:
                    writer.row((str(number), record.side, record.told("id") or "", place.file, str(place.line)))


def _joined(records: Sequence[Record], name: str) -> str:
    told = [record.told(name) or "" for record in records]
    return ";".join(told if name == "id" else dict.fromkeys(told))


def _amount(records: Sequence[Record]) -> str:
    return str(sum(record.amount for record in records)) if records else ""


def _dates(records: Sequence[Record]) -> str:
    return ";".join(sorted({record.day.isoformat() for record in records if record.day}))

"""Builders with defaults for two small files and a run over them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files

COLUMNS = ("id", "reference", "amount", "asset", "date", "status", "counterparty", "memo", "batch")

SIDES = """
[{side}]
name = "{side}"
[{side}.columns]
id = "id"
reference = "reference"
asset = "asset"
booked_on = "date"
status = "status"
counterparty = "counterparty"
memo = "memo"
batch = "batch"
[{side}.amount]
column = "amount"
unit = "minor"
[{side}.csv]
delimiter = ","
encoding = "utf-8"
"""
EXACT = """
[[pass]]
kind = "key"
name = "exact"
"""


def rules_text(passes: str = EXACT, *, head: str = "") -> str:
    return head + SIDES.format(side="left") + SIDES.format(side="right") + passes


def row(name: str, **given: Any) -> dict[str, str]:
    plain = {
        "id": name,
        "reference": f"REF-{name}",
        "amount": 100_00,
        "asset": "EUR",
        "date": "2026-03-02",
        "status": "paid",
    }
    return {column: str({**plain, **given}.get(column, "")) for column in COLUMNS}


def write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(
    folder: Path,
    left: Sequence[Mapping[str, str]],
    right: Sequence[Mapping[str, str]],
    rules: str | None = None,
    **options: Any,
) -> MatchingResult:
    here, there = write_csv(folder / "left.csv", left), write_csv(folder / "right.csv", right)
    return reconcile_files(here, there, load_rules(rules or rules_text()), out=folder / "out", **options)


def told(outcome: MatchingResult) -> list[tuple[str, str, str]]:
    """Each break as kind, left ids, right ids."""
    return [(b.kind, ";".join(r.id for r in b.left), ";".join(r.id for r in b.right)) for b in outcome.breaks]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parquet_parts(folder: Path) -> tuple[list[Path], Path, dict[str, str]]:
    """A left side of three files with several row groups each, a right side of one, and where each record that differs stands.

    In every file the same rows differ: by their place in the file alone they cannot be told apart. One row of each cannot be read.
    """
    parts, right, places = [], [], {}
    for name in ("2026 [1].parquet", "2026-02.parquet", "ä 3%20.parquet"):
        rows = [row(f"{name[:6]}-{n}", amount=n) for n in range(1, 12)]
        right += [{**each, "amount": "77"} if n in (4, 9) else each for n, each in enumerate(rows) if n != 6]
        places |= {rows[n]["id"]: f"{name}:{n + 1}" for n in (4, 9)}
        rows[6] = {**rows[6], "amount": "4.5"}
        parts.append(folder / name)
        pq.write_table(pa.Table.from_pylist(rows), parts[-1], row_group_size=3)
    there = folder / "right.parquet"
    pq.write_table(pa.Table.from_pylist(right), there, row_group_size=5)
    return parts, there, places


def places_told(outcome: MatchingResult) -> dict[str, str]:
    """The place of the left record of each break, by its id, as the workbook tells it."""
    head, *rows = openpyxl.load_workbook(outcome.paths["breaks.xlsx"])["Breaks"].iter_rows(values_only=True)
    return {str(row[head.index("left_id")]): str(row[head.index("left at")]) for row in rows if row[head.index("left_id")]}

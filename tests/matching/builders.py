"""Builders with defaults for two small files and a run over them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

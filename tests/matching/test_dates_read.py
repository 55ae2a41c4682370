"""Days as sources write them: a day that is not one is rejected by its line, whatever its column is made of."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.reading.loading import read_side
from counterfoil.matching.rules.model import Amount, Source

SOURCE = Source(columns={"id": "id", "booked_on": "day"}, amount=Amount(column="amount", unit="minor"), asset="EUR", name="left")


def days_of(path: Path, folder: Path) -> tuple[list[str], int]:
    """The days that were read, and how many rows were rejected."""
    engine = DuckEngine(folder)
    try:
        side = read_side(engine, [path], SOURCE, "left", folder)
        return sorted(str(row[0]) for row in engine.rows(side.select(["booked_on"]))), len(side.rejected)
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-05", "2026-01-05"),
        (" 2026-01-05 ", "2026-01-05"),
        ("2026-01-05T00:30:00+02:00", "2026-01-05"),
        ("2026-01-05 23:59:59", "2026-01-05"),
        ("20226-01-05", None),
        ("2026-13-05", None),
        ("2026-02-30", None),
    ],
)
def test_a_day_is_read_from_its_first_ten_characters_or_rejected(tmp_path: Path, written: str, read: str | None):
    path = tmp_path / "left.csv"
    path.write_text(f"id,amount,day\na,100,{written}\n")
    assert days_of(path, tmp_path) == (([read], 0) if read else ([], 1))


def test_a_whole_number_is_no_day_and_is_rejected(tmp_path: Path):
    path = tmp_path / "left.parquet"
    duckdb.execute(f"copy (select 'a' as id, 100::bigint as amount, 20260105 as day) to '{path}' (format parquet)")
    assert days_of(path, tmp_path) == ([], 1)

"""Two audit trails held against each other: whatever differs is named, in its order, also among many."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.proofs.trail_diff import CHUNK_CHARACTERS, Row, differences, read_rows
from counterfoil.proofs.trails import COLUMNS
from tests.soak import examples

MANY = examples(200_000)


def a_row(number: int, **other: str) -> Row:
    told = {
        "place": str(number),
        "at": f"2026-11-{1 + number % 28:02}T00:00:00Z",
        "type": "journal",
        "id": f"jrn_{number}",
        "line": "1",
        "what": "two_phase",
        "asset": "EUR",
        "amount": str(number % 997),
        "balance": str(number),
        "other": "two_phase",
        "actor": "system:worker",
        "reason": "task é, 7",
    } | other
    return tuple(told[name] for name in COLUMNS)


def by_name(rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    """A second way: every row by its name and by which of that name it is."""
    found: dict[tuple[Any, ...], Row] = {}
    seen: dict[Row, int] = {}
    for row in rows:
        name = (row[2], row[3], row[4])
        seen[name] = seen.get(name, -1) + 1
        found[*name, seen[name]] = row
    return found


ROWS = st.lists(st.builds(lambda number, amount: a_row(number, amount=amount), st.integers(0, 5), st.sampled_from("123")), max_size=8)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS, ROWS)
def test_row_by_row_finds_what_a_comparison_of_the_whole_finds(expected: list[Row], actual: list[Row]) -> None:
    ours, theirs = by_name(expected), by_name(actual)
    wanted = [("missing", name[1], "") for name in ours if name not in theirs] + [
        ("added", name[1], "") for name in theirs if name not in ours
    ]
    wanted += [("differs", name[1], column) for name in ours if name in theirs
               for column, one, other in zip(COLUMNS, ours[name], theirs[name], strict=True) if one != other]  # fmt: skip
    assert sorted((one.what, one.id, one.field) for one in differences(iter(expected), iter(actual))) == sorted(wanted)


def test_it_is_told_in_the_order_of_the_first_trail_and_then_what_is_new() -> None:
    expected = [a_row(number) for number in range(6)]
    actual = [a_row(9), a_row(0), a_row(2, amount="7"), a_row(1, actor="somebody"), a_row(8), a_row(5)]
    found = [(one.what, one.id, one.field, one.expected, one.actual) for one in differences(expected, actual)]
    assert found == [
        ("differs", "jrn_1", "actor", "system:worker", "somebody"),
        ("differs", "jrn_2", "amount", "2", "7"),
        ("missing", "jrn_3", "", "2026-11-04T00:00:00Z two_phase 3 EUR", ""),
        ("missing", "jrn_4", "", "2026-11-05T00:00:00Z two_phase 4 EUR", ""),
        ("added", "jrn_9", "", "", "2026-11-10T00:00:00Z two_phase 9 EUR"),
        ("added", "jrn_8", "", "", "2026-11-09T00:00:00Z two_phase 8 EUR"),
    ]


def written(path: Path, rows: Iterator[Row], form: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            out = csv.writer(file, quoting=csv.QUOTE_ALL)
            out.writerow(COLUMNS)
            out.writerows(rows)
        else:
            file.write('{"account":"treasury:agent:a","rows":[')
            file.writelines(("," if number else "") + json.dumps(dict(zip(COLUMNS, row, strict=True))) for number, row in enumerate(rows))
            file.write("]}")
    return path


def test_many_rows_are_compared_in_seconds(tmp_path: Path) -> None:
    """A million of them within half a minute; in every run a fifth of that, in a fifth of the time."""

    def altered() -> Iterator[Row]:
        for number in range(MANY):
            if number == 23_456:
                continue
            yield a_row(number, balance="0") if number == 177_777 else a_row(number)

    first = written(tmp_path / "first.csv", (a_row(number) for number in range(MANY)), "csv")
    second = written(tmp_path / "second.csv", altered(), "csv")
    begun = time.process_time()
    found = differences(read_rows(first), read_rows(second))
    took_s = time.process_time() - begun
    assert [(one.what, one.id, one.field) for one in found] == [("missing", "jrn_23456", ""), ("differs", "jrn_177777", "balance")]
    assert took_s < 30 * MANY / 1_000_000, f"{took_s:.1f} s of one core"


def test_a_trail_says_the_same_as_csv_and_as_json_in_whatever_parts_it_is_read(tmp_path: Path) -> None:
    rows = [a_row(number, reason="x" * 150) for number in range(4 * CHUNK_CHARACTERS // 400)]
    first, second = written(tmp_path / "a.csv", iter(rows), "csv"), written(tmp_path / "b.json", iter(rows), "json")
    assert second.stat().st_size > 2 * CHUNK_CHARACTERS
    assert list(read_rows(first)) == rows == list(read_rows(second))
    assert differences(read_rows(first), read_rows(second)) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing of it",
        '{"rows": 7}',
        "{}",
        '{"rows": [1]}',
        '{"rows": [{"type": "x"',
        '"type","id"\n"a"\n',
        '{"other": "["}',
        "[" * 100_000,
    ],
)
def test_what_is_no_trail_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(ValueError):
        list(read_rows(file))


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["id", "type", "more"], ["jrn_1", "journal", "x"]])
    (tmp_path / "short.csv").write_text("\ufeff" + out.getvalue())
    [row] = read_rows(tmp_path / "short.csv")
    assert (row[COLUMNS.index("id")], row[COLUMNS.index("type")], row[COLUMNS.index("amount")]) == ("jrn_1", "journal", "")

"""CSV as it is written everywhere: quoted, with CRLF, and nothing in it that a spreadsheet or a terminal would run."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.formats.csv_text import csv_text, harmless
from counterfoil.base.text import printable

SOURCE = Path(__file__).parents[2] / "src" / "counterfoil"


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1+1", "|x", "%x"])
def test_what_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert harmless(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-12", "+3", "-1.50", "12", "a=b", "", "po_1"])
def test_numbers_and_words_stay_what_they_are(cell: str) -> None:
    assert harmless(cell) == cell


def test_every_cell_is_quoted_and_lines_end_as_the_standard_says() -> None:
    assert csv_text(["a", "b"], [[None, 'x"y'], [1, "\x1b[31mred\x00"]]) == '"a","b"\r\n"","x""y"\r\n"1","�[31mred�"\r\n'


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), max_size=5))
def test_any_text_comes_back_as_as_many_cells(rows: list[list[str]]) -> None:
    text = csv_text(["a", "b"], rows)
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert [len(row) for row in found] == [2] * (len(rows) + 1)
    assert not any(cell.startswith(("=", "@")) for row in found[1:] for cell in row)


def test_a_terminal_is_not_commanded() -> None:
    assert printable("\x1b]0;owned\x07 \x9b31m ok\nnext\u202e") == "�]0;owned� �31m ok\nnext�"


def test_nobody_else_writes_csv() -> None:
    found = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if "csv.writer(" in path.read_text()
        and "simulator" not in path.parts
        and path.name not in ("csv_text.py", "statement_file.py")  # a provider's statement is evidence, read by us alone: kept as said
    ]
    assert found == []

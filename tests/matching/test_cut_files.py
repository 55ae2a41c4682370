"""A table that ends too early is refused by reconciliations as by imports, and a line that is no row is named where it stands."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from counterfoil import statements
from counterfoil.matching.reading.scans import SourceUnreadable
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import row, rules_text, write_csv

QUOTE = "a quote is not closed or a cell is too long: the file is cut short"
MANY = 2_400  # rows: more than DuckDB looks at before it reads


def table(folder: Path, rows: int = 5, *, end: str = "\r\n") -> bytes:
    path = write_csv(folder / "right.csv", [row(f"p{n}", amount=n + 1) for n in range(rows)])
    return path.read_bytes().replace(b"\r\n", end.encode())


def refused(folder: Path, content: bytes, *, name: str = "left.csv", encoding: str = "utf-8") -> tuple[object, object]:
    (folder / name).write_bytes(content)
    rules = load_rules(rules_text().replace('encoding = "utf-8"', f'encoding = "{encoding}"', 1))
    with pytest.raises(SourceUnreadable) as stopped:
        reconcile_files(folder / name, folder / "right.csv", rules, out=folder / "out")
    assert (stopped.value.facts["file"], stopped.value.facts["source"]) == (name, "left")
    return stopped.value.facts.get("line"), stopped.value.facts["reason"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("rows", [5, MANY])
def test_a_table_that_ends_within_its_last_row_or_a_quote_is_refused_as_an_import_refuses_it(tmp_path: Path, rows: int, end: str) -> None:
    """Such a row was one rejected row; and behind a quote that nobody closed all others were one row, and missing on the other side."""
    whole = table(tmp_path, rows, end=end)
    cut = whole[: whole.rindex(f",{rows},".encode())]
    reason = "the last row ends after 2 of 9 cells, and the file with it: the file is cut short"
    quoted = whole.replace(b"p2,REF", b'p2,"REF', 1)
    for content, line, told in ((cut, rows + 1, reason), (quoted, 4, QUOTE), (whole + b'p9,"REF', rows + 2, QUOTE)):
        assert refused(tmp_path, content) == (line, told)
        with pytest.raises(statements.SourceBroken) as stopped:
            statements.read(tmp_path / "left.csv", asset="EUR")
        assert (stopped.value.line, stopped.value.reason) == (line, told)
    inside = cut + ",Łó".encode()[:-1]
    assert refused(tmp_path, inside) == (None, "the file ends inside a character (utf-8): it is cut short")


def test_a_packed_table_and_one_in_another_encoding_are_refused_when_they_are_cut_short(tmp_path: Path) -> None:
    whole = table(tmp_path)
    cut = whole[: whole.rindex(b",5,")]
    told = (6, "the last row ends after 2 of 9 cells, and the file with it: the file is cut short")
    assert refused(tmp_path, gzip.compress(cut), name="left.csv.gz") == told
    for encoding in ("utf-16", "cp1252"):
        assert refused(tmp_path, cut.decode().encode(encoding), encoding=encoding) == told


def test_a_short_row_is_a_rejected_row_where_the_file_goes_on_or_its_last_line_ends(tmp_path: Path) -> None:
    whole = table(tmp_path)
    cut = whole[: whole.rindex(b",5,")]
    below = b"5 rows, made today"  # a word under the table is no beginning of a row
    for content, lines in (
        (cut + b"\r\n", [6]),
        (whole.replace(b"REF-p2,3,EUR", b"REF-p2,3\r\nEUR"), [4, 5]),
        (whole + below, [7]),
    ):
        (tmp_path / "left.csv").write_bytes(content)
        found = reconcile_files(tmp_path / "left.csv", tmp_path / "right.csv", load_rules(rules_text()), out=tmp_path / "out")
        assert [each.line for each in found.rejected] == lines
        assert found.verdict != "reconciled"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_rejected_line_is_named_where_it_stands_whatever_ends_lines_and_in_whichever_of_several_files(
    tmp_path: Path, encoding: str
) -> None:
    """With two marks at the end of each line it was the line before; in a copy in UTF-8 the bytes were counted in the file itself, and
    of several copies all were the first file."""
    folder = tmp_path / "left"
    folder.mkdir()
    wide = "é" * 40
    rows = [row(f"p{n}", amount=n + 1, memo=wide) for n in range(60)]
    there = write_csv(tmp_path / "right.csv", rows)
    head, *lines = there.read_text("utf-8").splitlines()
    for name, half in (("a", lines[:30]), ("b", lines[30:])):
        text = "\r\n".join([head, *half[:20], f"{name},too,short", "", f"{name},short,too", *half[20:], ""])
        (folder / f"{name}.csv").write_bytes(text.encode(encoding))
    rules = load_rules(rules_text().replace('encoding = "utf-8"', f'encoding = "{encoding}"', 1))
    found = reconcile_files(sorted(folder.iterdir()), there, rules, out=tmp_path / "out")
    assert [(each.file, each.line, each.raw) for each in found.rejected] == [
        (f"{name}.csv", line, raw) for name in "ab" for line, raw in ((22, f"{name},too,short"), (24, f"{name},short,too"))
    ]


def test_a_separator_of_several_marks_is_known_where_lines_are_counted_and_files_end(tmp_path: Path) -> None:
    """Python's reader takes one mark alone: a rejected row of such a table ended the run with a fault of ours."""
    whole = table(tmp_path).replace(b",", b"||").replace(b"REF-p1", b'"REF-\np1"')
    rules = load_rules(rules_text().replace('delimiter = ","', 'delimiter = "||"', 1))
    (tmp_path / "left.csv").write_bytes(whole.replace(b"||4||", b"||x||"))
    found = reconcile_files(tmp_path / "left.csv", tmp_path / "right.csv", rules, out=tmp_path / "out")
    assert [(each.line, each.column) for each in found.rejected] == [(6, "amount")]
    (tmp_path / "left.csv").write_bytes(whole[: whole.rindex(b"||5||")])
    with pytest.raises(SourceUnreadable, match="the last row ends after 2 of 9 cells"):
        reconcile_files(tmp_path / "left.csv", tmp_path / "right.csv", rules, out=tmp_path / "out")

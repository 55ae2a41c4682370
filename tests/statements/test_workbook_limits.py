"""Workbooks that are none, and small ones that would fill the memory: refused by what they hold, before they are read."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from counterfoil import statements as sources
from counterfoil.base.problems import TooLarge
from counterfoil.statements import SourceBroken
from counterfoil.statements.tables import workbook_limits
from tests.statements.samples import rows, written

ROW = '<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>2026-03-01</t></is></c><c r="B{n}"><v>1</v></c></row>'
SAME = '<row><c t="inlineStr"><is><t>2026-03-01</t></is></c><c><v>1</v></c></row>'
HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>date</t></is></c><c r="B1" t="inlineStr"><is><t>amount</t></is></c></row>'
MEMORY_MAX_BYTES = 700 * 1024**2  # of a process that only reads; Python, Arrow and openpyxl take 200 MB of it


def a_workbook(path: Path, sheet: Iterator[str], **other: Iterator[str]) -> Path:
    """A small workbook whose sheet holds these rows; `other` parts (styles, sharedStrings) are put in the place of its own."""
    openpyxl.Workbook().save(path.with_suffix(".empty"))
    with zipfile.ZipFile(path.with_suffix(".empty")) as empty, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as full:
        for part in empty.infolist():
            name = part.filename.rpartition("/")[2].removesuffix(".xml")
            texts = sheet if name == "sheet1" else other.get(name)
            with full.open(part.filename, "w") as into:
                if texts is None:
                    into.write(empty.read(part))
                else:
                    for text in texts:
                        into.write(text.encode())
    return path


def a_sheet(body: Iterator[str]) -> Iterator[str]:
    yield '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    yield HEAD
    yield from body
    yield "</sheetData></worksheet>"


BOMBS = {
    "a quarter of a million rows that are the same": (a_sheet(SAME for _ in range(250_000)), "unpacked_bytes"),
    "a row of a million cells": (a_sheet(iter(['<row r="2">', "<c/>" * 1_000_000, "</row>"])), "columns"),
    "a cell in the last column": (a_sheet(iter(['<row r="2"><c r="XFD2"><v>1</v></c></row>'] * 100_000)), "columns"),
    "a row far below": (a_sheet(iter(['<row r="99999999"><c><v>1</v></c></row>'])), "rows"),
    "a large column that is none": (a_sheet(iter(['<row r="2"><c r="ZZZZZZ2"><v>1</v></c></row>'])), "columns"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_workbook_that_unpacks_to_more_than_it_may_is_refused_by_name(tmp_path: Path, name: str) -> None:
    sheet, limit = BOMBS[name]
    path = a_workbook(tmp_path / "book.xlsx", sheet)
    with pytest.raises(TooLarge) as large:
        sources.read(path, asset="EUR")
    assert limit in large.value.facts
    assert f"{limit}_max" in large.value.facts


def test_styles_beyond_all_measure_are_refused(tmp_path: Path) -> None:
    styles = iter(['<styleSheet xmlns="x"><cellXfs>', *["<xf/>"] * 600_000, "</cellXfs></styleSheet>"])
    with pytest.raises(TooLarge) as large:
        sources.read(a_workbook(tmp_path / "book.xlsx", a_sheet(iter([])), styles=styles), asset="EUR")
    assert (large.value.facts["part"], "elements_max" in large.value.facts) == ("xl/styles.xml", True)


def test_a_workbook_with_a_document_type_is_refused(tmp_path: Path) -> None:
    sheet = iter(['<!DOCTYPE worksheet [<!ENTITY a "b">]><worksheet/>'])
    with pytest.raises(SourceBroken, match="document types"):
        sources.read(a_workbook(tmp_path / "book.xlsx", sheet), asset="EUR")


def test_what_is_let_through_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = a_workbook(tmp_path / "book.xlsx", a_sheet(ROW.format(n=n) for n in range(2, 40_000)))
    assert path.stat().st_size < 1024**2
    # The peak of this program image; what getrusage says is inherited from the process that started it.
    program = (
        "import re, sys; from pathlib import Path; from counterfoil import statements as sources; "
        "read = sources.read(Path(sys.argv[1]), asset='EUR'); print(read.lines.num_rows); "
        "peak_kib = int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]); "
        f"sys.exit(peak_kib * 1024 > {MEMORY_MAX_BYTES})"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "39998"), done.stderr[-400:]


@pytest.mark.parametrize(
    ("inside", "told"),
    [("statements/a.xml", "a zip archive"), ("mimetype", "OpenDocument"), ("xl/workbook.bin", "binary workbook")],
)
def test_a_zip_that_is_no_workbook_says_what_it_is(tmp_path: Path, inside: str, told: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as packed:
        packed.writestr(inside, "content")
    for form in (None, "xlsx"):
        with pytest.raises(SourceBroken, match=told):
            sources.read(tmp_path / "a.xlsx", format=form)


@pytest.mark.parametrize(("head", "told"), [(b"\xd0\xcf\x11\xe0\xa1\xb1", ".xls"), (b"%PDF-1.7", "PDF"), (b"\x1f\x8b\x08", "gzip")])
def test_a_file_of_another_program_is_told_from_a_table(tmp_path: Path, head: bytes, told: str) -> None:
    with pytest.raises(SourceBroken, match=told):
        sources.detect(written(tmp_path, head + b"rest", "a.csv"))


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_workbook_that_is_cut_short_is_refused(tmp_path: Path, kept: float) -> None:
    path = a_workbook(tmp_path / "book.xlsx", a_sheet(ROW.format(n=n) for n in range(2, 50)))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(SourceBroken, match="cut short"):
        sources.read(path, asset="EUR")


def test_a_usual_workbook_is_let_through(tmp_path: Path) -> None:
    path = a_workbook(tmp_path / "book.xlsx", a_sheet(ROW.format(n=n) for n in range(2, 5)))
    assert rows(sources.read(path, asset="EUR"), "amount") == [(100,)] * 3
    assert workbook_limits.what_zip(path) is None

"""The one way in which CSV is written: every cell quoted, lines that end as RFC 4180 says, no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO

from counterfoil.base.text import printable

# What begins a formula in one of the spreadsheets, full-width forms among them.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")


def harmless(text: str) -> str:
    """A cell that a spreadsheet would run as a formula gets an apostrophe; numbers stay numbers."""
    if text.lstrip(" ").startswith(FORMULA) and not text.lstrip("+-").replace(".", "", 1).isdigit():
        return "'" + text
    return text


class CsvWriter:
    """Writes rows to a text file that was opened with `newline=""`."""

    def __init__(self, file: TextIO) -> None:
        """Nothing is written yet."""
        self._writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")

    def row(self, cells: Iterable[Any]) -> None:
        """One line. None is an empty cell; control characters are shown as what they are not: �."""
        self._writer.writerow([harmless(printable("" if cell is None else str(cell))) for cell in cells])


def csv_text(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A whole table as text."""
    out = io.StringIO(newline="")
    writer = CsvWriter(out)
    writer.row(header)
    for row in rows:
        writer.row(row)
    return out.getvalue()

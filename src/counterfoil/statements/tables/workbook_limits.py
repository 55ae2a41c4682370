"""Is this a workbook, and one that can be read in reasonable memory? Looked at before openpyxl sees it.

A zip of 50 KiB can unpack to a gigabyte, and a few bytes of XML can ask for millions of cells, so size on disk says nothing: parts
are counted by what they hold. Limits are those of spreadsheet programs where these have any.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.parsers import expat  # nosec - only counts elements; document types and entities are refused

from counterfoil.base.problems import TooLarge
from counterfoil.statements.shape import WORKBOOK_BYTES_MAX, WORKBOOK_UNPACKED_BYTES_MAX, SourceBroken, within

CHUNK_BYTES: Final = 1024**2
COLUMNS_MAX: Final = 1_024
ROWS_OF_SHEET_MAX: Final = 1_048_576  # what spreadsheet programs can hold
CELLS_MAX: Final = 20_000_000  # of all sheets together
TEXTS_MAX: Final = 4_000_000  # different texts, which are held while sheets are read
OTHER_ELEMENTS_MAX: Final = 500_000  # styles, names and links: programs stop at 65,490 cell formats
UNPACKED_WITHOUT_A_QUESTION_BYTES: Final = 16 * 1024**2
PACKED_TIGHTER_MAX: Final = 100  # tables pack 5 to 40 times
_SHEET: Final = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_COLUMN: Final = re.compile(r"([A-Z]{1,8})[0-9]*", re.ASCII)

OTHER_ZIPS: Final[Mapping[str, str]] = {
    "xl/workbook.bin": "a binary workbook (.xlsb); save it as .xlsx or CSV",
    "mimetype": "an OpenDocument file; save it as .xlsx or CSV",
    "word/document.xml": "a text document",
    "ppt/presentation.xml": "a presentation",
}


def what_zip(path: Path) -> str | None:
    """Why this zip is no workbook, in words; None where it is one, or where it is damaged and its reader says so."""
    try:
        with zipfile.ZipFile(path) as packed:
            names = {name.lstrip("/") for name in packed.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):
        return None
    if any(name.lower() == "xl/workbook.xml" for name in names):
        return None
    return next(
        (told for name, told in OTHER_ZIPS.items() if name in names),
        "a zip archive; unpack it, and give the files in it",
    )


def refuse_bombs(path: Path) -> None:
    """Count what the parts of a workbook hold before they are read. Raises TooLarge, SourceBroken."""
    within(path, WORKBOOK_BYTES_MAX)
    try:
        with zipfile.ZipFile(path) as packed:
            _refuse_sizes(path, packed)
            cells = 0
            for part in packed.infolist():
                if part.filename.lower().endswith((".xml", ".rels")):
                    cells += _count(path, packed, part, cells)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as fault:
        raise SourceBroken(path.name, None, None, f"this is no complete workbook: it is damaged or cut short ({fault})") from None


def _refuse_sizes(path: Path, packed: zipfile.ZipFile) -> None:
    unpacked = sum(part.file_size for part in packed.infolist())
    allowed = max(UNPACKED_WITHOUT_A_QUESTION_BYTES, path.stat().st_size * PACKED_TIGHTER_MAX)
    most = min(allowed, WORKBOOK_UNPACKED_BYTES_MAX)
    if unpacked > most:
        raise TooLarge(file=path.name, unpacked_bytes=unpacked, unpacked_bytes_max=most)


def _count(path: Path, packed: zipfile.ZipFile, part: zipfile.ZipInfo, cells_before: int) -> int:
    """Read one part through, keeping nothing; gives how many cells it has."""
    counter = _Counter(path.name, part.filename, cells_before)
    with packed.open(part) as stream:
        try:
            while chunk := stream.read(CHUNK_BYTES):
                counter.parser.Parse(chunk, False)
            counter.parser.Parse(b"", True)
        except expat.ExpatError as fault:
            reason = f"{part.filename} is no complete XML: it is damaged or cut short ({fault})"
            raise SourceBroken(path.name, None, None, reason) from None
    return counter.cells


class _Counter:
    """Counts rows and cells of a sheet, elements of any other part."""

    def __init__(self, file: str, part: str, cells_before: int) -> None:
        self.file, self.part, self.before = file, part, cells_before
        self.is_sheet = bool(_SHEET.fullmatch(part.lstrip("/")))
        self.most = TEXTS_MAX * 2 if part.lower().endswith("sharedstrings.xml") else OTHER_ELEMENTS_MAX
        self.elements = self.rows = self.cells = self.wide = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._begins
        self.parser.StartDoctypeDeclHandler = self._refuse_type

    def _begins(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self.is_sheet:
            self.elements += 1
            self._within("elements", self.elements, self.most)
            return
        local = name.rpartition(":")[2]
        if local == "row":
            self.rows, self.wide = self.rows + 1, 0
            number = attributes.get("r", "")
            self._within("rows", max(self.rows, int(number) if number.isdecimal() else 0), ROWS_OF_SHEET_MAX)
        elif local == "c":
            self.cells, self.wide = self.cells + 1, max(self.wide + 1, _column(attributes.get("r", "")))
            self._within("columns", self.wide, COLUMNS_MAX)
            self._within("cells", self.before + self.cells, CELLS_MAX)

    def _within(self, what: str, number: int, most: int) -> None:
        if number > most:
            limits = {what: number, f"{what}_max": most}
            raise TooLarge(file=self.file, part=self.part, **limits)

    def _refuse_type(self, *_: object) -> None:
        raise SourceBroken(self.file, None, self.part, "document types and entities are refused")


def _column(reference: str) -> int:
    """`C7` is column 3; 0 where a cell does not say."""
    found = _COLUMN.match(reference)
    number = 0
    for letter in found[1] if found else "":
        number = number * 26 + ord(letter) - ord("A") + 1
    return number

"""Opening a workbook. openpyxl is loaded by whoever opens one, because every process of ours would start a third of a second later."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import ParseError  # nosec - a type only; openpyxl reads through defusedxml

BAD_BOOK: Final = (
    *(zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError, RuntimeError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, AssertionError, OverflowError),
)  # what openpyxl and zipfile are known to raise on damaged files, while they open one and while rows are read


def open_workbook(source: Path | BinaryIO) -> Any:
    """To be read row by row, and closed; values, no formulas. Raises one of BAD_BOOK for what is no workbook or is damaged."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        return openpyxl.load_workbook(source, read_only=True, data_only=True)
    except InvalidFileException as error:
        raise ValueError(str(error)) from error

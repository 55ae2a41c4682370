"""The one way in which a workbook is written: numbers that a spreadsheet keeps whole are numbers, all else is text and runs nothing."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's date of making would change its bytes
CELL_CHARS_MAX: Final = 32_000
DIGITS_MAX: Final = 15  # a spreadsheet keeps no more of a number; a longer one stays text, and exact


def workbook(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A table as .xlsx: a whole number and a `Decimal` are numbers, None is an empty cell."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"created": MADE})
    sheet, bold = book.add_worksheet("list"), book.add_format({"bold": True})
    for at, name in enumerate(header):
        sheet.write_string(0, at, name, bold)
    for number, line in enumerate(rows, start=1):
        for at, cell in enumerate(line):
            if cell is None:
                continue
            if _is_kept_whole(cell):
                sheet.write_number(number, at, cell)
            else:
                sheet.write_string(number, at, str(cell)[:CELL_CHARS_MAX])
    sheet.freeze_panes(1, 1)
    book.close()
    return out.getvalue()


def _is_kept_whole(cell: Any) -> bool:
    """Is it a number of which a spreadsheet keeps every digit?"""
    if isinstance(cell, bool) or not isinstance(cell, int | Decimal):
        return False
    return len(Decimal(cell).as_tuple().digits) <= DIGITS_MAX

"""breaks.xlsx: the breaks as a workbook that people sort and filter; exact amounts stand as text beside the figures."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import xlsxwriter

from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.output.files import BREAK_COLUMNS, break_row
from counterfoil.matching.output.report_page import Places
from counterfoil.matching.output.summary import KIND_WORDS, money

MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's date of making would change its bytes
COLUMNS: Final = ("break id", "severity", "at stake", *BREAK_COLUMNS, "action", "left at", "right at")
WIDE: Final = {
    "fields": 44,
    "action": 60,
    "break id": 26,
    "hypothesis": 24,
    "kind": 22,
    "left_ref": 22,
    "right_ref": 22,
}


def write_workbook(outcome: MatchingResult, places: Places, path: Path) -> None:
    """Two sheets: the footing, and the breaks that the outcome holds. Cells are written as text, so none runs as a formula."""
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False})
    book.set_properties({"title": outcome.rules.name, "created": MADE})
    head = book.add_format({"bold": True, "bottom": 1, "bg_color": "#E9EEF3"})
    right = book.add_format({"align": "right"})
    _footing(book, head, right, outcome)
    sheet = book.add_worksheet("Breaks")
    sheet.write_row(0, 0, COLUMNS, head)
    for at, name in enumerate(COLUMNS):
        sheet.set_column(at, at, WIDE.get(name, 14))
    for number, each in enumerate(outcome.breaks, 1):
        where = ["; ".join(_place(places, r.side, r.line) for r in side[:3]) for side in (each.left, each.right)]
        cells = [
            each.id,
            each.severity,
            money(each.at_stake, each.asset, outcome.rules),
            *break_row(each),
            each.action.sentence,
            *where,
        ]
        for at, cell in enumerate(cells):
            sheet.write_string(number, at, cell[:32_000], right if COLUMNS[at] in ("at stake", "left_amount", "right_amount") else None)
    sheet.autofilter(0, 0, max(len(outcome.breaks), 1), len(COLUMNS) - 1)
    sheet.freeze_panes(1, 0)
    book.close()


def _place(places: Places, side: str, row: int | None) -> str:
    place = places.get((side, row or 0))
    return f"{place.file}:{place.line}" if place else ""


def _footing(book: xlsxwriter.Workbook, head: object, right: object, outcome: MatchingResult) -> None:
    sheet = book.add_worksheet("Summary")
    sheet.set_column(0, 1, 18)
    sheet.set_column(2, 9, 20)
    sheet.write_string(0, 0, outcome.verdict.upper(), head)
    parts = ("source", "matched", "breaks", "expected later")
    sheet.write_row(2, 0, ("side", "asset", *(f"{part}, records" for part in parts), *(f"{part}, amount" for part in parts)), head)
    line = 3
    for row in outcome.footing:
        figures = (row.source, row.matched, row.breaks, row.expected)
        sheet.write_row(line, 0, (row.side, row.asset))
        for at, part in enumerate(figures):
            sheet.write_number(line, 2 + at, part.rows)
            sheet.write_string(line, 6 + at, money(part.minor, row.asset, outcome.rules), right)
        line += 1
    line += 1
    sheet.write_row(line, 0, ("kind", "asset", "breaks", "at stake"), head)
    for kind, asset, count, minor in outcome.kinds:
        line += 1
        sheet.write_row(line, 0, (KIND_WORDS[kind], asset, count))
        sheet.write_string(line, 3, money(minor, asset, outcome.rules), right)

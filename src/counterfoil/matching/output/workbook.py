"""breaks.xlsx: summary, bridge, breaks and pairs as a workbook that people sort, filter and add up: amounts are numbers in major units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from counterfoil.base.formats.counting import counted
from counterfoil.matching.findings.figures import scale_of
from counterfoil.matching.findings.findings import Finding
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.output.files import break_columns, break_row
from counterfoil.matching.output.summary import KIND_WORDS
from counterfoil.matching.passes.footing import ControlTotal
from counterfoil.matching.reading.provenance import Places

MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's date of making would change its bytes
PAIR_COLUMNS: Final = ("left_id", "right_id", "pass", "status", "reason", "score", "group")
PAIRS_ORDER: Final = (("status", "desc"), ("left_id", ""), ("right_id", ""), ("pass", ""), ("group", ""), ("reason", ""))  # suggested first
PAIRS_SHOWN_MAX: Final = 20_000  # matches.parquet has them all
AMOUNT_COLUMNS: Final = ("at stake", "left_amount", "right_amount")
DIGITS_MAX: Final = 15  # a spreadsheet keeps no more of a number; longer ones are written as text
CELL_CHARS_MAX: Final = 32_000
WIDE: Final = {
    "fields": 44,
    "action": 60,
    "break id": 26,
    "hypothesis": 24,
    "kind": 22,
    "left_ref": 22,
    "right_ref": 22,
    "left_id": 24,
    "right_id": 24,
    "reason": 80,
}


class _Workbook:
    """A workbook that is being written, with its formats."""

    def __init__(self, outcome: MatchingResult, path: Path) -> None:
        import xlsxwriter

        """Cells are written as text or numbers, so none runs as a formula."""
        self.book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False})
        self.book.set_properties({"title": outcome.rules.name, "created": MADE})
        self.head = self.book.add_format({"bold": True, "bottom": 1, "bg_color": "#E9EEF3"})
        self.bold = self.book.add_format({"bold": True})
        self.right = self.book.add_format({"align": "right"})
        self.rules = outcome.rules
        self._figures: dict[int, Any] = {}

    def sheet(self, name: str, columns: Sequence[str], *, at: int = 0) -> Any:
        """A sheet with its head in line `at`."""
        sheet = self.book.add_worksheet(name)
        sheet.write_row(at, 0, columns, self.head)
        for column, title in enumerate(columns):
            sheet.set_column(column, column, WIDE.get(title, 18))
        return sheet

    def amount(self, sheet: Any, line: int, column: int, minor: int, asset: str) -> None:
        """Minor units as a number in major units, or as text where a spreadsheet would cut its digits."""
        scale = scale_of(asset, self.rules)
        exact = Decimal(minor).scaleb(-scale)
        if len(str(abs(minor))) > DIGITS_MAX:
            sheet.write_string(line, column, f"{exact:f}", self.right)
            return
        if scale not in self._figures:
            self._figures[scale] = self.book.add_format({"num_format": "#,##0" + ("." + "0" * scale if scale else "")})
        sheet.write_number(line, column, exact, self._figures[scale])


def write_workbook(outcome: MatchingResult, places: Places, path: Path, pairs: Sequence[Sequence[Any]] = (), pairs_total: int = 0) -> None:
    """Four sheets. `pairs`: rows of matches.parquet in the order in which they are shown, of `pairs_total` in all."""
    book = _Workbook(outcome, path)
    _footing(book, outcome)
    _bridge(book, outcome)
    _breaks(book, outcome, places)
    _pairs(book, pairs[:PAIRS_SHOWN_MAX], pairs_total)
    book.book.close()


def _footing(book: _Workbook, outcome: MatchingResult) -> None:
    parts = ("source", "matched", "breaks", "expected later")
    columns = ("side", "asset", *(f"{part}, records" for part in parts), *(f"{part}, amount" for part in parts))
    sheet = book.sheet("Summary", columns, at=2)
    sheet.write_string(0, 0, outcome.verdict.upper(), book.head)
    line = 3
    for row in outcome.footing:
        figures = (row.source, row.matched, row.breaks, row.expected)
        sheet.write_row(line, 0, (row.side, row.asset))
        for at, part in enumerate(figures):
            sheet.write_number(line, 2 + at, part.rows)
            book.amount(sheet, line, 6 + at, part.minor, row.asset)
        line += 1
    line += 1
    sheet.write_row(line, 0, ("kind", "asset", "breaks", "at stake"), book.head)
    for kind, asset, count, minor in outcome.kinds:
        line += 1
        sheet.write_row(line, 0, (KIND_WORDS[kind], asset, count))
        book.amount(sheet, line, 3, minor, asset)
    for note in (*outcome.not_checked, *outcome.learnt):
        line += 1
        sheet.write_string(line + 1, 0, f"{note[0].upper()}{note[1:]}.")


def _bridge(book: _Workbook, outcome: MatchingResult) -> None:
    """From the left total to the right one, step by step; where every break is held, one step for each kind."""
    sheet = book.sheet("Bridge", ("step", "asset", "records", "amount"))
    sheet.set_column(0, 0, 48)
    whole = outcome.breaks_total == len(outcome.breaks)
    line = 0
    for total in outcome.control:
        steps = _steps_of_breaks(outcome.breaks, total.asset) if whole else [("breaks of every kind", None, total.breaks)]
        for step, count, minor in bridge(total, steps):
            line += 1
            sheet.write_string(line, 0, step, book.bold if step.startswith("total") else None)
            sheet.write_string(line, 1, total.asset)
            if count is not None:
                sheet.write_number(line, 2, count)
            book.amount(sheet, line, 3, minor, total.asset)
        line += 1


Step = tuple[str, int | None, int]


def bridge(total: ControlTotal, breaks: Sequence[Step]) -> list[Step]:
    """What leads from the total of the left to that of the right: name, how many, minor units. Steps of nothing are left out."""
    between: list[Step] = [
        *breaks,
        ("expected later", None, total.expected),
        ("passed over within tolerances", None, total.tolerated),
        ("not explained", None, total.unexplained),
    ]
    rest = total.breaks - sum(minor for _, _, minor in breaks)
    if rest:
        between.insert(len(breaks), ("other breaks", None, rest))
    shown = [step for step in between if step[2] or step[1]]
    return [("total of the left", None, total.left), *shown, ("total of the right", None, total.right)]


def _steps_of_breaks(breaks: Iterable[Finding], asset: str) -> list[Step]:
    """By kind: how many breaks touch an asset, and what they add to the right less the left."""
    found: dict[str, tuple[int, int]] = {}
    for each in breaks:
        theirs = [record.amount for record in each.right if record.asset == asset]
        ours = [record.amount for record in each.left if record.asset == asset]
        if theirs or ours:
            count, minor = found.get(each.kind, (0, 0))
            found[each.kind] = (count + 1, minor + sum(theirs) - sum(ours))
    return [(KIND_WORDS[kind], count, minor) for kind, (count, minor) in sorted(found.items())]


def _breaks(book: _Workbook, outcome: MatchingResult, places: Places) -> None:
    own = outcome.rules.key_fields
    columns = ("break id", "severity", "at stake", *break_columns(own), "action", "left at", "right at")
    sheet = book.sheet("Breaks", columns)
    for number, each in enumerate(outcome.breaks, 1):
        where = ["; ".join(_place(places, r.side, r.line) for r in side[:3]) for side in (each.left, each.right)]
        cells = [each.id, each.severity, "", *break_row(each, own), each.action.sentence, *where]
        amounts = {
            "at stake": (each.at_stake, each.asset),
            "left_amount": (sum(r.amount for r in each.left), each.left[0].asset) if each.left else None,
            "right_amount": (sum(r.amount for r in each.right), each.right[0].asset) if each.right else None,
        }
        for at, (name, cell) in enumerate(zip(columns, cells, strict=True)):
            if given := amounts.get(name):
                book.amount(sheet, number, at, *given)
            elif cell and name not in AMOUNT_COLUMNS:
                sheet.write_string(number, at, cell[:CELL_CHARS_MAX])
    sheet.autofilter(0, 0, max(len(outcome.breaks), 1), len(columns) - 1)
    sheet.freeze_panes(1, 0)


def _pairs(book: _Workbook, pairs: Sequence[Sequence[Any]], total: int) -> None:
    """Suggested pairs first: a person has to look at them."""
    sheet = book.sheet("Pairs", PAIR_COLUMNS)
    for line, row in enumerate(pairs, 1):
        for at, cell in enumerate(row):
            if isinstance(cell, int):
                sheet.write_number(line, at, cell)
            elif cell is not None:
                sheet.write_string(line, at, str(cell)[:CELL_CHARS_MAX])
    if total > len(pairs):
        sheet.write_string(len(pairs) + 2, 0, f"{len(pairs):,} of {counted(total, 'pair')} are listed; matches.parquet has them all.")
    sheet.autofilter(0, 0, max(len(pairs), 1), len(PAIR_COLUMNS) - 1)
    sheet.freeze_panes(1, 0)


def _place(places: Places, side: str, row: int | None) -> str:
    place = places.get((side, row or 0))
    return f"{place.file}:{place.line}" if place else ""

"""The report of a period as files: JSON is canonical; CSV, workbook and PDF say the same. The same report gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.amounts import figure_in
from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.formats.pdf import write_pdf
from counterfoil.base.money import Asset
from counterfoil.matching.output.files import canonical

MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's date of making would change its bytes
CELL_CHARS_MAX: Final = 32_000
PDF_ITEMS_MAX: Final = 500
# Sections of the report, and the columns of each; a column that ends in `minor` is money.
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "sources": ("source", "question", "watermark", "succeeded_at", "not_checked"),
    "footing": ("pairing", "side", "asset", "source_rows", "source_minor", "matched_minor", "breaks_minor", "expected_minor"),
    "balances": ("source", "asset", "booked_minor", "stated_minor", "difference_minor", "unexplained_minor"),
    "kinds": ("source", "kind", "asset", "breaks", "at_stake_minor", "accepted"),
    "ageing": ("age", "asset", "breaks", "at_stake_minor"),
    "tolerances_used": ("source", "pass", "asset", "pairs", "minor"),
    "items": (
        "source",
        "kind",
        "severity",
        "state",
        "day",
        "age_days",
        "asset",
        "at_stake_minor",
        "left",
        "right",
        "fields",
        "cause",
        "action",
    ),
    "expected_later": ("source", "side", "id", "day", "asset", "amount_minor", "why"),
    "not_checked": ("source", "why"),
}
TITLES: Final[Mapping[str, str]] = {
    "sources": "Sources",
    "footing": "Footing",
    "balances": "Balances",
    "kinds": "Breaks by kind",
    "ageing": "Open breaks by age",
    "tolerances_used": "Tolerances used",
    "items": "Breaks",
    "expected_later": "Expected later",
    "not_checked": "Not checked",
}


class WrittenReport(NamedTuple):
    """A report as a file."""

    body: bytes
    media_type: str
    suffix: str


def write_period_report(report: Mapping[str, Any], form: str, assets: Mapping[str, Asset]) -> WrittenReport:
    """The report as json, csv, xlsx or pdf; `assets` are those that books keep, by code. Raises PdfNotInstalled."""
    return FORMATS[form](report, assets)


def _json(report: Mapping[str, Any], _: Mapping[str, Asset]) -> WrittenReport:
    return WrittenReport(canonical(dict(report)).encode(), "application/json", "json")


def _csv(report: Mapping[str, Any], _: Mapping[str, Asset]) -> WrittenReport:
    """One table: the section first, then the columns of all sections."""
    names = list(dict.fromkeys(name for columns in SECTIONS.values() for name in columns))
    rows = [["verdict", report["verdict"], *[""] * (len(names) - 1)]]
    for section, columns in SECTIONS.items():
        for row in _rows(report, section):
            cells = dict(zip(columns, row, strict=True))
            rows.append([section, *(cells.get(name, "") for name in names)])
    return WrittenReport(csv_text(["section", *names], rows).encode(), "text/csv; charset=utf-8", "csv")


def _xlsx(report: Mapping[str, Any], assets: Mapping[str, Asset]) -> WrittenReport:
    """A sheet for each section; cells are text, so none runs as a formula, and amounts stand in major units."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"title": f"Reconciliation {report['first_on']} to {report['last_on']}", "created": MADE})
    head, right = (
        book.add_format({"bold": True, "bottom": 1, "bg_color": "#E9EEF3"}),
        book.add_format({"align": "right"}),
    )
    front = book.add_worksheet("Summary")
    front.set_column(0, 1, 30)
    for at, (name, value) in enumerate(_front(report)):
        front.write_string(at, 0, name, head)
        front.write_string(at, 1, value)
    for section, columns in SECTIONS.items():
        sheet = book.add_worksheet(TITLES[section])
        sheet.write_row(0, 0, [_words(name) for name in columns], head)
        sheet.set_column(0, len(columns) - 1, 20)
        for number, cells in enumerate(_rows(report, section, assets), 1):
            for at, cell in enumerate(cells):
                sheet.write_string(number, at, cell[:CELL_CHARS_MAX], right if columns[at].endswith("minor") else None)
        sheet.freeze_panes(1, 0)
    book.close()
    return WrittenReport(out.getvalue(), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx")


def _pdf(report: Mapping[str, Any], assets: Mapping[str, Asset]) -> WrittenReport:
    sections = [
        {
            "title": TITLES[name],
            "columns": [_words(column) for column in columns],
            "right": [column.endswith("minor") for column in columns],
            "rows": list(_rows(report, name, assets))[:PDF_ITEMS_MAX],
            "total": len(report[name]),
        }
        for name, columns in SECTIONS.items()
        if report[name]
    ]
    told = {"front": _front(report), "verdict": report["verdict"], "sections": sections, "shown": PDF_ITEMS_MAX}
    template = files(__package__).joinpath("templates", "period_report.typ").read_bytes()
    return WrittenReport(write_pdf(template, "report", told), "application/pdf", "pdf")


FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Asset]], WrittenReport]]] = {
    "json": _json,
    "csv": _csv,
    "xlsx": _xlsx,
    "pdf": _pdf,
}


def _front(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Verdict", report["verdict"]),
        ("Program", report["program"]),
        ("From", report["first_on"]),
        ("To", report["last_on"]),
        ("Breaks", str(report["items_total"])),
        ("Not checked", str(len(report["not_checked"]))),
    ]


def _rows(report: Mapping[str, Any], section: str, assets: Mapping[str, Asset] | None = None) -> Sequence[list[str]]:
    """The cells of a section as text; amounts in minor units, or for people in whole ones of their `assets`."""
    return [[_cell(row, name, assets) for name in SECTIONS[section]] for row in report[section]]


def _cell(row: Mapping[str, Any], name: str, assets: Mapping[str, Asset] | None) -> str:
    bare, _, part = name.rpartition("_") if name.endswith(("_minor", "_rows")) else (name, "", "")
    value = row.get(name, row.get(bare))
    if isinstance(value, Mapping):  # records and minor units of one part of the footing
        value = value[part]
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if assets is not None and name.endswith("minor"):
        return figure_in(assets, int(value), row["asset"])
    return str(value)


def _words(name: str) -> str:
    return name.removesuffix("_minor").replace("_", " ")

"""A monthly report as a file. JSON is canonical; CSV, workbook and PDF say the same, and the same report gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.amounts import figure_in
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.formats.pdf import write_pdf
from counterfoil.base.money import Asset

MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's date of making would change its bytes
PDF_ROWS_MAX: Final = 300
CELL_CHARS_MAX: Final = 32_000


class ReportFile(NamedTuple):
    """A report as a file."""

    body: bytes
    media_type: str
    suffix: str


def write_monthly(report: Mapping[str, Any], form: str, assets: Mapping[str, Asset]) -> ReportFile:
    """The report as json, csv, xlsx or pdf. `assets`: those that books keep, by code. Raises PdfNotInstalled."""
    return FORMATS[form](report, assets)


def _json(report: Mapping[str, Any], _: Mapping[str, Asset]) -> ReportFile:
    return ReportFile(canonical_json(dict(report)).encode(), "application/json", "json")


def _csv(report: Mapping[str, Any], _: Mapping[str, Asset]) -> ReportFile:
    """One table: the section first, then the columns of all sections; amounts in minor units."""
    names = list(dict.fromkeys(name for rows in report["sections"].values() for row in rows for name in row))
    lines: list[list[Any]] = [["verdict", report["verdict"], *[""] * (len(names) - 1)]] if names else []
    lines += [["note", note, *[""] * (len(names) - 1)] for note in report["notes"] if names]
    for section, rows in report["sections"].items():
        lines += [[section, *(row.get(name, "") for name in names)] for row in rows]
    return ReportFile(csv_text(["section", *names], lines).encode(), "text/csv; charset=utf-8", "csv")


def _xlsx(report: Mapping[str, Any], assets: Mapping[str, Asset]) -> ReportFile:
    """A sheet for each section; cells are text, so none runs as a formula and no amount is rounded; amounts in major units."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"title": f"Monthly report {report['month']}", "created": MADE})
    head, right = book.add_format({"bold": True, "bottom": 1, "bg_color": "#E9EEF3"}), book.add_format({"align": "right"})
    front = book.add_worksheet("Summary")
    front.set_column(0, 1, 40)
    for at, (name, value) in enumerate(_front(report)):
        front.write_string(at, 0, name, head)
        front.write_string(at, 1, value[:CELL_CHARS_MAX])
    for one in _sections(report, assets):
        sheet = book.add_worksheet(one["title"][:31])
        sheet.write_row(0, 0, one["columns"], head)
        sheet.set_column(0, max(0, len(one["columns"]) - 1), 20)
        for number, cells in enumerate(one["rows"], 1):
            for at, cell in enumerate(cells):
                sheet.write_string(number, at, cell[:CELL_CHARS_MAX], right if one["right"][at] else None)
        sheet.freeze_panes(1, 0)
    book.close()
    return ReportFile(out.getvalue(), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx")


def _pdf(report: Mapping[str, Any], assets: Mapping[str, Asset]) -> ReportFile:
    sections = _sections(report, assets)
    for one in sections:
        one |= {"total": len(one["rows"]), "rows": one["rows"][:PDF_ROWS_MAX]}
    charts = [
        {
            "title": f"{one['title']}, {one['asset']} a day",
            "bars": [
                {
                    "day": int(day["day"][8:]),
                    # As a share of the highest, in thousandths: a bar is a picture, the figures are in the sections.
                    "share": 1000 * max(0, int(day["minor"])) // max(1, *(int(each["minor"]) for each in one["days"])),
                }
                for day in one["days"]
            ],
            "highest": figure_in(assets, max(int(day["minor"]) for day in one["days"]), one["asset"]),
            "sum": figure_in(assets, sum(int(day["minor"]) for day in one["days"]), one["asset"]),
        }
        for one in report["charts"]
    ]
    told = {
        "title": f"{report['program_name']}, {report['month']}",
        "front": _front(report)[:-1] if report["notes"] else _front(report),
        "notes": report["notes"],
        "sections": sections,
        "charts": charts,
    }
    template = files(__package__).joinpath("templates", "monthly.typ").read_bytes()
    return ReportFile(write_pdf(template, "report", told), "application/pdf", "pdf")


FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Asset]], ReportFile]]] = {
    "json": _json,
    "csv": _csv,
    "xlsx": _xlsx,
    "pdf": _pdf,
}


def _front(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    days = ", ".join(f"{count} {verdict}" for verdict, count in report["carbon_days"].items())
    return [
        ("Program", f"{report['program_name']} ({report['program']})"),
        ("Days", f"{report['first_on']} to {report['last_on']} (UTC)"),
        ("Verdict", report["verdict"]),
        ("Period", "closed" if report["period_closed"] else "open"),
        ("Reconciliation", report["reconciliation"]),
        ("Days of carbon", days or "none"),
        ("Not final, because", " ".join(report["notes"]) or "–"),
    ]


def _sections(report: Mapping[str, Any], assets: Mapping[str, Asset]) -> list[dict[str, Any]]:
    """Each as a table of text for people, amounts in major units."""
    told = []
    for source in report["sources"]:
        rows = report["sections"][source["section"]]
        names = list(source["columns"])
        told.append(
            {
                "title": source["title"],
                "source": source["source"],
                "command": source["command"],
                "empty": source["empty"],
                "columns": [_words(name) for name in names],
                "right": [name.endswith(("_minor", "_s")) or name in ("number", "forced", "watt_hours") for name in names],
                "rows": [[_cell(row, name, assets) for name in names] for row in rows],
            }
        )
    return told


def _cell(row: Mapping[str, Any], name: str, assets: Mapping[str, Asset]) -> str:
    value = row[name]
    if name.endswith("_minor"):
        return figure_in(assets, int(value), row["asset"])
    if name.endswith("_s"):
        return _span(value)
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _span(seconds: int) -> str:
    """Such as 2 d 03:04:05."""
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def _words(name: str) -> str:
    return name.removesuffix("_minor").removesuffix("_s").replace("_", " ")

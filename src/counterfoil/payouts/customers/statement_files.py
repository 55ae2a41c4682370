"""A customer's statement as a file: CSV in minor units, and a PDF for people. The same statement gives the same bytes."""

from __future__ import annotations

from importlib.resources import files
from typing import Final, NamedTuple

from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.formats.pdf import write_pdf
from counterfoil.base.money import format_major
from counterfoil.payouts.customers.statement import CustomerDocument, CustomerStatement

COLUMNS: Final = ("number", "at", "kind", "document_id", "about", "asset", "amount", "balance")


class StatementFile(NamedTuple):
    """A statement as a file."""

    body: bytes
    media_type: str
    suffix: str


def statement_csv(one: CustomerStatement) -> StatementFile:
    """A row for each document, between one with the opening and one with the closing balance; amounts in minor units."""
    first = ["", one.start.isoformat(), "opening balance", "", "", one.asset, "", str(one.opening)]
    last = ["", one.end.isoformat(), "closing balance", "", "", one.asset, "", str(one.closing)]
    rows = [
        [str(line.number), line.at.isoformat(), line.kind, line.document_id, line.about or "", one.asset, *_figures(line)]
        for line in one.lines
    ]
    return StatementFile(csv_text(COLUMNS, [first, *rows, last]).encode(), "text/csv; charset=utf-8", "csv")


def _figures(line: CustomerDocument) -> list[str]:
    return [str(line.amount), str(line.balance)]


def statement_pdf(one: CustomerStatement, scale: int) -> StatementFile:
    """For people: amounts in major units of an asset of so many decimals. Raises PdfNotInstalled."""
    told = {
        "customer": one.customer_id,
        "program": one.program_id,
        "asset": one.asset,
        "from": f"{one.start:%Y-%m-%d %H:%M} UTC",
        "until": f"{one.end:%Y-%m-%d %H:%M} UTC",
        **{name: format_major(getattr(one, name), scale) for name in ("opening", "closing", "charged", "settled")},
        "lines": [
            [f"{line.at:%Y-%m-%d %H:%M}", line.kind, line.document_id, format_major(line.amount, scale), format_major(line.balance, scale)]
            for line in one.lines
        ],
    }
    template = files(__package__).joinpath("templates", "statement.typ").read_bytes()
    return StatementFile(write_pdf(template, "statement", told), "application/pdf", "pdf")

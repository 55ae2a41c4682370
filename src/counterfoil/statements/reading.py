"""One door for every file: find the format, read it, give lines, rejected rows and statements in one shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.statements import fee_reports, ofx, paypal_settlement, qif, simulator_statement, stripe_reports, wise_history
from counterfoil.statements.bai2 import reader as bai2
from counterfoil.statements.camt import reader as camt
from counterfoil.statements.detecting import FORMATS, detect
from counterfoil.statements.mt940 import reader as mt940
from counterfoil.statements.shape import SourceBroken, SourceRead
from counterfoil.statements.tables import delimited, notations, workbooks
from counterfoil.statements.tables.dialects import Dialect, dialect
from counterfoil.statements.text import Content, content_of, digest_of

STATEMENT_READERS = {
    "mt940": mt940.read,
    "mt942": mt940.read,
    "camt.052": camt.read,
    "camt.053": camt.read,
    "camt.054": camt.read,
    "bai2": bai2.read,
    "ofx": ofx.read,
    "simulator": simulator_statement.read,
    "stripe": stripe_reports.read,
    "stripe-summary": stripe_reports.read_summary,
    "paypal": fee_reports.read_paypal,
    "paypal-settlement": paypal_settlement.read,
    "adyen": fee_reports.read_adyen,
    "wise": fee_reports.read_wise,
    "wise-history": wise_history.read,
    "revolut": fee_reports.read_revolut,
    "revolut-business": fee_reports.read_revolut_business,
}
OTHER_NAMES = {"camt": "camt.053", "qfx": "ofx", "tsv": "csv", "jsonl": "ndjson", "sta": "mt940", "bai": "bai2"}


def read(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 - the word that callers use
    asset: str | None = None,
    strict: bool = True,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
    decimal: str | None = None,
    date_format: str | None = None,
    scales: Mapping[str, int] | None = None,
) -> SourceRead:
    """Read a file into the common shape. Amounts are signed minor units, + is money in.

    `format` is one of FORMATS; without it the content tells. `asset` is the currency where the file does not name one. For
    tables only: `columns` maps our fields to header names, `sheet` names the sheet, `decimal` and `date_format` say what the
    file leaves open, `scales` gives the decimals of assets that are no ISO currency. With `strict` off, a balance that does
    not carry is a note instead of a refusal: for looking at a file, not for a run.

    Raises SourceBroken (cut short, or does not add up), TooLarge, NotFound, InvalidInput.
    """
    if not path.is_file():
        raise NotFound(file=str(path))
    kind = OTHER_NAMES.get(format, format) if format else detect(path)
    if kind not in FORMATS:
        raise InvalidInput("format", "one of " + ", ".join(FORMATS), got=kind[:40])
    taken = content_of(path)
    options = {
        "columns": columns,
        "sheet": sheet,
        "decimal": decimal,
        "date_format": date_format,
        "scales": scales,
    }
    found = _read(path, taken, kind, asset, strict, options)
    if digest_of(path) != taken.sha256:
        raise SourceBroken(path.name, None, None, "the file changed while it was read")
    return found


def _read(path: Path, taken: Content, kind: str, asset: str | None, strict: bool, options: Mapping[str, Any]) -> SourceRead:
    if kind in STATEMENT_READERS:
        return STATEMENT_READERS[kind](path, taken, asset=asset, strict=strict)
    if kind == "qif":
        written_as = {name: options[name] for name in ("decimal", "date_format")}
        return qif.read(path, taken, asset=asset, strict=strict, **written_as)
    if kind == "xlsx":
        return workbooks.read(path, taken, asset=asset, strict=strict, **options)
    rest = {name: value for name, value in options.items() if name != "sheet"}
    if kind == "csv":
        written = _written(dialect(path, taken=taken), rest.pop("decimal"), rest.pop("date_format"))
        return delimited.read(path, taken, asset=asset, strict=strict, written=written, **rest)
    return notations.read(path, taken, kind, asset=asset, strict=strict, **rest)


def _written(found: Dialect, decimal: str | None, date_format: str | None) -> Dialect:
    return replace(found, decimal=decimal or found.decimal, date_format=date_format or found.date_format)

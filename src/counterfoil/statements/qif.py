"""QIF: Quicken's old exchange format, which some banks still offer for download.

It names no currency, no balance and no id, and leaves open how dates and figures are written: both are told by all of its values, or
its rows are rejected. The rule for faults: a record that is not ended is a file that is cut short; a record without a readable
amount or day is a rejected row, and so is one of a type that is neither an account's nor a list. Investments are not read; a note says how
many there were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from counterfoil.statements.amounts import Unreadable, decimal_mark_of, known_scale, parse_amount
from counterfoil.statements.dates import choose_format, parse_date
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, ParsedLine, SourceBroken, SourceRead, as_json, within
from counterfoil.statements.text import Content, numbered_lines

CASH_TYPES: Final = frozenset({"BANK", "CCARD", "CASH", "OTH A", "OTH L"})
LISTS: Final = frozenset(
    ("CAT", "CLASS", "MEMORIZED", "SECURITY", "PRICES", "BUDGET", "TAG", "TAX", "TEMPLATE", "INVITEM", "CUST", "VEND", "EMP")
)  # names and patterns beside the accounts: nothing that happened
SETTINGS: Final = frozenset({"OPTION", "CLEAR"})  # of whoever wrote the file: what follows is of the type that stood before
OPENING: Final = "opening balance"
_FIELDS: Final = {
    "D": "date",
    "T": "amount",
    "U": "amount",
    "P": "payee",
    "M": "memo",
    "N": "number",
    "L": "category",
    "C": "cleared",
}


@dataclass
class QifRecord:
    """One record between two `^`: its kind, the line it begins on, the first value of each field."""

    kind: str
    line: int
    account: str | None
    values: dict[str, str] = field(default_factory=dict)


def read(
    path: Path,
    taken: Content,
    *,
    asset: str | None = None,
    strict: bool = True,
    decimal: str | None = None,
    date_format: str | None = None,
) -> SourceRead:
    """The transactions of the file, in the currency `asset`. Raises SourceBroken with line and reason."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    if asset is None:
        broken = SourceBroken(path.name, 1, None, "QIF names no currency: say which asset the file is in")
        broken.wants_asset = True
        raise broken
    records = list(_records(found, path, taken))
    cash = [record for record in records if record.kind in CASH_TYPES]
    skipped = sum(record.kind == "INVST" for record in records)
    if skipped:
        found.notes.append(f"{skipped} investment transactions are not read, only cash")
    listed = Counter(record.kind for record in records if record.kind in LISTS)
    if listed:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(listed.items()))
        found.notes.append(f"entries of lists are no transactions: {told}")
    found.left_out += skipped + listed.total()
    if not cash and not skipped:
        found.broken(1, None, "there is no transaction of an account in this file")
    days = [_day(record.values["date"]) for record in cash if "date" in record.values]
    form = date_format or choose_format(days)
    try:
        mark = decimal or decimal_mark_of([record.values["amount"] for record in cash if "amount" in record.values])
    except Unreadable as fault:
        found.broken(None, "T", str(fault))
    for record in records:
        if record.kind in {*LISTS, "INVST"}:
            continue
        if record.kind not in CASH_TYPES:
            told = f"a record of type {record.kind[:30]!r}" if record.kind else "a record before any !Type"
            found.reject(record.line, None, f"{told} is of no account with cash", as_json(record.values))
            continue
        try:
            _add(found, record, asset, mark, form)
        except Unreadable as fault:
            found.reject(record.line, None, str(fault), as_json(record.values))
    return found.read("qif", taken.sha256)


def _records(found: Gathering, path: Path, taken: Content) -> Iterator[QifRecord]:
    kind, account, current = "", None, None
    for number, raw in numbered_lines(path, taken.encoding):
        text = raw.strip("\ufeff\x1a").rstrip()
        if not text:
            continue
        if text.startswith("!"):
            name, _, rest = text[1:].partition(":")
            if name.strip().upper() in SETTINGS:
                continue
            kind = rest.strip().upper() if name.strip().upper() == "TYPE" else name.strip().upper()
            continue
        if text == "^":
            if current is not None and kind == "ACCOUNT":
                account = current.values.get("number")
            elif current is not None:
                yield current
            current = None
            continue
        current = current or QifRecord(kind, number, account)
        if text[0] in _FIELDS:
            current.values.setdefault(_FIELDS[text[0]], text[1:].strip())
    if current is not None:
        found.broken(current.line, "^", "the last record is not ended: the file is cut short")


def _day(text: str) -> str:
    """`1/ 5'26` is 1/5/26."""
    return text.replace(" ", "").replace("'", "/")


def _add(found: Gathering, record: QifRecord, asset: str, mark: str | None, form: str | None) -> None:
    values = record.values
    if "amount" not in values or "date" not in values:
        raise Unreadable("there is no amount or no date")
    amount = parse_amount(values["amount"], known_scale(asset), decimal=mark)
    if values.get("payee", "").lower() == OPENING:
        found.notes.append(f"line {record.line}: an opening balance is not a movement")
        return
    if form is None:
        raise Unreadable(f"{values['date'][:30]!r} can be read as two dates or none: say how dates are written")
    found.add(
        ParsedLine(
            amount=amount,
            asset=asset,
            line=record.line,
            raw=values,
            reference=values.get("number"),
            booked_on=parse_date(_day(values["date"]), form),
            status="booked",
            counterparty=values.get("payee"),
            memo=values.get("memo") or values.get("category"),
            batch=record.account,
        )
    )

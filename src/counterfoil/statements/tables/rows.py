"""Rows with named cells → lines: CSV, NDJSON, JSON, Parquet and sheets, once something has told them apart into records.

The rule for faults: a row that cannot be understood is a rejected row, with the column and the reason. A line under the
table that claims to be the sum and is not stops the file, and so does a table without an amount or a currency.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, NamedTuple

from counterfoil.statements.amounts import CREDIT_WORDS, DEBIT_WORDS, Unreadable, known_scale, parse_amount, parse_whole
from counterfoil.statements.amounts import told as told_amount
from counterfoil.statements.dates import ISO, is_iso, parse_date, parse_instant
from counterfoil.statements.shape import Gathering, ParsedLine, as_json
from counterfoil.statements.tables import columns as roles
from counterfoil.statements.tables.signs import Debits, Trail, how_debits_are_meant, settle

NOISE: Final = Decimal("0.000001")
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]{1,11}", re.ASCII)


OUT: Final = DEBIT_WORDS | {"OUT", "OUTGOING", "-"}


class Number(str):
    """A figure that was a number in its file, so its decimal mark is a point."""

    __slots__ = ()


def as_cell(value: Any) -> Any:
    """A typed value as text or `Number`, exactly; None stays None.

    A binary fraction is taken by the 15 digits that spreadsheets show and count with; where those would move it by more
    than the noise of a sum, by its shortest text.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        shown, exact = Decimal(format(value, ".15g")), Decimal(repr(value))
        return Number(format(shown if not exact.is_finite() or abs(shown - exact) < NOISE else exact, "f"))
    if isinstance(value, int | Decimal):
        return Number(format(value, "f") if isinstance(value, Decimal) else value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time(0) else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else str(value)


class TableRow(NamedTuple):
    """One row: its line in the file and its cells by header name."""

    line: int
    cells: Mapping[str, Any]


class RowRejected(Exception):
    """A row that cannot be understood: which column, and why."""

    def __init__(self, column: str | None, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, reason


@dataclass(frozen=True)
class Plan:
    """How the columns of one table become a line. `known` maps roles to header names."""

    known: Mapping[str, str]
    asset: str | None = None
    decimal: str | None = None
    date_format: str | None = None
    scales: Mapping[str, int] = field(default_factory=dict)
    status: str | None = None
    debits: Debits = "out"


def plan(found: Gathering, header: list[str], base: Plan, columns: Mapping[str, str] | None) -> Plan:
    """Guess what the header says, then let `columns` (role → header name) have the last word. Raises SourceBroken."""
    known = roles.guess(header)
    for role, name in (columns or {}).items():
        if name not in header:
            found.broken(1, name, f"there is no column {name!r}; there are {', '.join(header)[:300]}")
        known = {each: taken for each, taken in known.items() if taken != name} | {role: name}
    if "amount" in (columns or {}):
        known.pop("amount_minor", None)
    if not {"amount", "amount_minor", "debit", "credit"} & known.keys():
        found.broken(1, None, f"no column is an amount; there are {', '.join(header)[:300]}")
    named = known.get("amount") or known.get("credit") or known.get("debit") or ""
    asset = base.asset or roles.currency_in(named)
    if "asset" not in known and asset is None:
        found.broken(1, None, "no column names the currency: say which asset the file is in")
    return Plan(known, asset, base.decimal, base.date_format, base.scales, base.status)


def add_all(found: Gathering, records: Iterable[TableRow], how: Plan) -> None:
    """Each record as a line or a rejected row; the line under the table is checked. Raises SourceBroken."""
    totals: dict[str, int] = {}
    trail = Trail()
    for record in records:
        cells = list(record.cells.values())
        if not any(cell is not None and str(cell).strip() for cell in cells):
            continue
        day = _text(record.cells, how.known.get("booked_on")) or ""
        if roles.is_total(cells) and not any(mark.isdigit() for mark in day):
            _check_total(found, record, how, totals)
            continue
        try:
            line = as_line(record, how)
        except RowRejected as fault:
            found.reject(record.line, fault.column, fault.reason, as_json(record.cells))
            continue
        totals[line.asset] = totals.get(line.asset, 0) + line.amount
        trail.add(line)
        found.add(line)
    if "balance" in how.known:
        settle(found, trail, how.known["balance"])


def judged(records: Iterable[TableRow], how: Plan) -> Plan:
    """The plan with what a minus in a debit means in this table; reads it once, where there are debits at all."""
    if not {"debit", "direction"} & how.known.keys():
        return how
    rows: list[dict[Debits, int | None]] = []
    balances: list[int | None] = []
    debits: list[int] = []
    for record in records:
        if roles.is_total(list(record.cells.values())) or not any(str(cell or "").strip() for cell in record.cells.values()):
            continue
        try:
            asset = _asset(record.cells, how)
            amounts: dict[Debits, int | None] = {way: _amount(record.cells, replace(how, debits=way), asset) for way in ("out", "signed")}
            debit = _debit(record.cells, how, asset)
        except RowRejected:
            continue
        rows.append(amounts)
        balances.append(_balance(record.cells, how, asset))
        debits += [] if debit is None else [debit]
    return replace(how, debits=how_debits_are_meant(rows, balances, debits))


def _debit(cells: Mapping[str, Any], how: Plan, asset: str) -> int | None:
    """The figure of a debit as it is signed; None where the row is none."""
    if "debit" in how.known and not {"amount", "amount_minor"} & how.known.keys():
        return amount_in(cells, how.known["debit"], how, asset)
    if _word(cells, how) in OUT:
        return amount_in(cells, how.known.get("amount") or how.known["amount_minor"], how, asset)
    return None


def _balance(cells: Mapping[str, Any], how: Plan, asset: str) -> int | None:
    """What the file says that the account holds after this row; None where it says nothing that can be read."""
    name = how.known.get("balance")
    try:
        return amount_in(cells, name, how, asset) if name else None
    except RowRejected:
        return None


def as_line(record: TableRow, how: Plan) -> ParsedLine:
    """One record in the common shape. Raises Rejected."""
    cells, known = record.cells, how.known
    asset = _asset(cells, how)
    event_at, day_in_event = _event(cells, how)
    return ParsedLine(
        amount=_amount(cells, how, asset),
        asset=asset,
        line=record.line,
        raw=cells,
        external_id=_text(cells, known.get("external_id")),
        reference=_text(cells, known.get("reference")),
        booked_on=_day(cells, how, "booked_on") or day_in_event,
        value_on=_day(cells, how, "value_on"),
        event_at=event_at,
        status=_text(cells, known.get("status")) or how.status,
        counterparty=_text(cells, known.get("counterparty")),
        memo=_text(cells, known.get("memo")),
        batch=_text(cells, known.get("batch")),
        balance=_balance(cells, how, asset),
    )


def amount_in(cells: Mapping[str, Any], name: str, how: Plan, asset: str) -> int | None:
    """Signed minor units in the cell of this column; None where it is blank. Raises Rejected."""
    text = _text(cells, name)
    if text is None:
        return None
    try:
        decimal = "." if isinstance(cells[name], Number) else how.decimal
        return parse_amount(text, known_scale(asset, how.scales), decimal=decimal)
    except Unreadable as fault:
        raise RowRejected(name, str(fault)) from None


def _amount(cells: Mapping[str, Any], how: Plan, asset: str) -> int:
    known = how.known
    if "amount_minor" in known:
        minor = _text(cells, known["amount_minor"])
        try:
            amount = None if minor is None else parse_whole(minor)
        except Unreadable as fault:
            raise RowRejected(known["amount_minor"], str(fault)) from None
    elif "amount" in known:
        amount = amount_in(cells, known["amount"], how, asset)
    else:
        return _two_columns(cells, how, asset)
    name = known.get("amount_minor") or known["amount"]
    if amount is None:
        raise RowRejected(name, "there is no amount")
    return amount * _direction(cells, how, amount)


def _two_columns(cells: Mapping[str, Any], how: Plan, asset: str) -> int:
    """Money out in one column and money in in another, at most one of them not zero."""
    debit = amount_in(cells, how.known["debit"], how, asset) if "debit" in how.known else None
    credit = amount_in(cells, how.known["credit"], how, asset) if "credit" in how.known else None
    if debit is None and credit is None:
        raise RowRejected(how.known.get("debit") or how.known.get("credit"), "there is no amount")
    if debit and credit:
        raise RowRejected(how.known["debit"], "both a debit and a credit in one row")
    return (credit or 0) - _out(debit or 0, how, how.known.get("debit"))


def _direction(cells: Mapping[str, Any], how: Plan, amount: int) -> int:
    """What the column of debit and credit makes of an amount: 1 or -1."""
    word = _word(cells, how)
    if word in OUT:
        return -1 if _out(amount, how, how.known["direction"]) == amount else 1
    if word is None or word in CREDIT_WORDS | {"IN", "INCOMING", "+"}:
        return 1
    raise RowRejected(how.known["direction"], f"{word[:40]!r} is neither debit nor credit")


def _word(cells: Mapping[str, Any], how: Plan) -> str | None:
    word = _text(cells, how.known.get("direction"))
    return None if word is None else word.rstrip(".").upper()


def _out(debit: int, how: Plan, column: str | None) -> int:
    """What a debit takes out, by the reading of the whole table (see `signs`)."""
    if how.debits == "refused" and debit < 0:
        raise RowRejected(column, "a debit with a minus among others without: no balance shows whether it is money that came back")
    return debit if how.debits == "signed" else abs(debit)


def _asset(cells: Mapping[str, Any], how: Plan) -> str:
    name = how.known.get("asset")
    code = (_text(cells, name) or how.asset or "").upper()
    if not _CODE.fullmatch(code):
        raise RowRejected(name, f"{code[:20]!r} is no currency code" if code else "there is no currency")
    return code


def _day(cells: Mapping[str, Any], how: Plan, role: str) -> date | None:
    name = how.known.get(role)
    text = _text(cells, name)
    if text is None:
        return None
    date_format = ISO if is_iso(text) else how.date_format
    if date_format is None:
        raise RowRejected(name, f"{text[:30]!r} can be read as two dates or none: say how dates are written")
    try:
        return parse_date(text, date_format)
    except Unreadable as fault:
        raise RowRejected(name, str(fault)) from None


def _event(cells: Mapping[str, Any], how: Plan) -> tuple[datetime | None, date | None]:
    """The instant, where the text has an offset; and its day, for tables that have no other date."""
    name = how.known.get("event_at")
    text = _text(cells, name)
    if text is None or not is_iso(text):
        return None, None
    is_utc = name is not None and "utc" in name.lower() and len(text) > 10 and not text.endswith("Z") and "+" not in text
    try:
        return parse_instant(text + "+00:00" if is_utc else text), parse_date(text, ISO)
    except Unreadable as fault:
        raise RowRejected(name, str(fault)) from None


def _text(cells: Mapping[str, Any], name: str | None) -> str | None:
    value = cells.get(name) if name else None
    if value is None:
        return None
    text = (value if isinstance(value, str) else str(value)).strip()
    return text or None


def _check_total(found: Gathering, record: TableRow, how: Plan, totals: Mapping[str, int]) -> None:
    """A sum under the table must be the sum of what is above it; a balance is remarked."""
    cells = record.cells
    column = how.known.get("amount")
    shown = f"line {record.line}: the line under the table is not a movement"
    if not roles.is_sum(list(cells.values())) or column is None or len(totals) > 1:
        found.notes.append(shown)
        return
    asset = next(iter(totals), how.asset)
    try:
        told = amount_in(cells, column, how, asset) if asset else None
    except RowRejected:
        told = None
    if told is None:
        found.notes.append(shown)
    elif found.rejected:
        found.notes.append(f"line {record.line}: the total under the table is not held against the rows, since some were rejected")
    elif told != sum(totals.values()):
        reason = f"the total under the table is {told_amount(told, asset)}, the rows add up to {told_amount(sum(totals.values()), asset)}"
        found.unbalanced(record.line, column, reason)

"""The simulated provider's statement: balances before and after in the file, amounts in whole minor units.

One movement becomes one line of its gross amount and, where net differs from it, a second one of the fee (status `fee`). The
rule for faults: a missing closing balance and a balance that does not carry stop the file; so does a line without a net
amount. Any other fault of a line is a rejected row; its net amount still counts in the balance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from counterfoil.statements.amounts import Unreadable, does_not_carry, parse_whole
from counterfoil.statements.dates import ISO, parse_date, parse_instant
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, ParsedLine, SourceRead, StatementInfo, as_json, within
from counterfoil.statements.tables import delimited
from counterfoil.statements.tables.dialects import Dialect
from counterfoil.statements.tables.rows import TableRow
from counterfoil.statements.text import Content, numbered_lines

OPENING: Final = "opening_balance"
CLOSING: Final = "closing_balance"
COLUMNS: Final = ("id", "type", "reference", "gross", "fee", "net", "asset", "created_at", "available_on", "status", "source")


@dataclass
class AssetTotals:
    """What the file says of one asset."""

    line: int
    opening: int | None = None
    closing: int | None = None
    opening_on: date | None = None
    closing_on: date | None = None
    entries: int = 0
    total: int = 0
    closing_line: int | None = None


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:  # noqa: ARG001
    """The statement, shown to carry in every asset. Raises SourceBroken with line and reason."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    header = next((text for _, text in numbered_lines(path, taken.encoding)), "")
    columns = tuple(name.strip().strip('"') for name in header.split(","))
    missing = set(COLUMNS) - set(columns)
    if missing:
        found.broken(1, None, f"the statement has no column {', '.join(sorted(missing))}")
    written = Dialect(taken.encoding, ",", '"', ".", None, True, 0, ISO, columns)
    accounts: dict[str, AssetTotals] = {}
    for record in delimited.records(found, path, written):
        _take(found, record, accounts)
    if found.rejected and not accounts:
        found.broken(1, None, "no line of this statement can be read")
    for code, account in accounts.items():
        _finish(found, code, account)
    return found.read("simulator", taken.sha256)


def _take(found: Gathering, record: TableRow, accounts: dict[str, AssetTotals]) -> None:
    cells: Mapping[str, Any] = record.cells
    code, kind = cells["asset"].strip(), cells["type"].strip()
    if not re.fullmatch(r"[A-Z][A-Z0-9]{1,11}", code, re.ASCII):
        found.broken(record.line, "asset", f"{code[:20]!r} is no asset")
    try:
        net = parse_whole(cells["net"])
    except Unreadable as fault:
        found.broken(record.line, "net", str(fault))
    account = accounts.setdefault(code, AssetTotals(record.line))
    if account.closing is not None:
        found.broken(record.line, "type", "a line after the closing balance")
    if kind == OPENING:
        account.opening, account.opening_on = net, _day(found, record, "available_on")
    elif kind == CLOSING:
        account.closing, account.closing_on = net, _day(found, record, "available_on")
        account.closing_line = record.line
    else:
        account.entries, account.total = account.entries + 1, account.total + net
        try:
            _add(found, record, code, net)
        except Unreadable as fault:
            found.reject(record.line, None, str(fault), as_json(cells))


def _add(found: Gathering, record: TableRow, code: str, net: int) -> None:
    cells = record.cells
    gross = parse_whole(cells["gross"])
    line = ParsedLine(
        amount=gross,
        asset=code,
        line=record.line,
        raw=cells,
        external_id=cells["id"].strip(),
        reference=cells["reference"].strip(),
        booked_on=parse_date(cells["created_at"], ISO),
        value_on=parse_date(cells["available_on"], ISO),
        event_at=parse_instant(cells["created_at"]),
        status=cells["status"].strip(),
        memo=cells["type"].strip(),
        batch=cells["source"].strip(),
    )
    found.add(line)
    if net != gross:
        found.add(line._replace(amount=net - gross, external_id=f"{line.external_id}/fee", status="fee"))


def _day(found: Gathering, record: TableRow, column: str) -> date:
    try:
        return parse_date(record.cells[column], ISO)
    except Unreadable as fault:
        found.broken(record.line, column, str(fault))


def _finish(found: Gathering, code: str, account: AssetTotals) -> None:
    if account.opening is None or account.closing is None:
        which = "opening" if account.opening is None else "closing"
        found.broken(account.line, which, f"the statement has no {which} balance in {code}: the file is cut short")
    if account.opening + account.total != account.closing:
        reason = does_not_carry(account.opening, account.total, account.closing, code)
        found.unbalanced(account.closing_line, CLOSING, reason)
    found.statements.append(
        StatementInfo(
            account=None,
            statement_id=None,
            sequence=None,
            asset=code,
            opening=account.opening,
            closing=account.closing,
            opening_on=account.opening_on,
            closing_on=account.closing_on,
            entries=account.entries,
            total=account.total,
            line=account.line,
        )
    )

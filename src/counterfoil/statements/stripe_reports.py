"""Stripe's CSV reports: itemised payouts and balance changes, the balance history, and the balance summary.

Amounts are in major units of their currency. One balance transaction becomes one line of its gross amount and, where
there is a fee, a second one of the fee (status `fee`), so that the lines of a payout add up to what reaches the bank. The
rule for faults: a row whose gross less fee is not its net is rejected; a summary that does not add up stops the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.statements.amounts import Unreadable, does_not_carry, does_not_make_net
from counterfoil.statements.dates import ISO, parse_date, parse_instant
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, ParsedLine, SourceRead, StatementInfo, as_json, within
from counterfoil.statements.tables import delimited
from counterfoil.statements.tables import rows as tables
from counterfoil.statements.tables.columns import plain
from counterfoil.statements.tables.dialects import Dialect, dialect
from counterfoil.statements.tables.rows import Plan, RowRejected, TableRow
from counterfoil.statements.text import Content

# Our field → Stripe's columns, the first one that is there and filled; names as `columns.plain` writes them.
PRESET: Final[Mapping[str, tuple[str, ...]]] = {
    "external_id": ("balancetransactionid", "id"),
    "reference": ("sourceid", "source", "chargeid", "paymentintentid"),
    "gross": ("gross", "amount"),
    "fee": ("fee", "fees"),
    "net": ("net",),
    "asset": ("currency",),
    "created": ("createdutc", "created"),
    "available": ("availableonutc", "availableon"),
    "category": ("reportingcategory", "type"),
    "memo": ("description",),
    "counterparty": ("customername", "customeremail", "connectedaccountname"),
    "batch": ("automaticpayoutid", "payoutid", "transfer"),
}
REQUIRED: Final = ("external_id", "gross", "net", "asset", "created")
STARTING: Final = "starting_balance"
ENDING: Final = "ending_balance"


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """An itemised report. `asset` keeps to one currency of several. Raises SourceBroken."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    written = dialect(path, taken=taken)
    names = _names(written)
    for field in REQUIRED:
        if not names.get(field):
            found.broken(1, field, f"the report has no column for it; there are {', '.join(written.columns)[:300]}")
    how = Plan({}, None, written.decimal or ".", ISO)
    left_out = 0
    for record in delimited.records(found, path, written):
        try:
            lines = list(_lines(record, names, how))
        except (RowRejected, Unreadable) as fault:
            column = fault.column if isinstance(fault, RowRejected) else None
            found.reject(record.line, column, str(fault), as_json(record.cells))
            continue
        for line in lines:
            if asset in (None, line.asset):
                found.add(line)
            else:
                left_out, found.left_out = left_out + 1, found.left_out + 1
    if left_out:
        found.notes.append(f"{counted(left_out, 'line is in another currency', 'lines are in other currencies')} than {asset}")
    return found.read("stripe", taken.sha256)


def _names(written: Dialect) -> dict[str, tuple[str, ...]]:
    """Our fields to the header names that this report has for them."""
    by_plain = {plain(name): name for name in reversed(written.columns)}
    return {field: tuple(by_plain[each] for each in known if each in by_plain) for field, known in PRESET.items()}


def _lines(record: TableRow, names: Mapping[str, tuple[str, ...]], how: Plan) -> Iterator[ParsedLine]:
    """The gross amount, then the fee. Raises Rejected, Unreadable."""
    told = {field: _first(record, known) for field, known in names.items()}
    asset = (told["asset"] or "").upper()
    amounts = {field: _amount(record, names, field, how, asset) for field in ("gross", "fee", "net")}
    gross, fee, net = amounts["gross"], amounts["fee"] or 0, amounts["net"]
    if gross is None or net is None or told["created"] is None:
        raise RowRejected(None, "there is no amount or no date")
    if gross - fee != net:
        raise RowRejected(names["net"][0], does_not_make_net(gross, fee, net, asset))
    is_utc = "utc" in plain(next(name for name in names["created"] if record.cells.get(name)))
    event_at = parse_instant(told["created"] + "+00:00" if is_utc and len(told["created"]) > 10 else told["created"])
    line = ParsedLine(
        amount=gross,
        asset=asset,
        line=record.line,
        raw=record.cells,
        external_id=told["external_id"],
        reference=told["reference"],
        booked_on=parse_date(told["created"], ISO),
        value_on=parse_date(told["available"], ISO) if told["available"] else None,
        event_at=event_at,
        status=told["category"] or "booked",
        counterparty=told["counterparty"],
        memo=told["memo"],
        batch=told["batch"],
    )
    yield line
    if fee:
        yield line._replace(amount=-fee, external_id=f"{line.external_id}/fee", status="fee")


def _first(record: TableRow, known: tuple[str, ...]) -> str | None:
    return next((str(record.cells[name]).strip() for name in known if str(record.cells.get(name) or "").strip()), None)


def _amount(record: TableRow, names: Mapping[str, tuple[str, ...]], field: str, how: Plan, asset: str) -> int | None:
    if not names[field]:
        return None
    return tables.amount_in(record.cells, names[field][0], how, asset)


def read_summary(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """The balance summary: starting balance + activity + payouts = ending balance, per currency. Raises SourceBroken."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    written = dialect(path, taken=taken)
    by_plain = {plain(name): name for name in written.columns}
    for name in ("category", "currency", "netamount"):
        if name not in by_plain:
            found.broken(1, name, f"the summary has no column for it; there are {', '.join(written.columns)[:300]}")
    how = Plan({}, asset, written.decimal or ".", ISO)
    sums: dict[str, dict[str, int]] = {}
    lines: dict[str, int] = {}  # where each currency was told of last: its ending balance, where it has one
    for record in delimited.records(found, path, written):
        cells = record.cells
        category = str(cells[by_plain["category"]]).strip()
        code = str(cells[by_plain["currency"]]).strip().upper()
        try:
            amount = tables.amount_in(cells, by_plain["netamount"], how, code)
        except RowRejected as fault:
            found.broken(record.line, fault.column, fault.reason)
        if amount is None or not category:
            found.reject(record.line, by_plain["netamount"], "there is no category or no amount", as_json(cells))
            continue
        sums.setdefault(code, {})[category] = amount
        lines[code] = record.line
        if category not in {STARTING, ENDING} and not category.endswith(("_gross", "_fee")):
            memo = str(cells.get(by_plain.get("description", ""), "") or "") or None
            found.add(ParsedLine(amount, code, record.line, cells, external_id=f"{category}/{code}", status="summary", memo=memo))
    if not sums:
        found.broken(1, None, "the summary gives no balance of any currency: the file is cut short")
    for code, parts in sums.items():
        _check_summary(found, code, lines[code], parts)
    return found.read("stripe-summary", taken.sha256)


def _check_summary(found: Gathering, code: str, line: int, parts: Mapping[str, int]) -> None:
    opening, closing = parts.get(STARTING), parts.get(ENDING)
    moved = {name: amount for name, amount in parts.items() if name not in {STARTING, ENDING} and not name.endswith(("_gross", "_fee"))}
    if opening is None or closing is None:
        which = "starting" if opening is None else "ending"
        found.broken(line, "category", f"the summary has no {which} balance of {code}: the file is cut short")
    total = sum(moved.values())
    if opening + total != closing:
        found.unbalanced(line, "net_amount", does_not_carry(opening, total, closing, code))
    found.statements.append(StatementInfo(None, None, None, code, opening, closing, None, None, len(moved), total, 1))

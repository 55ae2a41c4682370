"""Providers' reports that give gross, fees and net side by side, or a balance after each row: PayPal, Adyen, Wise and Revolut.

One row becomes one line of its gross amount and, where there is a fee, a second one of the fee (status `fee`), so that the lines add up
to what moves the balance. The rule for faults: a row whose gross and fees do not make its net is rejected; a running balance that does
not lead from row to row stops the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.base.formats.counting import counted
from counterfoil.statements.amounts import Unreadable, does_not_make_net
from counterfoil.statements.dates import ISO, choose_format, is_iso, parse_date
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, ParsedLine, SourceRead, as_json, within
from counterfoil.statements.tables import delimited, rows
from counterfoil.statements.tables.columns import plain
from counterfoil.statements.tables.dialects import dialect
from counterfoil.statements.tables.rows import Plan, RowRejected, TableRow
from counterfoil.statements.tables.signs import SignedRow, Trail, settle
from counterfoil.statements.text import Content


class FeeReport(NamedTuple):
    """Where a provider's report has what: header names as `columns.plain` writes them."""

    external_id: tuple[str, ...]
    reference: tuple[str, ...]
    day: str
    asset: str
    credits: tuple[tuple[str, ...], tuple[str, ...]]  # of gross: what comes in, what goes out
    net: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # where none is given it is gross less fees
    fees: tuple[str, ...] = ()
    fee_sign: int = 1  # +1 where fees are written as what they take, -1 where they carry their minus
    gross_asset: str = ""  # the asset's column where gross has none of its own
    status: str = ""
    memo: str = ""
    counterparty: tuple[str, ...] = ()
    batch: str = ""
    balance: str = ""
    account: str = ""  # of which there is a balance each
    moved: tuple[str, ...] = ()  # states in which money moved; all of them where none is named
    unmoved: tuple[str, ...] = ()  # states in which none has moved, where neither a balance nor its column tells
    date_format: str | None = None  # as the provider writes days; told by the days themselves otherwise


REPORTS: Final[Mapping[str, FeeReport]] = {
    "paypal": FeeReport(
        external_id=("transactionid",),
        reference=("invoicenumber", "referencetxnid"),
        day="date",
        asset="currency",
        credits=(("gross",), ()),
        net=(("net",), ()),
        fees=("fee",),
        fee_sign=-1,
        status="status",
        memo="type",
        counterparty=("name",),
        balance="balance",
        unmoved=("pending", "denied", "expired", "failed", "voided", "unclaimed"),
    ),
    "adyen": FeeReport(
        external_id=("modificationreference", "pspreference"),
        reference=("merchantreference", "pspreference"),
        day="creationdate",
        asset="netcurrency",
        credits=(("grosscreditgc",), ("grossdebitgc",)),
        net=(("netcreditnc",), ("netdebitnc",)),
        fees=("commissionnc", "markupnc", "schemefeesnc", "interchangenc"),
        gross_asset="grosscurrency",
        status="type",
        memo="paymentmethod",
        batch="batchnumber",
    ),
    # Total fees is what Amount holds already, or stands in a row of its own: it is told, and never taken off.
    "wise": FeeReport(
        external_id=("transferwiseid",),
        reference=("paymentreference",),
        day="date",
        asset="currency",
        credits=(("amount",), ()),
        memo="description",
        counterparty=("payeename", "payername", "merchant"),
        balance="runningbalance",
        date_format="%d-%m-%Y",
    ),
    "revolut": FeeReport(
        external_id=(),
        reference=(),
        day="completeddate",
        asset="currency",
        credits=(("amount",), ()),
        fees=("fee",),
        status="state",
        memo="description",
        balance="balance",
        account="product",
        moved=("completed",),
    ),
    "revolut-business": FeeReport(
        external_id=("id",),
        reference=("reference",),
        day="datecompletedutc",
        asset="paymentcurrency",
        credits=(("amount",), ()),
        net=(("totalamount",), ()),
        fees=("fee",),
        status="state",
        memo="description",
        counterparty=("payer", "beneficiaryname"),
        balance="balance",
        account="account",
        moved=("completed",),
    ),
}
BY_ACCOUNT: Final = frozenset(name for name, report in REPORTS.items() if report.account)  # whose rows stand among those of other accounts
NO_BALANCE: Final = "memo"  # PayPal's rows that only tell of something, in the column `Balance Impact`


def read_paypal(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """PayPal's activity download. Raises SourceBroken."""
    return _read(path, taken, "paypal", asset, strict=strict)


def read_adyen(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """Adyen's settlement details report. Raises SourceBroken."""
    return _read(path, taken, "adyen", asset, strict=strict)


def read_wise(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """Wise's statement of a balance. Raises SourceBroken."""
    return _read(path, taken, "wise", asset, strict=strict)


def read_revolut(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """Revolut's account statement for people. Raises SourceBroken."""
    return _read(path, taken, "revolut", asset, strict=strict)


def read_revolut_business(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """Revolut Business's transaction statement. Raises SourceBroken."""
    return _read(path, taken, "revolut-business", asset, strict=strict)


def _read(path: Path, taken: Content, name: str, asset: str | None, *, strict: bool) -> SourceRead:
    within(path, TABLE_BYTES_MAX)
    found, report, written = Gathering(path.name, strict=strict), REPORTS[name], dialect(path, taken=taken)
    names = {plain(column): column for column in reversed(written.columns)}
    for needed in (report.day, report.asset, *report.credits[0][:1], *report.net[0][:1]):
        if needed not in names:
            found.broken(1, needed, f"the report has no column for it; there are {', '.join(written.columns)[:300]}")
    records = list(delimited.records(found, path, written))
    days = [str(record.cells[names[report.day]]).strip() for record in records]
    others = [day for day in days if day and not is_iso(day)]
    how = Plan({}, None, written.decimal or ".", (report.date_format or choose_format(others)) if others else ISO)
    trails: dict[tuple[str, str], list[tuple[str, SignedRow]]] = {}
    others_count = 0
    for record in records:
        state = (_text(record, names, (report.status,)) or "").lower()
        if report.moved and state and state not in report.moved:
            found.leave_out(state)
            continue
        try:
            lines, net, balance = _lines(record, names, report, how)
        except (RowRejected, Unreadable) as fault:
            found.reject(record.line, getattr(fault, "column", None), str(fault), as_json(record.cells))
            continue
        if asset not in (None, lines[0].asset):
            others_count, found.left_out = others_count + 1, found.left_out + 1
            continue
        if not _has_moved(record, names, report, state, balance):
            found.leave_out(state or NO_BALANCE)
            continue
        for line in lines:
            found.add(line)
        if balance is not None:
            moment = _text(record, names, (report.day,)) or ""
            step = SignedRow(record.line, net, balance, lines[0].booked_on)
            trails.setdefault((lines[0].asset, _text(record, names, (report.account,)) or ""), []).append((moment, step))
    for (code, account), steps in trails.items():
        settle(found, _in_order(steps, code), names[report.balance], is_running=True, account=account or None)
    if others_count:
        found.notes.append(f"{counted(others_count, 'row is in another currency', 'rows are in other currencies')} than {asset}")
    return found.read(name, taken.sha256)


def account_of(name: str, raw: str) -> str | None:
    """Of which account a row of such a report is, by the row as it came (`raw` of its line)."""
    cells = {plain(column): value for column, value in json.loads(raw).items()}
    return str(cells.get(REPORTS[name].account) or "").strip() or None


def _in_order(steps: Sequence[tuple[str, SignedRow]], code: str) -> Trail:
    """The balances as they stand, or by the moment of each where more of them lead from one to the next in that order."""
    trail = Trail([step for _, step in steps], {code})
    by_moment = Trail([step for _, step in sorted(steps, key=lambda each: each[0])], {code})
    return min(trail, by_moment, key=lambda each: len(each.gaps()))


def _lines(record: TableRow, names: Mapping[str, str], report: FeeReport, how: Plan) -> tuple[list[ParsedLine], int, int | None]:
    """The gross amount and the fee as lines, the net amount, and the balance after it. Raises Rejected, Unreadable."""
    code = (_text(record, names, (report.asset,)) or "").upper()
    gross, net = (_difference(record, names, sides, how, code) for sides in (report.credits, report.net))
    fee = report.fee_sign * sum(_amount(record, names, name, how, code) or 0 for name in report.fees)
    gives_net = bool(report.net[0])
    if net is None and not gives_net and gross is not None:
        net = gross - fee
    shown = names[report.net[0][0]] if gives_net else names[report.credits[0][0]]
    if net is None:
        raise RowRejected(shown, "there is no net amount" if gives_net else "there is no amount")
    is_one_currency = (_text(record, names, (report.gross_asset or report.asset,)) or "").upper() == code
    if is_one_currency and (gross is None or gross - fee != net):
        raise RowRejected(shown, does_not_make_net(gross, fee, net, code))
    line = ParsedLine(
        amount=net + fee,
        asset=code,
        line=record.line,
        raw=record.cells,
        external_id=_text(record, names, report.external_id),
        reference=_text(record, names, report.reference),
        booked_on=_day(record, names, report, how),
        status=(_text(record, names, (report.status,)) or "booked").lower(),
        counterparty=_text(record, names, report.counterparty),
        memo=_text(record, names, (report.memo,)),
        batch=_text(record, names, (report.batch,)),
    )
    lines = [line]
    if fee:
        lines.append(line._replace(amount=-fee, external_id=f"{line.external_id}/fee" if line.external_id else None, status="fee"))
    return lines, net, _amount(record, names, report.balance, how, code)


def _has_moved(record: TableRow, names: Mapping[str, str], report: FeeReport, state: str, balance: int | None) -> bool:
    """PayPal says of each row whether it moves the balance; where it does not, its state tells."""
    impact = (_text(record, names, ("balanceimpact",)) or "").lower()
    return impact != NO_BALANCE and (bool(impact) or balance is not None or state not in report.unmoved)


def _day(record: TableRow, names: Mapping[str, str], report: FeeReport, how: Plan) -> date:
    text = _text(record, names, (report.day,))
    if text is None:
        raise RowRejected(names[report.day], "there is no date")
    form = ISO if is_iso(text) else how.date_format
    if form is None:
        raise RowRejected(names[report.day], f"{text[:30]!r} can be read as two dates or none")
    return parse_date(text, form)


def _difference(
    record: TableRow, names: Mapping[str, str], sides: tuple[tuple[str, ...], tuple[str, ...]], how: Plan, code: str
) -> int | None:
    """What comes in less what goes out; None where neither is given."""
    given = [
        None if amount is None else sign * amount
        for columns, sign in zip(sides, (1, -1), strict=True)
        for amount in (_amount(record, names, name, how, code) for name in columns)
    ]
    known = [amount for amount in given if amount is not None]
    return sum(known) if known else None


def _amount(record: TableRow, names: Mapping[str, str], name: str, how: Plan, code: str) -> int | None:
    return rows.amount_in(record.cells, names[name], how, code) if name in names else None


def _text(record: TableRow, names: Mapping[str, str], wanted: tuple[str, ...]) -> str | None:
    texts: Iterator[str] = (str(record.cells.get(names[name]) or "").strip() for name in wanted if name in names)
    return next((text for text in texts if text), None)

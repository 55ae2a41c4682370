"""Wise's transaction history: what came, went and was converted in all balances at once, with no balance of its own.

What goes out takes its amount and, as a line of its own (status `fee`), its fee off the balance of its source; what comes in adds what
arrives to that of its target; what is neither is a conversion and is both. Card payments out of several balances stand in several rows
of one ID. The rule for faults: a row of one currency whose two amounts and fee contradict each other is rejected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.statements.amounts import Unreadable
from counterfoil.statements.amounts import told as told_amount
from counterfoil.statements.dates import ISO, parse_date
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, ParsedLine, SourceRead, as_json, within
from counterfoil.statements.tables import delimited
from counterfoil.statements.tables import rows as tables
from counterfoil.statements.tables.columns import plain
from counterfoil.statements.tables.dialects import dialect
from counterfoil.statements.tables.rows import Plan, RowRejected, TableRow
from counterfoil.statements.text import Content

NEEDED: Final = (
    "id",
    "status",
    "direction",
    "createdon",
    "sourceamountafterfees",
    "sourcecurrency",
    "targetamountafterfees",
    "targetcurrency",
)
MOVED: Final = "completed"
REVERSED: Final = "refunded"


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """The history. `asset` keeps to one currency of several. Raises SourceBroken."""
    within(path, TABLE_BYTES_MAX)
    found, written = Gathering(path.name, strict=strict), dialect(path, taken=taken)
    names = {plain(column): column for column in reversed(written.columns)}
    for needed in NEEDED:
        if needed not in names:
            found.broken(1, needed, f"the history has no column for it; there are {', '.join(written.columns)[:300]}")
    how, seen, others = Plan({}, None, written.decimal or ".", ISO), Counter[str](), 0
    for record in delimited.records(found, path, written):
        told = {name: str(record.cells.get(column) or "").strip() for name, column in names.items()}
        state, way = told["status"].lower(), told["direction"].lower()
        if state != MOVED and not (state == REVERSED and way == "in"):
            found.leave_out(state or "without a state")
            continue
        try:
            lines = _lines(record, told, names, how)
        except (RowRejected, Unreadable) as fault:
            found.reject(record.line, getattr(fault, "column", None), str(fault), as_json(record.cells))
            continue
        seen[told["id"]] += 1
        for line in lines:
            if asset not in (None, line.asset):
                others, found.left_out = others + 1, found.left_out + 1
                continue
            again = f"{line.external_id}#{seen[told['id']]}" if seen[told["id"]] > 1 else line.external_id
            found.add(line._replace(external_id=again))
    if others:
        found.notes.append(f"{counted(others, 'line is in another currency', 'lines are in other currencies')} than {asset}")
    found.notes.append("the history gives no balances to check against; Wise's statement of a balance does")
    return found.read("wise-history", taken.sha256)


def _lines(record: TableRow, told: Mapping[str, str], names: Mapping[str, str], how: Plan) -> list[ParsedLine]:
    """What the row moved. Raises Rejected, Unreadable."""
    if told["status"].lower() == REVERSED:
        reason = "a refund that came in: the history does not say which charge it takes back; Wise's statement of a balance does"
        raise RowRejected(names["status"], reason)
    source, target = told["sourcecurrency"].upper(), told["targetcurrency"].upper()
    out, arrived = (_amount(record, names, f"{side}amountafterfees", how, code) for side, code in (("source", source), ("target", target)))
    fee_out, fee_in = (_fee(record, told, names, how, side, code) for side, code in (("source", source), ("target", target)))
    if source == target and out - fee_in != arrived:
        raise RowRejected(
            names["targetamountafterfees"],
            f"{told_amount(out, source)} less a fee of {told_amount(fee_in, source)} is not {told_amount(arrived, source)}",
        )
    plain_line = _line(record, told)
    gone = [plain_line._replace(amount=-out, asset=source)]
    gone += [_fee_of(plain_line, source, fee_out)] if fee_out else []
    come = [plain_line._replace(amount=arrived + fee_in, asset=target, counterparty=told.get("sourcename") or None)]
    come += [_fee_of(come[0], target, fee_in)] if fee_in else []
    match told["direction"].lower():
        case "out":
            return gone
        case "in":
            return come
        case "neutral":
            return [*gone, *(line._replace(external_id=f"{line.external_id}/to") for line in come)]
    raise RowRejected(names["direction"], f"{told['direction'][:20]!r} is neither IN, OUT nor NEUTRAL")


def _line(record: TableRow, told: Mapping[str, str]) -> ParsedLine:
    return ParsedLine(
        amount=0,
        asset="",
        line=record.line,
        raw=record.cells,
        external_id=told["id"] or None,
        reference=told.get("reference") or None,
        booked_on=_day(told),
        status="booked",
        counterparty=told.get("targetname") or None,
        memo=told.get("note") or told.get("category") or None,
        batch=told.get("batch") or None,
    )


def _fee_of(line: ParsedLine, asset: str, fee: int) -> ParsedLine:
    return line._replace(amount=-fee, asset=asset, external_id=f"{line.external_id}/fee" if line.external_id else None, status="fee")


def _day(told: Mapping[str, str]) -> date:
    return parse_date((told.get("finishedon") or told["createdon"])[:10], ISO)


def _amount(record: TableRow, names: Mapping[str, str], name: str, how: Plan, code: str) -> int:
    found = tables.amount_in(record.cells, names[name], how, code)
    if found is None:
        raise RowRejected(names[name], "there is no amount")
    if found < 0:
        raise RowRejected(names[name], "an amount of the history has no sign; its direction says where it went")
    return found


def _fee(record: TableRow, told: Mapping[str, str], names: Mapping[str, str], how: Plan, side: str, code: str) -> int:
    """The fee of a side. Raises Rejected where it is in a currency that is not the side's: off which balance it went is not said."""
    name = f"{side}feeamount"
    fee = (tables.amount_in(record.cells, names[name], how, code) or 0) if name in names and told.get(name) else 0
    if fee and told.get(f"{side}feecurrency", code).upper() not in (code, ""):
        raise RowRejected(names[f"{side}feecurrency"], f"a fee in another currency than the {side}'s")
    return fee

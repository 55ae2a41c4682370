"""PayPal's settlement report (STL), comma or tab between its cells: sections of rows, each with its totals and balances by currency.

Amounts are whole minor units without a sign; beside each stands whether it is a credit or a debit. One row becomes one line of its
gross amount and, where there is a fee, a second one of the fee (status `fee`). The rule for faults: the rows of a section must be as
many as it says, add up to its totals, and lead from the balance at its beginning to that at its end; else the file stops.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.base.formats.counting import counted
from counterfoil.statements.amounts import Unreadable, does_not_carry, known_scale, parse_whole
from counterfoil.statements.amounts import told as told_amount
from counterfoil.statements.dates import ISO, parse_date, parse_instant
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, ParsedLine, SourceRead, StatementInfo, as_json, within
from counterfoil.statements.tables.columns import plain
from counterfoil.statements.text import Content

AMOUNTS: Final = (("transaction", "grosstransaction"), ("fee", "fee"))  # how the names of their columns begin: of the sign, of the amount
SIGNS: Final[Mapping[str, int]] = {"CR": 1, "DR": -1}
NEEDED: Final = (
    "transactionid",
    "transactioncompletiondate",
    "transactiondebitorcredit",
    "grosstransactionamount",
    "grosstransactioncurrency",
    "feedebitorcredit",
    "feeamount",
    "feecurrency",
)
DETAILS: Final = "transactionalstatus"  # a column of the transaction detail report, which has the same sections
WITHOUT_DECIMALS: Final = ("HUF", "TWD")  # PayPal counts them whole, their own minor unit is a hundredth
TOTALS: Final = ("gross credits", "gross debits", "fee credits", "fee debits")
BALANCES: Final = ((6, 8), (10, 12))  # where the balance at the beginning and that at the end stand: all of it, and what is available


class _Moved(NamedTuple):
    asset: str
    gross: int
    fee: int
    fee_asset: str


@dataclass
class _Section:
    """One account's rows of one span of time, as they come."""

    line: int
    account: str | None
    names: Sequence[str] = ()
    rows: int = 0
    sums: dict[str, list[int]] = field(default_factory=dict)  # by currency as in TOTALS
    told: set[str] = field(default_factory=set)  # currencies whose totals were given
    entries: dict[str, int] = field(default_factory=dict)

    def count(self, moved: _Moved) -> None:
        for asset, amount, at in ((moved.asset, moved.gross, 0), (moved.fee_asset, moved.fee, 2)):
            if amount:
                self.sums.setdefault(asset, [0, 0, 0, 0])[at + (amount < 0)] += abs(amount)
                self.entries[asset] = self.entries.get(asset, 0) + 1


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """The report. `asset` keeps to one currency of several. Raises SourceBroken."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    section: _Section | None = None
    others, complete, line = 0, False, 1
    for line, cells in _records(found, path, taken):
        match cells[0]:
            case "SH":
                section, complete = _Section(line, cells[3].strip() or None if len(cells) > 3 else None), False
            case "CH" if section:
                section.names = _names(found, line, cells[1:])
            case "SB" if section and section.names:
                others += _row(found, line, section, cells[1:], asset)
            case "SF" if section:
                _check_totals(found, line, section, cells, asset)
            case "SC" if section:
                _check_section(found, line, section, cells)
                section, complete = None, True
            case "SB" | "SF" | "SC" | "CH":
                found.broken(line, cells[0], "the report's sections begin with SH, and name their columns in CH before a row")
    if section is not None:
        found.broken(line, "SC", f"the section that begins on line {section.line} has no end: the file is cut short")
    if not complete:
        found.broken(line, "SH", "there is no section in this report: the file is cut short")
    if others:
        found.notes.append(f"{counted(others, 'line is in another currency', 'lines are in other currencies')} than {asset}")
    return found.read("paypal-settlement", taken.sha256)


def _records(found: Gathering, path: Path, taken: Content) -> Iterator[tuple[int, list[str]]]:
    before = 0
    try:
        with path.open(encoding=taken.encoding, newline="") as file:
            mark = "\t" if "\t" in file.readline() else ","
            file.seek(0)
            reader = csv.reader(file, delimiter=mark, strict=True)
            for cells in reader:
                line, before = before + 1, reader.line_num
                if cells and any(cells):
                    yield line, [cells[0].strip().lstrip("\ufeff"), *cells[1:]]
    except csv.Error:
        found.broken(before + 1, None, "a quote is not closed or a cell is too long: the file is cut short")
    except UnicodeError:
        found.broken(None, None, f"the file cannot be read as {taken.encoding}")


def _names(found: Gathering, line: int, cells: Sequence[str]) -> list[str]:
    names = [plain(cell) for cell in cells]
    if DETAILS in names:
        found.broken(line, "CH", "this is the transaction detail report, which gives no balances; take the settlement report")
    if missing := [name for name in NEEDED if name not in names]:
        found.broken(line, "CH", f"the report has no column for {', '.join(missing)}")
    return names


def _row(found: Gathering, line: int, section: _Section, cells: Sequence[str], asset: str | None) -> int:
    """Take one row; how many of its lines are in other currencies."""
    section.rows += 1
    if len(cells) < len(section.names):
        found.reject(line, None, f"the row has {len(cells)} cells, the header has {len(section.names)}", as_json({"row": list(cells)}))
        return 0
    told = {name: cell.strip() for name, cell in zip(section.names, cells, strict=False)}
    try:
        (gross_asset, gross_minor), (fee_asset, fee_minor) = (_signed(told, *each) for each in AMOUNTS)
        moved = _Moved(gross_asset, gross_minor, fee_minor, fee_asset)
        written = told["transactioncompletiondate"].replace("/", "-")
        at = parse_instant(written)
        if at is None:
            raise Unreadable("there is no date with its time and zone")
    except Unreadable as fault:
        found.reject(line, None, str(fault), as_json(told))
        return 0
    section.count(moved)
    name = told["transactionid"] or None
    gross = ParsedLine(
        amount=moved.gross,
        asset=moved.asset,
        line=line,
        raw=told,
        external_id=name,
        reference=told.get("invoiceid") or told.get("paypalreferenceid") or None,
        booked_on=parse_date(written[:10], ISO),  # the report's own day, as its sections count it
        event_at=at,
        status="booked",
        counterparty=told.get("consumerid") or None,
        memo=told.get("transactioneventcode") or None,
    )
    lines = [gross] if moved.gross else []
    if moved.fee:
        fee = f"{name}/fee" if name else None
        lines.append(gross._replace(amount=moved.fee, asset=moved.fee_asset, external_id=fee, status="fee"))
    if not lines:
        found.leave_out("of nothing")
    wanted = [each for each in lines if asset in (None, each.asset)]
    for each in wanted:
        found.add(each)
    found.left_out += len(lines) - len(wanted)
    return len(lines) - len(wanted)


def _signed(told: Mapping[str, str], side: str, amount: str) -> tuple[str, int]:
    """The currency and the signed amount; nought where none is given. Raises Unreadable."""
    text, code = told[f"{amount}amount"], told[f"{amount}currency"].upper()
    if not text or not text.strip("0"):
        return code, 0
    sign = SIGNS.get(told[f"{side}debitorcredit"].upper())
    if sign is None:
        raise Unreadable(f"{told[f'{side}debitorcredit'][:20]!r} beside an amount is neither CR nor DR")
    return code, sign * _whole(text, code)


def _whole(text: str, code: str) -> int:
    known_scale(code)
    if code in WITHOUT_DECIMALS:
        raise Unreadable(f"PayPal counts {code} without decimals, and this report does not say so; read the activity download")
    amount = parse_whole(text)
    if amount < 0:
        raise Unreadable("an amount beside CR or DR has no sign of its own")
    return amount


def _check_totals(found: Gathering, line: int, section: _Section, cells: Sequence[str], asset: str | None) -> None:
    """One currency's totals and balances of a section. Raises SourceBroken."""
    code = cells[1].strip().upper() if len(cells) > 1 else ""
    section.told.add(code)
    try:
        totals = [_whole(cell.strip(), code) for cell in cells[2:6]]
        balances = [(_balance(cells, begin, code), _balance(cells, end, code)) for begin, end in BALANCES if len(cells) > end]
    except (Unreadable, IndexError, KeyError):
        found.broken(line, "SF", "the totals or balances of a currency cannot be read")
    sums = section.sums.get(code, [0, 0, 0, 0])
    if found.rejected:
        return  # what they held is not in the sums, and a run over them is no proof
    for name, given, summed in zip(TOTALS, totals, sums, strict=False):
        if given != summed:
            found.unbalanced(
                line, "SF", f"{name} are {told_amount(given, code)} by the report, its rows add up to {told_amount(summed, code)}"
            )
    total = sums[0] - sums[1] + sums[2] - sums[3]
    if not balances:
        found.broken(line, "SF", "there are no balances: the file is cut short")
    opening, closing = next((each for each in balances if each[0] + total == each[1]), balances[0])
    if opening + total != closing:
        found.unbalanced(line, "SF", does_not_carry(opening, total, closing, code))
    if asset in (None, code):
        info = StatementInfo(section.account, None, None, code, opening, closing, None, None, section.entries.get(code, 0), total, line)
        found.statements.append(info)


def _balance(cells: Sequence[str], at: int, code: str) -> int:
    return SIGNS[cells[at].strip().upper()] * _whole(cells[at + 1].strip(), code)


def _check_section(found: Gathering, line: int, section: _Section, cells: Sequence[str]) -> None:
    given = cells[1].strip() if len(cells) > 1 else ""
    if given != str(section.rows):
        found.unbalanced(line, "SC", f"the section says that it has {given[:20] or 'no'} rows, and {section.rows} stand in it")
    if missing := sorted(code for code in section.sums if code not in section.told):
        found.unbalanced(line, "SC", f"the section gives no totals of {', '.join(missing)}")

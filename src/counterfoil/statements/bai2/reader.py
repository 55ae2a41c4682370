"""BAI2: the cash management balance reports of North American banks.

The rule for faults: a record out of place, a missing trailer, and a control total or record count that does not agree (of
an account, a group or the file) stop the file; so does an amount that cannot be read, for no total can be shown then. A
detail with an unknown type code or a date that is none is a rejected row. Groups that are a test or a deletion are checked, and
set aside: they are not money. Ledger balances are given as the bank gives
them: the details of an account need not be complete, so a difference between them is a remark, not a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from counterfoil.statements.amounts import Unreadable, parse_whole
from counterfoil.statements.amounts import told as told_amount
from counterfoil.statements.bai2 import codes as bai2_codes
from counterfoil.statements.bai2.records import Bai2Record, Detail, Summary, read_detail, read_summaries, records_of
from counterfoil.statements.dates import parse_yymmdd
from counterfoil.statements.shape import TEXT_BYTES_MAX, Gathering, ParsedLine, SourceRead, StatementInfo, within
from counterfoil.statements.text import Content, numbered_lines

DEFAULT_CURRENCY: Final = "USD"  # where neither account nor group names one
STATUSES: Final = {"": "booked", "1": "booked", "2": "deleted", "3": "corrected", "4": "test"}
NO_MONEY: Final = {"deleted": "a deletion", "test": "a test"}  # what takes back, and what only tries the line
_FOLLOWS: Final = {
    "01": frozenset({"02", "99"}),
    "02": frozenset({"03", "98"}),
    "03": frozenset({"16", "49"}),
    "16": frozenset({"16", "49"}),
    "49": frozenset({"03", "98"}),
    "98": frozenset({"02", "99"}),
    "99": frozenset({"01"}),
}


@dataclass
class Bai2Account:
    """An account between its header (03) and its trailer (49)."""

    header: Bai2Record
    asset: str
    summaries: list[Summary]
    details: list[Detail] = field(default_factory=list)
    total: int = 0
    records: int = 0


@dataclass
class Bai2Group:
    """A group between its header (02) and its trailer (98)."""

    header: Bai2Record
    status: str
    asset: str | None
    on: date | None
    total: int = 0
    accounts: int = 0
    records: int = 0


@dataclass
class File:
    """A file between its header (01) and its trailer (99)."""

    header: Bai2Record
    total: int = 0
    groups: int = 0
    records: int = 0


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """All accounts of the file, their control totals checked at all three levels. Raises SourceBroken with line and reason."""
    within(path, TEXT_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    reader = _Reader(found, asset)
    last = None
    for record in _in_order(found, records_of(found, numbered_lines(path, taken.encoding))):
        reader.take(record)
        last = record
    if last is None or last.code != "99":
        found.broken(last.line if last else 1, "99", "the file trailer is missing: the file is cut short")
    return found.read("bai2", taken.sha256)


def _in_order(found: Gathering, records: Iterable[Bai2Record]) -> Iterator[Bai2Record]:
    before = None
    for record in records:
        allowed = _FOLLOWS[before.code] if before else frozenset({"01"})
        if record.code not in allowed:
            after = f"after a record {before.code}" if before else "at the beginning"
            found.broken(record.line, record.code, f"a record {record.code} {after}, expected {' or '.join(sorted(allowed))}")
        yield record
        before = record


class _Reader:
    """Where the reader stands in the file; one `take_` per kind of record."""

    def __init__(self, found: Gathering, asset: str | None) -> None:
        self.found, self.asset = found, asset
        self.file: File
        self.group: Bai2Group
        self.account: Bai2Account

    def take(self, record: Bai2Record) -> None:
        match record.code:
            case "01":
                self.file = File(record, records=record.physical)
            case "02":
                self._group_begins(record)
            case "03":
                self._account_begins(record)
            case "16":
                self._detail(record)
            case "49":
                self._account_ends(record)
            case "98":
                self._group_ends(record)
            case _:
                self._file_ends(record)

    def _group_begins(self, record: Bai2Record) -> None:
        fields = record.fields(8)
        try:
            on = parse_yymmdd(fields[4]) if fields[4] else None
        except Unreadable as fault:
            self.found.broken(record.line, "as-of date", str(fault))
        currency = _currency(self.found, record, fields[6])
        if fields[3] not in STATUSES:
            self.found.broken(record.line, "group status", f"{fields[3][:20]!r} is no group status (1 to 4)")
        self.group = Bai2Group(record, STATUSES[fields[3]], currency, on, records=record.physical)

    def _account_begins(self, record: Bai2Record) -> None:
        fields = record.fields(3)
        asset = _currency(self.found, record, fields[2]) or self.group.asset or self.asset or DEFAULT_CURRENCY
        summaries = read_summaries(self.found, record)
        self.account = Bai2Account(record, asset, summaries, total=sum(each.amount for each in summaries), records=record.physical)

    def _detail(self, record: Bai2Record) -> None:
        detail = read_detail(self.found, record)
        self.account.details.append(detail)
        self.account.total += detail.amount
        self.account.records += record.physical

    def _account_ends(self, record: Bai2Record) -> None:
        account, fields = self.account, record.fields(3)
        account.records += record.physical
        self._agree(record, "49", account.total, fields[1], (account.records, fields[2], "records"))
        self.group.total += account.total
        self.group.records += account.records
        self.group.accounts += 1
        entries, total = _add_details(self.found, self.group, account)
        if self.group.status in NO_MONEY:
            what = f"the group is {NO_MONEY[self.group.status]}: its balances and {len(account.details)} details do not count"
            self.found.notes.append(f"line {account.header.line}: {what}")
            return
        self.found.statements.append(_info(self.file, self.group, account, entries, total))
        _remark(self.found, self.found.statements[-1])

    def _group_ends(self, record: Bai2Record) -> None:
        group, fields = self.group, record.fields(4)
        group.records += record.physical
        self._agree(record, "98", group.total, fields[1], (group.records, fields[3], "records"))
        self._count(record, (group.accounts, fields[2], "accounts"))
        self.file.total += group.total
        self.file.records += group.records
        self.file.groups += 1

    def _file_ends(self, record: Bai2Record) -> None:
        file, fields = self.file, record.fields(4)
        file.records += record.physical
        self._agree(record, "99", file.total, fields[1], (file.records, fields[3], "records"))
        self._count(record, (file.groups, fields[2], "groups"))

    def _agree(self, record: Bai2Record, where: str, total: int, told: str, counted: tuple[int, str, str]) -> None:
        """A blank control total is a total of nothing only if there was nothing."""
        try:
            control = parse_whole(told) if told else 0
        except Unreadable as fault:
            self.found.broken(record.line, where, str(fault))
        if control != total:
            self.found.unbalanced(record.line, where, f"the control total is {control}, the records before it add up to {total}")
        self._count(record, counted)

    def _count(self, record: Bai2Record, counted: tuple[int, str, str]) -> None:
        number, told, what = counted
        if told and (not re.fullmatch(r"[0-9]{1,18}", told, re.ASCII) or int(told) != number):
            self.found.unbalanced(record.line, record.code, f"the trailer counts {told[:20]} {what}, there are {number}")


def _currency(found: Gathering, record: Bai2Record, told: str) -> str | None:
    if told and not re.fullmatch(r"[A-Z]{3}", told.strip().upper(), re.ASCII):
        found.broken(record.line, "currency", f"{told[:20]!r} is no currency code")
    return told.strip().upper() or None


def _add_details(found: Gathering, group: Bai2Group, account: Bai2Account) -> tuple[int, int]:
    """Details as lines; gives how many were booked and their signed sum."""
    entries, total = 0, 0
    for detail in account.details:
        sign = bai2_codes.sign_of(detail.type_code)
        if not sign and detail.amount and detail.type_code != bai2_codes.NON_MONETARY:
            reason = f"type code {detail.type_code} is neither credit nor debit"
            found.reject(detail.record.line, "type code", reason, detail.record.text)
            continue
        try:
            value_on = parse_yymmdd(detail.value_on) if detail.value_on else None
        except Unreadable as fault:
            found.reject(detail.record.line, "value date", str(fault), detail.record.text)
            continue
        entries, total = entries + 1, total + sign * detail.amount
        _take(
            found,
            group,
            account,
            ParsedLine(
                amount=sign * detail.amount,
                asset=account.asset,
                line=detail.record.line,
                raw={"16": list(detail.record.words), "type": detail.type_code},
                external_id=detail.bank_reference,
                reference=detail.customer_reference or detail.bank_reference,
                booked_on=group.on,
                value_on=value_on,
                status=group.status,
                memo=detail.text,
            ),
        )
    return entries, total


def _take(found: Gathering, group: Bai2Group, account: Bai2Account, line: ParsedLine) -> None:
    if group.status in NO_MONEY:
        found.set_aside(account.header.fields(2)[1] or None, line)
    else:
        found.add(line)


def _info(file: File, group: Bai2Group, account: Bai2Account, entries: int, total: int) -> StatementInfo:
    number = account.header.fields(2)[1] or None
    opening = next((each.amount for each in account.summaries if each.type_code == bai2_codes.OPENING_LEDGER), None)
    closing = next((each.amount for each in account.summaries if each.type_code == bai2_codes.CLOSING_LEDGER), None)
    return StatementInfo(
        account=number,
        statement_id=file.header.fields(6)[5] or None,
        sequence=None,
        asset=account.asset,
        opening=opening,
        closing=closing,
        opening_on=group.on if opening is not None else None,
        closing_on=group.on,
        entries=entries,
        total=total,
        line=account.header.line,
    )


def _remark(found: Gathering, info: StatementInfo) -> None:
    if info.carries is False and info.entries and info.opening is not None and info.closing is not None:
        opening, total, closing = (told_amount(minor, info.asset) for minor in (info.opening, info.total, info.closing))
        found.notes.append(
            f"line {info.line}: account {info.account} opens with {opening}, its details add up to {total}, it closes with {closing}: "
            "the details are not complete, or the balances are not of this day"
        )

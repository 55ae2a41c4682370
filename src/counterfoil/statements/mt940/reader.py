"""MT940 and MT942: SWIFT's customer statements and interim reports, as banks really write them.

The rule for faults: an entry whose mark or amount cannot be read, a statement without both balances, and a balance or
control total that does not carry stop the file. An entry whose amount is plain but whose date is none is a rejected row;
its amount still counts in the balance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.statements.amounts import Unreadable, does_not_carry, known_scale, parse_amount, told
from counterfoil.statements.dates import beside, parse_yymmdd
from counterfoil.statements.mt940 import details as mt940_details
from counterfoil.statements.mt940.fields import Mt940Field, fields_of, messages
from counterfoil.statements.shape import TEXT_BYTES_MAX, Gathering, ParsedLine, SourceBroken, SourceRead, within
from counterfoil.statements.text import Content, numbered_lines

_BALANCE: Final = re.compile(r"([CD])\s*([0-9]{6})\s*([A-Z]{3})?\s*([0-9][0-9.,]*|,[0-9]+)\s*", re.ASCII)
_BARE_BALANCE: Final = re.compile(r"([CD])\s*([0-9]{6})()([0-9]+,[0-9]*)\s*", re.ASCII)
_ENTRY: Final = re.compile(
    r"(?P<value>[0-9]{6})(?P<entry>[0-9]{4}|[ ]{4})?\s*(?P<mark>R[CD]|E[CD]|[CD])(?P<funds>[A-Z])?\s*"
    r"(?P<amount>[0-9][0-9.,]*|,[0-9]+)\s*(?P<kind>[A-Z][A-Z0-9]{3}|[A-Z][A-Z0-9 ]{3})?(?P<rest>.*)",
    re.ASCII | re.DOTALL,
)
_CONTROL_TOTAL: Final = re.compile(r"([0-9]{1,5})\s*([A-Z]{3})\s*([0-9][0-9.,]*)", re.ASCII)
_SEQUENCE: Final = re.compile(r"\s*([0-9]{1,18})(?:\s*/\s*([0-9]{1,9}))?", re.ASCII)


class Mt940Balance(NamedTuple):
    """A balance field: signed minor units, its day, and whether it is of a page in the middle (`M`)."""

    amount: int
    asset: str
    on: date
    line: int
    is_intermediate: bool


@dataclass
class Mt940Entry:
    """A :61: with the :86: and :NS: that follow it."""

    source: Mt940Field
    amount: int
    details: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)


@dataclass
class Mt940Message:
    """One message between its first tag and its end."""

    line: int
    reference: str | None = None
    account: str | None = None
    sequence: int | None = None
    page: int | None = None
    opening: Mt940Balance | None = None
    closing: Mt940Balance | None = None
    asset: str | None = None
    is_interim: bool = False
    entries: list[Mt940Entry] = field(default_factory=list)
    totals: list[Mt940Field] = field(default_factory=list)
    last_line: int = 0


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """All statements of the file, each shown to carry. Raises SourceBroken with the line and the reason."""
    within(path, TEXT_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    previous: Mt940Message | None = None
    for fields in messages(fields_of(numbered_lines(path, taken.encoding))):
        statement = _statement(found, fields, asset)
        _check_page(found, previous, statement)
        _record(found, statement)
        previous = statement
    if not found.statements:
        found.broken(1, None, "there is no statement in this file")
    interim = previous is not None and previous.is_interim
    return found.read("mt942" if interim else "mt940", taken.sha256)


def _statement(found: Gathering, fields: list[Mt940Field], asset: str | None) -> Mt940Message:
    statement = Mt940Message(line=fields[0].line, asset=asset)
    is_closed = any(each.tag in {"62F", "62M", "90C", "90D"} for each in fields)
    for each in fields:
        try:
            _take(found, statement, each)
        except SourceBroken as fault:
            if each is not fields[-1] or is_closed:
                raise
            found.broken(fault.line, fault.column, f"{fault.reason}, and nothing follows it: the file is cut short")
        statement.last_line = each.line
    return statement


def _take(found: Gathering, statement: Mt940Message, each: Mt940Field) -> None:
    """Put one field where it belongs, in the order that the message allows."""
    value = each.value.strip()
    match each.tag:
        case "20":
            statement.reference = value or None
        case "25" | "25P":
            if statement.entries:
                found.broken(each.line, ":25:", "an account after the entries of a statement")
            statement.account = value.split("\n")[0].strip() or None
        case "28" | "28C":
            _take_sequence(statement, value)
        case "60F" | "60M":
            if statement.opening:
                found.broken(each.line, f":{each.tag}:", "a second opening balance in one statement")
            statement.opening = _balance(found, statement, each)
        case "62F" | "62M":
            if statement.closing:
                found.broken(each.line, f":{each.tag}:", "a second closing balance in one statement")
            statement.closing = _balance(found, statement, each)
        case "61":
            if statement.closing:
                found.broken(each.line, ":61:", "an entry after the closing balance")
            statement.entries.append(Mt940Entry(each, _entry_amount(found, statement, each)))
        case "86" if statement.entries and not statement.closing:
            statement.entries[-1].details.append(each.value)
        case "NS" if statement.entries and not statement.closing:
            statement.entries[-1].named.append(each.value)
        case "90C" | "90D":
            statement.totals.append(each)
            statement.is_interim = True
        case "34F" | "13D" | "13":
            statement.is_interim = True
            currency = re.match(r"[A-Z]{3}", value)
            statement.asset = statement.asset or (currency[0] if currency and each.tag == "34F" else None)


def _take_sequence(statement: Mt940Message, value: str) -> None:
    number = _SEQUENCE.match(value)
    if number:
        statement.sequence = int(number[1]) or None  # banks that do not number write zeros
        statement.page = int(number[2]) if number[2] and statement.sequence else None


def _balance(found: Gathering, statement: Mt940Message, each: Mt940Field) -> Mt940Balance:
    shown = _BALANCE.fullmatch(each.value.strip()) or _BARE_BALANCE.fullmatch(each.value.strip())
    where = f":{each.tag}:"
    if not shown:
        found.broken(each.line, where, f"{each.value.strip()[:60]!r} is no balance")
    asset = shown[3] or statement.asset
    if asset is None:
        found.broken(each.line, where, "the balance names no currency")
    if statement.asset and shown[3] and shown[3] != statement.asset:
        found.broken(each.line, where, f"the balance is in {shown[3]}, the statement in {statement.asset}")
    statement.asset = asset
    try:
        amount = parse_amount(shown[4], known_scale(asset), decimal=",")
        on = parse_yymmdd(shown[2])
    except Unreadable as fault:
        found.broken(each.line, where, str(fault))
    return Mt940Balance(amount if shown[1] == "C" else -amount, asset, on, each.line, each.tag.endswith("M"))


def _entry_amount(found: Gathering, statement: Mt940Message, each: Mt940Field) -> int:
    shown = _ENTRY.match(each.value)
    if not shown:
        found.broken(each.line, ":61:", f"{each.value.strip()[:60]!r} is no entry")
    if statement.asset is None:
        found.broken(each.line, ":61:", "an entry before the opening balance, so its currency is unknown")
    try:
        amount = parse_amount(shown["amount"], known_scale(statement.asset), decimal=",")
    except Unreadable as fault:
        found.broken(each.line, ":61:", str(fault))
    # RC takes a credit back, RD a debit; EC and ED are expected and not booked.
    return amount if shown["mark"] in {"C", "RD", "EC"} else -amount


def _check_page(found: Gathering, previous: Mt940Message | None, statement: Mt940Message) -> None:
    """A page in the middle opens with the balance that the page before it ended on."""
    if previous is None or not previous.closing or not statement.opening or previous.account != statement.account:
        return
    if previous.closing.is_intermediate and statement.opening.is_intermediate:
        before, after = previous.closing, statement.opening
        if (before.amount, before.asset) != (after.amount, after.asset):
            reason = f"the page opens with {told(after.amount, after.asset)}, the one before ends on {told(before.amount, before.asset)}"
            found.unbalanced(after.line, ":60M:", reason)


def _record(found: Gathering, statement: Mt940Message) -> None:
    """Check what the statement says of itself, then add its entries."""
    booked = [each.amount for each in statement.entries if not _is_expected(each)]
    if statement.is_interim and not statement.closing:
        _check_totals(found, statement)
    else:
        _check_carries(found, statement, sum(booked))
    for entry in statement.entries:
        _add(found, statement, entry)
    opening, closing = statement.opening, statement.closing
    found.statements.append(
        mt940_details.info(
            statement.account,
            statement.reference,
            (statement.sequence, statement.page),
            statement.asset,
            (opening.amount, opening.on) if opening else None,
            (closing.amount, closing.on) if closing else None,
            (len(booked), sum(booked)),
            statement.line,
        )
    )


def _check_carries(found: Gathering, statement: Mt940Message, total: int) -> None:
    opening, closing = statement.opening, statement.closing
    if opening is None:
        found.broken(statement.line, ":60F:", "the statement has no opening balance")
    if closing is None:
        found.broken(statement.last_line, ":62F:", "the statement ends without a closing balance: the file is cut short")
    if opening.amount + total != closing.amount:
        reason = does_not_carry(opening.amount, total, closing.amount, statement.asset)
        found.unbalanced(closing.line, ":62F:", reason)


def _check_totals(found: Gathering, statement: Mt940Message) -> None:
    """MT942 has no balances: the number and sum of its debits and credits stand in for them, where the bank gives them."""
    if not statement.totals:
        reason = "the report gives no totals (:90C:, :90D:), so nothing shows whether it is whole"
        found.notes.append(f"line {statement.line}: {reason}")
    for each in statement.totals:
        shown, where = _CONTROL_TOTAL.match(each.value.strip()), f":{each.tag}:"
        if not shown:
            found.broken(each.line, where, f"{each.value.strip()[:60]!r} is no control total")
        sign = 1 if each.tag == "90C" else -1
        counted = [entry.amount for entry in statement.entries if _is_credit(entry) == (sign > 0)]
        try:
            control = parse_amount(shown[3], known_scale(shown[2]), decimal=",")
        except Unreadable as fault:
            found.broken(each.line, where, str(fault))
        if len(counted) != int(shown[1]) or sign * sum(counted) != control:
            kind, got = ("credits" if sign > 0 else "debits"), f"{len(counted)} of {told(sign * sum(counted), statement.asset)}"
            found.unbalanced(
                each.line, where, f"the control total is {int(shown[1])} {kind} of {told(control, shown[2])}, the entries are {got}"
            )


def _is_expected(entry: Mt940Entry) -> bool:
    shown = _ENTRY.match(entry.source.value)
    return bool(shown and shown["mark"].startswith("E"))


def _is_credit(entry: Mt940Entry) -> bool:
    shown = _ENTRY.match(entry.source.value)
    return bool(shown and shown["mark"] in {"C", "RD", "EC"})


def _add(found: Gathering, statement: Mt940Message, entry: Mt940Entry) -> None:
    shown = _ENTRY.match(entry.source.value)
    if shown is None or statement.asset is None:
        return  # _entry_amount has stopped the file before
    raw = {"61": entry.source.value, "86": entry.details, "NS": entry.named}
    try:
        value_on = parse_yymmdd(shown["value"])
        entry_text = (shown["entry"] or "").strip()
        booked_on = beside(entry_text, value_on) if entry_text else value_on
    except Unreadable as fault:
        found.reject(entry.source.line, ":61:", str(fault), entry.source.value)
        return
    words = mt940_details.told_by(shown["rest"], entry.details, entry.named)
    found.take(
        ParsedLine(
            amount=entry.amount,
            asset=statement.asset,
            line=entry.source.line,
            raw=raw,
            external_id=words.bank_reference,
            reference=words.reference,
            booked_on=booked_on,
            value_on=value_on,
            status="expected" if shown["mark"].startswith("E") else "booked",
            counterparty=words.counterparty,
            memo=words.memo,
        )
    )

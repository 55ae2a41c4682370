"""camt.052, camt.053 and camt.054: ISO 20022's reports, statements and notices, every version, by local names.

The rule for faults: XML that does not end, and a balance or control total that does not carry, stop the file. In a
statement with balances so does an entry whose amount cannot be read; without them it is a rejected row. An entry whose
date is none is a rejected row; its amount still counts in the balance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from counterfoil.reconciliation.sources import camt_entries, camt_totals
from counterfoil.reconciliation.sources.amounts import Unreadable
from counterfoil.reconciliation.sources.camt_entries import Entry
from counterfoil.reconciliation.sources.dates import ISO, parse_date
from counterfoil.reconciliation.sources.shape import (
    TEXT_BYTES_MAX,
    Gathering,
    SourceRead,
    StatementInfo,
    as_json,
    within,
)
from counterfoil.reconciliation.sources.text import Fingerprint
from counterfoil.reconciliation.sources.xml_nodes import Node, walk

STATEMENTS: Final = {"Stmt": "camt.053", "Rpt": "camt.052", "Ntfctn": "camt.054"}
OPENING: Final = ("OPBD", "PRCD")
CLOSING: Final = ("CLBD",)


@dataclass
class Open:
    """What has been read of the statement that is not finished yet."""

    entries: list[Entry] = field(default_factory=list)
    unread: list[tuple[Node, Unreadable]] = field(default_factory=list)
    page: int | None = None
    is_last_page: bool = True


@dataclass(frozen=True)
class Balance:
    """One balance of the account: signed minor units of `asset` at the end or beginning of the day `on`."""

    kind: str
    amount: int
    asset: str
    on: date | None
    line: int


def read(path: Path, taken: Fingerprint, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """All statements of the file; those with balances are shown to carry. Raises SourceBroken with line and reason."""
    within(path, TEXT_BYTES_MAX)
    found, current, kinds = Gathering(path.name, strict=strict), Open(), []

    def entry_ends(node: Node) -> None:
        try:
            current.entries.append(camt_entries.read_entry(node, asset))
        except Unreadable as fault:
            current.unread.append((node, fault))

    def page_ends(node: Node) -> None:
        number = node.value("PgNb")
        current.page = int(number) if number and number.isdecimal() and len(number) < 9 else None
        current.is_last_page = node.value("LastPgInd") not in {"false", "0"}

    def statement_ends(node: Node) -> None:
        kinds.append(STATEMENTS[node.name])
        _finish(found, kinds[-1], node, current, asset)
        current.entries, current.unread = [], []

    at_end: dict[str, Callable[[Node], None]] = dict.fromkeys(STATEMENTS, statement_ends)
    at_end |= {
        "Ntry": entry_ends,
        "StmtPgntn": page_ends,
        "RptPgntn": page_ends,
        "NtfctnPgntn": page_ends,
        "MsgPgntn": page_ends,
    }
    walk(path, at_end, drop=frozenset({"Ntry", *STATEMENTS}))
    if not kinds:
        found.broken(1, None, "there is no statement, report or notice in this file")
    return found.read(kinds[0], taken.sha256)


def _finish(found: Gathering, kind: str, node: Node, current: Open, asset: str | None) -> None:
    """A statement has ended: balances, control totals, then its lines."""
    opening, closing = _bounds(found, node, kind, _asset_of(node, current, asset))
    has_balances = opening is not None and closing is not None
    for faulty, fault in current.unread:
        if has_balances:
            found.broken(faulty.line, "Ntry", str(fault))
        found.reject(faulty.line, "Ntry", str(fault), as_json({"Ntry": faulty.as_record()}))
    main = opening.asset if opening else closing.asset if closing else _asset_of(node, current, asset)
    booked = [entry for entry in current.entries if entry.status == "booked"]
    if has_balances:
        _same_asset(found, booked, main)
    total = sum(entry.amount for entry in booked if entry.asset == main)
    if opening and closing:
        _check_carries(found, opening, closing, total)
    if current.is_last_page and current.page in (None, 1):
        camt_totals.check(found, node, current.entries)
    whole_day = closing.on if opening and closing and opening.on == closing.on else None
    for entry in current.entries:
        camt_entries.add(found, entry, whole_day=whole_day)
    found.statements.append(
        StatementInfo(
            account=_account(node),
            statement_id=node.value("Id"),
            sequence=_sequence(node),
            asset=main,
            opening=opening.amount if opening else None,
            closing=closing.amount if closing else None,
            opening_on=opening.on if opening else None,
            closing_on=closing.on if closing else None,
            entries=len(booked),
            total=total,
            line=node.line,
            page=current.page,
        )
    )


def _bounds(found: Gathering, node: Node, kind: str, asset: str | None) -> tuple[Balance | None, Balance | None]:
    """Opening and closing booked balance in the account's own currency. Interim balances stand in on a page in the middle."""
    balances = [_balance(found, each) for each in node.all("Bal")]
    known = [each for each in balances if each is not None]
    opening, closing = _of_kind(known, OPENING), _of_kind(known, CLOSING, last=True)
    main = asset or (opening.asset if opening else None)
    if closing and main and closing.asset != main:
        same = [each for each in known if each.kind in CLOSING and each.asset == main]
        if not same:
            found.broken(closing.line, "Bal", f"the closing balance is in {closing.asset}, the account in {main}")
        closing = same[-1]
    if opening and main and opening.asset != main:
        opening = _of_kind([each for each in known if each.asset == main], OPENING)
    if kind == "camt.053":
        interim = [each for each in known if each.kind == "ITBD" and main in (None, each.asset)]
        if opening is None and interim and (closing or len(interim) > 1):
            opening = interim.pop(0)
        if closing is None and interim:
            closing = interim[-1]
    return opening, closing


def _of_kind(balances: list[Balance], kinds: tuple[str, ...], *, last: bool = False) -> Balance | None:
    for kind in kinds:
        fitting = [each for each in balances if each.kind == kind]
        if fitting:
            return fitting[-1] if last else fitting[0]
    return None


def _balance(found: Gathering, node: Node) -> Balance | None:
    kind = next((each.text.strip() for each in (*node.deep("Cd"), *node.deep("Prtry")) if each.text.strip()), "")
    if kind not in {*OPENING, *CLOSING, "ITBD"}:
        return None
    try:
        amount, asset = camt_entries.money(node, None)
        day = node.value("Dt", "Dt") or node.value("Dt", "DtTm") or node.value("Dt")
        on = parse_date(day, ISO) if day else None
    except Unreadable as fault:
        found.broken(node.line, "Bal", str(fault))
    return Balance(kind, -amount if node.value("CdtDbtInd") == "DBIT" else amount, asset, on, node.line)


def _asset_of(node: Node, current: Open, asset: str | None) -> str | None:
    first = next((entry.asset for entry in current.entries), None)
    has_balance = node.find("Bal") is not None
    return node.value("Acct", "Ccy") or asset or (None if has_balance else first)


def _same_asset(found: Gathering, booked: list[Entry], asset: str | None) -> None:
    for entry in booked:
        if entry.asset != asset:
            found.broken(entry.node.line, "Ntry", f"the entry is in {entry.asset}, the account in {asset}")


def _check_carries(found: Gathering, opening: Balance, closing: Balance, total: int) -> None:
    if opening.amount + total != closing.amount:
        reason = f"opening {opening.amount} + entries {total} = {opening.amount + total}, but closing is {closing.amount} minor units"
        found.unbalanced(closing.line, "Bal", f"the balance does not carry: {reason}")


def _account(node: Node) -> str | None:
    identity = node.find("Acct", "Id")
    if identity is None:
        return None
    return identity.value("IBAN") or next(
        (each.text.strip() for each in identity.deep("Id") if each.text.strip()), None
    )


def _sequence(node: Node) -> int | None:
    number = node.value("ElctrncSeqNb") or node.value("LglSeqNb")
    return int(number) if number and number.isdecimal() and len(number) <= 18 else None

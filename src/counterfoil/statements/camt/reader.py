"""camt.052, camt.053 and camt.054: ISO 20022's reports, statements and notices, every version, by local names.

The rule for faults: XML that does not end, and a balance or control total that does not carry, stop the file. In a
statement with balances so does an entry whose amount cannot be read; without them it is a rejected row. An entry whose
date is none is a rejected row; its amount still counts in the balance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from counterfoil.statements.amounts import Unreadable, does_not_carry
from counterfoil.statements.camt import entries as camt_entries
from counterfoil.statements.camt import totals as camt_totals
from counterfoil.statements.camt.totals import EntryTotals
from counterfoil.statements.camt.xml_nodes import AtEnd, Node, walk
from counterfoil.statements.dates import ISO, parse_date
from counterfoil.statements.shape import TEXT_BYTES_MAX, Gathering, SourceRead, StatementInfo, as_json, within
from counterfoil.statements.text import Content

STATEMENTS: Final = {"Stmt": "camt.053", "Rpt": "camt.052", "Ntfctn": "camt.054"}
OPENING: Final = ("OPBD", "PRCD")
CLOSING: Final = ("CLBD",)


@dataclass
class Open:
    """What has been read of the statement that is not finished yet; its entries have passed by already."""

    tally: EntryTotals = field(default_factory=EntryTotals)
    bounds: tuple[CamtBalance | None, CamtBalance | None] | None = None
    first_asset: str | None = None
    page: int | None = None
    is_last_page: bool = True
    of_message: tuple[int | None, bool] = (None, True)  # its page, which is that of every statement without one of its own


@dataclass(frozen=True)
class CamtBalance:
    """One balance of the account: signed minor units of `asset` at the end or beginning of the day `on`."""

    kind: str
    amount: int
    asset: str
    on: date | None
    line: int


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """All statements of the file; those with balances are shown to carry. Raises SourceBroken with line and reason."""
    within(path, TEXT_BYTES_MAX)
    found, current, kinds = Gathering(path.name, strict=strict), Open(), list[str]()

    def entry_ends(node: Node, parent: Node | None) -> None:
        if parent is None or parent.name not in STATEMENTS:
            found.broken(node.line, "Ntry", "an entry outside a statement")
        _take_entry(found, node, parent, current, asset)

    def page_ends(node: Node, _: Node | None) -> None:
        number = node.value("PgNb")
        current.page = int(number) if number and number.isdecimal() and len(number) < 9 else None
        current.is_last_page = node.value("LastPgInd") not in {"false", "0"}
        if node.name == "MsgPgntn":
            current.of_message = (current.page, current.is_last_page)

    def statement_ends(node: Node, _: Node | None) -> None:
        kinds.append(STATEMENTS[node.name])
        _finish(found, node, current, asset)
        current.tally, current.bounds, current.first_asset = EntryTotals(), None, None
        current.page, current.is_last_page = current.of_message

    at_end: dict[str, AtEnd] = dict.fromkeys(STATEMENTS, statement_ends)
    at_end |= dict.fromkeys(("StmtPgntn", "RptPgntn", "NtfctnPgntn", "MsgPgntn"), page_ends)
    walk(path, at_end | {"Ntry": entry_ends}, drop=frozenset({"Ntry", *STATEMENTS}))
    if not kinds:
        found.broken(1, None, "there is no statement, report or notice in this file")
    return found.read(kinds[0], taken.sha256)


def _take_entry(found: Gathering, node: Node, statement: Node, current: Open, asset: str | None) -> None:
    """An entry has ended. Balances come before entries, so it is known by now whether this statement has to carry."""
    if current.bounds is None:
        current.bounds = _bounds(found, statement, asset)
    opening, closing = current.bounds
    try:
        entry = camt_entries.read_entry(node, asset)
    except Unreadable as fault:
        if opening and closing:
            found.broken(node.line, "Ntry", str(fault))
        found.reject(node.line, "Ntry", str(fault), as_json({"Ntry": node.as_record()}))
        return
    if opening and closing and entry.status == "booked" and entry.asset != opening.asset:
        found.broken(node.line, "Ntry", f"the entry is in {entry.asset}, the account in {opening.asset}")
    current.tally.add(entry)
    current.first_asset = current.first_asset or entry.asset
    whole_day = closing.on if opening and closing and opening.on == closing.on else None
    camt_entries.add(found, entry, whole_day=whole_day)


def _finish(found: Gathering, node: Node, current: Open, asset: str | None) -> None:
    """A statement has ended: hold its entries against its balances and control totals."""
    opening, closing = _bounds(found, node, asset)
    account_asset = node.value("Acct", "Ccy") or asset
    main = opening.asset if opening else closing.asset if closing else account_asset or current.first_asset
    entries, total = current.tally.booked(main)
    if opening and closing:
        if current.tally.booked_assets() - {main}:
            found.broken(node.line, "Ntry", f"entries are in other currencies than the account, which is in {main}")
        _check_carries(found, opening, closing, total)
    if current.is_last_page and current.page in (None, 1):
        camt_totals.check(found, node, current.tally)
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
            entries=entries,
            total=total,
            line=node.line,
            page=current.page,
        )
    )


def _bounds(found: Gathering, node: Node, asset: str | None) -> tuple[CamtBalance | None, CamtBalance | None]:
    """Opening and closing booked balance in the account's own currency. Interim balances stand in on a page in the middle."""
    balances = [_balance(found, each) for each in node.all("Bal")]
    known = [each for each in balances if each is not None]
    opening, closing = _of_kind(known, OPENING), _of_kind(known, CLOSING, last=True)
    main = node.value("Acct", "Ccy") or asset or (opening.asset if opening else None)
    if closing and main and closing.asset != main:
        same = [each for each in known if each.kind in CLOSING and each.asset == main]
        if not same:
            found.broken(closing.line, "Bal", f"the closing balance is in {closing.asset}, the account in {main}")
        closing = same[-1]
    if opening and main and opening.asset != main:
        opening = _of_kind([each for each in known if each.asset == main], OPENING)
    if STATEMENTS[node.name] == "camt.053":
        interim = [each for each in known if each.kind == "ITBD" and main in (None, each.asset)]
        if opening is None and interim and (closing or len(interim) > 1):
            opening = interim.pop(0)
        if closing is None and interim:
            closing = interim[-1]
    return opening, closing


def _of_kind(balances: list[CamtBalance], kinds: tuple[str, ...], *, last: bool = False) -> CamtBalance | None:
    for kind in kinds:
        fitting = [each for each in balances if each.kind == kind]
        if fitting:
            return fitting[-1] if last else fitting[0]
    return None


def _balance(found: Gathering, node: Node) -> CamtBalance | None:
    kind = next((each.text.strip() for each in (*node.deep("Cd"), *node.deep("Prtry")) if each.text.strip()), "")
    if kind not in {*OPENING, *CLOSING, "ITBD"}:
        return None
    try:
        amount, asset = camt_entries.money(node, None)
        day = node.value("Dt", "Dt") or node.value("Dt", "DtTm") or node.value("Dt")
        on = parse_date(day, ISO) if day else None
    except Unreadable as fault:
        found.broken(node.line, "Bal", str(fault))
    return CamtBalance(kind, -amount if node.value("CdtDbtInd") == "DBIT" else amount, asset, on, node.line)


def _check_carries(found: Gathering, opening: CamtBalance, closing: CamtBalance, total: int) -> None:
    if opening.amount + total != closing.amount:
        found.unbalanced(closing.line, "Bal", does_not_carry(opening.amount, total, closing.amount, closing.asset))


def _account(node: Node) -> str | None:
    identity = node.find("Acct", "Id")
    if identity is None:
        return None
    return identity.value("IBAN") or next((each.text.strip() for each in identity.deep("Id") if each.text.strip()), None)


def _sequence(node: Node) -> int | None:
    number = node.value("ElctrncSeqNb") or node.value("LglSeqNb")
    return int(number) if number and number.isdecimal() and len(number) <= 18 else None

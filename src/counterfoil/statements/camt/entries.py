"""One camt entry (`Ntry`) and its details (`TxDtls`): amount and sign, status, dates, references, the words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from counterfoil.statements.amounts import Unreadable, known_scale, parse_amount
from counterfoil.statements.camt.xml_nodes import Node
from counterfoil.statements.dates import ISO, parse_date, parse_instant
from counterfoil.statements.shape import Gathering, ParsedLine, as_json

STATUSES: Final[Mapping[str, str]] = {"BOOK": "booked", "PDNG": "pending", "INFO": "information", "FUTR": "future"}
EMPTY: Final = frozenset({"NOTPROVIDED", "NONREF", "NOTAVAILABLE"})


@dataclass(frozen=True)
class CamtEntry:
    """An entry whose amount is understood: signed minor units, + is money in."""

    node: Node
    amount: int
    asset: str
    status: str
    is_credit: bool


def money(node: Node, asset: str | None) -> tuple[int, str]:
    """Unsigned minor units and currency of an element's `Amt`. Raises Unreadable."""
    found = node.find("Amt")
    if found is None or not found.text.strip():
        raise Unreadable("there is no amount")
    code = found.attributes.get("Ccy") or asset
    if code is None:
        raise Unreadable("the amount names no currency")
    amount = parse_amount(found.text, known_scale(code), decimal=".")
    return amount, code


def read_entry(node: Node, asset: str | None) -> CamtEntry:
    """Amount, sign and status of an entry. Raises Unreadable.

    The indicator gives the sign by itself: a reversal of a debit comes as CRDT with the reversal indicator set.
    """
    amount, code = money(node, asset)
    direction = node.value("CdtDbtInd")
    if direction not in {"CRDT", "DBIT"}:
        raise Unreadable(f"the entry is neither credit nor debit ({direction})")
    status = node.value("Sts", "Cd") or node.value("Sts", "Prtry") or node.value("Sts") or "BOOK"
    is_credit = direction == "CRDT"
    return CamtEntry(node, amount if is_credit else -amount, code, STATUSES.get(status.upper(), status.lower()), is_credit)


def add(found: Gathering, entry: CamtEntry, *, whole_day: date | None) -> None:
    """The entry as one line; a batch whose parts add up to it as a line per part.

    `whole_day` is the day of a statement that covers one day only: entries without a date were booked on it.
    """
    node = entry.node
    try:
        if entry.status not in STATUSES.values():
            raise Unreadable(f"the state {entry.status[:30]!r} does not say whether it is booked")
        booked_on, value_on = _day(node, "BookgDt") or whole_day, _day(node, "ValDt")
        details = [each for part in node.all("NtryDtls") for each in part.all("TxDtls")]
        parts = _parts(entry, details)
        if len(parts) > 1:
            for number, (detail, amount) in enumerate(parts, 1):
                _add_part(found, entry, detail, amount, number, (booked_on, value_on))
        else:
            _add_whole(found, entry, details, (booked_on, value_on))
    except Unreadable as fault:
        found.reject(node.line, "Ntry", str(fault), as_json({"Ntry": node.as_record()}))


def _parts(entry: CamtEntry, details: list[Node]) -> list[tuple[Node, int]]:
    """Each detail with its signed amount, if all have one in the entry's currency and they add up to the entry."""
    parts: list[tuple[Node, int]] = []
    for detail in details:
        amount = _detail_amount(entry, detail)
        if amount is None:
            return []
        parts.append((detail, amount))
    return parts if sum(amount for _, amount in parts) == entry.amount else []


def _detail_amount(entry: CamtEntry, detail: Node) -> int | None:
    holder = detail if detail.find("Amt") else detail.find("AmtDtls", "TxAmt")
    if holder is None:
        return None
    try:
        amount, asset = money(holder, entry.asset)
    except Unreadable:
        return None
    if asset != entry.asset:
        return None
    direction = detail.value("CdtDbtInd") or ("CRDT" if entry.is_credit else "DBIT")
    return amount if direction == "CRDT" else -amount


def _add_part(found: Gathering, entry: CamtEntry, detail: Node, amount: int, number: int, days: tuple[date | None, date | None]) -> None:
    own = detail.value("Refs", "AcctSvcrRef")
    whole = _bank_reference(entry.node)
    record = {"Ntry": entry.node.as_record(without="NtryDtls"), "TxDtls": detail.as_record()}
    found.take(
        ParsedLine(
            amount=amount,
            asset=entry.asset,
            line=detail.line,
            raw=record,
            external_id=own if own and own != whole else f"{whole}/{number}" if whole else None,
            reference=_reference(detail),
            booked_on=days[0],
            value_on=days[1],
            event_at=_instant(entry.node, detail),
            status=entry.status,
            counterparty=_counterparty(detail, is_credit=amount >= 0),
            memo=_memo(entry.node, [detail]),
            batch=_batch(entry.node) or whole,
            entry=entry.node.value("AcctSvcrRef"),
        )
    )


def _add_whole(found: Gathering, entry: CamtEntry, details: list[Node], days: tuple[date | None, date | None]) -> None:
    only = details[0] if len(details) == 1 else None
    record: dict[str, Any] = {"Ntry": entry.node.as_record()}
    found.take(
        ParsedLine(
            amount=entry.amount,
            asset=entry.asset,
            line=entry.node.line,
            raw=record,
            external_id=_bank_reference(entry.node) or (only.value("Refs", "AcctSvcrRef") if only else None),
            reference=_reference(only) if only else None,
            booked_on=days[0],
            value_on=days[1],
            event_at=_instant(entry.node, only),
            status=entry.status,
            counterparty=_counterparty(only, is_credit=entry.is_credit) if only else None,
            memo=_memo(entry.node, details),
            batch=_batch(entry.node),
            entry=entry.node.value("AcctSvcrRef"),
        )
    )


def _day(node: Node, name: str) -> date | None:
    """The day as the bank writes it, in its own zone."""
    text = node.value(name, "Dt") or node.value(name, "DtTm")
    return parse_date(text, ISO) if text else None


def _instant(node: Node, detail: Node | None) -> datetime | None:
    for holder, names in (
        (node, ("BookgDt", "DtTm")),
        (detail, ("RltdDts", "TxDtTm")),
        (detail, ("RltdDts", "AccptncDtTm")),
    ):
        text = holder.value(*names) if holder else None
        if text:
            return parse_instant(text)
    return None


def _bank_reference(node: Node) -> str | None:
    return node.value("AcctSvcrRef") or node.value("NtryRef")


def _reference(detail: Node) -> str | None:
    """What the payer wrote comes before what the bank gave: end-to-end id, structured reference, then the rest."""
    structured = next((each.value("Ref") for part in detail.deep("RmtInf") for each in part.deep("CdtrRefInf")), None)
    refs = detail.find("Refs")
    if refs is None:
        return structured
    names = ("InstrId", "TxId", "UETR", "MndtId", "ChqNb", "PmtInfId", "MsgId")
    ranked = [refs.value("EndToEndId"), structured, *(refs.value(name) for name in names)]
    return next((each for each in ranked if each and each.upper() not in EMPTY), None)


def _counterparty(detail: Node, *, is_credit: bool) -> str | None:
    """Who is on the other side: of money in the debtor, of money out the creditor; else whoever is named."""
    parties = detail.find("RltdPties")
    if parties is None:
        return None
    order = ("Dbtr", "UltmtDbtr", "Cdtr", "UltmtCdtr") if is_credit else ("Cdtr", "UltmtCdtr", "Dbtr", "UltmtDbtr")
    named = (parties.value(name, "Nm") or parties.value(name, "Pty", "Nm") for name in order)
    return next((name for name in named if name), None)


def _memo(node: Node, details: list[Node]) -> str | None:
    words: list[str] = []
    for detail in details:
        words += [_why_returned(each) for each in detail.all("RtrInf")]
        for part in detail.all("RmtInf"):
            words += [each.text.strip() for each in (*part.all("Ustrd"), *part.deep("AddtlRmtInf"))]
        words.append(detail.value("AddtlTxInf") or "")
    words.append(node.value("AddtlNtryInf") or "")
    return " ".join(dict.fromkeys(" ".join(word.split()) for word in words if word)) or None


def _why_returned(told: Node) -> str:
    """Why an order came back, the bank's code first: `AC04: the account is closed`."""
    code = told.value("Rsn", "Cd") or told.value("Rsn", "Prtry") or ""
    return ": ".join(filter(None, (code, " ".join(each.text.strip() for each in told.all("AddtlInf")))))


def _batch(node: Node) -> str | None:
    """The collective order that this entry books: what we sent it as comes first."""
    for holder in (node.find("NtryDtls", "Btch"), node.find("Btch"), node.find("NtryDtls", "TxDtls", "Refs")):
        found = (holder.value("PmtInfId") or holder.value("MsgId")) if holder else None
        if found:
            return found
    return None

"""OFX and QFX: SGML 1.x and XML 2.x by one tolerant tokenizer, for bank and card statements.

The rule for faults: a file or statement that does not end is cut short and stops; a transaction without a readable amount
or day is a rejected row. OFX gives a ledger balance at the end and none at the beginning, so nothing can be shown to carry
within one file; `follow_on` compares files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Final

from counterfoil.statements.amounts import Unreadable, known_scale, parse_amount
from counterfoil.statements.dates import parse_ofx
from counterfoil.statements.shape import TABLE_BYTES_MAX, Gathering, ParsedLine, SourceRead, StatementInfo, as_json, within
from counterfoil.statements.text import Content, whole_text

STATEMENTS: Final = frozenset({"STMTRS", "CCSTMTRS", "INVSTMTRS"})
TRANSACTIONS: Final = frozenset({"STMTTRN", "STMTTRNP"})
AGGREGATES: Final = (
    STATEMENTS
    | TRANSACTIONS
    | {
        *("OFX", "BANKMSGSRSV1", "CREDITCARDMSGSRSV1", "INVSTMTMSGSRSV1", "STMTTRNRS", "CCSTMTTRNRS", "INVSTMTTRNRS"),
        *("BANKTRANLIST", "BANKTRANLISTP", "INVTRANLIST", "INVBANKTRAN", "BANKACCTFROM", "CCACCTFROM", "INVACCTFROM"),
        *(
            "BANKACCTTO",
            "CCACCTTO",
            "PAYEE",
            "LEDGERBAL",
            "AVAILBAL",
            "CURRENCY",
            "ORIGCURRENCY",
            "SIGNONMSGSRSV1",
            "SONRS",
            "STATUS",
        ),
    }
)  # every other tag without a text is a blank leaf that an SGML file does not close
# What moves securities: not money of the account, and not read; a note says how many there were.
INVESTMENTS: Final = frozenset(
    (
        *("BUYDEBT", "BUYMF", "BUYOPT", "BUYOTHER", "BUYSTOCK", "CLOSUREOPT", "INCOME", "INVEXPENSE", "JRNLFUND", "JRNLSEC"),
        *("MARGININTEREST", "REINVEST", "RETOFCAP", "SELLDEBT", "SELLMF", "SELLOPT", "SELLOTHER", "SELLSTOCK", "SPLIT", "TRANSFER"),
    )
)
_NO_MARKUP: Final = re.compile(r"<!--.*?-->|<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_TOKEN: Final = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9._]*)\s*(/?)>([^<]*)")
_FORBIDDEN: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass
class Aggregate:
    """An element that holds others: its leaves by name, and its inner aggregates."""

    name: str
    line: int
    leaves: dict[str, str] = field(default_factory=dict)
    inner: dict[str, Aggregate] = field(default_factory=dict)

    def leaf(self, *names: str) -> str | None:
        """The text of a leaf, down a path of aggregates."""
        node: Aggregate | None = self
        for name in names[:-1]:
            node = node.inner.get(name) if node else None
        return (node.leaves.get(names[-1]) or None) if node else None


@dataclass
class OfxStatement:
    """A statement with its transactions, as they end before it does."""

    aggregate: Aggregate
    transactions: list[Aggregate] = field(default_factory=list)
    investments: Counter[str] = field(default_factory=Counter)


def read(path: Path, taken: Content, *, asset: str | None = None, strict: bool = True) -> SourceRead:
    """All statements of the file. Raises SourceBroken with line and reason."""
    within(path, TABLE_BYTES_MAX)
    found = Gathering(path.name, strict=strict)
    text = _plain(found, whole_text(path, taken.encoding))
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        found.broken(text.count("\n", 0, forbidden.start()) + 1, None, "document types and entities are refused")
    count = 0
    for statement in _statements(found, text):
        count += 1
        _record(found, statement, asset)
    if not count:
        found.broken(1, None, "there is no statement in this file")
    return found.read("ofx", taken.sha256)


def _plain(found: Gathering, text: str) -> str:
    """The text without comments, and character data written as other text is; every line keeps its number."""

    def without(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n") if match[1] is None else escape(match[1], quote=False)

    plain = _NO_MARKUP.sub(without, text)
    for mark, what in (("<!--", "comment"), ("<![CDATA[", "section of character data")):
        if mark in plain:
            line = plain.count("\n", 0, plain.index(mark)) + 1
            found.broken(line, None, f"a {what} is not closed: the file is cut short")
    return plain


def _statements(found: Gathering, text: str) -> Iterator[OfxStatement]:
    """Walk the tags with a stack of aggregates. Leaves may be closed or not, also both in one file."""
    stack: list[Aggregate] = []
    statement: OfxStatement | None = None
    line, seen = 1, 0
    for token in _TOKEN.finditer(text):
        line, seen = line + text.count("\n", seen, token.start()), token.start()
        name, value = token[2].upper(), unescape(token[4]).strip()
        if token[1]:
            if stack and name in AGGREGATES:
                ended = _close(found, stack, name, line)
                if ended.name in TRANSACTIONS and statement:
                    statement.transactions.append(ended)
                elif statement and ended is statement.aggregate:
                    yield statement
                    statement = None
        elif value and name not in AGGREGATES:
            if stack:
                stack[-1].leaves.setdefault(name, value)
        elif name in AGGREGATES and not token[3]:
            node = Aggregate(name, line)
            if stack and name not in TRANSACTIONS:
                stack[-1].inner.setdefault(name, node)
            stack.append(node)
            if name in STATEMENTS:
                statement = OfxStatement(node)
        elif statement and name in INVESTMENTS:
            statement.investments[name] += 1
    if stack:
        found.broken(stack[-1].line, stack[-1].name, f"<{stack[-1].name}> is not closed: the file is cut short")


def _close(found: Gathering, stack: list[Aggregate], name: str, line: int) -> Aggregate:
    if stack[-1].name != name:
        found.broken(line, name, f"</{name}> where </{stack[-1].name}> is due: the file is damaged or cut short")
    return stack.pop()


def _record(found: Gathering, statement: OfxStatement, asset: str | None) -> None:
    aggregate = statement.aggregate
    currency = (aggregate.leaf("CURDEF") or asset or "").upper()
    if not re.fullmatch(r"[A-Z]{3}", currency, re.ASCII):
        found.broken(aggregate.line, "CURDEF", "the statement names no currency")
    if statement.investments:
        told = ", ".join(f"{name} {count}" for name, count in sorted(statement.investments.items()))
        many = statement.investments.total()
        found.notes.append(f"line {aggregate.line}: {many} investment transactions are not read ({told}), only the cash beside them")
    entries, total = 0, 0
    for transaction in statement.transactions:
        try:
            line = _line(transaction, currency)
        except Unreadable as fault:
            raw = as_json(transaction.leaves)
            found.reject(transaction.line, transaction.name, str(fault), raw)
            continue
        found.take(line)
        if line.status == "booked" and line.asset == currency:
            entries, total = entries + 1, total + line.amount
    account = next(
        (aggregate.inner[name] for name in ("BANKACCTFROM", "CCACCTFROM", "INVACCTFROM") if name in aggregate.inner),
        None,
    )
    try:
        balance, as_of = aggregate.leaf("LEDGERBAL", "BALAMT"), aggregate.leaf("LEDGERBAL", "DTASOF")
        closing = _amount(balance, currency) if balance else None
        closing_on = parse_ofx(as_of)[0] if as_of else None
    except Unreadable as fault:
        found.broken(aggregate.line, "LEDGERBAL", str(fault))
    found.statements.append(
        StatementInfo(
            account=account.leaf("ACCTID") if account else None,
            statement_id=None,
            sequence=None,
            asset=currency,
            opening=None,
            closing=closing,
            opening_on=None,
            closing_on=closing_on,
            entries=entries,
            total=total,
            line=aggregate.line,
        )
    )


def _line(transaction: Aggregate, currency: str) -> ParsedLine:
    """One transaction. An amount in `CURRENCY` is in that currency; `ORIGCURRENCY` only tells what it was before."""
    told, posted = transaction.leaf("TRNAMT"), transaction.leaf("DTPOSTED") or transaction.leaf("DTTRAN")
    if told is None or posted is None:
        raise Unreadable("there is no amount or no date")
    code = (transaction.leaf("CURRENCY", "CURSYM") or currency).upper()
    booked_on, event_at = parse_ofx(posted)
    available = transaction.leaf("DTAVAIL")
    return ParsedLine(
        amount=_amount(told, code),
        asset=code,
        line=transaction.line,
        raw={**transaction.leaves, **{name: each.leaves for name, each in transaction.inner.items()}},
        external_id=transaction.leaf("FITID"),
        reference=transaction.leaf("REFNUM") or transaction.leaf("CHECKNUM"),
        booked_on=booked_on,
        value_on=parse_ofx(available)[0] if available else None,
        event_at=event_at,
        status="pending" if transaction.name == "STMTTRNP" else "booked",
        counterparty=transaction.leaf("NAME") or transaction.leaf("PAYEE", "NAME"),
        memo=transaction.leaf("MEMO"),
    )


def _amount(text: str, currency: str) -> int:
    """OFX allows point and comma as decimal mark and no grouping, so one mark is always the decimal mark."""
    marks = {mark for mark in text if mark in ".,"}
    return parse_amount(text, known_scale(currency), decimal=marks.pop() if len(marks) == 1 else None)

"""BAI2 records: physical lines to logical records, summaries and details with their funds types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from counterfoil.statements.amounts import Unreadable, parse_whole
from counterfoil.statements.shape import LINE_CHARS_MAX, Gathering

CONTINUATIONS_MAX: Final = 100_000
# Some banks put several records in one line: a slash ends one, and a record code with its comma begins the next.
_NEXT: Final = re.compile(r"(?<=/)\s+(?=(?:01|02|03|16|49|88|98|99),)")
_BEGINS: Final = re.compile(r"\s*(01|02|03|16|49|88|98|99)(?=,)")


class Bai2Record(NamedTuple):
    """A record with its continuations. `physical` counts them all, as the trailers do."""

    code: str
    text: str
    line: int
    physical: int
    words: tuple[str, ...]

    def fields(self, least: int) -> list[str]:
        """Comma-separated fields without the closing slash; as many as asked for, blanks where the record is shorter."""
        parts = [part.strip() for part in ended(self.text).split(",")]
        return parts + [""] * (least - len(parts))


class Summary(NamedTuple):
    """A balance or total in an account header, in signed minor units."""

    type_code: str
    amount: int


class Detail(NamedTuple):
    """A transaction detail (16)."""

    record: Bai2Record
    type_code: str
    amount: int
    value_on: str | None
    bank_reference: str | None
    customer_reference: str | None
    text: str | None


def ended(text: str) -> str:
    """The record without the slash that ends it."""
    body = text.rstrip()
    return body[:-1] if body.endswith("/") else body


def records_of(found: Gathering, lines: Iterable[tuple[int, str]]) -> Iterator[Bai2Record]:
    """Logical records. A line that begins with no record code continues the text of the record before it."""
    code, parts, start, physical = "", [""], 0, 0
    for number, line in lines:
        for piece in _NEXT.split(line.strip("\x00\x1a\ufeff ")):
            if not piece.strip():
                continue
            begins = _BEGINS.match(piece)
            if begins and begins[1] != "88":
                if code:
                    yield _record(code, parts, start, physical)
                code, parts, start, physical = begins[1], [piece.strip()], number, 1
            elif not code:
                found.broken(number, "01", "the file does not begin with a file header (01)")
            elif begins:
                parts.append(piece.strip()[3:])
                physical += 1
            else:
                parts[-1] = parts[-1] + " " + piece.strip()
            if len(parts[-1]) > LINE_CHARS_MAX:
                found.broken(number, code, f"the record is longer than {LINE_CHARS_MAX} characters")
            if len(parts) > CONTINUATIONS_MAX:
                found.broken(number, "88", f"a record has more than {CONTINUATIONS_MAX} continuations")
    if code:
        yield _record(code, parts, start, physical)


def _record(code: str, parts: list[str], start: int, physical: int) -> Bai2Record:
    """Join continuations: a slash or a comma at the end closes a field, and the next part begins a new one."""
    closed = [ended(part) + ("" if part.rstrip().endswith(",") else ",") for part in parts[:-1]]
    text = "".join((*closed, parts[-1]))
    return Bai2Record(code, text, start, physical, tuple(parts))


def read_summaries(found: Gathering, record: Bai2Record) -> list[Summary]:
    """The type codes, amounts, item counts and funds types behind an account's number and currency."""
    fields = record.fields(3)[3:]
    summaries: list[Summary] = []
    at = 0
    while at < len(fields):
        code, amount = fields[at], fields[at + 1] if at + 1 < len(fields) else ""
        if not code:  # a balance or status that the bank leaves out: its fields are blank, and there are up to four of them
            at += 1
            continue
        if not re.fullmatch(r"[0-9]{3}", code, re.ASCII):
            found.broken(record.line, "type code", f"{code[:20]!r} is no type code")
        summaries.append(Summary(code, _whole(found, record, amount)))
        funds = fields[at + 3] if at + 3 < len(fields) else ""
        # A continuation can begin right behind the item count: three digits there are the next type code.
        at += 3 if len(funds) == 3 and funds.isdecimal() else 4 + _funds_fields(found, record, fields, at + 3)
    return summaries


def read_detail(found: Gathering, record: Bai2Record) -> Detail:
    """Type code, amount, funds type, the two references, and the text, which may hold commas and slashes."""
    flat = "\n".join(ended(word).strip() for word in record.words)
    fields = _cells(flat, 5)
    used = _funds_fields(found, record, fields, 3)
    fields = _cells(flat, 6 + used)
    value_on = fields[4] if fields[3].upper() == "V" else ""
    text = re.sub(r"\s+", " ", fields[6 + used]).strip()
    return Detail(
        record=record,
        type_code=fields[1],
        amount=_whole(found, record, fields[2]),
        value_on=value_on or None,
        bank_reference=_given(fields[4 + used]),
        customer_reference=_given(fields[5 + used]),
        text=text or None,
    )


def _cells(flat: str, splits: int) -> list[str]:
    """The first fields, whether a comma or the end of a line parts them, and the rest as one."""
    fields = [part.strip() for part in re.split(r"[,\n]", flat, maxsplit=splits)]
    return fields + [""] * (splits + 1 - len(fields))


def _funds_fields(found: Gathering, record: Bai2Record, fields: list[str], at: int) -> int:
    """How many fields the funds type brings along: V a date and a time, S three amounts, D pairs of days and amounts."""
    kind = fields[at].upper() if at < len(fields) else ""
    if kind == "V":
        return 2
    if kind == "S":
        return 3
    if kind == "D":
        count = fields[at + 1] if at + 1 < len(fields) else ""
        if not re.fullmatch(r"[0-9]{1,2}", count, re.ASCII):
            found.broken(record.line, "funds type", f"{count[:20]!r} is no number of distributions")
        return 1 + 2 * int(count)
    if kind not in {"", "0", "1", "2", "Z"}:
        found.broken(record.line, "funds type", f"{kind[:20]!r} is no funds type")
    return 0


def _given(reference: str) -> str | None:
    return reference if reference and reference.strip("0") else None


def _whole(found: Gathering, record: Bai2Record, text: str) -> int:
    try:
        return parse_whole(text) if text else 0
    except Unreadable as fault:
        found.broken(record.line, "amount", str(fault))

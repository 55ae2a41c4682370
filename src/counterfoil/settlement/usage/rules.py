"""Reading usage: what was used, line by line, as CSV or NDJSON, with every mistake named by line and field. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.money import MINOR_MAX, Asset, asset_code
from counterfoil.base.problems import InvalidInput, TooLarge
from counterfoil.base.text import refuse_placeholder

COLUMNS: Final = (
    "record_id",
    "customer_id",
    "payee_id",
    "asset",
    "quantity",
    "unit_price",
    "occurred_at",
    "description",
)
KEYS: Final = {
    "recordId": "record_id",
    "customerId": "customer_id",
    "payeeId": "payee_id",
    "unitPrice": "unit_price",
    "occurredAt": "occurred_at",
}
RECORDS_MAX: Final = 100_000
BYTES_MAX: Final = 32 * 1024 * 1024
TEXT_MAX: Final = 200
MICRO: Final = 1_000_000
SKEW_S: Final = 86_400
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DECIMAL: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,12}))?", re.ASCII)


class Usage(NamedTuple):
    """One line of usage: quantity in millionths, price in millionths of a minor unit, whole minor units of the two.

    What is billed is not the sum of these: usage is summed before it is rounded (`invoices.issue_invoices`).
    """

    external_id: str
    customer_id: str
    payee_id: str
    asset: str
    quantity_micro: int
    price_micro: int
    amount: int
    occurred_at: datetime
    description: str


class UsageMistake(NamedTuple):
    """Why one line is not recorded: where it stands in the file, which field is at fault, what it must be, and what it is."""

    line: int
    column: int | None
    field: str
    limit: str
    got: str | None


class ParsedUsage(NamedTuple):
    """What a file says: good records, each with its line, and the mistakes of the others."""

    records: list[tuple[int, Usage]]
    mistakes: list[UsageMistake]


Cells = dict[str, str]
Line = tuple[int, "Cells | UsageMistake"]


def parse_usage(body: bytes, assets: dict[str, Asset], *, now: datetime, from_line: int | None = None) -> ParsedUsage:
    """Every record of a CSV, or of NDJSON when it begins with a brace; a line with a mistake is named and the others are read.

    `from_line`: the line of the first record in the file that `body` is a part of. Raises InvalidInput with its line for what is no such
    file, TooLarge.
    """
    if len(body) > BYTES_MAX:
        raise TooLarge(field="file", limit=f"{BYTES_MAX} bytes", got=len(body))
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise InvalidInput("file", "UTF-8 text", line=line) from error
    is_csv = not text.lstrip().startswith("{")
    first = 2 if is_csv else 1
    more = 0 if from_line is None else from_line - first
    return _read(_csv_lines(text) if is_csv else _json_lines(text), assets, now, more)


def _read(lines: Iterable[Line], assets: dict[str, Asset], now: datetime, more: int) -> ParsedUsage:
    found = ParsedUsage([], [])
    seen: dict[str, int] = {}
    for number, cells in lines:
        line = number + more
        try:
            if isinstance(cells, UsageMistake):
                raise InvalidInput(cells.field, cells.limit, got=cells.got)
            one = _row(cells, assets, now)
            if one.external_id in seen:
                again = f"once in a file; line {seen[one.external_id]} has it too"
                raise InvalidInput("record_id", again, column=1, got=one.external_id)
        except InvalidInput as problem:
            facts = problem.facts
            got = None if facts.get("got") is None else str(facts["got"])
            column = facts.get("column")
            at = column if isinstance(column, int) else None
            found.mistakes.append(UsageMistake(line, at, str(facts["field"]), str(facts["limit"]), got))
            continue
        seen[one.external_id] = line
        found.records.append((line, one))
        if len(found.records) > RECORDS_MAX:
            raise TooLarge(field="file", limit=f"{RECORDS_MAX} records", line=line)
    return found


def _csv_lines(text: str) -> Iterator[Line]:
    # newline="" keeps line ends inside quoted fields as they are, so that line numbers are those of the file
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = tuple(next(reader, ()))
    except csv.Error as error:
        raise InvalidInput("file", f"well-formed CSV ({error})", line=1) from error
    if header != COLUMNS:
        raise InvalidInput("file", f"the header {','.join(COLUMNS)}", line=1, got=",".join(header)[:TEXT_MAX])
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:  # a quote that is never closed takes the lines behind it with it: they are told as one
            as_one = f"; lines {begins} to {reader.line_num} were read as one" if reader.line_num > begins else ""
            yield begins, UsageMistake(begins, None, "line", f"well-formed CSV ({error}){as_one}", None)
            continue
        if cells is None:
            return
        if len(cells) == len(COLUMNS):
            yield reader.line_num, dict(zip(COLUMNS, cells, strict=True))
        elif cells:
            yield reader.line_num, UsageMistake(reader.line_num, None, "line", f"{len(COLUMNS)} columns", str(len(cells)))


def _json_lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _json_cells(number, line)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: a key that comes twice is seen."""


def _json_cells(number: int, line: str) -> Cells | UsageMistake:
    """Numbers are taken as they are written: a float would change them."""
    try:
        given = json.loads(line, parse_float=str, parse_int=str, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return UsageMistake(number, None, "line", "one JSON object", line[:40])
    if not isinstance(given, _Pairs):
        return UsageMistake(number, None, "line", "one JSON object", line[:40])
    pairs = [(KEYS.get(key, key), value) for key, value in given]
    names = [name for name, _ in pairs]
    if strange := sorted(set(names) - set(COLUMNS)):
        return UsageMistake(number, None, ascii(strange[0])[1:-1][:40], f"one of {', '.join(COLUMNS)}", None)
    if twice := next((name for name in COLUMNS if names.count(name) > 1), None):
        return UsageMistake(number, COLUMNS.index(twice) + 1, twice, "once in a line", None)
    named: dict[str, Any] = dict(pairs)
    for name in COLUMNS:
        value = named.setdefault(name, "")
        if not isinstance(value, str):
            return UsageMistake(number, COLUMNS.index(name) + 1, name, "text or a number", json.dumps(value)[:40])
    return named


def _row(cells: Cells, assets: dict[str, Asset], now: datetime) -> Usage:
    column = 0
    try:
        names = []
        for column, field in enumerate(("record_id", "customer_id", "payee_id"), start=1):  # noqa: B007
            names.append(_name(cells[field], field))
        column = 4
        asset = assets.get(asset_code(cells["asset"]))
        if asset is None:
            raise InvalidInput("asset", f"one of {', '.join(sorted(assets))}", got=cells["asset"][:12])
        column = 5
        quantity = _scaled(cells["quantity"], "quantity", decimals=6, scale=6)
        if quantity == 0:
            raise InvalidInput("quantity", "more than 0", got=cells["quantity"][:40])
        column = 6
        price = _scaled(cells["unit_price"], "unit_price", decimals=asset.scale + 6, scale=asset.scale + 6)
        amount = line_amount(quantity, price)
        column = 7
        occurred_at = _instant(cells["occurred_at"], now)
        column = 8
        description = cells["description"].strip()
        if len(description) > TEXT_MAX or not description.isprintable():
            raise InvalidInput("description", f"at most {TEXT_MAX} printable characters")
    except InvalidInput as problem:
        raise InvalidInput(**{**problem.facts, "column": column}) from None  # type: ignore[arg-type]
    return Usage(names[0], names[1], names[2], asset.code, quantity, price, amount, occurred_at, description)


def line_amount(quantity_micro: int, price_micro: int) -> int:
    """Quantity × price in whole minor units, rounded down, as one record of it would be billed alone. Raises InvalidInput."""
    amount = quantity_micro * price_micro // (MICRO * MICRO)
    if amount > MINOR_MAX:
        raise InvalidInput("unit_price", f"quantity × unit_price of at most {MINOR_MAX} minor units")
    return amount


def _name(given: str, field: str) -> str:
    if not _NAME.fullmatch(given):
        raise InvalidInput(field, "1 to 64 letters, digits, dots, dashes or underscores", got=given[:40])
    refuse_placeholder(given, field)
    return given


def _scaled(given: str, field: str, *, decimals: int, scale: int) -> int:
    found = _DECIMAL.fullmatch(given)
    if not found or len(found[2] or "") > decimals:
        raise InvalidInput(field, f"a number such as 12.5, not negative, at most {decimals} decimals", got=given[:40])
    number = int(found[1] + (found[2] or "").ljust(scale, "0"))
    if number >= 2**63:
        raise InvalidInput(field, f"less than {2**63 // 10**scale}", got=given[:40])
    return number


def _instant(given: str, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise InvalidInput("occurred_at", "an instant such as 2026-01-31T12:00:00Z", got=given[:40]) from None
    if found.tzinfo is None:
        raise InvalidInput("occurred_at", "an instant with its time zone, such as 2026-01-31T12:00:00Z", got=given[:40])
    if (found - now).total_seconds() > SKEW_S:
        raise InvalidInput("occurred_at", "at most a day ahead of our clock", got=given[:40])
    return found.astimezone(UTC)

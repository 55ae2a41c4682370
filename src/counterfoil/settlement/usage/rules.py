"""Reading usage: a CSV of what was used, line by line, with every mistake named by line and column. Pure."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from counterfoil.base.money import MINOR_MAX, Asset, asset_code
from counterfoil.base.problems import InvalidInput, TooLarge

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


def parse_usage(body: bytes, assets: dict[str, Asset], *, now: datetime) -> list[Usage]:
    """Every line of the file, or none: raises InvalidInput with the first mistake's line and column, TooLarge."""
    if len(body) > BYTES_MAX:
        raise TooLarge(field="file", limit=f"{BYTES_MAX} bytes", got=len(body))
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise InvalidInput("file", "UTF-8 text", line=line) from error
    # newline="" keeps line ends inside quoted fields as they are, so that line numbers are those of the file
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return _rows(reader, assets, now)
    except csv.Error as error:
        raise InvalidInput("file", f"well-formed CSV ({error})", line=reader.line_num) from error


def _rows(reader: object, assets: dict[str, Asset], now: datetime) -> list[Usage]:
    lines = iter(reader)  # type: ignore[call-overload]
    header = tuple(next(lines, ()))
    if header != COLUMNS:
        raise InvalidInput("file", f"the header {','.join(COLUMNS)}", line=1, got=",".join(header)[:TEXT_MAX])
    found: list[Usage] = []
    seen: dict[str, int] = {}
    for cells in lines:
        line = reader.line_num  # type: ignore[attr-defined]
        if not cells:
            continue
        if len(cells) != len(COLUMNS):
            raise InvalidInput("file", f"{len(COLUMNS)} columns", line=line, got=len(cells))
        one = _row(dict(zip(COLUMNS, cells, strict=True)), assets, line, now)
        if one.external_id in seen:
            first = seen[one.external_id]
            raise InvalidInput("record_id", f"once in a file; line {first} has it too", line=line, column=1, got=one.external_id)
        seen[one.external_id] = line
        found.append(one)
        if len(found) > RECORDS_MAX:
            raise TooLarge(field="file", limit=f"{RECORDS_MAX} records", line=line)
    return found


def _row(cells: dict[str, str], assets: dict[str, Asset], line: int, now: datetime) -> Usage:
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
        raise InvalidInput(**{**problem.facts, "line": line, "column": column}) from None  # type: ignore[arg-type]
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

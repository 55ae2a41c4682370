"""Lists are read in pages, by key: a cursor says after which row the next page begins, so rows that come or go shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

from counterfoil.base.problems import Problem, check

ROWS_MAX: Final = 500
ROWS_DEFAULT: Final = 50
CURSOR_MAX: Final = 1_000
Row = TypeVar("Row")
Key = str | int | datetime | date
KeyType = type[str] | type[int] | type[datetime] | type[date]
KeyTypes = tuple[KeyType, ...]


class CursorBroken(Problem, kind="invalid"):
    """This cursor is not one that this list gave out; begin again without one."""


class Page(NamedTuple, Generic[Row]):
    """One page. `next_cursor` is None on the last."""

    rows: Sequence[Row]
    next_cursor: str | None


class Keyset(NamedTuple):
    """By what a list is ordered. A cursor of one list is refused by every other."""

    name: str
    types: KeyTypes

    def cursor(self, *values: Key) -> str:
        """The cursor after the row with these values."""
        check(
            len(values) == len(self.types) and all(map(isinstance, values, self.types)),
            "a cursor holds one value of each key's type",
            name=self.name,
        )
        told = [value.isoformat() if isinstance(value, date) else value for value in values]
        body = json.dumps([self.name, *told], ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(zlib.crc32(body).to_bytes(4, "big") + body).rstrip(b"=").decode()

    def after(self, cursor: str | None) -> tuple[Key, ...] | None:
        """The values after which the page begins; None for the first page. Raises CursorBroken."""
        if cursor is None:
            return None
        try:
            told = _unpacked(cursor)
            values = tuple(_typed(kind, value) for kind, value in zip(self.types, told[1:], strict=True))
        except (ValueError, TypeError, binascii.Error) as error:
            raise CursorBroken(field="cursor", list=self.name) from error
        if told[0] != self.name:
            raise CursorBroken(field="cursor", list=self.name)
        return values

    def page(self, rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[Key]]) -> Page[Row]:
        """A page of at most `limit` out of `rows`, which were read with `limit + 1`: one too many tells that more follow."""
        if len(rows) <= limit:
            return Page(rows, None)
        return Page(rows[:limit], self.cursor(*key(rows[limit - 1])))


def _unpacked(cursor: str) -> list[Any]:
    if len(cursor) > CURSOR_MAX or not cursor.isascii():
        raise ValueError("too long")
    raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    body = raw[4:]
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:
        raise ValueError("spare bits set")
    if zlib.crc32(body).to_bytes(4, "big") != raw[:4]:
        raise ValueError("cut or changed on its way")
    told = json.loads(body)
    if not isinstance(told, list) or not told:
        raise ValueError("no list")
    return told


def _typed(kind: KeyType, value: Any) -> Key:
    if kind is datetime:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("no time zone")
        return at
    if kind is date:
        return date.fromisoformat(value)
    if type(value) is not kind:
        raise ValueError("another type")
    assured: Key = value
    return assured

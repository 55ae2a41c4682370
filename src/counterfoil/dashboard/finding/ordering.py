"""How a list on a page is sorted: what the headers of its columns ask for, and where its next page goes on."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from counterfoil.base.ids import valid_id
from counterfoil.base.paging import Key
from counterfoil.operations.listing import ListAsked, Listed, Order, keyset_of

EXPORTED_MAX: Final = 10_000  # rows of a file


class ColumnOrder(NamedTuple):
    """A column that the list can be sorted by: the order that its header asks for, and how it is sorted now."""

    sort: str
    aria: Literal["ascending", "descending", "none"]


def orders_of(noun: Listed, asked: ListAsked) -> dict[str, ColumnOrder]:
    """For each column that it can be sorted by: from the greatest down first, and the other way once it is."""
    found = {}
    for one in noun.sorts:
        now = asked.order if asked.order is not None and asked.order.key == one else None
        aria: Literal["ascending", "descending", "none"] = "none" if now is None else "descending" if now.descending else "ascending"
        found[one.name] = ColumnOrder(Order(one, aria != "descending").word, aria)
    return found


def order_words(asked: ListAsked) -> str | None:
    """The order that is asked for, in words; None without one."""
    if asked.order is None:
        return None
    key = asked.order.key
    words = f"{'time' if key.name == 'at' else key.name.replace('_', ' ')}{' within each asset' if key.money else ''}"
    if key.kind not in (datetime, date, int):
        return f"by {words}, from {'Z to A' if asked.order.descending else 'A to Z'}"
    way = ("latest", "earliest") if key.kind is not int else ("greatest", "least")
    return f"by {words}, the {way[0] if asked.order.descending else way[1]} first"


def after_of(noun: Listed, asked: ListAsked, given: str | None) -> tuple[Key, ...] | None:
    """Behind what a page begins: an id, or in another order than by ids the cursor of its last row. Raises InvalidInput, CursorBroken."""
    if not given:
        return None
    return keyset_of(noun, asked.order).after(given) if asked.order is not None else (valid_id(given, noun.prefix, "after"),)


def behind_of(noun: Listed, asked: ListAsked, row: Any) -> str:
    """What `after_of` reads, of the last row of a page."""
    return keyset_of(noun, asked.order).cursor(*asked.place(row)) if asked.order is not None else str(row.id)

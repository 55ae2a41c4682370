"""A list as it is asked for: narrowed, in one state or of a ready filter, and in an order that the noun, or the list of what is no noun,
declares.

Pages, answers and commands ask in the same words. A page goes on behind the value and the id of its last row, so ties neither hide a row
nor show one twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql

from counterfoil.base.paging import Key, Keyset, KeyTypes
from counterfoil.base.problems import InvalidInput, check
from counterfoil.base.text import camel
from counterfoil.operations.noun_pages import ListCondition, PlainList, SavedView, SortKey
from counterfoil.operations.verbs import Noun

ID: Final = "id"
Listed = Noun | PlainList


class Order(NamedTuple):
    """By which key, and from the greatest or the latest down."""

    key: SortKey
    descending: bool

    @property
    def word(self) -> str:
        """As it is asked for."""
        return f"{'-' if self.descending else ''}{camel(self.key.name)}"

    @property
    def is_newest_first(self) -> bool:
        """Is it by moments, from the latest down?"""
        return self.descending and self.key.kind is datetime

    @property
    def columns(self) -> tuple[str, ...]:
        """By which columns of the table."""
        if self.key.column == ID:
            return (ID,)
        return (*(("asset",) if self.key.money else ()), self.key.column or self.key.name, ID)

    @property
    def types(self) -> KeyTypes:
        """Of which type each of them is."""
        if self.key.column == ID:
            return (str,)
        return (*((str,) if self.key.money else ()), self.key.kind, str)

    def values(self, row: Any) -> tuple[Key, ...]:
        """Where a row stands in it."""
        if self.key.column == ID:
            return (str(row.id),)
        return (*((row.asset,) if self.key.money else ()), getattr(row, self.key.name), str(row.id))


class ListAsked(NamedTuple):
    """Which rows, in which order; without one the newest first. `narrowed`: values by the names of what the noun declares; `also`: what a
    list is narrowed to that no noun can declare, such as by a setting."""

    state: str | None = None
    view: SavedView | None = None
    order: Order | None = None
    narrowed: Mapping[str, Any] = {}
    program_id: str | None = None
    also: tuple[ListCondition, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Newest first, and narrowed to nothing but a state."""
        return self.view is None and self.order is None and not self.narrowed and not self.also

    def place(self, row: Any) -> tuple[Key, ...]:
        """Behind what the page goes on that ends with this row."""
        return self.order.values(row) if self.order is not None else (str(row.id),)


def order_of(noun: Listed, given: str | None) -> Order | None:
    """The order that is asked for: a key, with - in front from the greatest down. Raises InvalidInput, which names them."""
    if not given:
        return None
    known = {camel(one.name): one for one in noun.sorts}
    found = known.get(given.removeprefix("-"))
    if found is None:
        raise InvalidInput("sort", f"one of {', '.join(known)}, each also with - in front" if known else "nothing here", got=given[:40])
    return Order(found, given.startswith("-"))


def state_of(noun: Noun, given: str | None) -> str | None:
    """The state that a list is narrowed to. Raises InvalidInput, which names them."""
    if not given:
        return None
    if given not in noun.machine.states():
        raise InvalidInput("state", f"one of {', '.join(noun.machine.states())}", got=given[:40])
    return given


def asked_of(noun: Listed, *, state: str | None, sort: str | None, given: Mapping[str, Any], view: SavedView | None = None) -> ListAsked:
    """What is asked of a list; of `given` what is None is not meant. Raises InvalidInput."""
    narrowed = {one.name: given[one.name] for one in noun.narrows if given.get(one.name) is not None}
    if "asset" not in narrowed and any(one.kind == "amount" and one.name in narrowed for one in noun.narrows):
        raise InvalidInput("asset", "given with an amount: amounts of two assets are not compared")
    if isinstance(noun, Noun):
        return ListAsked(state_of(noun, state), view, order_of(noun, sort), narrowed)
    return ListAsked(state, view, order_of(noun, sort or noun.order), narrowed)


def keyset_of(noun: Listed, order: Order | None) -> Keyset:
    """The cursors of a list in this order: those of one order are refused by every other."""
    if order is None:
        return Keyset(noun.plural, (str,))
    return Keyset(f"{noun.plural} {order.word}", order.types)


def read_listed(
    conn: Connection[Any], noun: Listed, asked: ListAsked, *, rows_max: int, after: Sequence[Key] | None, now: datetime | None
) -> list[Any]:
    """The rows, at most `rows_max` of them, behind `after`: one query finds which, another reads them."""
    check(noun.by_id is not None, "a noun whose list is narrowed or sorted reads its rows by their ids", noun=noun.plural)
    assert noun.by_id is not None
    query = id_query(noun, asked, from_start=after is None)
    given: dict[str, Any] = {"now": now, "rows": rows_max, "state": asked.state, "program": asked.program_id, **asked.narrowed}
    given |= {name: value for one in asked.also for name, value in one.given.items()}
    given |= {f"after{at}": value for at, value in enumerate(after or ())}
    ids = [row[0] for row in conn.execute(query, given).fetchall()]
    timed = {"now": now} if isinstance(noun, PlainList) and noun.by_now else {}
    found = {row.id: row for row in noun.by_id(conn, ids, **timed)} if ids else {}
    return [found[one] for one in ids]


def id_query(noun: Listed, asked: ListAsked, *, from_start: bool) -> sql.Composed:
    """The query of the ids. Only what is asked stands in it, so that each gets the plan it needs."""
    order = asked.order
    columns = [sql.Identifier("t", name) for name in ((ID,) if order is None else order.columns)]
    down = order is None or order.descending
    wheres: list[sql.Composable] = []
    if asked.program_id is not None:
        wheres.append(sql.SQL("t.program_id = %(program)s"))
    if asked.state is not None:
        wheres.append(sql.SQL("t.state = %(state)s"))
    if asked.view is not None:
        wheres.append(sql.SQL("({})").format(sql.SQL(asked.view.where)))
    wheres += [sql.SQL("({})").format(sql.SQL(one.where)) for one in noun.narrows if one.name in asked.narrowed]
    wheres += [sql.SQL("({})").format(sql.SQL(one.where)) for one in asked.also]
    if not from_start:
        behind = sql.SQL(", ").join(sql.Placeholder(f"after{at}") for at in range(len(columns)))
        sign = sql.SQL("<" if down else ">")
        wheres.append(sql.SQL("({}) {} ({})").format(sql.SQL(", ").join(columns), sign, behind))
    table = noun.machine.table if isinstance(noun, Noun) else noun.table
    ordered = sql.SQL(", ").join(sql.SQL("{} desc" if down else "{}").format(one) for one in columns)
    return sql.SQL("select t.id from {} t where {} order by {} limit %(rows)s").format(
        sql.Identifier(table), sql.SQL(" and ").join(wheres) if wheres else sql.SQL("true"), ordered
    )

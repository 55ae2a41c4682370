"""Lists in the orders that nouns declare: each reads real columns, none of which can be empty, and pages go on among equals."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.paging import CursorBroken
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.listing import ListAsked, Order, asked_of, id_query, keyset_of, order_of, read_listed
from counterfoil.operations.verbs import Noun
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.wiring import NOUNS

NOW = datetime(2026, 11, 20, tzinfo=UTC)
GIVEN = {"text": "x", "asset": "EUR", "moment": NOW, "amount": 1}
BEFORE: dict[type[Any], Any] = {int: 1, str: "x"}


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.plural)
def test_each_order_and_each_narrowing_of_a_noun_reads_its_own_table(conn: Connection[Any], noun) -> None:
    assert noun.sorts, f"the list of {noun.plural} is sorted by nothing"
    narrowed = {one.name: GIVEN[one.kind] for one in noun.narrows}
    for order in [None, *(Order(key, down) for key in noun.sorts for down in (True, False))]:
        asked = ListAsked(state=next(iter(noun.machine.states())), order=order, narrowed=narrowed)
        types = keyset_of(noun, order).types
        after = tuple(BEFORE.get(kind, NOW if kind is datetime else NOW.date()) for kind in types)
        assert read_listed(conn, noun, asked, rows_max=3, after=after, now=NOW) == []
    for key in noun.sorts:
        row = conn.execute(
            "select is_nullable from information_schema.columns where table_name = %s and column_name = %s",
            [noun.machine.table, key.column or key.name],
        ).fetchone()
        assert row == ("NO",), f"{noun.plural} are not sorted by {key.name}: an empty value has no place"
        assert key.kind is not int or key.money or key.name not in ("amount", "total")


def test_an_order_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput) as refused:
        order_of(PAYOUT_NOUN, "-colour")
    assert refused.value.facts["limit"] == "one of createdAt, amount, each also with - in front"
    with pytest.raises(InvalidInput, match="amounts of two assets"):
        asked_of(PAYOUT_NOUN, state=None, sort=None, given={"amount_min": 5})


def test_a_cursor_of_one_order_is_refused_by_every_other() -> None:
    cursor = keyset_of(PAYOUT_NOUN, order_of(PAYOUT_NOUN, "-amount")).cursor("EUR", 5, "po_1")
    for other in (None, "amount", "createdAt"):
        with pytest.raises(CursorBroken):
            keyset_of(PAYOUT_NOUN, order_of(PAYOUT_NOUN, other)).after(cursor)


LONG = {"payouts", "invoices", "intents", "deliveries", "destinations", "breaks", "transactions"}  # with every payment, payee, or event
IN_MEMORY = {("transactions", "reference")}  # looked for in the few that are pending


@pytest.mark.parametrize("noun", [one for one in NOUNS if one.plural in LONG], ids=lambda noun: noun.plural)
def test_the_pages_of_a_long_list_that_is_sorted_are_read_along_an_index(conn: Connection[Any], noun: Noun) -> None:
    conn.execute("set local enable_seqscan = off")
    conn.execute("set local enable_bitmapscan = off")
    for key, down in ((key, down) for key in noun.sorts for down in (True, False)):
        if (noun.plural, key.name) in IN_MEMORY:
            continue
        asked = ListAsked(order=Order(key, down))
        after = [BEFORE.get(kind, NOW if kind is datetime else NOW.date()) for kind in keyset_of(noun, asked.order).types]
        given = {"rows": 9, **{f"after{at}": value for at, value in enumerate(after)}}
        plan = conn.execute(b"explain " + id_query(noun, asked, from_start=False).as_bytes(conn), given).fetchall()
        told = "\n".join(row[0] for row in plan)
        column = "asset" if key.money else key.column or key.name
        assert re.search(rf"Index Cond: \((ROW\({column}|\(?{column} [<>]=)", told), f"{noun.plural} by {key.name}\n{told}"

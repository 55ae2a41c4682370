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
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.wiring import NOUNS

NOW = datetime(2026, 11, 20, tzinfo=UTC)
GIVEN = {"text": "x", "asset": "EUR", "moment": NOW, "amount": 1}
BEFORE: dict[type[Any], Any] = {int: 1, str: "x"}


@pytest.mark.parametrize("noun", [one for one in NOUNS if one.sorts or one.narrows], ids=lambda noun: noun.plural)
def test_each_order_and_each_narrowing_of_a_noun_reads_its_own_table(conn: Connection[Any], noun) -> None:
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


@pytest.mark.parametrize("sort", ["amount", "-amount", "createdAt", "-createdAt"])
def test_the_pages_of_a_sorted_list_are_read_along_an_index(conn: Connection[Any], sort: str) -> None:
    order = order_of(PAYOUT_NOUN, sort)
    conn.execute("set local enable_seqscan = off")
    conn.execute("set local enable_bitmapscan = off")
    given = {
        "after0": "EUR" if sort.endswith("amount") else NOW,
        "after1": 5 if sort.endswith("amount") else "po_1",
        "after2": "po_1",
        "rows": 9,
    }
    plan = conn.execute(b"explain " + id_query(PAYOUT_NOUN, ListAsked(order=order), from_start=False).as_bytes(conn), given).fetchall()
    told = "\n".join(row[0] for row in plan)
    assert "payout_by_amount" in told or "payout_by_time" in told, told
    assert re.search(r"Index Cond: \((ROW\(|created_at [<>]=)", told), told

"""Rows by one declaration: one by its id, some, and the newest page by page."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from psycopg import Connection

from counterfoil.base.problems import NotFound
from counterfoil.base.rows import Records, row_by_id


class Thing(NamedTuple):
    id: str
    program_id: str
    state: str
    twice: int


THINGS = Records(Thing, "select t.id, t.program_id, t.state, t.number * 2 as twice from thing t", "thing", "t.")


@pytest.fixture
def things(owner_conn: Connection[Any]) -> Connection[Any]:
    owner_conn.execute("create temp table thing (id text primary key, program_id text, state text, number int)")
    rows = [("a", "main", "open", 1), ("b", "main", "shut", 2), ("c", "other", "open", 3), ("d", "main", "open", 4)]
    owner_conn.cursor().executemany("insert into thing values (%s, %s, %s, %s)", rows)
    return owner_conn


def page(conn: Connection[Any], **asked: Any) -> str:
    return "".join(one.id for one in THINGS.newest(conn, **{"rows_max": 10, **asked}))


def test_one_is_found_by_its_id_and_none_is_a_problem_with_its_name(things):
    assert THINGS.show(things, "b") == Thing("b", "main", "shut", 4)
    with pytest.raises(NotFound) as refused:
        THINGS.show(things, "x")
    assert refused.value.facts == {"what": "thing", "id": "x"}
    with pytest.raises(NotFound):
        row_by_id(things, Thing, "thing", "select id, program_id, state, 0 as twice from thing where id = %s", "x")


def test_some_come_in_the_order_of_their_ids_and_whoever_is_not_there_is_left_out(things):
    assert [one.id for one in THINGS.by_id(things, ["d", "x", "a"])] == ["a", "d"]


def test_the_newest_come_first_and_are_narrowed_by_state_program_and_place(things):
    assert (page(things), page(things, rows_max=2), page(things, after="c")) == ("dcba", "dc", "ba")
    assert (page(things, state="open"), page(things, state="gone")) == ("dca", "")
    assert (page(things, program_id="main"), page(things, program_id="main", state="open", after="d")) == ("dba", "a")


def test_what_is_locked_waits_for_nobody_else(things):
    things.execute("savepoint before")
    assert THINGS.show(things, "a", lock=True).twice == 2
    assert [one.twice for one in THINGS.by_id(things, ["a", "b"], lock=True)] == [2, 4]
    held = things.execute("select count(*) from pg_locks where relation = 'thing'::regclass and mode = 'RowShareLock'").fetchone()
    assert held == (1,)

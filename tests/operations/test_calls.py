"""Calls: never cleared, open until their own definite answer or their horizon, and an answer keeps its word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import errors

from counterfoil.base.edge import make_id
from counterfoil.operations.work.calls import (
    DEFINITE_NO,
    HORIZON,
    Begun,
    NewCall,
    announce_call,
    begun,
    calls_of,
    mark_applied,
    store_answer,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)
LATER = NOW + HORIZON


def open_call(conn, subject_ids, now) -> str | None:
    """A call of these that may still land."""
    row = conn.execute(
        "select id from call_standing where subject_id = any(%s) and closed_at > %s order by id limit 1",
        [subject_ids, now],
    ).fetchone()
    return row[0] if row else None


def a_call(conn, subject="pp_1", at=NOW) -> str:
    new = NewCall(make_id("call"), subject, "simulator", f"key-{subject}", bytes(32), "worker:1", 7)
    announce_call(conn, new, now=at)
    return new.id


def test_a_call_is_open_until_its_horizon_when_nothing_comes_back(conn):
    call = a_call(conn)
    assert begun(conn, ["pp_1"], now=SOON) == {"pp_1": Begun(1, 1, NOW, LATER, NOW)}
    assert open_call(conn, ["pp_1"], now=LATER - timedelta(seconds=1)) == call
    assert open_call(conn, ["pp_1"], now=LATER) is None
    assert begun(conn, ["pp_1"], now=LATER) == {"pp_1": Begun(1, 0, NOW, LATER, NOW)}


@pytest.mark.parametrize("kind", ["accepted", "later", "refused"])
def test_its_own_definite_answer_closes_a_call_and_no_other(conn, kind):
    first, second = a_call(conn), a_call(conn, at=SOON)
    store_answer(conn, second, kind=kind, answer={}, now=SOON, due_at=SOON)
    assert begun(conn, ["pp_1"], now=SOON)["pp_1"].open == 1
    assert open_call(conn, ["pp_1"], now=SOON) == first
    store_answer(conn, first, kind=kind, answer={}, now=SOON, due_at=SOON)
    assert begun(conn, ["pp_1"], now=SOON) == {"pp_1": Begun(2, 0, NOW, SOON, SOON, noes=2 if kind in DEFINITE_NO else 0)}


def test_an_unclear_answer_leaves_its_call_open(conn):
    store_answer(conn, a_call(conn), kind="unclear", answer={}, now=SOON, due_at=SOON)
    assert begun(conn, ["pp_1"], now=SOON)["pp_1"].open == 1
    assert begun(conn, ["pp_1"], now=LATER)["pp_1"].open == 0


def test_a_definite_answer_after_the_horizon_does_not_make_the_call_last_longer(conn):
    store_answer(conn, a_call(conn), kind="accepted", answer={}, now=LATER + HORIZON, due_at=LATER)
    assert begun(conn, ["pp_1"], now=LATER)["pp_1"].closed_at == LATER


def test_a_subject_that_never_called_has_not_begun(conn):
    a_call(conn, "pp_other")
    assert begun(conn, ["pp_1"], now=NOW) == {"pp_1": Begun()}
    assert open_call(conn, ["pp_1"], now=NOW) is None


def test_calls_are_numbered_and_told_in_their_order(conn):
    ids = [a_call(conn), a_call(conn, "pp_2"), a_call(conn)]
    found = calls_of(conn, ["pp_1", "pp_2"])
    assert [(one.id, one.number) for one in found] == [(ids[0], 1), (ids[2], 2), (ids[1], 1)]
    assert found[0].open(NOW)
    assert not found[0].open(LATER)


@pytest.mark.parametrize(
    "change",
    [
        "update call set horizon_at = announced_at + interval '1 s'",
        "delete from call",
        "update call_answer set kind = 'refused'",
        "update call_answer set answer = '{\"a\": 1}'",
        "delete from call_answer",
        "truncate call_answer",
    ],
)
@pytest.mark.parametrize("who", ["conn", "owner_conn"])
def test_what_was_announced_and_what_came_back_is_never_changed(request, who, change):
    conn = request.getfixturevalue(who)
    store_answer(conn, a_call(conn), kind="accepted", answer={}, now=SOON, due_at=SOON)
    with pytest.raises(errors.DatabaseError):
        conn.execute(change)


def test_an_applied_answer_is_applied_for_good(owner_conn):
    call = a_call(owner_conn)
    store_answer(owner_conn, call, kind="accepted", answer={}, now=SOON, due_at=SOON)
    mark_applied(owner_conn, [call], now=SOON)
    mark_applied(owner_conn, [call], now=LATER)
    assert calls_of(owner_conn, ["pp_1"])[0].applied_at == SOON
    with pytest.raises(errors.DatabaseError):
        owner_conn.execute("update call_answer set state = 'stored', applied_at = null")

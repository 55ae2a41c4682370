"""The tree of affiliates: whatever is asked in whichever order, it stays a tree, and the database alone would see to that."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.settlement.affiliates.affiliates import (
    DEPTH_MAX,
    NotATree,
    ReferredBefore,
    change_activity,
    list_affiliates,
    placements_of,
    refer,
    set_affiliate,
    show_affiliate,
)
from counterfoil.settlement.affiliates.verifying import verify_tree
from tests.builders import NOW, PROGRAM
from tests.settlement.commissions.shop import a_shop, placed

AGAIN: dict[str, Any] = {"reason": "test", "make_id": make_id, "actor": "test", "now": NOW}


def test_an_affiliate_is_placed_once_and_moved_with_its_history(conn: Any) -> None:
    ann, bob = a_shop(conn)
    assert set_affiliate(conn, PROGRAM, "ann", bob, **AGAIN).id == ann
    assert len(placements_of(conn, ann, rows_max=9)) == 1, "it stood there already"
    assert set_affiliate(conn, PROGRAM, "ann", None, **AGAIN).depth == 1
    assert [one.parent_id for one in placements_of(conn, ann, rows_max=9)] == [bob, None]
    assert show_affiliate(conn, ann).customers == 1


@pytest.mark.parametrize("name", [" ", "a" * 101])
def test_a_name_says_something_and_is_not_too_long(conn: Any, name: str) -> None:
    a_shop(conn)
    with pytest.raises(InvalidInput, match="1 to 100 characters"):
        set_affiliate(conn, PROGRAM, name, None, **AGAIN)


def test_a_parent_that_is_not_there_is_named(conn: Any) -> None:
    a_shop(conn)
    with pytest.raises(NotFound, match="aff_none"):
        set_affiliate(conn, PROGRAM, "zoe", "aff_none", **AGAIN)
    with pytest.raises(NotFound, match="program"):
        set_affiliate(conn, "nowhere", "zoe", None, **AGAIN)


def test_nobody_stands_above_itself_and_the_database_says_so_too(conn: Any) -> None:
    ann, bob = a_shop(conn)
    with pytest.raises(NotATree, match="stands above"):
        set_affiliate(conn, PROGRAM, "bob", ann, **AGAIN)
    with pytest.raises(psycopg.DatabaseError, match="would stand above itself"), conn.transaction():
        conn.execute("insert into affiliate_placement values (%s, 2, %s, %s, 'x', 'x', now())", [bob, PROGRAM, ann])
    with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
        conn.execute("update affiliate set parent_id = %s where id = %s", [ann, bob])


def test_a_tree_is_so_deep_and_a_moved_branch_counts_with_what_is_under_it(conn: Any) -> None:
    a_shop(conn)
    above = None
    for number in range(DEPTH_MAX):
        above = placed(conn, f"a{number}", above)
    with pytest.raises(NotATree, match="11 deep"):
        set_affiliate(conn, PROGRAM, "low", above, **AGAIN)
    top = [one.id for one in list_affiliates(conn, rows_max=100, after=None, state=None) if one.name == "a0"]
    over = placed(conn, "over")
    with pytest.raises(NotATree, match="11 deep"):
        set_affiliate(conn, PROGRAM, "a0", over, **AGAIN)
    with pytest.raises(psycopg.DatabaseError, match="at most 10 deep"), conn.transaction():
        conn.execute("insert into affiliate_placement values (%s, 2, %s, %s, 'x', 'x', now())", [top[0], PROGRAM, over])


def test_a_customer_stays_with_whoever_referred_it_first(conn: Any) -> None:
    ann, bob = a_shop(conn)
    refer(conn, ann, "carl", actor="test", now=NOW)
    with pytest.raises(ReferredBefore, match=ann):
        refer(conn, bob, "carl", actor="test", now=NOW)
    with pytest.raises(InvalidInput, match="somebody else"):
        refer(conn, bob, "bob", actor="test", now=NOW)
    with pytest.raises(psycopg.DatabaseError, match="does not refer itself"), conn.transaction():
        conn.execute("insert into referral values (%s, 'bob', %s, 'x', now())", [PROGRAM, bob])
    change_activity(conn, bob, "deactivate", reason="left", actor="test", now=NOW)
    with pytest.raises(InvalidInput, match="active"):
        refer(conn, bob, "dora", actor="test", now=NOW)


def test_verifying_names_a_circle_an_orphan_and_a_place_that_nobody_gave(conn: Any) -> None:
    ann, bob = a_shop(conn)
    zoe = placed(conn, "zoe")
    assert verify_tree(conn, program_id=PROGRAM)[:2] == (3, 0)
    conn.execute("reset role")  # as a superuser could
    conn.execute("set session_replication_role = replica")
    conn.execute("update affiliate set parent_id = %s where id = %s", [ann, bob])
    conn.execute("update affiliate set parent_id = 'aff_gone' where id = %s", [zoe])
    conn.execute("set session_replication_role = origin")
    found = verify_tree(conn, program_id=None)
    assert (found.affiliates, found.faulty) == (3, 5)
    named = {(one.affiliate_id, one.fault) for one in found.faults}
    assert named == {(ann, "cycle"), (bob, "cycle"), (zoe, "orphan"), (bob, "placement"), (zoe, "placement")}


MOVES = st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), st.integers(0, 6))), min_size=1, max_size=25)


def deep(parents: dict[int, int | None], one: int) -> int | None:
    """How deep it is by walking; None in a circle. The second opinion."""
    steps = 1
    while (above := parents[one]) is not None:
        one, steps = above, steps + 1
        if steps > len(parents):
            return None
    return steps


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(moves=MOVES)
def test_whatever_is_moved_the_tree_is_what_a_second_opinion_says(conn: Any, moves: list[tuple[int, int | None]]) -> None:
    with conn.transaction(force_rollback=True):
        a_shop(conn)
        ids = [placed(conn, f"n{number}") for number in range(7)]
        parents: dict[int, int | None] = dict.fromkeys(range(7))
        for who, under in moves:
            wanted = parents | {who: under}
            may = all(deep(wanted, one) is not None for one in wanted)
            try:
                with conn.transaction():
                    set_affiliate(conn, PROGRAM, f"n{who}", None if under is None else ids[under], **AGAIN)
            except NotATree:
                assert not may
            else:
                assert may
                parents = wanted
        assert {ids[one]: deep(parents, one) for one in parents} == {one: show_affiliate(conn, one).depth for one in ids}
        assert verify_tree(conn, program_id=None).faulty == 0

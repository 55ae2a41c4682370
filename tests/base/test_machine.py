"""Every machine of the product: what is not listed is refused, and the database holds the same table."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import psycopg
import pytest

from counterfoil.base.database import StepRefused, problem_of
from counterfoil.base.machine import NOWHERE, Also, Machine, Move, StateMoved, take_step, take_steps
from counterfoil.base.problems import InvariantBroken, ReasonRequired, TransitionRefused
from counterfoil.wiring import MACHINES
from tests.doors import two_doors

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DOOR = Machine(
    "door",
    "door",
    ("shut",),
    {("shut", "open"): "open", ("open", "shut"): "shut", ("open", "burn"): "gone"},
    reasoned=frozenset({"burn"}),
)


@pytest.fixture
def doors(owner_conn):
    return two_doors(owner_conn, DOOR, at=NOW)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_transition_that_is_not_listed_is_refused(machine):
    verbs = {verb for _, verb in machine.transitions}
    for state, verb in sorted(set(product(machine.states(), verbs)) - set(machine.transitions)):
        with pytest.raises(TransitionRefused):
            machine.next_state(state, verb, reason="because")


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_the_database_allows_exactly_what_the_table_in_the_code_allows(machine, conn):
    rows = conn.execute(
        "select machine, from_state, verb, to_state, needs_reason, needs_pair from transition where machine = %s",
        [machine.name],
    ).fetchall()
    assert set(rows) == set(machine.rows())


def test_the_database_knows_no_machine_that_the_code_does_not(conn):
    known = {row[0] for row in conn.execute("select distinct machine from transition").fetchall()}
    assert known == {machine.name for machine in MACHINES}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_can_be_reached(machine):
    reached = set(machine.initial)
    while more := {end for (start, _), end in machine.transitions.items() if start in reached} - reached:
        reached |= more
    assert reached == set(machine.states())
    assert NOWHERE not in reached


def test_a_step_moves_the_row_and_is_remembered(doors):
    assert take_step(doors, DOOR, "a", "shut", "open", actor="key:ada", at=NOW, cause="bell") == "open"
    steps = doors.execute("select step, from_state, verb, to_state, actor, cause from step where subject_id = 'a' order by 1")
    assert steps.fetchall() == [(1, "", "create", "shut", "test", None), (2, "shut", "open", "open", "key:ada", "bell")]
    assert doors.execute("select state, steps from door where id = 'a'").fetchone() == ("open", 2)


def test_whoever_comes_second_is_told_that_it_moved(doors):
    take_step(doors, DOOR, "a", "shut", "open", actor="one", at=NOW)
    with pytest.raises(StateMoved):
        take_step(doors, DOOR, "a", "shut", "open", actor="two", at=NOW)


def test_a_set_moves_whole_or_not_at_all(doors):
    take_step(doors, DOOR, "b", "shut", "open", actor="one", at=NOW)
    with pytest.raises(StateMoved), doors.transaction():
        take_steps(doors, DOOR, [Move("a", "shut", "open"), Move("b", "shut", "open")], actor="two", at=NOW)
    assert doors.execute("select state from door where id = 'a'").fetchone() == ("shut",)


def test_one_row_named_twice_in_a_set_is_refused(doors):
    with pytest.raises(StateMoved), doors.transaction():
        take_steps(doors, DOOR, [Move("a", "shut", "open"), Move("a", "shut", "open")], actor="two", at=NOW)


def test_what_is_written_beside_a_step_is_written_in_the_same_update_and_of_those_rows_alone(doors):
    doors.execute("alter table door add column colour text, add column opened_at timestamptz")
    paint = {"painted": ["a", "b"], "colours": ["red", "blue"]}
    each = Also("colour = n.colour, opened_at = %(at)s", paint, rows="unnest(%(painted)s::text[], %(colours)s::text[]) as n (id, colour)")
    written = "select n_tup_upd from pg_stat_xact_user_tables where relname = 'door'"
    before = doors.execute(written).fetchone()[0]
    take_steps(doors, DOOR, [Move("a", "shut", "open")], actor="one", at=NOW, also=each)
    assert doors.execute("select id, state, colour, opened_at from door order by id").fetchall() == [
        ("a", "open", "red", NOW),
        ("b", "shut", None, None),
    ]
    assert doors.execute(written).fetchone()[0] == before + 1
    with pytest.raises(InvariantBroken):
        take_steps(doors, DOOR, [Move("b", "shut", "open")], actor="one", at=NOW, also=Also("colour = %(verb)s", {"verb": "green"}))


def test_a_verb_that_overrides_the_machine_needs_a_reason(doors):
    take_step(doors, DOOR, "a", "shut", "open", actor="one", at=NOW)
    with pytest.raises(ReasonRequired):
        take_step(doors, DOOR, "a", "open", "burn", actor="one", at=NOW, reason="  ")
    assert take_step(doors, DOOR, "a", "open", "burn", actor="one", at=NOW, reason="woodworm") == "gone"


def test_the_database_refuses_a_state_that_no_transition_leads_to(doors):
    with pytest.raises(psycopg.DatabaseError) as caught, doors.transaction():
        doors.execute("update door set state = 'gone' where id = 'a'")
    assert isinstance(problem_of(caught.value), StepRefused)


@pytest.mark.parametrize("change", ["update step set actor = 'x'", "delete from step", "truncate step"])
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_history_is_never_changed_not_even_by_a_superuser_who_replays(doors, change, role):
    doors.execute(f"set local session_replication_role = {role}")
    with pytest.raises(psycopg.Error) as caught, doors.transaction():
        doors.execute(change)
    assert caught.value.sqlstate == "CF001"

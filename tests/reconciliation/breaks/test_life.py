"""What a run does to a break: the table cell by cell, and the exhaustive model beside it."""

from __future__ import annotations

import importlib.util
import sys
from collections import deque
from types import ModuleType

import pytest

from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.life import POSTED, BreakState, on_absent, on_found
from tests.shared_data import shared

CLOSED = tuple(state for state in BREAK.states() if state not in BREAK.open)


def test_what_nobody_knows_yet_is_opened():
    assert on_found(1, False, None) == "open"


@pytest.mark.parametrize("state", BREAK.open)
def test_what_is_live_and_found_again_is_the_same_case(state):
    assert on_found(2, False, BreakState(state, seen=1)) == "touch"


@pytest.mark.parametrize("state", [state for state in CLOSED if state not in ("accepted", "duplicate")])
def test_what_was_closed_and_is_found_again_is_open_again_whatever_closed_it(state):
    assert on_found(3, False, BreakState(state, seen=1)) == "open"


@pytest.mark.parametrize("state", POSTED)
@pytest.mark.parametrize(("number", "said"), [(4, "nothing"), (5, "nothing"), (6, "open")])
def test_a_run_that_began_before_the_journal_was_posted_opens_nothing(state, number, said):
    assert on_found(number, False, BreakState(state, seen=1, posted_after=5)) == said


@pytest.mark.parametrize(
    ("same", "gone", "said"),
    [(True, False, "show"), (False, False, "open"), (True, True, "open"), (False, True, "open")],
)
def test_an_acceptance_is_of_an_amount_that_stayed(same, gone, said):
    assert on_found(2, False, BreakState("accepted", seen=1, as_accepted=same, gone=gone)) == said


@pytest.mark.parametrize(("stands", "said"), [(True, "show"), (False, "open")])
def test_a_copy_is_shown_through_its_original_as_long_as_that_stands(stands, said):
    assert on_found(2, False, BreakState("duplicate", seen=1, original_stands=stands)) == said


@pytest.mark.parametrize("state", BREAK.states())
def test_an_older_view_says_nothing_however_late_it_ends(state):
    case = BreakState(state, seen=5)
    assert on_found(4, False, case) == on_absent(4, False, True, case) == "nothing"
    assert on_found(9, True, case) == on_absent(9, True, True, case) == "nothing"
    assert on_found(9, True, None) == "nothing"


@pytest.mark.parametrize("state", BREAK.states())
def test_a_run_that_was_cut_short_closes_nothing(state):
    assert on_absent(9, False, False, BreakState(state, seen=1)) == "nothing"


@pytest.mark.parametrize("state", BREAK.states())
def test_what_is_found_no_more_is_matched_where_nobody_has_decided_and_else_noted(state):
    said = "match" if state in ("open", "timing", "investigating") else "gone"
    assert on_absent(2, False, True, BreakState(state, seen=1)) == said


# The model of every order of events: what it says a run does to a case must be what we do, in every state that it can reach.

STATES = {"pending": "pending_adjustment"}
EXPLORED_MAX = 60_000


@pytest.fixture(scope="module")
def model() -> ModuleType:
    path = shared("models", "break_model.py")
    sys.path.insert(0, str(path.parent))  # it imports its neighbour
    try:
        spec = importlib.util.spec_from_file_location("break_model", path)
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
    finally:
        sys.path.remove(str(path.parent))
    return found


def reachable(model):
    """Every step of the model with all its rules, from a state to the next."""
    succ = model.successors_for(frozenset(model.RULES))
    start = model.S(0, 0, 0, 0, (), (0, 0, False), "-", 0, 0, 0, 0, 0, 0, 0, 0)
    seen, waiting = {start}, deque([start])
    while waiting and len(seen) < EXPLORED_MAX:
        state = waiting.popleft()
        for label, after, _, _ in succ(state):
            yield state, label, after
            if after not in seen:
                seen.add(after)
                waiting.append(after)


def ours(state, number, found, complete):
    """The state of the case after run `number` has filed what it found, by our table."""
    superseded = number <= state.seen
    case = None
    if state.st != "-":
        case = BreakState(
            STATES.get(state.st, state.st),
            state.seen,
            gone=state.amt == 0,
            as_accepted=state.acc == found,
            original_stands=bool(state.other),
            posted_after=state.after,
        )
    if found:
        said = on_found(number, superseded, case)
        return {"open": "open", "touch": state.st, "show": state.st, "nothing": state.st}[said]
    if case is None:
        return "-"
    return "matched" if on_absent(number, superseded, complete, case) == "match" else state.st


def test_in_every_order_of_runs_and_people_the_model_and_the_table_say_the_same(model):
    compared = set()
    for state, label, after in reachable(model):
        words = label.split()
        if words[0] != "run" or words[2] != "ends":
            continue
        number = int(words[1])
        _, left, right, complete = next(run for run in state.runs if run[0] == number)
        found = left - right
        said = ours(state, number, found, bool(complete))
        if state.st == "accepted" and state.amt == 0 and found == state.acc and number > state.seen:
            assert (said, after.st) == (
                "open",
                "accepted",
            )  # it had gone and is back: here we ask a person again, the model does not
        else:
            assert said == after.st, (state, label)
        compared.add((state.st, bool(found), bool(complete), number <= state.seen))
    assert len(compared) > 50

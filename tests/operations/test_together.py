"""What threads ask for at the same moment is done in one go; nobody waits for company, and nobody pays for another's fault."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from counterfoil.operations.together import Together

ASKED = 8


def gathered(do):
    """Eight threads ask at once while one call runs; the sets that were done, and what each thread got."""
    sets, begun, go_on = [], threading.Event(), threading.Event()

    def done(given):
        sets.append(list(given))
        if len(sets) == 1:
            begun.set()
            go_on.wait(10)
        return do(given)

    together = Together(done)
    with ThreadPoolExecutor(ASKED + 1) as threads:
        first = threads.submit(together, 0)
        assert begun.wait(10)
        others = [threads.submit(together, number) for number in range(1, ASKED + 1)]
        while len(together._waiting) < ASKED:
            time.sleep(0.001)
        go_on.set()
    return sets, [first, *others]


def test_who_comes_alone_goes_at_once_and_who_comes_meanwhile_goes_together():
    sets, found = gathered(lambda given: [-one for one in given])
    assert (sets[0], sorted(sets[1]), len(sets)) == ([0], list(range(1, ASKED + 1)), 2)
    assert [one.result() for one in found] == [-number for number in range(ASKED + 1)]


def test_what_came_of_one_is_raised_where_it_was_asked_and_nowhere_else():
    _, found = gathered(lambda given: [ValueError("odd") if one == 3 else one for one in given])
    assert isinstance(found[3].exception(), ValueError)
    assert [one.result() for number, one in enumerate(found) if number != 3] == [0, 1, 2, 4, 5, 6, 7, 8]


def test_a_set_that_fails_is_done_one_by_one_and_only_the_one_at_fault_fails():
    def do(given):
        if 3 in given:
            raise ValueError("odd")
        return list(given)

    sets, found = gathered(do)
    assert sorted(len(one) for one in sets) == [*[1] * (ASKED + 1), ASKED]
    assert isinstance(found[3].exception(), ValueError)
    assert [one.result() for number, one in enumerate(found) if number != 3] == [0, 1, 2, 4, 5, 6, 7, 8]


def test_it_goes_on_after_a_failure():
    together = Together(lambda given: [1 // one for one in given])
    with pytest.raises(ZeroDivisionError):
        together(0)
    assert together(1) == 1

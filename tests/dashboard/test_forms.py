"""What the form of many rows tells of those that were refused."""

from __future__ import annotations

import pytest

from counterfoil.dashboard.web.forms import REFUSED_TOLD, some_refused
from counterfoil.operations.verbs import LineDone


def many(refused: int, done: int) -> list[LineDone]:
    lines = [LineDone(n, f"brk_{n}", None, "it is matched") for n in range(refused)]
    return lines + [LineDone(n, f"brk_{n}", "assigned", None) for n in range(refused, refused + done)]


@pytest.mark.parametrize(("refused", "left_out"), [(1, 0), (REFUSED_TOLD, 0), (REFUSED_TOLD + 5, 5)])
def test_it_says_how_many_of_how_many_were_refused_and_how_many_reasons_it_leaves_out(refused: int, left_out: int) -> None:
    told = some_refused(many(refused, 3))
    assert told is not None
    assert (told.facts["done"], told.facts["refused"]) == (3, f"{refused} of {refused + 3}")
    reasons = told.facts["lines"]
    assert [f"… and {left_out} more" in one for one in reasons[REFUSED_TOLD:]] == [True] * bool(left_out)
    assert len(reasons) == min(refused, REFUSED_TOLD) + bool(left_out)


def test_nothing_is_told_when_nothing_was_refused() -> None:
    assert some_refused(many(0, 3)) is None

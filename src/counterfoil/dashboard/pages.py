"""The pages: each answers one question that an operator asks. The question is the title, the menu entry and the heading of its docs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.asking import Ask
from counterfoil.dashboard.day import day_answer


class Page(NamedTuple):
    """A page at `path`, its twin at `path`.json. `answer` gives frozen figures; the template shows them and computes nothing."""

    path: str
    question: str
    answer: Callable[[Ask], Any]
    template: str


PAGES: Final = (Page("/admin/reconciliation", "Is today's money where it should be?", day_answer, "day.html"),)

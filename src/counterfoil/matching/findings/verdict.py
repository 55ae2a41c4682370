"""The three verdicts of a run, from all that it knows."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["reconciled", "not reconciled", "incomplete"]


def verdict_of(*, breaks: int, unexplained: bool, cut_short: bool, not_checked: bool) -> Verdict:
    """The verdict of a run.

    Where a limit cut the search short, what it lists as breaks may have partners: it is incomplete, whatever it found. Otherwise a break
    or a sum that nothing explains is proof that the sides do not agree, and what was not checked leaves open whether they do.
    """
    if cut_short:
        return "incomplete"
    if breaks or unexplained:
        return "not reconciled"
    return "incomplete" if not_checked else "reconciled"

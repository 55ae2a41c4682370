"""What a test of a break sees and says: the break as a case, who came near, what the whole run knows, and a possible cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from counterfoil.base.problems import Tell, in_minor_units
from counterfoil.matching.findings.differences import Difference, Record

SUPPORTED: Final = "supported"
EXCLUDED: Final = "excluded"
CUT_SHORT: Final = "search cut short"
WRONG_WORDS: Final = {
    "returned": ("return", "rejected", "bounced", "rückgabe", "rücklastschrift"),
    "refund": ("refund", "reversal", "storno", "credit note", "erstattung"),
    "chargeback": ("chargeback", "dispute"),
}


TAKEN: Final = "has its own partner already"


class Candidate(NamedTuple):
    """A record that might have been the partner, and why it was not taken."""

    id: str
    reference: str | None
    amount: int
    day: date | None
    why_refused: str


class Hypothesis(NamedTuple):
    """One possible cause. `test` is what the machine checked, `finding` what it saw, `verdict` supported or excluded."""

    cause: str
    verdict: str
    test: str
    finding: str
    weight: int


@dataclass(frozen=True)
class Context:
    """What is known about the whole run; made once, read by every test."""

    as_of: date | None = None
    wait_days: Mapping[str, int | None] = field(default_factory=dict)  # by side: how long its records may take to show
    lines_of_day: Mapping[tuple[str, date], int] | None = field(default_factory=dict)  # side and day → lines; None: too many days
    fee_rates: Mapping[int, int] = field(default_factory=dict)  # basis points of a difference → pairs that show it
    duplicates: Mapping[str, int] = field(default_factory=dict)  # side → doubled records
    rows: Mapping[str, int] = field(default_factory=dict)
    counterparties: frozenset[str] = frozenset()  # those that matched elsewhere
    is_one_off: bool = False  # two files, and no run that comes after
    told: Tell = in_minor_units  # an amount and its asset, as people read it


class FindingEvidence(NamedTuple):
    """One break, as the tests see it.

    `cut_short`: a limit ended the search for its partner. `crowded`: that many open records of the other side have its amount, too many
    to look at each. Then nothing is said that rests on having looked.
    """

    kind: str
    left: Record | None
    right: Record | None
    fields: Sequence[Difference]
    candidates: Sequence[Candidate]
    sibling: Record | None
    context: Context
    cut_short: bool = False
    crowded: int = 0


Test = Callable[[FindingEvidence], Hypothesis | None]


def of_both(test: Callable[[Record, Record], Hypothesis | None]) -> Test:
    """A test of a case that has both records; of another it says nothing."""
    return lambda case: test(case.left, case.right) if case.left and case.right else None


def of_amounts(test: Callable[[int, int, str, str], Hypothesis | None]) -> Test:
    """The same of what both amount to: in minor units, left and right, and each in the words that people read."""

    def tested(case: FindingEvidence) -> Hypothesis | None:
        if not (case.left and case.right):
            return None
        here, there = (case.context.told(record.amount, record.asset) for record in (case.left, case.right))
        return test(case.left.amount, case.right.amount, here, there)

    return tested


def said(cause: str, holds: bool, test: str, finding: str, weight: int) -> Hypothesis:
    """A cause, supported where its test holds, excluded where not."""
    return Hypothesis(cause, SUPPORTED if holds else EXCLUDED, test, finding, weight)


def went_back(case: FindingEvidence) -> Hypothesis | None:
    """Does a state or a text say that the money came back?"""
    for cause, words in WRONG_WORDS.items():
        for record in (case.right, case.left):
            text = f"{record.status or ''} {record.memo or ''}".lower() if record else ""
            if any(word in text for word in words):
                return said(cause, True, "does the state or the text name it?", text.strip()[:80], 92)
    return said("returned, refund or chargeback", False, "does the state or the text name one?", "no such word", 20)

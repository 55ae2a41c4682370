"""What differs between two records, and by how much: the fields of a break, each with its distance in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from counterfoil.base.formats.counting import counted
from counterfoil.matching.rules.names import FIELDS

TEXT_COMPARED_MAX: Final = 200  # longer texts are compared by their beginnings


class Record(NamedTuple):
    """One line as it was understood. `amount` is in minor units; `file`, `line` and `raw` say how it came, where that was kept."""

    side: str
    id: str
    reference: str | None
    amount: int
    asset: str
    day: date | None
    status: str | None
    counterparty: str | None
    memo: str | None
    batch: str | None
    booked_on: str | None = None
    value_on: str | None = None
    event_at: str | None = None
    file: str = ""
    line: int | None = None
    raw: str = ""
    key_fields: tuple[tuple[str, str], ...] = ()  # those of the rule set's own that the line gives

    def told(self, name: str) -> str | None:
        """A field by its name: one of ours, or one of the rule set's own."""
        return getattr(self, name) if name in FIELDS else dict(self.key_fields).get(name)


class Difference(NamedTuple):
    """One field that is not the same on both sides; `distance` in the words a person would use."""

    name: str
    left: str
    right: str
    distance: str


def differences(left: Record, right: Record, compared: tuple[str, ...]) -> list[Difference]:
    """Every difference, those that count (`compared`) first; references are told even when they did not decide."""
    found = []
    if left.asset != right.asset:
        found.append(Difference("asset", left.asset, right.asset, "another currency or asset"))
    if left.amount != right.amount:
        found.append(Difference("amount", str(left.amount), str(right.amount), amount_distance(left, right)))
    if "status" in compared and left.status != right.status:
        found.append(Difference("status", left.status or "", right.status or "", "another state"))
    if "date" in compared and left.day and right.day and left.day != right.day:
        found.append(Difference("date", left.day.isoformat(), right.day.isoformat(), days_apart((right.day - left.day).days)))
    for name in ("reference", "counterparty", *dict(left.key_fields)):
        here, there = left.told(name), right.told(name)
        if here and there and here != there:
            found.append(Difference(name, here, there, text_distance(here, there)))
    return found


def group_differences(left: Sequence[Record], right: Sequence[Record], compared: Sequence[str]) -> tuple[Difference, ...]:
    """What differs between several records and the one that stands against them: their sums, and each word or day that is not the same."""
    here, there = sum(record.amount for record in left), sum(record.amount for record in right)
    found = []
    if here != there:
        found.append(Difference("amount", str(here), str(there), f"{there - here:+d} minor units over the group"))
    for name, what in (("status", "another state"), ("date", "other days"), ("counterparty", "another counterparty")):
        ours, theirs = (_each(side, "day" if name == "date" else name) for side in (left, right))
        if name in compared and ours != theirs:
            found.append(Difference(name, ", ".join(ours), ", ".join(theirs), what))
    return tuple(found)


def _each(records: Sequence[Record], name: str) -> list[str]:
    return sorted({str(value) for record in records if (value := getattr(record, name)) is not None})


def amount_distance(left: Record, right: Record) -> str:
    """The difference in minor units, right less left."""
    return f"{right.amount - left.amount:+d} minor units"


def days_apart(days: int) -> str:
    """`2 days later`; right as seen from left."""
    return f"{counted(abs(days), 'day')} {'later' if days > 0 else 'earlier'}"


def text_distance(left: str, right: str) -> str:
    """How many characters have to change; a truncation is named as one."""
    here, there = left[:TEXT_COMPARED_MAX], right[:TEXT_COMPARED_MAX]
    if here.upper() == there.upper():
        return "capitals only"
    if here.startswith(there) or there.startswith(here):
        return f"{counted(abs(len(here) - len(there)), 'character')} cut off"
    count = edits(here, there)
    return counted(count, "character")


def edits(left: str, right: str) -> int:
    """Levenshtein's distance: insertions, deletions and replacements of one character."""
    if len(left) < len(right):
        left, right = right, left
    row = list(range(len(right) + 1))
    for at, here in enumerate(left, 1):
        before, row[0] = row[0], at
        for to, there in enumerate(right, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (here != there))
    return row[-1]

"""What waits for a person, as Today and the page of a day tell it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from counterfoil.base.money import Money

SHOWN_MAX: Final = 20  # of one kind; the rest is listed by a command
READ_MAX: Final = 500  # of one kind are read, and grouped by their cause; how many there are beyond is counted


class InNeed(NamedTuple):
    """One thing: what it is, whose, how much, since when, why, and the command that moves it on. `told`: what a provider says of it;
    `due`: until when somebody has to see to it, where that is set."""

    id: str
    whose: str
    amount: Money | None
    since: datetime
    why: str | None
    told: Money | None
    command: str
    due: datetime | None = None


class ActionKind(NamedTuple):
    """All things of one kind: `total` of them, the oldest first; `command` lists them all. `way`: the words of its button, of that for
    several, and the list that this one leads to."""

    key: str
    title: str
    meaning: str
    total: int
    rows: tuple[InNeed, ...]
    command: str
    way: tuple[str, str, str] | None = None

    @property
    def unshown(self) -> int:
        """How many are not in `rows`."""
        return self.total - len(self.rows)


class Needs(NamedTuple):
    """Everything that waits for a person, the most urgent kind first; `total` over all kinds."""

    kinds: tuple[ActionKind, ...]
    total: int

"""What a noun declares for its pages alone: ready filters of its list, and what is done elsewhere than on its page."""

from __future__ import annotations

from typing import LiteralString, NamedTuple


class Elsewhere(NamedTuple):
    """What is done at one's own machine, since it takes what never comes to the server: what it is, its command with `{id}`, and in which
    state of the thing it is done."""

    says: str
    command: str
    state: str


class SavedView(NamedTuple):
    """A ready filter of a list: its name in the address, its words, and the condition on a row `t` at `%(now)s`."""

    name: str
    words: str
    where: LiteralString

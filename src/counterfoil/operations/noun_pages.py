"""What a noun declares for its pages alone: ready filters of its list, and what is done elsewhere than on its page,
and what is safe to do next."""

from __future__ import annotations

from typing import LiteralString, NamedTuple


class Elsewhere(NamedTuple):
    """What is done at one's own machine, since it takes what never comes to the server: what it is, its command with `{id}`, and in which
    state of the thing it is done."""

    says: str
    command: str
    state: str


class SafeNextAction(NamedTuple):
    """The one safe thing to do next. `need`: what a person is needed for, `none` where nobody is; `command` is empty then, and while it
    would be refused, which `why` says."""

    need: str
    why: str
    command: str


class ViewElsewhere(NamedTuple):
    """A ready filter of another noun's list that is sought in this one: its words, whose list, and its name there."""

    words: str
    plural: str
    name: str


class SavedView(NamedTuple):
    """A ready filter of a list: its name in the address, its words, and the condition on a row `t` at `%(now)s`."""

    name: str
    words: str
    where: LiteralString

"""What a noun declares for its lists and pages: their order, what narrows them, ready filters, what is done elsewhere than on its page,
and what is safe to do next."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, LiteralString, NamedTuple


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


class SortKey(NamedTuple):
    """By what a list may be sorted: a field of its rows, of which none is empty. `column`: where the table calls it otherwise; `money`: it
    stands beside an asset, and is sorted within each, for amounts of two assets are not compared."""

    name: str
    kind: type[str] | type[int] | type[datetime] | type[date]
    column: LiteralString = ""
    money: bool = False


class Narrow(NamedTuple):
    """What a list may be narrowed to: its name, the condition on a row `t` with the `%(name)s` of what is given, and what it says.
    `flag`: how it is called at the command line, if otherwise."""

    name: str
    where: LiteralString
    help: str
    kind: Literal["text", "asset", "moment", "amount"] = "text"
    flag: str = ""

"""What a noun declares for its lists and pages: their order, what narrows them, ready filters, what is done elsewhere than on its page,
and what is safe to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString, NamedTuple

from psycopg import Connection

if TYPE_CHECKING:
    from counterfoil.operations.access.access import Caller  # which lists its own things by what stands here

NARROW_MAX: Final = 255  # characters of what a list is narrowed to: no key, id or name that is kept here is longer


class SavedFile(NamedTuple):
    """A file that a browser saves and never shows: its name as somebody gave it, what it is, and its exact bytes."""

    name: str
    media_type: str
    content: bytes


class FileOfThing(NamedTuple):
    """A file that the page of a thing gives: the last word of its address, and what makes it of the thing's id, a number and the moment.
    `part`: each row of this part has one, by its `number`; otherwise there is one, and the number is 0."""

    word: str
    make: Callable[[Connection[Any], str, int, datetime], SavedFile]
    part: str = ""


class TakenFile(NamedTuple):
    """A file that the page of a thing takes: the last word of its address, who may hand one in, what that is called in the action log, and
    what keeps it (of the thing's id, the name that its sender gives it, its content, who sent it, and the moment) and says what it kept."""

    word: str
    permission: str
    verb: str
    keep: Callable[[Connection[Any], str, str, bytes, Caller, datetime], Mapping[str, Any]]


class Elsewhere(NamedTuple):
    """What is done at one's own machine or on another page: what it is, its command with `{id}`, and in which state of the thing it is
    done; in every one where none is named. `page`: where it is done in the dashboard, too, if it is, with `{id}`; `file`: or the file
    that its page gives; `takes`: or the one that its page takes."""

    says: str
    command: str
    state: str = ""
    page: str = ""
    file: FileOfThing | None = None
    takes: TakenFile | None = None


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


class WaitingForPerson(NamedTuple):
    """Things of a noun that the machine will not move by itself, so that they wait for a person: which rows `t` at `%(now)s` they are.

    `key`: one word for them; `title` and `meaning`: what they are, and what there is to do; `command`: for one of them, with `{id}`;
    `every`: the one that lists them; `way`: the words of the button, and of that for several. The others are read of the row: whose it is,
    how much of which asset, since when, why, and until when somebody has to see to it.
    """

    key: str
    title: str
    meaning: str
    where: LiteralString
    command: str
    every: str
    way: tuple[str, str]
    state: str = ""  # to which its list is narrowed
    whose: LiteralString = "t.payee_id"
    amount: LiteralString = "null::bigint"
    asset: LiteralString = "null::text"
    since: LiteralString = "t.state_at"
    why: LiteralString = "replace(t.state, '_', ' ')"
    due: LiteralString = "null::timestamptz"


class First(NamedTuple):
    """Where the first of a noun comes from, as its empty list says it; `command` makes it, where a person does."""

    says: str
    command: str = ""


class SavedView(NamedTuple):
    """A ready filter of a list: its name in the address, its words, and the condition on a row `t` at `%(now)s`."""

    name: str
    words: str
    where: LiteralString


class SortKey(NamedTuple):
    """By what a list may be sorted: a field of its rows, of which none is empty. `column`: where the table calls it otherwise, `id` where
    ids come in its order; `money`: it stands beside an asset, and is sorted within each, for amounts of two assets are not compared."""

    name: str
    kind: type[str] | type[int] | type[datetime] | type[date]
    column: LiteralString = ""
    money: bool = False


class ListCondition(NamedTuple):
    """What a list is narrowed to beside what its noun declares: a condition on a row `t`, with what is given for each `%(name)s` of it."""

    where: LiteralString
    given: Mapping[str, Any] = {}


class Narrow(NamedTuple):
    """What a list may be narrowed to: its name, the condition on a row `t` with the `%(name)s` of what is given, and what it says.
    `flag`: how it is called at the command line, if otherwise; `choices`: the only values of a choice."""

    name: str
    where: LiteralString
    help: str
    kind: Literal["text", "asset", "moment", "amount", "day", "choice"] = "text"
    flag: str = ""
    choices: tuple[str, ...] = ()


def between_moments(column: LiteralString, made: str) -> tuple[Narrow, ...]:
    """Those that were `made`, such as issued, in a span of time."""
    return (
        Narrow("start_time", f"t.{column} >= %(start_time)s", f"Only those {made} from this moment on.", "moment"),
        Narrow("end_time", f"t.{column} < %(end_time)s", f"Only those {made} before this moment.", "moment"),
    )


def between_amounts(column: LiteralString) -> tuple[Narrow, ...]:
    """Those in an asset, and between two amounts of it."""
    return (
        Narrow("asset", "t.asset = %(asset)s", "Only in this asset.", "asset"),
        Narrow("amount_min", f"t.{column} >= %(amount_min)s", "Only of this amount or more, of the asset that is named.", "amount"),
        Narrow("amount_max", f"t.{column} <= %(amount_max)s", "Only of this amount or less, of the asset that is named.", "amount"),
    )


def of_party(*parties: Literal["payee", "customer", "invoice"]) -> tuple[Narrow, ...]:
    """Those of a payee, of a customer, or of an invoice."""
    return tuple(_OF_PARTY[one] for one in parties)


_OF_PARTY: Final = {
    "payee": Narrow("payee_id", "t.payee_id = %(payee_id)s", "Only of this payee.", flag="payee"),
    "customer": Narrow("customer_id", "t.customer_id = %(customer_id)s", "Only of this customer.", flag="customer"),
    "invoice": Narrow("invoice_id", "t.invoice_id = %(invoice_id)s", "Only of this invoice."),
}


class PlainList(NamedTuple):
    """A list of things that are no noun: `plural`, by which its cursors are called, the prefix of its ids, its table, how its rows are
    read by their ids, in any order, and by what it may be sorted and narrowed. `order`: as it is sorted when nothing is asked, if not
    newest first; `by_now`: what is told of a row depends on the moment, so `by_id` takes `now`, too."""

    plural: str
    prefix: str
    table: LiteralString
    by_id: Callable[..., Sequence[Any]]
    sorts: tuple[SortKey, ...]
    narrows: tuple[Narrow, ...] = ()
    order: str = ""
    by_now: bool = False

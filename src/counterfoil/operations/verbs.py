"""Verbs: what a person may do with a thing, declared once beside its noun.

From a noun's `VERBS` follow API routes, commands, page forms, what `allowed` tells, who may, what takes two people, and the reference.
A verb's function checks its guards under lock and raises a Problem with the true reason; nothing derived decides anything by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol

from psycopg import Connection, sql

from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Approval, Machine, StateMoved
from counterfoil.base.problems import InvalidInput, NotAllowed, NotFound, Problem, check
from counterfoil.operations import approvals
from counterfoil.operations.access.access import READ, Caller, require
from counterfoil.operations.noun_pages import Elsewhere, First, Narrow, SafeNextAction, SavedView, SortKey, ViewElsewhere, WaitingForPerson
from counterfoil.operations.providers import Provider
from counterfoil.operations.sought import FoundBy

TEXT_MAX: Final = 2_000
MANY_MAX: Final = 500
AMOUNTS: Final = frozenset(  # fields of a row that are money, beside its asset
    """amount minor total paid escrow platform_fee validator_fee own_holdback payable holdback receivable credited against_due
    written_off charged_back remaining funded released refunded repaid net fee fee_back beyond excess balance held available refund
    per_transaction per_hour per_day per_week per_month base_amount taken_back escrowed to_pay in_treasury promised_to_others
    left_over at_stake overdue came went by_rule_max owed in_transit difference debts_paid""".split()  # noqa: SIM905 - as a list it is forty lines
)
LINES_MAX: Final = 100
PART_ROWS_MAX: Final = 1_000


class VerbCall(NamedTuple):
    """One verb, said of one thing by somebody. `taken`: the verb's own fields by name. `approval`: a second person's, if it has one.
    `providers`: for a verb that reads what one of them told. `expected`: the state in which the thing was seen, to look at under lock."""

    conn: Connection[Any]
    subject_id: str
    by: Caller
    now: datetime
    make_id: MakeId
    reason: str = ""
    taken: Mapping[str, Any] = {}
    approval: Approval | None = None
    providers: Mapping[str, Provider] = {}
    expected: str | None = None

    @property
    def actor(self) -> str:
        """Who says it, as every record names them."""
        return self.by.actor

    def propose(self, machine: Machine, verb: str, payload: Mapping[str, Any], program_id: str | None) -> approvals.Proposal:
        """Propose it of this thing, to be approved by a second person. Raises what `approvals.propose` raises."""
        return approvals.propose(
            self.conn,
            self.make_id("prop"),
            machine=machine.name,
            subject_id=self.subject_id,
            verb=verb,
            payload=payload,
            reason=self.reason,
            by=self.by,
            now=self.now,
            program_id=program_id,
        )


class VerbResult(NamedTuple):
    """What came of it: the state after it, the id of what was made, if anything was, and what else is to be told, in a sentence."""

    state: str
    made: str | None = None
    told: str = ""


FieldKind = Literal["text", "choice", "moment", "amount", "lines", "flag", "number", "words", "id", "program", "asset", "tiers", "prose"]


class Field(NamedTuple):
    """One thing that a verb or an act takes beside its reason. A `moment` is an instant with its zone; an `amount` is in minor units, from
    1 or from `least`; `lines` are movements of a journal, each a debit, a credit and an amount; `words` are several texts; an `id` begins
    with `prefix`; `tiers` are pairs: beyond which amount how many people approve; `prose` is a text of paragraphs, whose ends of lines are
    kept. `most`: of a number, or how many words or tiers.
    `default`: what is meant where nothing is said. `bare`: at the command line it stands without its name; `short`: its name there, of a
    `flag` that of the option that takes it from its default. `seen`: a fact of this name, which a page says as it showed it; `kept`: the
    field of the thing that keeps it, from which a form goes on, where it may be written anew."""

    name: str
    help: str
    kind: FieldKind = "text"
    required: bool = True
    choices: tuple[str, ...] = ()
    example: str = ""
    bare: bool = False
    short: str = ""
    default: Any = None
    least: int | None = None
    most: int | None = None
    length_max: int = TEXT_MAX  # characters of a text, or of each word
    pattern: str = ""
    prefix: str = ""
    seen: bool = False
    kept: str = ""


class VerbLine(NamedTuple):
    """One of `lines`; `minor` in units of the thing's asset."""

    debit: str
    credit: str
    minor: int


class BulkLine(NamedTuple):
    """One line of a bulk action: a thing and the state in which it was seen."""

    id: str
    expected_state: str


class LineDone(NamedTuple):
    """What became of one line, counted from 1: the state after it, or why it was refused."""

    line: int
    id: str
    state: str | None
    refused: str | None


Do = Callable[[VerbCall], VerbResult]
Propose = Callable[[VerbCall], approvals.Proposal]


class Rows(Protocol):
    """Rows of a noun: those before `after` in the order of the list, at most `rows_max`, in `state` if one is given."""

    def __call__(self, conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> Sequence[Any]:
        """The rows."""


def _prose(takes: Sequence[Field]) -> frozenset[str]:
    return frozenset(one.name for one in takes if one.kind == "prose")


@dataclass(frozen=True)
class Verb:
    """Something that may be done. `label`: its button and title; `effect`: what happens, in one or two sentences; `done`: what is said
    afterwards, with `{id}`, `{state}`, `{made}` and `{told}`. `propose` instead of `do`: it takes two people, and what is done once
    both agree is among the noun's `approvals.Paired`. `long_reason`: its reason is a text of paragraphs. `reason_also`: how the reason
    may be called at the command line, too. `many`: it may be said of many at once. `paths`: more addresses below `/api`, with
    `{id}`."""

    name: str
    permission: str
    label: str
    effect: str
    do: Do | None = None
    propose: Propose | None = None
    done: str = "{id} is {state}."
    takes: tuple[Field, ...] = ()
    reason: bool = True
    long_reason: bool = False
    reason_also: str = ""
    many: bool = False
    paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Either one person does it, or two."""
        check((self.do is None) != (self.propose is None), "a verb is done, or proposed", verb=self.name)

    @property
    def prose(self) -> frozenset[str]:
        """Which of its fields are texts of paragraphs, its reason among them."""
        return _prose(self.takes) | ({"reason"} if self.long_reason else set())

    @property
    def paired(self) -> bool:
        """Does it take two people?"""
        return self.propose is not None

    def said(self, subject_id: str, state: str, made: str | None, told: str) -> str:
        """What is said once it is done, or would be; what it tells is never left out."""
        done = self.done.format(id=subject_id, state=state.replace("_", " "), made=made, told=told)
        return f"{done} {told}" if told and "{told}" not in self.done else done

    @property
    def word(self) -> str:
        """As it stands in addresses and on the command line."""
        return self.name.replace("_", "-")


class PartRows(Protocol):
    """Rows that belong to a thing, the first `rows_max` of them."""

    def __call__(self, conn: Connection[Any], subject_id: str, /, *, rows_max: int) -> Sequence[Any]:
        """The rows."""


def of_all(rows: Callable[[Connection[Any], str], Sequence[Any]]) -> PartRows:
    """The beginning of a list that is read whole, since something is decided on all of it."""

    def beginning(conn: Connection[Any], subject_id: str, /, *, rows_max: int) -> Sequence[Any]:
        return rows(conn, subject_id)[:rows_max]

    return beginning


class Part(NamedTuple):
    """Rows that belong to a thing and are shown with it, such as the lines of a batch: their type, and where they come from. At most 1000
    are shown; whoever shows them says when there are more. `columns`: what of them stands in tables, all of it if empty."""

    name: str
    row: type[Any]
    rows: PartRows
    columns: tuple[str, ...] = ()

    def read(self, conn: Connection[Any], subject_id: str) -> tuple[Sequence[Any], bool]:
        """The rows that are shown, and whether there are more of them."""
        found = self.rows(conn, subject_id, rows_max=PART_ROWS_MAX + 1)
        return found[:PART_ROWS_MAX], len(found) > PART_ROWS_MAX


@dataclass(frozen=True)
class Begin:
    """How a new one is made on the page of the list. `do` gets a call without a subject and says what it made; `action`: its name in the
    action log, which is that of its route. `takes`: of `program_id` and `asset` those that there are are offered. `because`: which of
    them is the reason that the action log keeps."""

    action: str
    permission: str
    label: str
    effect: str
    do: Do
    takes: tuple[Field, ...] = ()
    because: str = ""

    @property
    def prose(self) -> frozenset[str]:
        """Which of its fields are texts of paragraphs."""
        return _prose(self.takes)


@dataclass(frozen=True, eq=False)
class Noun:
    """A kind of thing with its verbs. `prefix` of its ids; `show`: what a page and `allowed` start from, raises NotFound;
    `refusals`: for each verb why it may not be said now, or None where it may, when its state alone does not say it. With `rows` (newest
    first, by id) and `row` (their type) the list and the thing itself are served too; without, the noun has routes of its own. `parts` are
    shown with it; `columns`: the fields of a row in the list at the command line, all of them if empty;
    `listed`: the same as `rows`, of a noun that has a list of its own over HTTP: its page is made of it;
    `elsewhere`: what its page cannot do, with the command that does; `begin`: how a new one is made on the page of the list;
    `views`: ready filters of the list, of which `by_id` reads the rows together, in any order; `views_elsewhere`: those of other lists;
    `next_action`: the one safe thing to do next with it, which its page says first; `first`: what a list says in which there is none;
    `sorts` and `narrows`: by what its list may be sorted and narrowed, its rows are then read with `by_id`; `waits`: which of them wait
    for a person, of whatever day, as Today says it; `sought`: by what the search finds one beside its id."""

    name: str
    plural: str
    prefix: str
    machine: Machine
    verbs: Sequence[Verb]
    show: Callable[[Connection[Any], str], Any]
    refusals: Callable[[Connection[Any], str, datetime], Mapping[str, str | None]] | None = None
    row: type[Any] | None = None
    rows: Rows | None = None
    help: str = ""
    parts: tuple[Part, ...] = ()
    columns: tuple[str, ...] = ()
    listed: Rows | None = None
    elsewhere: tuple[Elsewhere, ...] = ()
    begin: Begin | None = None
    views: tuple[SavedView, ...] = ()
    by_id: Callable[[Connection[Any], Sequence[str]], Sequence[Any]] | None = None
    views_elsewhere: tuple[ViewElsewhere, ...] = ()
    next_action: Callable[[Connection[Any], str, datetime], SafeNextAction] | None = None
    sorts: tuple[SortKey, ...] = ()
    narrows: tuple[Narrow, ...] = ()
    waits: tuple[WaitingForPerson, ...] = ()
    first: First | None = None
    sought: tuple[FoundBy, ...] = ()

    @property
    def area(self) -> str:
        """As it is called in the scopes of keys: `payouts` in `payouts:read`."""
        return self.plural.replace("_", "-")

    @property
    def prose(self) -> frozenset[str]:
        """Which fields of the thing keep texts of paragraphs."""
        takes = [*(one for verb in self.verbs for one in verb.takes), *(self.begin.takes if self.begin else ())]
        return frozenset(one.kept or one.name for one in takes if one.kind == "prose")

    def verb(self, name: str, *, among: Sequence[Verb] | None = None) -> Verb:
        """A verb by its name, of all or of those `among`. Raises InvalidInput, which names them."""
        known = {one.name: one for one in (self.verbs if among is None else among)}
        if name not in known:
            raise InvalidInput("verb", f"one of {', '.join(known)}", got=name[:40])
        return known[name]

    def why_not(self, conn: Connection[Any], subject_id: str, *, now: datetime) -> dict[str, str | None]:
        """For each verb why it may not be said now, or None where it may. Raises NotFound."""
        if self.refusals is not None:
            told = self.refusals(conn, subject_id, now)
            return {one.name: told[one.name] for one in self.verbs}
        state = str(self.show(conn, subject_id).state)
        allowed = self.machine.allowed(state)
        return {one.name: None if one.name in allowed else f"it is {state.replace('_', ' ')}" for one in self.verbs}

    def allowed(self, conn: Connection[Any], subject_id: str, *, now: datetime) -> list[str]:
        """The verbs that may be said now, as they are said in addresses."""
        why = self.why_not(conn, subject_id, now=now)
        return [one.word for one in self.verbs if why[one.name] is None]


def say(noun: Noun, verb: Verb, saying: VerbCall) -> VerbResult | approvals.Proposal:
    """Say a verb: it is done, or proposed when it takes two people. Raises what it raises, and StateMoved: it is not as it was seen."""
    _refuse_moved(noun, saying)
    if verb.propose is not None:
        return verb.propose(saying)
    assert verb.do is not None
    return verb.do(saying)


def say_of_many(noun: Noun, name: str, wanted: Sequence[BulkLine], saying: VerbCall, given: Mapping[str, Any]) -> list[LineDone]:
    """Say one verb of many things, at most 500: each line is done or refused by itself, in the order given.

    A line whose thing is no longer in the state that the caller saw is refused. Locks are taken in id order. Of `given` each verb takes
    its own fields. Whoever has roles of single programs says it of each thing with their roles in its program; where they may not of one,
    nothing is done. Raises InvalidInput for a verb that is not said of many, no lines, too many, or a thing that is named twice, and
    NotAllowed.
    """
    verb = noun.verb(name, among=[one for one in noun.verbs if one.many])
    if not saying.by.programs:
        require(saying.by, verb.permission, noun.area)
    if not 0 < len(wanted) <= MANY_MAX:
        raise InvalidInput("rows", f"1 to {MANY_MAX} {noun.plural}", got=str(len(wanted)))
    if len({one.id for one in wanted}) != len(wanted):
        raise InvalidInput("rows", f"each {noun.name} once")
    locked = sql.SQL("select from {table} where id = any(%s) order by id for update")
    saying.conn.execute(locked.format(table=sql.Identifier(noun.machine.table)), [[one.id for one in wanted]])
    who = callers_of(noun, saying, [one.id for one in wanted], needs=verb.permission)
    each = saying._replace(taken={one.name: given.get(one.name) for one in verb.takes})
    return [
        _line_done(noun, verb, number, each._replace(subject_id=one.id, expected=one.expected_state, by=who.get(one.id, saying.by)))
        for number, one in enumerate(wanted, start=1)
    ]


def callers_of(noun: Noun, saying: VerbCall, ids: Sequence[str], *, needs: str = READ) -> dict[str, Caller]:
    """Who somebody with roles of single programs is towards each thing, by its program; empty where they are the same towards all.

    Raises NotAllowed with the first program in which they may not what it `needs`.
    """
    if not saying.by.programs:
        return {}
    query = sql.SQL("select id, to_jsonb(t) ->> 'program_id' from {table} t where id = any(%s)")
    found = dict(saying.conn.execute(query.format(table=sql.Identifier(noun.machine.table)), [list(ids)]).fetchall())
    within = {program: saying.by.within(program) for program in sorted(set(found.values()), key=str)}
    for program, caller in within.items():
        try:
            require(caller, needs, noun.area)
        except NotAllowed as refusal:
            raise type(refusal)(**refusal.facts, program=program) from None
    return {one: within[program] for one, program in found.items()}


def _line_done(noun: Noun, verb: Verb, line: int, saying: VerbCall) -> LineDone:
    try:
        with saying.conn.transaction():
            said = say(noun, verb, saying)
    except Problem as problem:
        return LineDone(line, saying.subject_id, None, told_problem(saying.conn, problem))
    check(isinstance(said, VerbResult), "what is said of many takes one person", verb=verb.name)
    return LineDone(line, saying.subject_id, str(getattr(said, "state", "")), None)


def _refuse_moved(noun: Noun, saying: VerbCall) -> None:
    row = saying.conn.execute(
        sql.SQL("select state from {table} where id = %s").format(table=sql.Identifier(noun.machine.table)),
        [saying.subject_id],
    ).fetchone()
    if row is None:
        raise NotFound(what=noun.name, id=saying.subject_id)
    if saying.expected is not None and row[0] != saying.expected:
        raise StateMoved(machine=noun.machine.name, id=saying.subject_id, expected=saying.expected, state=row[0])

"""State machines as one table each: what is not listed is refused. The database holds the same rows, and a test compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection, sql
from psycopg.rows import class_row

from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import Problem, ReasonRequired, TransitionRefused, check

NOWHERE: Final = ""  # the state before the first
CREATE: Final = "create"


# The one way in which steps are written: of `rows` that the statement has, each with its `id` and which step it is its `number`.
STEPS_OF: Final[LiteralString] = """
    insert into step (machine, subject_id, step, from_state, verb, to_state, actor, reason, cause, at)
    select %(machine)s, id, {number}, {start}, %(verb)s, {end}, %(actor)s, %(reason)s, %(cause)s, %(at)s from {rows}"""
_BIRTHS: Final = STEPS_OF.format(number="1", start="%(from)s", end="%(to)s", rows="unnest(%(ids)b::text[]) as id")


class StateMoved(Problem):
    """Somebody else moved it first; read it again."""

    todo = "Read the thing again, look at what was done meanwhile, and decide anew."


class ApprovalNeeded(Problem, kind="forbidden"):
    """This takes two people: it is proposed by one, and done once another has approved exactly that."""

    todo = "Have another person approve the proposal that is named; then send the same request again."


class Approval(NamedTuple):
    """What a second person approved, to be used once: the proposal, the hash of what it proposes, and what came of it, if anything."""

    proposal_id: str
    payload_sha256: bytes
    result_id: str | None = None


class Move(NamedTuple):
    """One step to take: `subject_id` from `state` by `verb`."""

    subject_id: str
    state: str
    verb: str


class Also(NamedTuple):
    """What else is written of a row with its step, in the same update: assignments to its columns (`due_at = %(due_at)s`), and what they
    are `given`. `rows`: a list in `from` that is called `n` and has the `id` of each, for what differs from row to row (`paid = n.paid`).
    """

    sets: LiteralString
    given: Mapping[str, Any]
    rows: LiteralString = ""


class Step(NamedTuple):
    """One step that a thing took, as it was recorded."""

    step: int
    from_state: str
    verb: str
    to_state: str
    actor: str
    reason: str | None
    cause: str | None
    at: datetime


@dataclass(frozen=True)
class Machine:
    """A noun's states. `table` is where its rows live (columns `id`, `state`); `!` verbs need a reason, `!!` two people.

    `ended`: states that are ends although a later fact may lead out of them, such as paid, and then it came back.
    """

    name: str
    table: LiteralString
    initial: tuple[str, ...]
    transitions: Mapping[tuple[str, str], str]
    reasoned: frozenset[str] = field(default_factory=frozenset)
    paired: frozenset[str] = field(default_factory=frozenset)
    ended: frozenset[str] = field(default_factory=frozenset)

    @property
    def final(self) -> tuple[str, ...]:
        """The ends: states that nothing leads out of, and those of `ended`; in the order of the table."""
        begun = {start for start, _ in self.transitions} - self.ended
        return tuple(one for one in self.states() if one not in begun)

    @property
    def open(self) -> tuple[str, ...]:
        """Every state that is no end: something is still to come."""
        return tuple(one for one in self.states() if one not in self.final)

    def before(self, *verbs: str) -> tuple[str, ...]:
        """The states in which one of these verbs may be said."""
        starts = {start for start, verb in self.transitions if verb in verbs}
        return tuple(one for one in self.states() if one in starts)

    def after(self, *verbs: str) -> tuple[str, ...]:
        """The states that these verbs lead to."""
        ends = {end for (_, verb), end in self.transitions.items() if verb in verbs}
        return tuple(one for one in self.states() if one in ends)

    def states(self) -> list[str]:
        """Every state, in the order of the table."""
        ends = [state for (start, _), end in self.transitions.items() for state in (start, end)]
        return list(dict.fromkeys([*self.initial, *ends]))

    def allowed(self, state: str) -> list[str]:
        """The verbs that may be said in `state`: buttons and refusals are made from this."""
        return [verb for (start, verb) in self.transitions if start == state]

    def next_state(self, state: str, verb: str, *, reason: str | None = None) -> str:
        """Where `verb` leads from `state`. Raises TransitionRefused, ReasonRequired."""
        after = self.transitions.get((state, verb))
        if after is None:
            raise TransitionRefused(machine=self.name, state=state, verb=verb, allowed=self.allowed(state))
        if verb in self.reasoned | self.paired and not (reason or "").strip():
            raise ReasonRequired(machine=self.name, verb=verb, field="reason", limit="at least one word")
        return after

    def rows(self) -> list[tuple[str, str, str, str, bool, bool]]:
        """What the table `transition` must hold for this machine: name, from, verb, to, needs a reason, needs two."""
        born = [(self.name, NOWHERE, CREATE, state, False, False) for state in self.initial]
        moves = [
            (self.name, start, verb, end, verb in self.reasoned, verb in self.paired) for (start, verb), end in self.transitions.items()
        ]
        return born + moves


def listed(states: Sequence[str]) -> LiteralString:
    """States of a machine as SQL says them: `('open', 'timing')`. Only of what our own tables hold; it is no way to quote a value."""
    check(
        all(one.replace("_", "").isalpha() for one in states) and len(states) > 0,
        "states are plain words",
        got=str(states),
    )
    words: LiteralString = ", ".join(f"'{one}'" for one in states)
    return f"({words})"


def record_birth(
    conn: Connection[Any],
    machine: Machine,
    subject_ids: Sequence[str],
    state: str,
    *,
    actor: str,
    at: datetime,
    cause: str | None = None,
) -> None:
    """Write the first step of rows that were just inserted in `state`."""
    given = {**birth(machine, state), "actor": actor, "reason": None, "cause": cause, "at": at}
    conn.execute(_BIRTHS, {**given, "ids": list(subject_ids)})


def birth(machine: Machine, state: str) -> dict[str, Any]:
    """What `STEPS_OF` asks with of rows that the same statement inserts in `state`, beside actor, reason, cause and moment."""
    check(state in machine.initial, "a noun is born in an initial state", machine=machine.name, state=state)
    return {"machine": machine.name, "from": NOWHERE, "verb": CREATE, "to": state}


def take_steps(
    conn: Connection[Any],
    machine: Machine,
    moves: Sequence[Move],
    *,
    actor: str,
    at: datetime,
    reason: str | None = None,
    cause: str | None = None,
    approval: Approval | None = None,
    also: Also | None = None,
) -> None:
    """Move rows along, all or none: a guarded update and a step row each. Raises TransitionRefused, StateMoved.

    `also`: what else is written of them; each row is written once.

    The update names the state it comes from, so two racers cannot both move a row; the step's primary key says it again.
    A verb that takes two people uses up `approval`, which is of one row; raises ApprovalNeeded without it, or when it is of
    something else, was used before, or is over.
    """
    for verb, group in _by_verb(moves):
        ends = [machine.next_state(move.state, verb, reason=reason) for move in group]
        if verb in machine.paired:
            if approval is None or len(group) != 1:
                raise ApprovalNeeded(machine=machine.name, verb=verb, id=group[0].subject_id)
            _use(conn, machine, group[0], approval, at)
        ids, starts = [move.subject_id for move in group], [move.state for move in group]
        given: dict[str, Any] = {"machine": machine.name, "verb": verb, "actor": actor, "reason": reason, "cause": cause, "at": at}
        given |= {"ids": ids, "starts": starts, "ends": ends}
        if also is not None:
            check(not given.keys() & also.given.keys(), "what is written beside a step has names of its own", names=sorted(also.given))
            given |= also.given
        moved = conn.execute(_stepping(machine.table, *(also.sets, also.rows) if also is not None else ("", "")), given).rowcount
        if moved != len(set(ids)) or len(set(ids)) != len(ids):
            raise StateMoved(machine=machine.name, verb=verb, asked=len(ids), moved=moved, first=ids[0])


@cache
def _stepping(table: LiteralString, sets: LiteralString, rows: LiteralString) -> bytes:
    query = sql.SQL("""
        with asked as (select * from unnest(%(ids)b::text[], %(starts)b::text[], %(ends)b::text[]) as m (id, from_state, to_state)),
        moved as (update {table} t set state = asked.to_state, state_at = %(at)s, steps = t.steps + 1{sets}
                  from asked{rows} where t.id = asked.id and t.state = asked.from_state
                  returning t.id, t.steps, asked.from_state, asked.to_state)
        {steps}""").format(
        steps=sql.SQL(STEPS_OF.format(number="steps", start="from_state", end="to_state", rows="moved")),
        table=sql.Identifier(table),
        sets=sql.SQL(f", {sets}" if sets else ""),
        rows=sql.SQL(f" join {rows} on n.id = asked.id" if rows else ""),
    )
    return query.as_string(None).encode()


def take_step(
    conn: Connection[Any],
    machine: Machine,
    subject_id: str,
    state: str,
    verb: str,
    *,
    actor: str,
    at: datetime,
    reason: str | None = None,
    cause: str | None = None,
    approval: Approval | None = None,
) -> str:
    """Move one row along and return its new state. Raises TransitionRefused, ReasonRequired, StateMoved, ApprovalNeeded."""
    move = Move(subject_id, state, verb)
    take_steps(conn, machine, [move], actor=actor, at=at, reason=reason, cause=cause, approval=approval)
    return machine.next_state(state, verb, reason=reason)


def _use(conn: Connection[Any], machine: Machine, move: Move, approval: Approval, at: datetime) -> None:
    """Use an approval for the step that comes next, before it is taken: the database looks for it then."""
    used = conn.execute(
        sql.SQL("""
        insert into approval_use (proposal_id, machine, subject_id, verb, step, result_id, at)
        select p.id, p.machine, p.subject_id, p.verb, t.steps + 1, %s, %s
        from approval_proposal p join {table} t on t.id = p.subject_id
        where p.id = %s and p.payload_sha256 = %s and p.machine = %s and p.verb = %s and p.subject_id = %s
        on conflict (proposal_id) do nothing
        """).format(table=sql.Identifier(machine.table)),
        [
            approval.result_id,
            at,
            approval.proposal_id,
            approval.payload_sha256,
            machine.name,
            move.verb,
            move.subject_id,
        ],
    ).rowcount
    if used != 1:
        raise ApprovalNeeded(machine=machine.name, verb=move.verb, id=move.subject_id, proposal=approval.proposal_id)


def steps_taken(conn: Connection[Any], machine: Machine, subject_id: str) -> int:
    """How many steps a thing has taken, its birth included: grows with each, so that what is derived from it never comes twice."""
    row = conn.execute(
        sql.SQL("select steps from {table} where id = %s").format(table=sql.Identifier(machine.table)), [subject_id]
    ).fetchone()
    check(row is not None, "what takes steps exists", machine=machine.name, subject=subject_id)
    return int(row[0]) if row else 0


def history_of(conn: Connection[Any], subject_id: str, *, rows_max: int | None) -> list[Step]:
    """The steps of a thing, the first one first; None: all of them."""
    with conn.cursor(row_factory=class_row(Step)) as cur:
        return cur.execute(
            """select step, from_state, verb, to_state, actor, reason, cause, at
               from step where subject_id = %s order by step limit %s""",
            [subject_id, rows_max],
        ).fetchall()


def history_kept(machines: Sequence[Machine]) -> Invariant:
    """That every row of these stands where its last step put it, its steps in a row from the first, and that no step is of nothing."""
    nouns = " union all ".join(f"select '{one.name}', id, state, steps from {one.table}" for one in machines)
    names = ", ".join(f"'{one.name}'" for one in machines)
    query = f"""with noun (machine, id, state, steps) as materialized ({nouns})
        select n.machine, n.id, n.state, s.to_state
        from noun n left join step s on s.machine = n.machine and s.subject_id = n.id and s.step = n.steps
        where s.to_state is distinct from n.state
           or exists (select from step later where later.subject_id = n.id and later.step > n.steps)
        union all
        select s.machine, s.subject_id, s.from_state, b.to_state
        from step s left join step b on b.subject_id = s.subject_id and b.step = s.step - 1
        where s.from_state <> coalesce(b.to_state, '') or (b.step is null) <> (s.step = 1)
        union all
        select s.machine, s.subject_id, s.to_state, 'of nothing'
        from step s
        where s.step = 1 and s.machine in ({names}) and not exists (
            select from noun n where n.machine = s.machine and n.id = s.subject_id)"""
    return Invariant(
        "STATE_HISTORY",
        "Does everything stand where its last step put it, and is every step of something that is there?",
        query,  # of names that our own declarations hold
        "critical",
        "A state was changed by hand, its history was, or something was taken away.",
        "P2",
    )


def _by_verb(moves: Sequence[Move]) -> Iterator[tuple[str, list[Move]]]:
    for verb in dict.fromkeys(move.verb for move in moves):
        yield verb, [move for move in moves if move.verb == verb]

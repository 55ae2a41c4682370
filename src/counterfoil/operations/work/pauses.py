"""Pausing queues: a switch with its history, looked at in each claim and again before each call, whoever runs the job.

A pause is of a queue, wholly or of one provider or program in it. What is called already goes on: answers are recorded and applied,
facts are booked. To drain is gentler: what a worker has taken is called for, too, and once that is done it is paused. One person pauses;
resuming what sends money, or what the machine itself stopped, takes two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput, Problem, ReasonRequired
from counterfoil.operations.access.access import Caller
from counterfoil.operations.approvals import Paired, Proposal, propose
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.due import paused_row
from counterfoil.operations.work.runner import Queue, wake

MACHINE: Final = "queue"
PAUSES_MAX: Final = 500
_NEWEST: Final = "from queue_pause where (queue, provider, program_id) = (%s, %s, %s) order by number desc"

EVENT_KINDS: Final = declare(
    info={"queue_resumed": "A queue is worked on again: a person resumed it, or two did."},
    warning={"queue_paused": "A person, or the machine, paused a queue; nothing of it is worked on until it is resumed."},
)


class NotPaused(Problem):
    """This is not paused: nothing is to be resumed."""


class QueuePart(NamedTuple):
    """What is paused: a queue, of one provider or program in it; empty: of all."""

    queue: str
    provider: str = ""
    program_id: str = ""


class Pause(NamedTuple):
    """One turn of the switch. `draining`: what is in a worker's hands may end; then it is paused like any other."""

    number: int
    queue: str
    provider: str
    program_id: str
    paused: bool
    reason: str
    actor: str
    at: datetime
    draining: bool

    @property
    def part(self) -> QueuePart:
        """What it is of."""
        return QueuePart(self.queue, self.provider, self.program_id)

    @property
    def by_machine(self) -> bool:
        """Did no person turn it?"""
        return self.actor.startswith("system:")


def known_part(queues: Mapping[str, Queue], part: QueuePart) -> Queue:
    """The queue of `part`, if it is parted so. Raises InvalidInput."""
    queue = queues.get(part.queue)
    if queue is None:
        raise InvalidInput("queue", f"one of {', '.join(sorted(queues))}", got=part.queue[:40])
    if part.provider and queue.lane is None:
        raise InvalidInput("provider", f"left out: the queue {queue.name} is not parted by providers")
    if part.program_id and queue.program is None:
        raise InvalidInput("programId", f"left out: the queue {queue.name} is not parted by programs")
    return queue


def pause(conn: Connection[Any], part: QueuePart, *, reason: str, actor: str, now: datetime) -> Pause:
    """Stop taking up work of this part, and calling for what was taken; what is paused already stays as it was paused first. What drains
    is stopped now. Raises ReasonRequired."""
    if not reason.strip():
        raise ReasonRequired(machine=MACHINE, verb="pause", field="reason", limit="at least one word")
    standing = _standing(conn, part)
    if standing is not None and standing.paused and not standing.draining:
        return standing
    return _turn(conn, part, True, reason, actor, now)


def drain(conn: Connection[Any], part: QueuePart, *, reason: str, actor: str, now: datetime) -> Pause:
    """Take up nothing more of this part, and let end what was taken; what is paused already stays so. Raises ReasonRequired."""
    if not reason.strip():
        raise ReasonRequired(machine=MACHINE, verb="drain", field="reason", limit="at least one word")
    standing = _standing(conn, part)
    if standing is not None and standing.paused:
        return standing
    return _turn(conn, part, True, reason, actor, now, draining=True)


def resume(conn: Connection[Any], queue: Queue, part: QueuePart, *, reason: str, actor: str, now: datetime) -> Pause:
    """Resume it; its workers are woken. Raises NotPaused, ReasonRequired."""
    if not reason.strip():
        raise ReasonRequired(machine=MACHINE, verb="resume", field="reason", limit="at least one word")
    standing = _standing(conn, part)
    if standing is None or not standing.paused:
        raise NotPaused(queue=part.queue, provider=part.provider or None, program=part.program_id or None)
    made = _turn(conn, part, False, reason, actor, now)
    wake(conn, queue)
    return made


def pull_brake(conn: Connection[Any], part: QueuePart, *, reason: str, actor: str, now: datetime) -> Pause:
    """The machine pauses this part, also where a person has already: only two people let go what the machine stopped."""
    standing = _standing(conn, part)
    if standing is not None and standing.paused and standing.by_machine:
        return standing
    return _turn(conn, part, True, reason, actor, now)


def takes_two(conn: Connection[Any], queue: Queue, part: QueuePart) -> bool:
    """Does it take two people to resume this part? A queue that sends money does, and whatever the machine itself stopped."""
    standing = _standing(conn, part)
    return queue.money or (standing is not None and standing.paused and standing.by_machine)


def propose_resume(conn: Connection[Any], proposal_id: str, part: QueuePart, *, reason: str, by: Caller, now: datetime) -> Proposal:
    """Ask a second person to resume a queue that sends money. Raises NotPaused, ReasonRequired, ProposalStands."""
    standing = _standing(conn, part)
    if standing is None or not standing.paused:
        raise NotPaused(queue=part.queue, provider=part.provider or None, program=part.program_id or None)
    # The pause that is ended is part of what is approved: a later one is not ended with it.
    payload = {**part._asdict(), "pause": standing.number}
    return propose(
        conn,
        proposal_id,
        machine=MACHINE,
        subject_id=part.queue,
        verb="resume",
        payload=payload,
        reason=reason,
        by=by,
        now=now,
        program_id=part.program_id or None,
    )


def resume_or_propose(
    conn: Connection[Any], queue: Queue, part: QueuePart, proposal_id: str, *, reason: str, by: Caller, now: datetime
) -> Pause | Proposal:
    """Resume it, or ask a second person to where it takes two. Raises NotPaused, ReasonRequired, ProposalStands."""
    if takes_two(conn, queue, part):
        return propose_resume(conn, proposal_id, part, reason=reason, by=by, now=now)
    return resume(conn, queue, part, reason=reason, actor=by.actor, now=now)


class Held(NamedTuple):
    """What holds a row back: a pause of its queue, for its provider or program; or its provider's circuit, when that is not closed."""

    paused: bool
    broken: bool


def is_paused(conn: Connection[Any], queue: Queue, subject_id: str) -> bool:
    """Is this row stopped by a pause of its queue, for its provider or its program? What drains is: nobody has taken it up yet."""
    query = sql.SQL("select {paused} from {table} w where w.id = %(id)s").format(
        paused=paused_row(queue), table=sql.Identifier(queue.table)
    )
    row = conn.execute(query, {"queue": queue.name, "id": subject_id}).fetchone()
    return bool(row and row[0])


def held_among(conn: Connection[Any], queue: Queue, providers: Mapping[str, str | None]) -> dict[str, Held]:
    """What holds each of these rows back, by id with the provider whose circuit counts. One question, before calls outside; they were
    taken up before, so what drains lets them end."""
    rows = conn.execute(
        sql.SQL("""select w.id, {paused}, exists (select from circuit c where c.queue = %(queue)s and c.provider = g.provider
                                                  and c.state <> 'closed')
                   from unnest(%(ids)s::text[], %(providers)s::text[]) as g (id, provider) join {table} w on w.id = g.id""").format(
            paused=paused_row(queue, lets_end=True), table=sql.Identifier(queue.table)
        ),
        {"queue": queue.name, "ids": list(providers), "providers": list(providers.values())},
    ).fetchall()
    known = {row[0]: Held(bool(row[1]), bool(row[2])) for row in rows}
    return {one: known.get(one, Held(False, False)) for one in providers}


def paused_of(conn: Connection[Any], queue: Queue, subject_ids: Sequence[str]) -> dict[str, str]:
    """Which of these rows of a queue a pause stops, and which pause: since when, by whom, and why."""
    rows = conn.execute(
        sql.SQL("""select w.id, p.actor, p.at, p.reason from {table} w cross join lateral (
                       select q.actor, q.at, q.reason from queue_paused q
                       where q.queue = %(queue)s and q.provider in ('', {provider}) and q.program_id in ('', {program})
                       order by q.number limit 1) p
                   where w.id = any(%(ids)s)""").format(
            table=sql.Identifier(queue.table),
            provider=sql.Identifier("w", queue.lane) if queue.lane else sql.Literal(""),
            program=sql.Identifier("w", queue.program) if queue.program else sql.Literal(""),
        ),
        {"queue": queue.name, "ids": list(subject_ids)},
    ).fetchall()
    return {row[0]: f"{queue.name} is paused since {row[2]:%Y-%m-%d %H:%M} UTC by {row[1]}: {row[3]}" for row in rows}


def pause_on(conn: Connection[Any], queue: str, provider: str, program_id: str) -> Pause | None:
    """The oldest pause that stops what is of this provider (empty: of none) and program in a queue."""
    found = _select(
        conn,
        "from queue_paused where queue = %s and provider in ('', %s) and program_id in ('', %s) order by number limit 1",
        [queue, provider, program_id],
    )
    return found[0] if found else None


def paused_now(conn: Connection[Any]) -> list[Pause]:
    """Every pause that holds, the oldest first."""
    return _select(conn, "from queue_paused order by number limit %s", [PAUSES_MAX])


def history_of_pauses(conn: Connection[Any], queue: str | None = None) -> list[Pause]:
    """Each turn of the switches, newest first; of one queue, or of all."""
    return _select(
        conn,
        "from queue_pause where %s::text is null or queue = %s order by number desc limit %s",
        [queue, queue, PAUSES_MAX],
    )


def _turn(conn: Connection[Any], part: QueuePart, paused: bool, reason: str, actor: str, now: datetime, *, draining: bool = False) -> Pause:
    row = conn.execute(
        """insert into queue_pause (queue, provider, program_id, paused, reason, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s) returning number""",
        [*part, paused, reason, actor, now],
    ).fetchone()
    if draining and row is not None:
        conn.execute("insert into queue_drain (number) values (%s)", [row[0]])
    [made] = _select(conn, f"{_NEWEST} limit 1", [*part])
    told = {"provider": part.provider, "programId": part.program_id, "reason": reason, "actor": actor, "draining": draining}
    name = "queue_paused" if paused else "queue_resumed"
    emit(conn, [NewEvent(name, part.program_id, part.queue, told, once=str(made.number))], at=now)
    return made


def _standing(conn: Connection[Any], part: QueuePart) -> Pause | None:
    """The newest turn of this switch. Two who turn it at once are put in line."""
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", ["queue_pause:" + ":".join(part)])
    found = _select(conn, f"{_NEWEST} limit 1", [*part])
    return found[0] if found else None


def _select(conn: Connection[Any], ending: str, given: list[Any]) -> list[Pause]:
    with conn.cursor(row_factory=class_row(Pause)) as cur:
        draining = "number in (select d.number from queue_drain d) as draining "
        query = f"select number, queue, provider, program_id, paused, reason, actor, at, {draining}{ending}"
        return cur.execute(query.encode(), given).fetchall()


def paired(queues: Mapping[str, Queue]) -> tuple[Paired, ...]:
    """What takes two people: resuming a queue that sends money, or one that the machine stopped."""

    def do(conn: Connection[Any], approved: Proposal, by: Caller, now: datetime) -> str | None:
        told = approved.payload
        part = QueuePart(told["queue"], told["provider"], told["program_id"])
        standing = _standing(conn, part)
        if standing is None or not standing.paused or standing.number != told["pause"]:
            raise NotPaused(queue=part.queue, proposal=approved.id)
        made = resume(conn, queues[part.queue], part, reason=approved.reason, actor=by.actor, now=now)
        return str(made.number)

    return (Paired(MACHINE, "resume", do, label="Resume a queue"),)

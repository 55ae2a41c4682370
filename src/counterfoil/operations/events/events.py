"""Events: what a part below tells the parts above, in the transaction of the fact. `wiring` names who follows; the worker runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.machine import Machine, Move, record_birth, take_step, take_steps
from counterfoil.base.problems import NotFound, check
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import Claim, Queue, Runner, Tally, run_here, wake

LEVELS: Final[Mapping[str, tuple[str, str]]] = {  # name → level, meaning
    "invoice_issued": ("debug", "An invoice was issued to a customer."),
    "invoice_paid": ("info", "An invoice is paid in full."),
    "invoice_partially_paid": ("info", "A part of an invoice is paid."),
    "invoice_overpaid": ("warning", "A customer paid more than was asked; the rest is owed back."),
    "payment_unidentified": ("warning", "Money came that belongs to no open invoice; it lies in suspense."),
    "intent_failed": ("warning", "A settlement intent could not be carried out."),
    "settlement_completed": ("debug", "An invoice was settled: fees taken, the rest is owed to the payee."),
    "payout_created": ("debug", "A payout was created for a settlement."),
    "payout_idempotent_skip": ("info", "A payout with this key exists already; nothing was moved."),
    "payout_waiting": ("info", "A payout waits: its payee has no active destination, or the ledger refuses it."),
    "payout_completed": ("debug", "A payout arrived and is booked as final."),
    "payout_failed": ("warning", "A payout failed for certain; its money is owed to the payee again."),
    "payout_cancelled": ("info", "A payout was cancelled by a person."),
    "payout_returned": (
        "warning",
        "A payout came back after it had arrived; it is owed again and never sent again by itself.",
    ),
    "payout_unreserved": (
        "info",
        "A payout that was not sent yet is set aside anew: its destination or its amount changed.",
    ),
    "payout_netted_out": ("info", "Nothing is left to pay: all of it paid what the payee owed, or it was paid before."),
    "payout_overpaid": (
        "critical",
        "An attempt turned out to be paid when its money had gone elsewhere: the payee owes it back.",
    ),
    "payout_reissued": ("info", "A new payout was made for what is still owed for a settlement."),
    "payout_quarantined": ("warning", "A person stopped an attempt: it is not sent while that lasts."),
    "payout_unknown": ("warning", "Nobody knows yet whether a payout went out; it waits for the provider's answer."),
    "provider_status_conflict": ("critical", "The provider contradicts what it said before, or paid another amount."),
    "webhook_conflict": ("critical", "A webhook came again under the same id with another body."),
    "webhook_parked": ("critical", "A received webhook failed five times and needs a person."),
    "work_stuck": ("critical", "Something failed five times; it is tried each hour, and needs a person."),
    "queue_paused": ("warning", "A person paused a queue; nothing of it is worked on until it is resumed."),
    "queue_resumed": ("info", "A person resumed a queue."),
    "hold_expiring": ("warning", "A hold expires within the hour; then it cannot be posted, and its money returns."),
    "hold_expired": ("info", "A hold's time was over, and its money returned."),
    "reconciliation_finished": ("info", "A reconciliation run ended."),
    "reconciliation_failed": ("warning", "A reconciliation run could not conclude, so nothing is known of its days."),
    "reconciliation_disagrees": (
        "critical",
        "A full reconciliation found something else than the runs before it had said.",
    ),
    "reconciliation_missed": (
        "warning",
        "A schedule was due and no worker was there: what it should have looked at was looked at later, or not at all.",
    ),
    "client_money_not_made": ("warning", "The statement of client money of a day could not be drawn up."),
    "client_money_shortfall": (
        "critical",
        "Less is held for owners than is owed to them; own funds must make it up today.",
    ),
}

EVENT: Final = Machine(
    name="event",
    table="event",
    initial=("due",),
    transitions={("due", "handle"): "handled", ("due", "park"): "parked", ("parked", "requeue"): "due"},
    reasoned=frozenset({"requeue"}),
)
EVENTS: Final = Queue("events", "event", ("due",), program="program_id")


class NewEvent(NamedTuple):
    """An event to emit. `once` is what makes it the only one of its name for its subject: emitting it again is refused."""

    name: str
    program_id: str
    subject_id: str
    payload: dict[str, Any]
    once: str = "1"

    def id(self) -> str:
        """Derived, never random: a step that is repeated cannot tell its event twice."""
        return f"{self.subject_id}.{self.name}.{self.once}"


class Event(NamedTuple):
    """An event as it was emitted."""

    id: str
    name: str
    level: str
    program_id: str
    subject_id: str
    payload: dict[str, Any]
    at: datetime
    state: str


__all__ = ["EVENT", "EVENTS", "LEVELS", "Event", "Follower", "NewEvent", "emit", "follow", "tell_stuck", "wake"]

Follower = Callable[[Connection[Any], Sequence[Event], datetime], None]


def emit(conn: Connection[Any], events: Sequence[NewEvent], *, at: datetime) -> None:
    """Write events, by set, in the transaction of what they tell. The worker is woken when it commits."""
    if not events:
        return
    check(all(event.name in LEVELS for event in events), "an event is in the catalogue", names=[e.name for e in events])
    conn.execute(
        """insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at, due_at)
           select id, name, level, program_id, subject_id, payload, %(at)s, 'due', %(at)s, %(at)s
           from unnest(%(ids)s::text[], %(names)s::text[], %(levels)s::text[], %(programs)s::text[],
                       %(subjects)s::text[], %(payloads)s::jsonb[])
                as e (id, name, level, program_id, subject_id, payload)""",
        {
            "at": at,
            "ids": [event.id() for event in events],
            "names": [event.name for event in events],
            "levels": [LEVELS[event.name][0] for event in events],
            "programs": [event.program_id for event in events],
            "subjects": [event.subject_id for event in events],
            "payloads": [Jsonb(event.payload) for event in events],
        },
    )
    record_birth(conn, EVENT, [event.id() for event in events], "due", actor="system", at=at)
    wake(conn, EVENTS)


def tell_stuck(conn: Connection[Any], queue: Queue, one: Claim, said: str, now: datetime) -> None:
    """Tell a person of an item that failed as often as the ladder is long, and goes on being tried each hour."""
    told = {"queue": queue.name, "error": said}
    emit(conn, [NewEvent("work_stuck", "", one.id, told, once=f"{queue.name}.{one.fence}")], at=now)


def follow(runner: Runner, followers: Mapping[str, Follower]) -> Tally:
    """One tick: hand due events to those who follow them, by set and name; an event nobody follows is handled at once."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        events = events_by_id(conn, [one.id for one in claims])
        for name in sorted({event.name for event in events} & set(followers)):
            followers[name](conn, [event for event in events if event.name == name], now)
        take_steps(conn, EVENT, [Move(e.id, e.state, "handle") for e in events], actor="system:worker", at=now)

    def park(conn: Connection[Any], one: Claim, said: str, now: datetime) -> None:
        take_steps(conn, EVENT, [Move(one.id, "due", "park")], actor="system:worker", at=now, cause=said)

    return run_here(runner, EVENTS, work, park=park)


def requeue_event(conn: Connection[Any], event_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Have a parked event handled again, once its cause is mended. Raises NotFound, TransitionRefused, ReasonRequired."""
    row = conn.execute("select state from event where id = %s for update", [event_id]).fetchone()
    if row is None:
        raise NotFound(what="event", id=event_id)
    state = take_step(conn, EVENT, event_id, row[0], "requeue", actor=actor, at=now, reason=reason)
    conn.execute("update event set due_at = %s, attempt = 0, last_error = null where id = %s", [now, event_id])
    wake(conn, EVENTS)
    return state


def events_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Event]:
    """These events, in the order they were emitted."""
    with conn.cursor(row_factory=class_row(Event)) as cur:
        return cur.execute(
            """select id, name, level, program_id, subject_id, payload, at, state
               from event where id = any(%s) order by at, id""",
            [list(ids)],
        ).fetchall()


def list_events(
    conn: Connection[Any],
    *,
    rows_max: int,
    after: tuple[datetime, str] | None = None,
    name: str | None = None,
    level: str | None = None,
    subject_id: str | None = None,
) -> list[Event]:
    """Events, newest first, keyset-paged by (at, id)."""
    with conn.cursor(row_factory=class_row(Event)) as cur:
        return cur.execute(
            """select id, name, level, program_id, subject_id, payload, at, state from event
               where (%(name)s::text is null or name = %(name)s) and (%(level)s::text is null or level = %(level)s)
                 and (%(subject)s::text is null or subject_id = %(subject)s)
                 and (%(at)s::timestamptz is null or (at, id) < (%(at)s, %(id)s))
               order by at desc, id desc limit %(rows_max)s""",
            {
                "name": name,
                "level": level,
                "subject": subject_id,
                "at": after[0] if after else None,
                "id": after[1] if after else None,
                "rows_max": rows_max,
            },
        ).fetchall()


JOBS: Final = (
    Job("events", EVENTS, lambda c, _: follow(c.runner, c.followers), "Hands events to the parts that follow them."),
)

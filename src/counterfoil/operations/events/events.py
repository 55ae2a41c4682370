"""Events: what a part below tells the parts above, in the transaction of the fact. `wiring` names who follows; the worker runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, get_args

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.machine import STEPS_OF, Machine, Move, birth, take_step, take_steps
from counterfoil.base.problems import NotFound, check
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey, between_moments
from counterfoil.operations.work.due import ClaimStep
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.parts import run_in_parts
from counterfoil.operations.work.runner import Claim, Queue, Runner, Tally, wake

Level = Literal["debug", "info", "warning", "critical"]


class EventKind(NamedTuple):
    """A kind of event: its name, its level, and what it means, for people."""

    name: str
    level: Level
    says: str


NONE: Final[Mapping[str, str]] = {}
_KINDS: Final[dict[str, EventKind]] = {}


def declare(
    *,
    debug: Mapping[str, str] = NONE,
    info: Mapping[str, str] = NONE,
    warning: Mapping[str, str] = NONE,
    critical: Mapping[str, str] = NONE,
) -> tuple[EventKind, ...]:
    """A part tells which events it emits, by level their names and what they mean; at import, beside what emits them.

    Only what is declared is emitted.
    """
    levels: dict[Level, Mapping[str, str]] = {"debug": debug, "info": info, "warning": warning, "critical": critical}
    kinds = tuple(EventKind(name, level, says) for level, named in levels.items() for name, says in named.items())
    for kind in kinds:
        check(_KINDS.setdefault(kind.name, kind) == kind, "an event is declared once", name=kind.name)
    return kinds


def event_kind(name: str) -> EventKind | None:
    """The kind of this name, if any part declared it."""
    return _KINDS.get(name)


def event_kinds() -> list[EventKind]:
    """Every kind that any part declared, by name."""
    return [_KINDS[name] for name in sorted(_KINDS)]


EVENT_KINDS: Final = declare(critical={"work_stuck": "Something failed five times; it is tried each hour, and needs a person."})

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


Follower = Callable[[Connection[Any], Sequence[Event], datetime], None]


_BIRTHS: Final = STEPS_OF.format(number="1", start="%(from)s", end="%(to)s", rows="emitted")


def emit(conn: Connection[Any], events: Sequence[NewEvent], *, at: datetime) -> None:
    """Write events, by set, in the transaction of what they tell. The worker is woken when it commits."""
    if not events:
        return
    check(all(event.name in _KINDS for event in events), "an event is declared", names=[e.name for e in events])
    conn.execute(
        """with emitted as (
               insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at, due_at)
               select id, name, level, program_id, subject_id, payload, %(at)s, 'due', %(at)s, %(at)s
               from unnest(%(ids)b::text[], %(names)b::text[], %(levels)b::text[], %(programs)b::text[],
                           %(subjects)b::text[], %(payloads)b::jsonb[])
                    as e (id, name, level, program_id, subject_id, payload) returning id)"""
        + _BIRTHS,
        {
            **birth(EVENT, "due"),
            "actor": "system",
            "reason": None,
            "cause": None,
            "at": at,
            "ids": [event.id() for event in events],
            "names": [event.name for event in events],
            "levels": [_KINDS[event.name].level for event in events],
            "programs": [event.program_id for event in events],
            "subjects": [event.subject_id for event in events],
            "payloads": [Jsonb(event.payload) for event in events],
        },
    )
    wake(conn, EVENTS)


def tell_stuck(conn: Connection[Any], queue: Queue, one: Claim, said: str, now: datetime) -> None:
    """Tell a person of an item that failed as often as the ladder is long, and goes on being tried each hour."""
    told = {"queue": queue.name, "error": said}
    emit(conn, [NewEvent("work_stuck", "", one.id, told, once=f"{queue.name}.{one.fence}")], at=now)


def follow(runner: Runner, followers: Mapping[str, Follower]) -> Tally:
    """One tick: hand due events to those who follow them, by set and name, each in a transaction of its own; an event nobody follows is
    handled at once."""

    def parts(conn: Connection[Any], ids: Sequence[str]) -> list[list[str]]:
        groups: dict[str, list[str]] = {}
        for row in conn.execute("select id, name from event where id = any(%s) order by at, id", [list(ids)]).fetchall():
            groups.setdefault(row[1] if row[1] in followers else "", []).append(row[0])
        return [groups[name] for name in sorted(groups)]

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        events = events_by_id(conn, [one.id for one in claims])
        for name in sorted({event.name for event in events} & set(followers)):
            followers[name](conn, [event for event in events if event.name == name], now)

    def park(conn: Connection[Any], one: Claim, said: str, now: datetime) -> None:
        take_steps(conn, EVENT, [Move(one.id, "due", "park")], actor="system:worker", at=now, cause=said)

    return run_in_parts(runner, EVENTS, parts, work, park=park, step=lambda _: ClaimStep(EVENT, "handle"))


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


EVENT_LIST: Final = PlainList(
    "events",
    "evt",
    "event",
    events_by_id,
    (SortKey("at", datetime),),
    (
        Narrow("name", "t.name = %(name)s", "Only of this name, such as payout_failed."),
        Narrow("level", "t.level = %(level)s", "debug, info, warning or critical.", "choice", choices=get_args(Level)),
        Narrow("subject_id", "t.subject_id = %(subject_id)s", "Only about this thing.", flag="subject"),
        *between_moments("at", "emitted"),
    ),
    order="-at",
)


JOBS: Final = (
    Job("events", EVENTS, lambda c, _: follow(c.runner, c.followers), "Hands events to the parts that follow them.", gathers=True),
)

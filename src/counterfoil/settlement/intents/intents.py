"""Settlement intents: the one thread from the request to pay until the invoice is settled. Its row is the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Machine, Move, record_birth, steps_taken, take_step, take_steps
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.events.events import EventKind, NewEvent, declare, emit
from counterfoil.operations.verbs import Noun, Verb, VerbCall, VerbResult
from counterfoil.operations.work.runner import Queue, wake

INTENT: Final = Machine(
    name="intent",
    table="intent",
    initial=("created",),
    transitions={
        ("created", "request"): "payment_pending",
        ("payment_pending", "cancel"): "cancelled",
        ("payment_pending", "verify"): "verifying",
        ("verifying", "confirm"): "processing",
        ("verifying", "fail"): "failed",
        ("processing", "complete"): "completed",
        ("processing", "fail"): "failed",
        ("processing", "drop"): "cancelled",  # all of it was refunded before
        ("failed", "retry"): "verifying",
    },
    reasoned=frozenset({"retry"}),
)
STATES: Final = tuple(INTENT.states())
VERIFYING: Final = Queue("verify", "intent", ("verifying",), lane="provider", program="program_id")
PROCESSING: Final = Queue("settle", "intent", ("processing",), program="program_id")
MOVING: Final = (*VERIFYING.states, *PROCESSING.states)  # payment_pending waits for a customer, not for us

EVENT_KINDS: Final = declare(
    EventKind("intent_failed", "warning", "A settlement intent could not be carried out."),
)


class Intent(NamedTuple):
    """An intent as it stands."""

    id: str
    program_id: str
    invoice_id: str
    provider: str
    created_at: datetime
    completed_at: datetime | None
    state: str
    state_at: datetime
    last_error: str | None


def ask_for_payment(
    conn: Connection[Any],
    program_id: str,
    invoice_ids: Sequence[str],
    *,
    provider: str,
    make_id: MakeId,
    actor: str,
    now: datetime,
) -> None:
    """Open an intent for each invoice that was just issued: from here on a payment is expected."""
    ids = [make_id("int") for _ in invoice_ids]
    conn.execute(
        """insert into intent (id, program_id, invoice_id, provider, created_at, state, state_at)
           select i.id, %s, i.invoice_id, %s, %s, 'created', %s from unnest(%s::text[], %s::text[]) as i (id, invoice_id)""",
        [program_id, provider, now, now, ids, list(invoice_ids)],
    )
    record_birth(conn, INTENT, ids, "created", actor=actor, at=now)
    take_steps(conn, INTENT, [Move(one, "created", "request") for one in ids], actor=actor, at=now)


def begin_verifying(conn: Connection[Any], invoice_ids: Sequence[str], *, cause: str, now: datetime) -> None:
    """The invoices are paid: let their intents verify, at once."""
    waiting = intents_of(conn, invoice_ids, lock=True)
    ids = [one.id for one in waiting if one.state == "payment_pending"]
    moves = [Move(one, "payment_pending", "verify") for one in ids]
    take_steps(conn, INTENT, moves, actor="system:worker", at=now, cause=cause)
    make_due(conn, ids, now=now)


def make_due(conn: Connection[Any], ids: Sequence[str], *, now: datetime) -> None:
    """Have the worker take these intents up now."""
    conn.execute("update intent set due_at = %s, attempt = 0 where id = any(%s)", [now, list(ids)])
    wake(conn, VERIFYING, PROCESSING)


def fail_intent(conn: Connection[Any], intent: Intent, *, error: str, now: datetime) -> None:
    """Give an intent up: it stays failed, with its error, until a person retries it."""
    take_step(conn, INTENT, intent.id, intent.state, "fail", actor="system:worker", at=now, cause=error)
    conn.execute("update intent set due_at = null, last_error = %s where id = %s", [error, intent.id])
    told = {"invoiceId": intent.invoice_id, "error": error}
    once = f"step-{steps_taken(conn, INTENT, intent.id)}"
    emit(conn, [NewEvent("intent_failed", intent.program_id, intent.id, told, once=once)], at=now)


def retry_intent(conn: Connection[Any], intent_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Take a failed intent up again, or bring a moving one forward. Raises NotFound, TransitionRefused."""
    intent = show_intent(conn, intent_id, lock=True)
    state = intent.state
    if state not in MOVING:
        state = take_step(conn, INTENT, intent_id, state, "retry", actor=actor, at=now, reason=reason)
    make_due(conn, [intent_id], now=now)
    return state


def _retry(one: VerbCall) -> VerbResult:
    return VerbResult(retry_intent(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _refusals(conn: Connection[Any], intent_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    state = show_intent(conn, intent_id).state
    may = state in (*MOVING, *INTENT.before("retry"))
    return {"retry": None if may else f"it is {state.replace('_', ' ')}"}


def show_intent(conn: Connection[Any], intent_id: str, *, lock: bool = False) -> Intent:
    """One intent. Raises NotFound."""
    found = _select(conn, "where id = %s" + (" for update" if lock else ""), [intent_id])
    if not found:
        raise NotFound(what="intent", id=intent_id)
    return found[0]


def intents_of(conn: Connection[Any], invoice_ids: Sequence[str], *, lock: bool = False) -> list[Intent]:
    """The intents of these invoices, in id order."""
    ending = " for update" if lock else ""
    return _select(conn, f"where invoice_id = any(%s) order by id{ending}", [list(invoice_ids)])


def intents_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Intent]:
    """These intents, in id order."""
    return _select(conn, "where id = any(%s) order by id", [list(ids)])


def list_intents(
    conn: Connection[Any],
    *,
    rows_max: int,
    after: str | None = None,
    state: str | None = None,
    stuck_before: datetime | None = None,
) -> list[Intent]:
    """Intents, newest first; with `stuck_before`, those that move by themselves but have not since then."""
    if state is not None and state not in STATES:
        raise InvalidInput("state", f"one of {', '.join(STATES)}", got=state[:40])
    return _select(
        conn,
        """where (%(after)s::text is null or id < %(after)s) and (%(state)s::text is null or state = %(state)s)
             and (%(stuck)s::timestamptz is null or (state = any(%(moving)s) and state_at < %(stuck)s))
           order by id desc limit %(rows_max)s""",
        {"after": after, "state": state, "stuck": stuck_before, "moving": list(MOVING), "rows_max": rows_max},
    )


def _select(conn: Connection[Any], ending: str, given: Any) -> list[Intent]:
    with conn.cursor(row_factory=class_row(Intent)) as cur:
        return cur.execute(
            "select id, program_id, invoice_id, provider, created_at, completed_at, state, state_at, last_error from intent " + ending,
            given,
        ).fetchall()


VERBS: Final = (
    Verb(
        "retry",
        OPERATE,
        "Retry",
        "A failed one is verified anew at the provider; one that moves is brought forward. Moves no money by itself.",
        do=_retry,
        done="{id} is {state}; the worker takes it up now.",
    ),
)
INTENT_NOUN: Final = Noun("intent", "intents", "int", INTENT, VERBS, show_intent, _refusals)

"""Settlement intents: the one thread from the request to pay until the invoice is settled. Its row is the job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Also, Machine, Move, listed, record_birth, steps_taken, take_step, take_steps
from counterfoil.base.problems import NotFound
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import ListCondition
from counterfoil.operations.work.runner import Queue, wake

INTENT: Final = Machine(
    name="intent",
    table="intent",
    initial=("created",),
    transitions={
        ("created", "request"): "payment_pending",
        ("payment_pending", "cancel"): "cancelled",
        ("payment_pending", "expire"): "expired",
        ("payment_pending", "verify"): "verifying",
        ("verifying", "confirm"): "processing",
        ("verifying", "fail"): "failed",
        ("processing", "complete"): "completed",
        ("processing", "fail"): "failed",
        ("processing", "drop"): "cancelled",  # all of it was refunded before
        ("failed", "retry"): "verifying",
        ("expired", "reopen"): "payment_pending",
        ("expired", "verify"): "verifying",  # its invoice was written off
    },
    reasoned=frozenset({"retry", "reopen"}),
)
STATES: Final = tuple(INTENT.states())
VERIFYING: Final = Queue("verify", "intent", ("verifying",), lane="provider", program="program_id")
PROCESSING: Final = Queue("settle", "intent", ("processing",), program="program_id")
MOVING: Final = (*VERIFYING.states, *PROCESSING.states)  # payment_pending waits for a customer, not for us

# When one that was tried is tried again; what was never tried is just due.
_NEXT_TRY_AT: Final = f"case when t.state in {listed(MOVING)} and t.attempt > 0 then t.due_at end as next_try_at"

EXPIRES_AFTER: Final = timedelta(days=60)  # after its invoice's due date; then no payment is waited for

EVENT_KINDS: Final = declare(
    warning={
        "intent_failed": "A settlement intent could not be carried out.",
        "intent_expired": "Nobody paid for so long that no payment is waited for any more.",
    },
)


_AT_ONCE: Final = Also("due_at = %(at)s, attempt = 0", {})
_GIVEN_BACK: Final = Also(f"{_AT_ONCE.sets}, lease_owner = null, lease_until = null, last_error = null", {})


class Intent(NamedTuple):
    """An intent as it stands. `next_try_at`: while it waits for its next try; `last_error`: why it does, or did last."""

    id: str
    program_id: str
    invoice_id: str
    provider: str
    created_at: datetime
    completed_at: datetime | None
    state: str
    state_at: datetime
    next_try_at: datetime | None
    last_error: str | None


class ListedIntent(NamedTuple):
    """An intent in a list, with what it is about: the amount of its invoice and what is paid of it, in minor units. `waits_until`: the
    last day on which its payment is waited for; `next_try_at`: as an intent has it."""

    id: str
    program_id: str
    invoice_id: str
    customer_id: str
    asset: str
    amount: int
    paid: int
    provider: str
    created_at: datetime
    completed_at: datetime | None
    state: str
    state_at: datetime
    due_on: date
    waits_until: date | None
    next_try_at: datetime | None
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
    moves = [Move(one.id, one.state, "verify") for one in waiting if one.state in INTENT.before("verify")]
    take_steps(conn, INTENT, moves, actor="system:worker", at=now, cause=cause, also=_AT_ONCE)
    if moves:
        wake(conn, VERIFYING)


def confirm_intents(conn: Connection[Any], ids: Sequence[str], *, actor: str, now: datetime) -> None:
    """The provider's own record says the same: given back by whoever verified them, and due to be settled at once."""
    take_steps(conn, INTENT, [Move(one, "verifying", "confirm") for one in ids], actor=actor, at=now, also=_GIVEN_BACK)
    if ids:
        wake(conn, PROCESSING)


def cancel_intents(conn: Connection[Any], invoice_ids: Sequence[str], *, cause: str, actor: str, now: datetime) -> None:
    """No payment is waited for any more on these locked invoices."""
    waiting = [one for one in intents_of(conn, invoice_ids, lock=True) if one.state == "payment_pending"]
    take_steps(conn, INTENT, [Move(one.id, one.state, "cancel") for one in waiting], actor=actor, at=now, cause=cause)


def expired_among(conn: Connection[Any], invoice_ids: Sequence[str]) -> set[str]:
    """Those of these locked invoices whose intent has expired."""
    return {one.invoice_id for one in intents_of(conn, invoice_ids) if one.state == "expired"}


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
) -> list[ListedIntent]:
    """Intents, newest first; in one state or in any."""
    return _listed(
        conn,
        """where (%(after)s::text is null or t.id < %(after)s) and (%(state)s::text is null or t.state = %(state)s)
           order by t.id desc limit %(rows_max)s""",
        {"after": after, "state": state, "rows_max": rows_max},
    )


def listed_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[ListedIntent]:
    """These intents as a list shows them, in id order."""
    return _listed(conn, "where t.id = any(%(ids)s) order by t.id", {"ids": list(ids)})


def stuck_since(moment: datetime) -> ListCondition:
    """Those that should move by themselves and have not since this moment."""
    return ListCondition("t.state = any(%(moving)s) and t.state_at < %(stuck)s", {"moving": list(MOVING), "stuck": moment})


# Those that wait for the payment of an overdue invoice, or waited for it in vain.
UNPAID: Final = ListCondition(
    """t.state in ('payment_pending', 'expired')
       and exists (select from invoice v where v.id = t.invoice_id and v.state = 'overdue')"""
)


def _listed(conn: Connection[Any], ending: str, given: dict[str, Any]) -> list[ListedIntent]:
    with conn.cursor(row_factory=class_row(ListedIntent)) as cur:
        return cur.execute(
            f"""select t.id, t.program_id, t.invoice_id, v.customer_id, v.asset, v.total as amount, v.paid, t.provider, t.created_at,
                       t.completed_at, t.state, t.state_at, v.due_on,
                       case when t.state = 'payment_pending' then coalesce(t.waits_until, v.due_on + %(span)s) end as waits_until,
                       {_NEXT_TRY_AT}, t.last_error
                from intent t join invoice v on v.id = t.invoice_id {ending}""",
            {**given, "span": EXPIRES_AFTER.days},
        ).fetchall()


def _select(conn: Connection[Any], ending: str, given: Any) -> list[Intent]:
    with conn.cursor(row_factory=class_row(Intent)) as cur:
        return cur.execute(
            f"""select t.id, t.program_id, t.invoice_id, t.provider, t.created_at, t.completed_at, t.state, t.state_at,
                       {_NEXT_TRY_AT}, t.last_error
                from intent t {ending}""",
            given,
        ).fetchall()

"""Intents that expire: no payment is waited for for ever.

Sixty days after its invoice's due date an intent expires. A part that was paid until then is owed back, since it pays for nothing, and is
claimed no more; what comes later is owed back, too. The claim for the rest stands: the invoice stays overdue until a person credits it,
writes the rest off, or, where nothing was paid, asks for payment again. Who claims all of it credits it and bills it anew.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

import structlog
from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Move, steps_taken, take_step, take_steps
from counterfoil.base.problems import DatabaseAway, Problem
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job, of_runner_and_ids
from counterfoil.operations.work.runner import Runner, Tally
from counterfoil.payouts.disputes.standing import is_contested
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice, refundable
from counterfoil.settlement.intents.intents import EXPIRES_AFTER, INTENT, Intent, intents_of, show_intent
from counterfoil.settlement.invoices.invoices import Invoice

_log = structlog.get_logger("counterfoil.work")
ACTOR: Final = "system:worker"
REST_S: Final = 300.0
ROWS_MAX: Final = 100
WAITED: Final = "coalesce(i.waits_until, v.due_on + %(span)s)"  # until this day a payment is waited for


class CannotReopen(Problem):
    """No payment can be asked for again on this invoice."""


def expire_due(runner: Runner, make_id: MakeId) -> Tally:
    """One tick: expire intents whose invoices are overdue for sixty days, each in a transaction of its own; some 100, and the next tick
    goes on. However many fail, the others do not wait for them."""
    handled = failed = 0
    rows: list[tuple[date, str]] = [(date.min, "")]
    while handled < ROWS_MAX and (rows := _overdue(runner, after=rows[-1])):
        for _, invoice_id in rows:
            try:
                with runner.database.transaction() as conn:
                    handled += _expire(conn, invoice_id, make_id, runner.clock(conn))
            except DatabaseAway:
                raise
            except Exception:  # noqa: BLE001 - one that cannot be expired must not stop the others
                failed += 1
                _log.exception("intent does not expire", invoice_id=invoice_id)
    return Tally(handled=handled, failed=failed)


def _overdue(runner: Runner, *, after: tuple[date, str]) -> list[tuple[date, str]]:
    """The next invoices, and when they were due, of which no payment is waited for any longer; at most 100."""
    with runner.database.transaction() as conn:
        return conn.execute(
            f"""select v.due_on, v.id from invoice v join intent i on i.invoice_id = v.id
                where v.state = 'overdue' and i.state = 'payment_pending' and v.due_on < %(overdue)s and {WAITED} < %(today)s
                      and (v.due_on, v.id) > (%(due_on)s, %(id)s)
                order by v.due_on, v.id limit {ROWS_MAX}""",
            _days(runner.clock(conn)) | {"due_on": after[0], "id": after[1]},
        ).fetchall()


def _days(now: datetime) -> dict[str, Any]:
    return {"today": now.date(), "overdue": now.date() - EXPIRES_AFTER, "span": EXPIRES_AFTER}


def _expire(conn: Connection[Any], invoice_id: str, make_id: MakeId, now: datetime) -> int:
    invoice = lock_invoice(conn, invoice_id)
    [intent] = intents_of(conn, [invoice_id], lock=True)
    if invoice.state != "overdue" or intent.state != "payment_pending" or is_contested(conn, invoice_id):
        return 0  # paid, credited or disputed since it was read
    state = take_step(conn, INTENT, intent.id, intent.state, "expire", actor=ACTOR, at=now)
    left = refundable(conn, invoice)
    if left:
        book_refund(conn, make_id("ref"), invoice, left, cause=f"{intent.id} {state}", make_id=make_id, actor=ACTOR, now=now)
    told = {
        "invoiceId": invoice.id,
        "customerId": invoice.customer_id,
        "due": str(invoice.due),
        "owedBack": str(left),
        "asset": invoice.asset,
    }
    once = f"step-{steps_taken(conn, INTENT, intent.id)}"
    emit(conn, [NewEvent("intent_expired", intent.program_id, intent.id, told, once=once)], at=now)
    return 1


def reopen_intent(conn: Connection[Any], intent_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Wait for payment again. Raises NotFound, TransitionRefused, CannotReopen when its invoice takes none."""
    invoice = lock_invoice(conn, show_intent(conn, intent_id).invoice_id)
    intent = show_intent(conn, intent_id, lock=True)
    if why := why_not_reopen(conn, intent, invoice):
        raise CannotReopen(intent=intent_id, why=why)
    conn.execute("update intent set waits_until = %s where id = %s", [(now + EXPIRES_AFTER).date(), intent_id])
    take_steps(conn, INTENT, [Move(intent_id, intent.state, "reopen")], actor=actor, at=now, reason=reason)
    return INTENT.next_state(intent.state, "reopen", reason=reason)


def why_not_reopen(conn: Connection[Any], intent: Intent, invoice: Invoice) -> str | None:
    """Why payment cannot be asked for again, or None."""
    if intent.state not in INTENT.before("reopen"):
        return f"it is {intent.state.replace('_', ' ')}"
    if invoice.state != "overdue":
        return f"its invoice is {invoice.state.replace('_', ' ')}"
    if refundable(conn, invoice) != invoice.paid:
        return "what was paid of its invoice is owed back; credit the invoice and bill it anew"
    return None


JOBS: Final = (
    Job(
        "expire-intents",
        None,
        of_runner_and_ids(expire_due),
        "Waits no longer for payments that are overdue for sixty days; a part that was paid is owed back.",
        every=REST_S,
    ),
)

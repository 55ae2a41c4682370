"""Disputes: from the complaint until its ruling has taken effect. Opening one holds what is not paid out; nothing moves before the end.

A dispute is the one lock on what was paid on its invoice: while it is open nothing of it is settled, paid out, refunded or released. A
send that has begun is left, since the money may be out; then the payee's holdback and next payouts wait. Time-outs escalate, three levels
up, and never decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book, told_problem
from counterfoil.base.machine import Move, record_birth, steps_taken, take_step, take_steps
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.rows import Records
from counterfoil.operations.access.access import Caller
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job, of_runner_and_ids
from counterfoil.operations.work.parts import run_one_by_one
from counterfoil.operations.work.runner import Claim, Runner, Tally, wake
from counterfoil.payouts.disputes.holding import hold_payouts
from counterfoil.payouts.disputes.machine import DISPUTE, DISPUTES
from counterfoil.payouts.disputes.rules import (
    ANSWER_WITHIN,
    APPEAL_WITHIN,
    DECIDE_WITHIN,
    LEVEL_MAX,
    Ruling,
    refund_of,
)
from counterfoil.payouts.disputes.splitting import held_of, split
from counterfoil.payouts.disputes.standing import is_contested
from counterfoil.payouts.machines import PAYOUT, RESERVING
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice, ready_to_cut, refundable, refuse_disputed
from counterfoil.settlement.invoices.contested import call_decided, call_disputed
from counterfoil.settlement.invoices.invoices import Invoice
from counterfoil.settlement.settlements import settlement_of

MakeId = Callable[[str], str]
ACTOR: Final = "system:worker"


class NotAllowedHere(Problem):
    """This cannot be done with the dispute as it stands; `why` is the reason."""


class Dispute(NamedTuple):
    """A dispute as it stands; amounts in minor units. `amount` is what it was about when it was opened, `refund` what is ruled."""

    id: str
    program_id: str
    invoice_id: str
    customer_id: str
    payee_id: str
    asset: str
    amount: int
    cause: str
    opened_at: datetime
    level: int
    outcome: str | None
    refund: int | None
    retain_fees: bool
    appeal_until: datetime | None
    refund_id: str | None
    ended_at: datetime | None
    state: str
    state_at: datetime
    due_at: datetime | None


def open_dispute(
    conn: Connection[Any], dispute_id: str, invoice_id: str, *, cause: str, make_id: MakeId, by: Caller, now: datetime
) -> Dispute:
    """Open a dispute about all that was paid on an invoice and has not gone back. Raises NotFound, InvalidInput, UnderDispute."""
    invoice = lock_invoice(conn, invoice_id)
    refuse_disputed(conn, invoice_id)
    exposure = refundable(conn, invoice)
    if exposure <= 0:
        raise InvalidInput("invoice_id", "an invoice of which something was paid and has not gone back", got=invoice_id)
    conn.execute(
        """insert into dispute (id, program_id, invoice_id, customer_id, payee_id, asset, exposure, cause, opened_by, opened_at,
                                state, state_at, due_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'open', %s, %s)""",
        [
            dispute_id,
            invoice.program_id,
            invoice_id,
            invoice.customer_id,
            invoice.payee_id,
            invoice.asset,
            exposure,
            cause,
            by.principal_id,
            now,
            now,
            now + ANSWER_WITHIN,
        ],
    )
    record_birth(conn, DISPUTE, [dispute_id], "open", actor=by.actor, at=now)
    call_disputed(conn, invoice, cause=dispute_id, actor=by.actor, now=now)
    settlement = settlement_of(conn, invoice_id)
    if settlement is not None:
        # What was set aside and never called comes back, and its fence goes up: its sender can no longer announce.
        ready_to_cut(conn, settlement, make_id=make_id, actor=by.actor, why=f"dispute {dispute_id}", now=now)
        hold_payouts(conn, settlement.id, dispute_id, actor=by.actor, now=now)
    told = {"invoiceId": invoice_id, "exposure": str(exposure), "asset": invoice.asset}
    emit(conn, [NewEvent("dispute_opened", invoice.program_id, dispute_id, told)], at=now)
    return show_dispute(conn, dispute_id)


def step(conn: Connection[Any], dispute_id: str, verb: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Take a step that decides nothing: ask for evidence, review, escalate. Raises TransitionRefused, NotAllowedHere."""
    one = locked_dispute(conn, dispute_id)
    state = take_step(conn, DISPUTE, dispute_id, one.state, verb, actor=by.actor, at=now, reason=reason or None)
    if verb == "escalate":
        _escalated(conn, one, now)
    else:
        within = ANSWER_WITHIN if verb == "ask_evidence" else DECIDE_WITHIN
        conn.execute("update dispute set due_at = %s where id = %s", [now + within, dispute_id])
    return state


def _escalated(conn: Connection[Any], one: Dispute, now: datetime) -> None:
    if one.level >= LEVEL_MAX:
        raise NotAllowedHere(dispute=one.id, why=f"it is at level {LEVEL_MAX}, the highest: it is decided there")
    conn.execute("update dispute set level = level + 1, due_at = %s where id = %s", [now + DECIDE_WITHIN, one.id])
    told = {"level": one.level + 1, "invoiceId": one.invoice_id}
    emit(conn, [NewEvent("dispute_escalated", one.program_id, one.id, told, once=f"level-{one.level + 1}")], at=now)


def resolve(
    conn: Connection[Any],
    dispute_id: str,
    *,
    outcome: str,
    amount: int | None,
    ratio_bps: int | None,
    policy: str,
    reason: str,
    by: Caller,
    now: datetime,
) -> str:
    """Decide it. Nothing moves before the ruling can no longer be appealed. Raises InvalidInput, NotAllowedHere for a party."""
    one = locked_dispute(conn, dispute_id)
    if by.principal_id in _parties(conn, dispute_id):
        raise NotAllowedHere(dispute=dispute_id, why="who opened it, gave evidence, appealed or decided it before does not decide it")
    invoice = lock_invoice(conn, one.invoice_id)
    exposure = refundable(conn, invoice)
    refund = refund_of(outcome, exposure, amount, ratio_bps, asset_of_book(conn, one.asset))
    settlement = settlement_of(conn, one.invoice_id)
    if policy == "retain_fees":
        if settlement is None or outcome != "partial":
            raise InvalidInput("policy", "proportional, unless a part goes back of what is settled already", got=policy)
        split(conn, invoice, settlement, refund, policy)
    state = take_step(conn, DISPUTE, dispute_id, one.state, "resolve", actor=by.actor, at=now, reason=reason)
    until = now + APPEAL_WITHIN
    conn.execute(
        """update dispute set outcome = %s, refund = %s, retain_fees = %s, resolved_by = %s, appeal_until = %s, due_at = %s
           where id = %s""",
        [outcome, refund, policy == "retain_fees", by.principal_id, until, until, dispute_id],
    )
    told = {"outcome": outcome, "refund": str(refund), "asset": one.asset, "appealUntil": until.isoformat()}
    emit(
        conn,
        [
            NewEvent(
                "dispute_resolved",
                one.program_id,
                dispute_id,
                told,
                once=f"step-{steps_taken(conn, DISPUTE, dispute_id)}",
            )
        ],
        at=now,
    )
    return state


def split_of(conn: Connection[Any], one: Dispute) -> Ruling | None:
    """What the ruling of a decided dispute leaves of the settlement, to be booked once it can no longer be appealed; None while nothing is
    settled: then the rest is settled as if it were the whole."""
    settlement = settlement_of(conn, one.invoice_id)
    if settlement is None or one.refund is None:
        return None
    policy = "retain_fees" if one.retain_fees else "proportional"
    return split(conn, lock_invoice(conn, one.invoice_id), settlement, one.refund, policy)


class RulingTaken(NamedTuple):
    """What a ruling's refund would leave now: what is held back of the settlement, and what the payee owes by it; minor units. `refused`:
    why it could not be booked now, if so; the ruling stands all the same, and its refund is tried when it has effect."""

    held_back: int
    owed: int
    refused: str = ""


def taken_by(conn: Connection[Any], one: Dispute, *, make_id: MakeId, actor: str, now: datetime) -> RulingTaken | None:
    """What the refund of a decided dispute would find if it were booked now; it is tried and taken back. None where nothing goes back."""
    invoice, settlement = lock_invoice(conn, one.invoice_id), settlement_of(conn, one.invoice_id)
    amount = min(one.refund or 0, refundable(conn, invoice))
    if settlement is None or not amount:
        return None
    told: dict[str, Any] = {"cause": f"dispute {one.id}", "make_id": make_id, "actor": actor, "now": now}
    try:
        with conn.transaction(force_rollback=True):
            made = book_refund(conn, make_id("ref"), invoice, amount, **told, retain_fees=one.retain_fees, ruling=one.id)
            return RulingTaken(held_of(conn, settlement.id), made.receivable)
    except Problem as problem:
        return RulingTaken(held_of(conn, settlement.id), 0, told_problem(conn, problem))


def _parties(conn: Connection[Any], dispute_id: str) -> set[str]:
    rows = conn.execute(
        """select unnest(array[opened_by, appealed_by, case when appealed_by is not null then resolved_by end])
           from dispute where id = %(id)s
           union select given_by from dispute_evidence where dispute_id = %(id)s""",
        {"id": dispute_id},
    ).fetchall()
    return {row[0] for row in rows if row[0]}


def appeal(conn: Connection[Any], dispute_id: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Have it decided anew, once and by somebody else, before its ruling takes effect. Raises NotAllowedHere."""
    one = locked_dispute(conn, dispute_id)
    appealed = conn.execute("select from dispute where id = %s and appealed_by is not null", [dispute_id]).fetchone()
    if appealed is not None:
        raise NotAllowedHere(dispute=dispute_id, why="it was appealed before, and is only once")
    if one.appeal_until is not None and now >= one.appeal_until:
        raise NotAllowedHere(dispute=dispute_id, why=f"it could be appealed until {one.appeal_until.isoformat()}")
    state = take_step(conn, DISPUTE, dispute_id, one.state, "appeal", actor=by.actor, at=now, reason=reason)
    conn.execute(
        """update dispute set appealed_by = %s, outcome = null, refund = null, retain_fees = false, appeal_until = null, due_at = %s
           where id = %s""",
        [by.principal_id, now + DECIDE_WITHIN, dispute_id],
    )
    return state


def end_unruled(conn: Connection[Any], dispute_id: str, verb: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Reject or cancel it: what was held goes on its way. Raises NotAllowedHere for a party that rejects, and after an appeal."""
    one = locked_dispute(conn, dispute_id)
    if verb == "reject":
        _refuse_rejecting(conn, dispute_id, by)
    invoice = lock_invoice(conn, one.invoice_id)
    state = take_step(conn, DISPUTE, dispute_id, one.state, verb, actor=by.actor, at=now, reason=reason)
    _end(conn, one, invoice, by.actor, now)
    return state


def _refuse_rejecting(conn: Connection[Any], dispute_id: str, by: Caller) -> None:
    # To reject is to decide for the payee: whoever may not decide it may not, and one operator undoes no approver's ruling by an appeal.
    appealed = conn.execute("select from dispute where id = %s and appealed_by is not null", [dispute_id]).fetchone()
    if appealed is not None:
        raise NotAllowedHere(dispute=dispute_id, why="it was decided, and appealed: an approver decides it anew, and nobody rejects it")
    if by.principal_id in _parties(conn, dispute_id):
        raise NotAllowedHere(dispute=dispute_id, why="who opened it or gave evidence does not reject it; who opened it may cancel it")


def apply_ruling(conn: Connection[Any], dispute_id: str, *, make_id: MakeId, actor: str, now: datetime) -> str:
    """What follows from a ruling that can no longer be appealed, all of it or nothing, once. Raises NotAllowedHere."""
    one = locked_dispute(conn, dispute_id)
    if one.appeal_until is None or now < one.appeal_until:
        raise NotAllowedHere(dispute=dispute_id, why="its ruling may still be appealed, or there is none")
    invoice = lock_invoice(conn, one.invoice_id)
    state = take_step(conn, DISPUTE, dispute_id, one.state, "finalize", actor=actor, at=now)
    # What the bank took since it was ruled cannot go back once more: the ruling is cut to what is left.
    booked = min(one.refund or 0, refundable(conn, invoice))
    conn.execute("update dispute set booked = %s where id = %s", [booked, dispute_id])
    if booked:
        made = book_refund(
            conn,
            make_id("ref"),
            invoice,
            booked,
            cause=f"dispute {dispute_id}",
            make_id=make_id,
            actor=actor,
            now=now,
            retain_fees=one.retain_fees,
            ruling=dispute_id,
        )
        conn.execute("update dispute set refund_id = %s where id = %s", [made.id, dispute_id])
    _end(conn, one, invoice, actor, now)
    return state


def _end(conn: Connection[Any], one: Dispute, invoice: Invoice, actor: str, now: datetime) -> None:
    """The lock is gone: what is left is due again. The payee's other payouts that waited for it are woken by the event, which locks
    them while it holds nothing else."""
    conn.execute("update dispute set ended_at = %s, due_at = null where id = %s", [now, one.id])
    if not is_contested(conn, invoice.id):
        call_decided(conn, invoice, refundable(conn, invoice), cause=one.id, actor=actor, now=now)
    rows = conn.execute(
        "select id from payout where invoice_id = %s and state = 'held' order by id for update", [one.invoice_id]
    ).fetchall()
    ids = [row[0] for row in rows]
    take_steps(conn, PAYOUT, [Move(each, "held", "release") for each in ids], actor=actor, at=now, cause=one.id)
    conn.execute("update payout set due_at = %s, attempt = 0, last_error = null where id = any(%s) and state = 'pending'", [now, ids])
    wake(conn, RESERVING)
    emit(conn, [NewEvent("dispute_ended", one.program_id, one.id, {"invoiceId": one.invoice_id})], at=now)


def disputes_due(runner: Runner, make_id: MakeId) -> Tally:
    """One tick: rulings that can no longer be appealed take effect; what nobody decided in time goes up a level.

    Each in a transaction of its own: one posts to accounts, and what the next one locks comes before accounts.
    """

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        for claim in claims:
            _due(conn, show_dispute(conn, claim.id), make_id, now)

    return run_one_by_one(runner, DISPUTES, work)


def _due(conn: Connection[Any], one: Dispute, make_id: MakeId, now: datetime) -> None:
    if one.appeal_until is not None:
        apply_ruling(conn, one.id, make_id=make_id, actor=ACTOR, now=now)
    elif one.level < LEVEL_MAX:
        take_step(conn, DISPUTE, one.id, one.state, "escalate", actor=ACTOR, at=now, reason="not decided in time")
        _escalated(conn, one, now)
    else:
        told = {"invoiceId": one.invoice_id, "state": one.state}
        emit(conn, [NewEvent("dispute_overdue", one.program_id, one.id, told, once=now.isoformat())], at=now)
        conn.execute("update dispute set due_at = %s where id = %s", [now + DECIDE_WITHIN, one.id])


def locked_dispute(conn: Connection[Any], dispute_id: str) -> Dispute:
    """One dispute, locked: every step is decided on it as it is. Raises NotFound."""
    conn.execute("select from dispute where id = %s for update", [dispute_id])
    return show_dispute(conn, dispute_id)


DISPUTE_ROWS: Final = Records(
    Dispute,
    """select id, program_id, invoice_id, customer_id, payee_id, asset, exposure as amount, cause, opened_at, level, outcome,
              refund, retain_fees, appeal_until, refund_id, ended_at, state, state_at, due_at from dispute""",
    "dispute",
)
show_dispute: Final = DISPUTE_ROWS.show
list_disputes: Final = DISPUTE_ROWS.newest


JOBS: Final = (
    Job(
        "disputes",
        DISPUTES,
        of_runner_and_ids(disputes_due),
        "Has rulings take effect that can no longer be appealed, and sends up what nobody decided in time.",
    ),
)

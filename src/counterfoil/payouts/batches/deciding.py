"""Freezing a batch, and the people who decide on it: exactly what is frozen is approved, by as many as its amount takes, or by the rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.base.machine import steps_taken, take_step
from counterfoil.operations.access.access import Caller
from counterfoil.operations.approvals import refuse_unless_logged_in
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.payouts.batches.batches import LockedBatch, lines_of, lock_batch
from counterfoil.payouts.batches.executing import cover_lacking
from counterfoil.payouts.batches.facts import RULE_SPAN, alarms_of, broken_providers, lock_treasury, payees_of
from counterfoil.payouts.batches.gathering import free_payouts, note_maker
from counterfoil.payouts.batches.machine import APPROVAL_LIFE, PAYOUT_BATCH, BatchAltered, BatchMakerApproves, BatchNotNow
from counterfoil.payouts.batches.policies import Policy, policies_of
from counterfoil.payouts.batches.rule import doubt_about_amount, doubt_about_everything, doubt_about_payee

RULE: str = "system:rule"


def submit_batch(conn: Connection[Any], batch_id: str, *, by: Caller, now: datetime) -> str:
    """Freeze a draft: its lines, their hash, how many people it takes. The rule approves it at once where it may. Raises BatchNotNow."""
    one = _in_state(conn, batch_id, "draft")
    lines = lines_of(conn, batch_id)
    if not lines:
        raise BatchNotNow(batch=batch_id, why="it has no lines")
    policy = policies_of(conn, one.program_id).get(one.asset)
    note_maker(conn, batch_id, by, now)
    lock_treasury(conn, one.program_id)
    why = _not_by_rule(conn, one, [line.payee_id for line in lines], policy, now)
    conn.execute(
        """update payout_batch set round = round + 1, sha256 = payout_batch_digest(id), frozen_at = %s, approvers = %s,
                  by_rule = %s, not_by_rule = %s where id = %s""",
        [now, policy.approvers_for(one.amount) if policy else 1, why is None, why, batch_id],
    )
    state = take_step(conn, PAYOUT_BATCH, batch_id, "draft", "submit", actor=by.actor, at=now)
    _tell(conn, "payout_batch_submitted", lock_batch(conn, batch_id), now, lines=len(lines), notByRule=why)
    return _approved(conn, batch_id, RULE, now) if why is None else state


def approve_batch(conn: Connection[Any], batch_id: str, *, by: Caller, now: datetime, seen: str | None = None) -> str:
    """Approve exactly what is frozen. The last of the people it takes makes it approved; the same person again changes nothing.

    `seen`: the digest of the lines that they looked at, for a batch may be edited and submitted anew meanwhile.

    Raises KeyCannotApprove, SecondFactorOld, SecondFactorMissing, BatchMakerApproves, BatchNotNow, BatchAltered.
    """
    one = _in_state(conn, batch_id, "pending_approval")
    refuse_unless_logged_in(conn, by, now=now)
    if _is_maker(conn, batch_id, by):
        raise BatchMakerApproves(batch=batch_id, person=by.name)
    if one.altered:
        raise BatchAltered(batch=batch_id)
    if seen is not None and (one.sha256 is None or one.sha256.hex() != seen):
        raise BatchNotNow(batch=batch_id, why="its lines are others than those that were looked at", state=one.state)
    policy = policies_of(conn, one.program_id).get(one.asset)
    needed = max(one.approvers, policy.approvers_for(one.amount) if policy else 1)
    conn.execute("update payout_batch set approvers = %s where id = %s", [needed, batch_id])
    conn.execute(
        """insert into payout_batch_approval (batch_id, round, sha256, program_id, principal_id, approver, session_id, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing""",
        [batch_id, one.round, one.sha256, one.program_id, by.principal_id, by.actor, by.session_id, now],
    )
    if approvals_that_count(conn, one) < needed:
        return one.state
    return _approved(conn, batch_id, by.actor, now)


def reject_batch(conn: Connection[Any], batch_id: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Turn it down for good; its payouts are judged by themselves again, or gathered anew. Raises BatchNotNow."""
    _in_state(conn, batch_id, "pending_approval")
    return _given_up(conn, batch_id, "pending_approval", "reject", reason, by, now)


def cancel_batch(conn: Connection[Any], batch_id: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Give it up before it is executed. Raises BatchNotNow."""
    one = _in_state(conn, batch_id, *PAYOUT_BATCH.before("cancel"))
    return _given_up(conn, batch_id, one.state, "cancel", reason, by, now)


def edit_batch(conn: Connection[Any], batch_id: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Make it a draft again, to change it: what was approved of it is void. Raises BatchNotNow."""
    _in_state(conn, batch_id, "pending_approval")
    note_maker(conn, batch_id, by, now)
    state = take_step(conn, PAYOUT_BATCH, batch_id, "pending_approval", "edit", actor=by.actor, at=now, reason=reason)
    conn.execute("update payout_batch set sha256 = null, frozen_at = null, by_rule = false where id = %s", [batch_id])
    return state


def take_approval_back(conn: Connection[Any], batch_id: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Have it approved anew: what was approved is void. Raises BatchNotNow."""
    _in_state(conn, batch_id, "approved")
    return _anew(conn, batch_id, "take_back", by.actor, now, reason)


def expire_approval(conn: Connection[Any], batch_id: str, *, actor: str, now: datetime) -> None:
    """After 24 hours an approval is void: who approved it looked at the world of yesterday."""
    one = _in_state(conn, batch_id, "approved")
    if one.approved_at is not None and one.approved_at + APPROVAL_LIFE <= now:
        _anew(conn, batch_id, "expire", actor, now, None)
        _tell(conn, "payout_batch_expired", one, now)


def approvals_that_count(conn: Connection[Any], one: LockedBatch) -> int:
    """How many people approved exactly this, in this round."""
    row = conn.execute(
        "select count(*) from payout_batch_approval where (batch_id, round, sha256) = (%s, %s, %s)",
        [one.id, one.round, one.sha256],
    ).fetchone()
    return int(row[0]) if row else 0


def _approved(conn: Connection[Any], batch_id: str, actor: str, now: datetime) -> str:
    conn.execute("update payout_batch set approved_at = %s, due_at = %s where id = %s", [now, now + APPROVAL_LIFE, batch_id])
    state = take_step(conn, PAYOUT_BATCH, batch_id, "pending_approval", "approve", actor=actor, at=now)
    _tell(conn, "payout_batch_approved", lock_batch(conn, batch_id), now, by=actor)
    return state


def _anew(conn: Connection[Any], batch_id: str, verb: str, actor: str, now: datetime, reason: str | None) -> str:
    conn.execute(
        """update payout_batch set round = round + 1, by_rule = false, frozen_at = %s, due_at = null,
                  not_by_rule = coalesce(not_by_rule, 'the approval by rule is over') where id = %s""",
        [now, batch_id],
    )
    return take_step(conn, PAYOUT_BATCH, batch_id, "approved", verb, actor=actor, at=now, reason=reason)


def _given_up(conn: Connection[Any], batch_id: str, state: str, verb: str, reason: str, by: Caller, now: datetime) -> str:
    rows = conn.execute("select payout_id from payout_batch_line where batch_id = %s and live order by payout_id", [batch_id]).fetchall()
    free_payouts(conn, [row[0] for row in rows], now)
    conn.execute(
        """update payout_batch_line set live = false, left_at = %s, left_why = %s where batch_id = %s and live""",
        [now, f"its batch was given up: {reason}", batch_id],
    )
    conn.execute("update payout_batch set due_at = null where id = %s", [batch_id])  # an approval would be looked at when it is over
    return take_step(conn, PAYOUT_BATCH, batch_id, state, verb, actor=by.actor, at=now, reason=reason)


def _not_by_rule(conn: Connection[Any], one: LockedBatch, payee_ids: Sequence[str], policy: Policy | None, now: datetime) -> str | None:
    """Why the rule does not approve this batch; None when it does."""
    if policy is None:
        return "no policy says what may be paid by rule"
    doubt = doubt_about_amount(one.amount, policy, by_rule_today=_by_rule_today(conn, one, now))
    if doubt is None:
        broken = broken_providers(conn)
        mine = {line.provider for line in lines_of(conn, one.id)}
        alarms = [*alarms_of(conn, one.program_id), *(why for name, why in broken.items() if name in mine)]
        payees = payees_of(conn, one.program_id, payee_ids, now=now)
        doubts = [doubt_about_everything(alarms)]
        doubts += [doubt_about_payee(each, policy, now=now) for each in payees.values()]
        doubt = next((each for each in doubts if each is not None), None)
    return doubt.why if doubt is not None else cover_lacking(conn, one)


def _by_rule_today(conn: Connection[Any], one: LockedBatch, now: datetime) -> int:
    """What the rule approved of batches within a day: a large batch that was split into small ones is still large."""
    row = conn.execute(
        """select coalesce(sum(amount), 0)::bigint from payout_batch
           where program_id = %s and asset = %s and by_rule and id <> %s and approved_at > %s""",
        [one.program_id, one.asset, one.id, now - RULE_SPAN],
    ).fetchone()
    return int(row[0]) if row else 0


def _is_maker(conn: Connection[Any], batch_id: str, by: Caller) -> bool:
    return (
        conn.execute("select from payout_batch_maker where (batch_id, principal_id) = (%s, %s)", [batch_id, by.principal_id]).fetchone()
        is not None
    )


def _in_state(conn: Connection[Any], batch_id: str, *states: str) -> LockedBatch:
    one = lock_batch(conn, batch_id)
    if one.state not in states:
        raise BatchNotNow(batch=batch_id, why=f"it is {one.state.replace('_', ' ')}", state=one.state)
    return one


def _tell(conn: Connection[Any], name: str, one: LockedBatch, now: datetime, **more: Any) -> None:
    told = {"amount": str(one.amount), "asset": one.asset, "sha256": one.sha256.hex() if one.sha256 else None, **more}
    once = f"step-{steps_taken(conn, PAYOUT_BATCH, one.id)}"
    emit(conn, [NewEvent(name, one.program_id, one.id, told, once=once)], at=now)

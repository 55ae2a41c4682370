"""Executing an approved batch: its payouts become due, and are reserved one by one past the gate. Whoever is killed, another goes on.

Nothing is remembered but rows: a line is paid when its payout is. A batch is executed when every line is paid; lines that left it, or
failed, leave it partially executed, until they are paid after all or a person closes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.base.machine import listed, take_step
from counterfoil.operations.access.access import Caller
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.batches import gate
from counterfoil.payouts.batches.batches import LockedBatch, lock_batch, standing_batch
from counterfoil.payouts.batches.facts import Treasury, lock_treasury, promised, scales, treasuries_of
from counterfoil.payouts.batches.gathering import free_payouts
from counterfoil.payouts.batches.machine import APPROVAL_LIFE, BATCHES, PAYOUT_BATCH, BatchAltered, BatchNotNow
from counterfoil.payouts.batches.policies import policies_of
from counterfoil.payouts.machines import PAYOUT, RESERVING, UNDER_WAY


class BatchCover(NamedTuple):
    """Of a batch at a provider, in minor units: what is still to be paid, what the treasury holds, what other batches that were begun take
    of it, and what is then left; less than nothing left: it is not covered."""

    provider: str
    asset: str
    to_pay: int
    in_treasury: int
    promised_to_others: int
    left_over: int


def execute_batch(conn: Connection[Any], batch_id: str, *, by: Caller, now: datetime) -> str:
    """Begin to pay it. Raises BatchNotNow when its approval is over or not enough by now, or its treasury does not cover it;
    BatchAltered when its lines are not those that were approved."""
    one = lock_batch(conn, batch_id)
    if one.state == "approved" and one.altered:
        raise BatchAltered(batch=batch_id)
    why = why_not_execute(conn, one, now)
    if why is not None:
        raise BatchNotNow(batch=batch_id, why=why, state=one.state)
    free_payouts(conn, _live(conn, batch_id), now)
    lock_treasury(conn, one.program_id)
    short = cover_lacking(conn, one)  # again, now that nobody else takes from it
    if short is not None:
        raise BatchNotNow(batch=batch_id, why=short, state=one.state)
    conn.execute("update payout_batch set executed_at = %s, due_at = %s where id = %s", [now, now, batch_id])
    state = take_step(conn, PAYOUT_BATCH, batch_id, "approved", "execute", actor=by.actor, at=now)
    wake(conn, RESERVING, BATCHES)
    return state


def why_not_execute(conn: Connection[Any], one: LockedBatch, now: datetime) -> str | None:
    """Why it cannot be executed now; None when it can."""
    if one.state != "approved" or one.approved_at is None:
        return f"it is {one.state.replace('_', ' ')}"
    if one.approved_at + APPROVAL_LIFE <= now:
        return "its approval is older than 24 hours; have it approved anew"
    policy = policies_of(conn, one.program_id).get(one.asset)
    if policy is not None and not one.by_rule and policy.approvers_for(one.amount) > one.approvers:
        return f"the policy asks for {counted(policy.approvers_for(one.amount), 'person', 'people')} by now; have it approved anew"
    if one.by_rule and (policy is None or one.amount > policy.by_rule_max):
        return "the policy pays it by rule no more; have it approved anew"
    return cover_lacking(conn, one)


def cover_lacking(conn: Connection[Any], one: LockedBatch) -> str | None:
    """Why the treasury does not cover what this batch still has to pay, beside what others promised; None when it does."""
    rows = _still_to_pay(conn, one.id)
    held, others = treasuries_of(conn, one.program_id), promised(conn, one.program_id, but=one.id)
    for provider, asset, amount in rows:
        known = held.get((provider, asset)) or Treasury(provider, asset, 0, scales(conn).get(asset, 0))
        short = known._replace(free=known.free - others.get((provider, asset), 0)).lacks(amount)
        if short is not None:
            return short
    return None


def cover_of(conn: Connection[Any], batch_id: str) -> list[BatchCover]:
    """What the treasury holds beside what a batch still has to pay, by provider and asset."""
    one = standing_batch(conn, batch_id)
    held, others = treasuries_of(conn, one.program_id), promised(conn, one.program_id, but=batch_id)
    found = []
    for provider, asset, amount in _still_to_pay(conn, batch_id):
        known, beside = held.get((provider, asset)), others.get((provider, asset), 0)
        free = known.free if known else 0
        found.append(BatchCover(provider, asset, amount, free, beside, free - beside - amount))
    return found


def _still_to_pay(conn: Connection[Any], batch_id: str) -> list[tuple[str, str, int]]:
    return conn.execute(
        """select l.provider, l.asset, sum(l.amount)::bigint from payout_batch_line l join payout p on p.id = l.payout_id
           where l.batch_id = %s and l.live and l.removed_at is null and p.state = 'pending' group by 1, 2 order by 1, 2""",
        [batch_id],
    ).fetchall()


def stop_batch(conn: Connection[Any], batch_id: str, *, reason: str, by: Caller, now: datetime) -> str:
    """End an execution: what is not set aside yet leaves the batch, what is goes on. Raises BatchNotNow."""
    one = lock_batch(conn, batch_id)
    if one.state != "executing":
        raise BatchNotNow(batch=batch_id, why=f"it is {one.state.replace('_', ' ')}", state=one.state)
    free_payouts(conn, _live(conn, batch_id), now)
    let_go(conn, one, ("pending",), f"its batch was stopped: {reason}", now)
    conn.execute("update payout_batch set due_at = %s where id = %s", [now, batch_id])
    return take_step(conn, PAYOUT_BATCH, batch_id, one.state, "stop", actor=by.actor, at=now, reason=reason)


def close_batch(conn: Connection[Any], batch_id: str, *, reason: str, by: Caller, now: datetime) -> str:
    """Close a batch that was paid in part: what failed or left it is free for another. Raises BatchNotNow while money is under way."""
    one = lock_batch(conn, batch_id)
    why = why_not_close(conn, one)
    if why is not None:
        raise BatchNotNow(batch=batch_id, why=why, state=one.state)
    free_payouts(conn, _live(conn, batch_id), now)
    let_go(conn, one, tuple(PAYOUT.states()), f"its batch was closed: {reason}", now)
    conn.execute("update payout_batch set due_at = null where id = %s", [batch_id])
    return take_step(conn, PAYOUT_BATCH, batch_id, one.state, "close", actor=by.actor, at=now, reason=reason)


def why_not_close(conn: Connection[Any], one: LockedBatch) -> str | None:
    """Why it cannot be closed now; None when it can."""
    if one.state != "partially_executed":
        return f"it is {one.state.replace('_', ' ')}"
    count = standing_of(conn, one.id)
    return f"{count.under_way} of its payouts are under way" if count.under_way else None


class Standing(NamedTuple):
    """How far the lines of a batch are. `under_way`: they will be paid, or fail, without anybody's doing."""

    lines: int
    paid: int
    under_way: int


def standing_of(conn: Connection[Any], batch_id: str) -> Standing:
    """How far the lines of a batch are."""
    row = conn.execute(
        f"""select count(*), count(*) filter (where l.paid_at is not null),
                   count(*) filter (where l.live and p.state in {listed(UNDER_WAY)})
            from payout_batch_line l join payout p on p.id = l.payout_id where l.batch_id = %s and l.removed_at is null""",
        [batch_id],
    ).fetchone()
    assert row is not None
    return Standing(*row)


def let_go(conn: Connection[Any], one: LockedBatch, states: Sequence[str], why: str, now: datetime) -> None:
    """Lines whose payouts are in these states leave the batch; their payouts are locked, or over."""
    rows = conn.execute(
        """select l.payout_id from payout_batch_line l join payout p on p.id = l.payout_id
           where l.batch_id = %s and l.live and p.state = any(%s) order by l.payout_id""",
        [one.id, list(states)],
    ).fetchall()
    if rows:
        gate.leave_batch(conn, one.program_id, [(one.id, row[0]) for row in rows], why, now)


def _live(conn: Connection[Any], batch_id: str) -> list[str]:
    rows = conn.execute("select payout_id from payout_batch_line where batch_id = %s and live order by payout_id", [batch_id]).fetchall()
    return [row[0] for row in rows]

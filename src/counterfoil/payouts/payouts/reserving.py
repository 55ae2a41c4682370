"""Reserving: in one transaction the money leaves what is payable and a provider payout is queued for it.

The payable is gone before anything is sent, so a second payout of the same money is impossible inside the ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Move, record_birth, take_steps
from counterfoil.base.tracing.spans import followed_as
from counterfoil.ledger.journals.journal import NewJournal, Posted
from counterfoil.ledger.journals.key_spaces import PAYOUT_RESERVE
from counterfoil.ledger.journals.post_all import ProgramJournal, post_each
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import (
    ATTEMPTS_MAX,
    ERROR_TEXT_MAX,
    Claim,
    Runner,
    Tally,
    finish,
    put_back,
    run_here,
    wake,
)
from counterfoil.payouts.batches.gate import Allowed, Asked, Waits, decide, note_approvals
from counterfoil.payouts.destinations.destinations import Destination, active_destinations
from counterfoil.payouts.destinations.machine import NO_DESTINATION, QUARANTINED
from counterfoil.payouts.disputes.standing import in_dispute
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT, RESERVING, SENDING
from counterfoil.payouts.payouts.payable import owed_after_netting
from counterfoil.payouts.payouts.verbs import Payout, payouts_by_id
from counterfoil.payouts.provider_payouts.conflicts import in_conflict

ACTOR: Final = "system:worker"
ASKED_AGAIN_EVERY: Final = timedelta(hours=1)


class Reservation(NamedTuple):
    """A provider payout to be queued: the payout's nth try, of what was asked for, to this destination, and by what it is allowed."""

    id: str
    payout: Payout
    number: int
    asked: Asked
    allowed: Allowed
    destination: Destination

    @property
    def amount(self) -> int:
        """In minor units."""
        return self.asked.amount

    @property
    def idempotency_key(self) -> str:
        """What the provider knows this attempt by: a new try is a new key, repeating one try is not."""
        return f"{self.payout.key}-{self.number}"


def reserve_due(runner: Runner, make_id: MakeId, *, cooling: timedelta) -> Tally:
    """One tick: reserve and queue pending payouts, by set. Those without a destination wait, and are told once.

    `cooling`: for how long nothing goes to a destination that was changed, where no policy says it.
    """

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        payouts = {one.id: one for one in payouts_by_id(conn, [one.id for one in claims])}
        for program_id in sorted({one.program_id for one in payouts.values()}):
            group = [one for one in claims if payouts[one.id].program_id == program_id]
            _reserve(conn, program_id, group, payouts, make_id, cooling, now)

    return run_here(runner, RESERVING, work)


def _reserve(
    conn: Connection[Any],
    program_id: str,
    claims: Sequence[Claim],
    payouts: Mapping[str, Payout],
    make_id: MakeId,
    cooling: timedelta,
    now: datetime,
) -> None:
    group = [payouts[one.id] for one in claims]
    destinations = active_destinations(conn, program_id, [one.payee_id for one in group])
    disputed = in_conflict(conn, [one.settlement_id for one in group])
    _tell_waiting(conn, {one: NO_DESTINATION for one in group if one.payee_id not in destinations}, now)
    stopped = {payee for payee, one in destinations.items() if one.quarantined}
    _tell_waiting(conn, {one: QUARANTINED for one in group if one.payee_id in stopped}, now)
    group = [one for one in group if one.payee_id not in stopped]
    held = [one for one in group if one.payee_id in destinations and one.settlement_id in disputed]
    _tell_waiting(conn, {one: disputed[one.settlement_id] for one in held}, now)
    free = [one for one in group if one.payee_id in destinations and one.settlement_id not in disputed]
    complained = in_dispute(conn, [one.settlement_id for one in free])
    _tell_waiting(conn, {one: complained[one.settlement_id] for one in free if one.settlement_id in complained}, now)
    free = [one for one in free if one.settlement_id not in complained]
    owed = owed_after_netting(conn, free, actor=ACTOR, now=now)
    _end_paid(conn, [one for one in free if owed.get(one.settlement_id, 0) <= 0], now)
    asked = [
        Asked(one.id, one.payee_id, one.asset, min(one.amount, owed[one.settlement_id]), where.id, where.provider)
        for one in free
        if owed.get(one.settlement_id, 0) > 0
        for where in [destinations[one.payee_id]]
    ]
    answers = decide(conn, program_id, asked, cooling=cooling, now=now)
    _wait_for_approval(conn, claims, payouts, answers, now)
    numbers = _tries(conn, [one.payout_id for one in asked])
    ready = [
        Reservation(
            make_id("pp"),
            payouts[one.payout_id],
            numbers.get(one.payout_id, 0) + 1,
            one,
            allowed,
            destinations[one.payee_id],
        )
        for one in asked
        if isinstance(allowed := answers[one.payout_id], Allowed)
    ]
    claim_of = {one.id: one for one in claims}
    reserved = []
    with followed_as(lambda: {one.id: one.payout.invoice_id for one in ready}):
        booked = post_each(conn, [_booking(one) for one in ready], now=now)
    for one, result in zip(ready, booked, strict=True):
        if isinstance(result, Posted):
            reserved.append(one)
        else:  # the ledger refuses this one, for a reason that may pass, such as a frozen account
            _wait_for_ledger(conn, claim_of[one.payout.id], one.payout, told_problem(conn, result), now)
    _queue(conn, reserved, now)


def _end_paid(conn: Connection[Any], payouts: Sequence[Payout], now: datetime) -> None:
    """Nothing is left to pay: all of it paid what the payee owed, or an earlier attempt was paid after all."""
    ids = [one.id for one in payouts]
    take_steps(conn, PAYOUT, [Move(one, "pending", "net_out") for one in ids], actor=ACTOR, at=now)
    finish(conn, RESERVING, ids)
    told = [NewEvent("payout_netted_out", one.program_id, one.id, {}, once=now.isoformat()) for one in payouts]
    emit(conn, told, at=now)


def _wait_for_ledger(conn: Connection[Any], claim: Claim, one: Payout, why: str, now: datetime) -> None:
    """It is tried again by the ladder, and then every hour for as long as the reason lasts: what is lifted is found by itself."""
    if put_back(conn, RESERVING, claim, error=why, now=now):
        return
    conn.execute("update payout set due_at = %s, attempt = %s where id = %s", [now + ASKED_AGAIN_EVERY, ATTEMPTS_MAX, one.id])
    if claim.attempt < ATTEMPTS_MAX:  # told once, not every hour
        once = f"fence-{claim.fence}"
        emit(conn, [NewEvent("payout_waiting", one.program_id, one.id, {"why": why}, once=once)], at=now)


def _wait_for_approval(
    conn: Connection[Any],
    claims: Sequence[Claim],
    payouts: Mapping[str, Payout],
    answers: Mapping[str, Allowed | Waits],
    now: datetime,
) -> None:
    """What may not be paid yet waits, and is told once; it is asked again when that can help, or when somebody does something."""
    waiting = [(claim, one) for claim in claims if isinstance(one := answers.get(claim.id), Waits)]
    if not waiting:
        return
    conn.execute(
        """update payout p set due_at = w.due_at, attempt = w.attempt, last_error = w.why
           from unnest(%s::text[], %s::timestamptz[], %s::int[], %s::text[]) as w (id, due_at, attempt, why) where p.id = w.id""",
        [
            [claim.id for claim, _ in waiting],
            [one.again_at for _, one in waiting],
            [min(claim.attempt + 1, ATTEMPTS_MAX) if one.again_at else 0 for claim, one in waiting],
            [one.why[:ERROR_TEXT_MAX] for _, one in waiting],
        ],
    )
    told = [
        NewEvent("payout_waiting", payouts[claim.id].program_id, claim.id, {"why": one.why}, once=f"fence-{claim.fence}")
        for claim, one in waiting
        if claim.attempt == 0
    ]
    emit(conn, told, at=now)


def _tell_waiting(conn: Connection[Any], waiting: Mapping[Payout, str], now: datetime) -> None:
    """Not due until what it waits for comes: a destination, the end of a conflict; or a person asks. Each with the reason why it waits."""
    if not waiting:
        return
    finish(conn, RESERVING, [one.id for one in waiting])
    rows = conn.execute(
        """update payout p set last_error = w.why from unnest(%s::text[], %s::text[]) as w (id, why)
           where p.id = w.id returning p.id, p.fence""",
        [[one.id for one in waiting], [why[:ERROR_TEXT_MAX] for why in waiting.values()]],
    ).fetchall()
    fences = dict(rows)  # each claim has its own: told once for each time that it waits
    told = [
        NewEvent("payout_waiting", one.program_id, one.id, {"why": why}, once=f"fence-{fences[one.id]}") for one, why in waiting.items()
    ]
    emit(conn, told, at=now)


def _tries(conn: Connection[Any], payout_ids: Sequence[str]) -> dict[str, int]:
    rows = conn.execute(
        "select payout_id, max(number) from provider_payout where payout_id = any(%s) group by payout_id",
        [list(payout_ids)],
    ).fetchall()
    return dict(rows)


def told_attempt(number: int, payout_id: str) -> str:
    """What the journal says that reserves for an attempt: at which payout it is. Whoever has that entry of the log learns it from there."""
    return f"Attempt {number} at {payout_id}"


def _booking(one: Reservation) -> ProgramJournal:
    line = (f"payable:payee:{one.payout.payee_id}", f"in_transit:{one.destination.provider}", one.amount)
    journal = NewJournal(
        key=PAYOUT_RESERVE.key(one.id),
        kind="payout_reserve",
        lines=[line],
        asset=one.payout.asset,
        actor=ACTOR,
        narrative=told_attempt(one.number, one.payout.id),
        source=("provider_payout", one.id),
        space=PAYOUT_RESERVE,
    )
    return ProgramJournal(one.payout.program_id, journal)


def _queue(conn: Connection[Any], reserved: Sequence[Reservation], now: datetime) -> None:
    rows = [
        (
            one.id,
            one.payout.id,
            one.payout.program_id,
            one.number,
            one.destination.provider,
            one.idempotency_key,
            one.destination.id,
            one.payout.asset,
            one.amount,
            _payload_hash(one),
        )
        for one in reserved
    ]
    if not rows:
        return
    note_approvals(conn, reserved[0].payout.program_id, [(one.id, one.asked, one.allowed) for one in reserved], now=now)
    conn.execute(
        """insert into provider_payout (id, payout_id, program_id, number, provider, idempotency_key, destination_id, asset,
                                        amount, payload_sha256, created_at, state, state_at, due_at)
           select r.*, %s, 'queued', %s, %s
           from unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[],
                       %s::bigint[], %s::bytea[]) as r""",
        [now, now, now, *[list(column) for column in zip(*rows, strict=True)]],
    )
    record_birth(conn, PROVIDER_PAYOUT, [one.id for one in reserved], "queued", actor=ACTOR, at=now)
    moves = [Move(one.payout.id, "pending", "reserve") for one in reserved]
    take_steps(conn, PAYOUT, moves, actor=ACTOR, at=now)
    wake(conn, SENDING)


def _payload_hash(one: Reservation) -> bytes:
    """What was decided to be sent, so that a row changed by hand is noticed before it is sent."""
    return order_hash(one.idempotency_key, one.amount, one.payout.asset, one.destination.id)


def order_hash(key: str, amount: int, asset: str, destination: str) -> bytes:
    """SHA-256 over what a provider is asked to do. The destination by its id, whose envelope shows by itself that it was not changed;
    a hash of an account's number would let it be found by trying."""
    return hashlib.sha256(json.dumps([key, str(amount), asset, destination]).encode()).digest()


JOBS: Final = (
    Job(
        "reserve",
        RESERVING,
        lambda c, _: reserve_due(c.runner, c.make_id, cooling=c.cooling),
        "Reserves the money of pending payouts and queues them.",
        gathers=True,
    ),
)

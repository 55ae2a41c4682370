"""Opening an escrow, funding it, freezing it, and what its conditions are fulfilled by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import record_birth, steps_taken, take_step
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.base.text import reference_of
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import Claim, Runner, Tally, run_here
from counterfoil.settlement.escrow.model import ESCROW, EXPIRING, Escrow, escrows_by_id, show_escrow
from counterfoil.settlement.escrow.moving import BANK, EscrowRefuses, Hand, expire_escrow, fund_with
from counterfoil.settlement.escrow.rules import Condition, checked_conditions, micro_of
from counterfoil.settlement.fees.fees import rates_in_force
from counterfoil.settlement.usage.usage import assets_of

ACTOR: Final = "system:worker"
WARNED_BEFORE: Final = timedelta(days=1)
LIFE_MAX: Final = timedelta(days=3650)


class NewEscrow(NamedTuple):
    """An escrow to be opened; `amount` in minor units. `reference`: what it is for."""

    program_id: str
    customer_id: str
    payee_id: str
    asset: str
    amount: int
    reference: str
    expires_at: datetime
    conditions: Sequence[Condition] = ()


def open_escrow(conn: Connection[Any], escrow_id: str, new: NewEscrow, *, actor: str, now: datetime) -> Escrow:
    """An escrow that waits for its money. Fees will be those of today. Raises InvalidInput, NotFound, NoRates."""
    if conn.execute("select 1 from program where id = %s", [new.program_id]).fetchone() is None:
        raise NotFound(what="program", id=new.program_id)
    assets = assets_of(conn, new.program_id)
    if new.asset not in assets:
        raise InvalidInput("asset", f"one of {', '.join(sorted(assets))}", got=new.asset[:12])
    if not now < new.expires_at <= now + LIFE_MAX:
        raise InvalidInput("expires_at", "later than now, within ten years", got=new.expires_at.isoformat())
    conditions = checked_conditions(new.conditions)
    rates = rates_in_force(conn, [(new.program_id, new.asset)], now=now)[new.program_id, new.asset]
    conn.execute(
        """insert into escrow (id, program_id, customer_id, payee_id, asset, amount, reference, rate_version, expires_at, created_at,
                               state, state_at, due_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'pending', %s, %s)""",
        [escrow_id, *new[:5], reference_of(new.reference), rates.version, new.expires_at, now, now, new.expires_at - WARNED_BEFORE],
    )
    with conn.cursor() as cur:
        cur.executemany(
            """insert into escrow_condition (escrow_id, number, program_id, kind, not_before, signers, needed, least_micro)
               values (%s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (escrow_id, number, new.program_id, one.kind, one.not_before, list(one.signers), one.needed, one.least_micro)
                for number, one in enumerate(conditions, start=1)
            ],
        )
    record_birth(conn, ESCROW, [escrow_id], "pending", actor=actor, at=now)
    return show_escrow(conn, escrow_id)


def fund_escrow(conn: Connection[Any], escrow_id: str, hand: Hand, *, provider: str, reference: str, amount: int | None = None) -> str:
    """Take money in: a payment that a provider took and that lies in suspense, or one that came to the client money account (`bank`).

    Of a payment as much as the escrow lacks, or `amount`; from the bank `amount`, or all that it lacks; minor units. Raises NotFound,
    EscrowRefuses, InvalidInput when the payment is not known, is of another program or asset, or was used, and when a reference of the
    bank funded another escrow.
    """
    one = show_escrow(conn, escrow_id, lock=True)
    _refuse_funding(one, hand.now)
    reference = reference_of(reference)
    lacks = one.amount - one.funded
    if amount is not None and not 0 < amount <= lacks:
        raise InvalidInput("amount", f"from 1 to {lacks} minor units, which is what it lacks", got=amount)
    if provider == BANK:
        used = conn.execute("select from escrow_movement where kind = 'fund' and payment_id is null and reference = %s", [reference])
        if used.fetchone() is not None:
            raise InvalidInput("reference", "one that funded no escrow before", got=reference[:40])
        return fund_with(conn, one, lacks if amount is None else amount, hand, provider=BANK, reference=reference, payment_id=None)
    payment_id, unused = _payment(conn, one, provider, reference)
    if amount is not None and amount > unused:
        raise InvalidInput("amount", f"at most {unused} minor units, which is what the payment still has", got=amount)
    return fund_with(
        conn, one, min(lacks, unused) if amount is None else amount, hand, provider=provider, reference=reference, payment_id=payment_id
    )


def _payment(conn: Connection[Any], one: Escrow, provider: str, reference: str) -> tuple[str, int]:
    """A payment that lies in suspense, and what is left of it; of two who take it at once the database refuses the second."""
    row = conn.execute(
        "select id, program_id, asset, invoice_id from payment where provider = %s and charge_id = %s", [provider, reference]
    ).fetchone()
    if row is None:
        raise InvalidInput("reference", f"a payment that {provider} told of; from the bank, name the provider bank", got=reference[:40])
    if (row[1], row[2], row[3]) != (one.program_id, one.asset, None):
        why = f"it paid invoice {row[3]}" if row[3] else f"it is of program {row[1]} in {row[2]}"
        raise InvalidInput("reference", f"a payment of {one.program_id} in {one.asset} that paid nothing yet: {why}", got=reference[:40])
    unused = conn.execute("select payment_unused(%s)", [row[0]]).fetchone()
    if unused is None or not unused[0]:
        raise InvalidInput("reference", "a payment of which something is left", got=reference[:40])
    return str(row[0]), int(unused[0])


def _refuse_funding(one: Escrow, now: datetime) -> None:
    if one.state != "pending":
        raise EscrowRefuses(escrow=one.id, verb="fund", why=f"it is {one.state}")
    if now >= one.expires_at:
        raise EscrowRefuses(escrow=one.id, verb="fund", why=f"its time was over at {one.expires_at.isoformat()}")


def fund_from_payments(conn: Connection[Any], references: Sequence[str], *, make_id: MakeId, now: datetime) -> None:
    """Payments that name an escrow as their reference fund it, as far as it lacks money; the rest stays in suspense."""
    for one in escrows_by_id(conn, references):
        if one.state != "pending" or now >= one.expires_at:
            continue
        paid = conn.execute(
            """select provider, charge_id from payment
               where reference = %s and invoice_id is null and program_id = %s and asset = %s and payment_unused(id) > 0
               order by recorded_at, id limit 100""",
            [one.id, one.program_id, one.asset],
        ).fetchall()
        for provider, charge in paid:
            if show_escrow(conn, one.id).state == "pending":
                fund_escrow(conn, one.id, Hand(ACTOR, now, make_id), provider=provider, reference=charge)


def freeze_escrow(conn: Connection[Any], escrow_id: str, *, reason: str, actor: str, now: datetime, cause: str | None = None) -> str:
    """Let nothing leave an active escrow while it is disputed; it does not expire either. Raises NotFound, TransitionRefused."""
    return _freeze(conn, escrow_id, "freeze", "escrow_frozen", reason, actor, now, cause)


def unfreeze_escrow(conn: Connection[Any], escrow_id: str, *, reason: str, actor: str, now: datetime, cause: str | None = None) -> str:
    """End the freeze of an escrow whose dispute was withdrawn; if its time was over meanwhile, it expires now."""
    return _freeze(conn, escrow_id, "unfreeze", "escrow_unfrozen", reason, actor, now, cause)


def _freeze(conn: Connection[Any], escrow_id: str, verb: str, event: str, reason: str, actor: str, now: datetime, cause: str | None) -> str:
    one = show_escrow(conn, escrow_id, lock=True)
    state = take_step(conn, ESCROW, one.id, one.state, verb, actor=actor, at=now, reason=reason, cause=cause)
    due_at = None if verb == "freeze" else one.expires_at
    conn.execute("update escrow set due_at = %s where id = %s", [due_at, one.id])
    once = f"step-{steps_taken(conn, ESCROW, one.id)}"
    emit(conn, [NewEvent(event, one.program_id, one.id, {"reason": reason}, once=once)], at=now)
    return state


def sign_escrow(conn: Connection[Any], escrow_id: str, *, make_id: MakeId, actor: str, now: datetime) -> str:
    """Sign every condition that waits for this actor's signature. Raises NotFound, EscrowRefuses when none does."""
    one = show_escrow(conn, escrow_id, lock=True)
    waiting = conn.execute(
        """select c.number from escrow_condition c
           where c.escrow_id = %(escrow)s and %(actor)s = any(c.signers) and not exists (
               select from escrow_evidence v where (v.escrow_id, v.condition, v.actor) = (c.escrow_id, c.number, %(actor)s))
           order by c.number""",
        {"escrow": one.id, "actor": actor},
    ).fetchall()
    if not waiting or one.state in ESCROW.final:
        why = f"it is {one.state}" if one.state in ESCROW.final else f"no condition waits for the signature of {actor}"
        raise EscrowRefuses(escrow=one.id, verb="sign", why=why)
    for (number,) in waiting:
        _evidence(conn, one, number, make_id("ese"), actor, None, None, now)
    return one.state


def report_score(conn: Connection[Any], escrow_id: str, *, score: str, source: str, make_id: MakeId, actor: str, now: datetime) -> str:
    """Record a score, such as 4.5, for every condition that asks for one; the last word counts. Raises NotFound, EscrowRefuses."""
    one = show_escrow(conn, escrow_id, lock=True)
    micro = micro_of(score, "score")
    asking = conn.execute(
        "select number from escrow_condition where escrow_id = %s and kind = 'score' order by number", [one.id]
    ).fetchall()
    if not asking or one.state in ESCROW.final:
        why = f"it is {one.state}" if one.state in ESCROW.final else "none of its conditions asks for a score"
        raise EscrowRefuses(escrow=one.id, verb="report_score", why=why)
    for (number,) in asking:
        _evidence(conn, one, number, make_id("ese"), actor, micro, source, now)
    return one.state


def _evidence(
    conn: Connection[Any], one: Escrow, number: int, made: str, actor: str, micro: int | None, source: str | None, now: datetime
) -> None:
    conn.execute(
        """insert into escrow_evidence (id, escrow_id, condition, program_id, actor, score_micro, source, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [made, one.id, number, one.program_id, actor, micro, source, now],
    )


def expire_due(runner: Runner, make_id: MakeId) -> Tally:
    """One tick: warn of escrows that expire within a day, and give back what is in those whose time is over."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        for one in escrows_by_id(conn, [claim.id for claim in claims]):
            if now < one.expires_at:
                _warn(conn, one, now)
            else:
                expire_escrow(conn, one, Hand(ACTOR, now, make_id))

    return run_here(runner, EXPIRING, work)


def _warn(conn: Connection[Any], one: Escrow, now: datetime) -> None:
    conn.execute("update escrow set due_at = expires_at where id = %s", [one.id])
    fresh = conn.execute("update escrow set warned_at = %s where id = %s and warned_at is null", [now, one.id]).rowcount
    if fresh and one.remaining:
        told = {"expiresAt": one.expires_at.isoformat(), "amount": str(one.remaining), "asset": one.asset}
        emit(conn, [NewEvent("escrow_expires_soon", one.program_id, one.id, told)], at=now)


JOBS: Final = (
    Job(
        "expire-escrows",
        EXPIRING,
        lambda c, _: expire_due(c.runner, c.make_id),
        "Warns of escrows that expire within a day, and gives what is in an expired one back to its customer.",
    ),
)

"""Opening an escrow, funding it, what its conditions are fulfilled by, and its end by time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import record_birth
from counterfoil.base.money import out_of_range
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.base.text import reference_of, refuse_placeholder
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job, of_runner_and_ids
from counterfoil.operations.work.parts import run_one_by_one
from counterfoil.operations.work.runner import LADDER_END, Claim, Runner, Tally
from counterfoil.settlement.escrow.freezing import WARNED_BEFORE
from counterfoil.settlement.escrow.model import ESCROW, EXPIRING, Escrow, escrows_by_id, show_escrow
from counterfoil.settlement.escrow.moving import EscrowRefuses, Hand, expire_escrow, fund_with
from counterfoil.settlement.escrow.rules import Condition, checked_conditions, micro_of, refuse_too_late
from counterfoil.settlement.escrow.taken_back import freeze_charged_back
from counterfoil.settlement.fees.fees import rates_in_force
from counterfoil.settlement.payments.paying_back import BANK, refuse_used_receipt
from counterfoil.settlement.usage.usage import assets_of

ACTOR: Final = "system:worker"
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
    for field in ("customer_id", "payee_id"):
        refuse_placeholder(getattr(new, field), field)
    if not now < new.expires_at <= now + LIFE_MAX:
        raise InvalidInput("expires_at", "later than now, within ten years", got=new.expires_at.isoformat())
    conditions = checked_conditions(new.conditions)
    refuse_too_late(conditions, new.expires_at)
    _refuse_unknown_signers(conn, new.program_id, conditions, now)
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


def _refuse_unknown_signers(conn: Connection[Any], program_id: str, conditions: Sequence[Condition], now: datetime) -> None:
    """Who does not exist never signs, and the money would wait for nobody. Raises InvalidInput, which names the condition."""
    named = sorted({signer for one in conditions for signer in one.signers})
    known = {row[0] for row in conn.execute("select signers_known(%s, %s, %s)", [named, program_id, now]).fetchall()} if named else set()
    for number, one in enumerate(conditions, start=1):
        if unknown := [signer for signer in one.signers if signer not in known]:
            raise InvalidInput(
                f"conditions[{number}].signers", "people (person:NAME) and keys (key:NAME) that may act here", got=unknown[0][:110]
            )


def fund_escrow(conn: Connection[Any], escrow_id: str, hand: Hand, *, provider: str, reference: str, amount: int | None = None) -> str:
    """Take money in: a payment that a provider took and that lies in suspense, or one that came to the client money account (`bank`).

    Of a payment as much as the escrow lacks, or `amount`; from the bank `amount`, or all that it lacks; minor units. Raises NotFound,
    EscrowRefuses, InvalidInput when the payment is not known, is of another program or asset, was used or taken back, and when a reference
    of the bank funded another escrow.
    """
    reference = reference_of(reference)
    _refuse_funding(show_escrow(conn, escrow_id), hand.now)
    payment_id = None if provider == BANK else _locked_payment(conn, provider, reference)
    one = show_escrow(conn, escrow_id, lock=True)
    _refuse_funding(one, hand.now)
    lacks = one.amount - one.funded
    if amount is not None and not 0 < amount <= lacks:
        raise out_of_range("amount", amount, asset_of_book(conn, one.asset), most=lacks, what="what it lacks")
    if payment_id is None:
        refuse_used_receipt(conn, reference)
        unused = lacks
    else:
        unused = _unused(conn, one, payment_id, reference)
    if amount is not None and amount > unused:
        raise out_of_range("amount", amount, asset_of_book(conn, one.asset), most=unused, what="what the payment still has")
    taken = min(lacks, unused) if amount is None else amount
    fund_with(conn, one, taken, hand, provider=provider, reference=reference, payment_id=payment_id)
    freeze_charged_back(conn, [one.id], now=hand.now)
    return show_escrow(conn, one.id).state


def _locked_payment(conn: Connection[Any], provider: str, charge_id: str) -> str:
    """A payment, locked before the escrow that it funds: its chargeback waits for us, or we see it."""
    row = conn.execute("select id from payment where provider = %s and charge_id = %s", [provider, charge_id]).fetchone()
    if row is None:
        raise InvalidInput("reference", f"a payment that {provider} told of; from the bank, name the provider bank", got=charge_id[:40])
    conn.execute("select lock_payments(%s)", [[row[0]]])
    return str(row[0])


def _unused(conn: Connection[Any], one: Escrow, payment_id: str, reference: str) -> int:
    """What is left of a locked payment. Raises InvalidInput with the reason why nothing of it can fund this escrow."""
    row = conn.execute(
        """select program_id, asset, invoice_id, payment_unused(id),
                  (select min(c.id) from chargeback c where c.payment_id = payment.id and c.state <> 'won'),
                  (select r.unidentified_payment_id from unidentified_repayment r where r.payment_id = payment.id)
           from payment where id = %s""",
        [payment_id],
    ).fetchone()
    assert row is not None
    if (row[0], row[1], row[2]) != (one.program_id, one.asset, None):
        why = f"it paid invoice {row[2]}" if row[2] else f"it is of program {row[0]} in {row[1]}"
        raise InvalidInput("reference", f"a payment of {one.program_id} in {one.asset} that paid nothing yet: {why}", got=reference[:40])
    if row[3] <= 0:
        why = f"; it went back to who sent it ({row[5]})" if row[5] else ""
        why = f"; the customer's bank took it back by chargeback {row[4]}" if row[4] and not row[5] else why
        raise InvalidInput("reference", f"a payment of which something is left{why}", got=reference[:40])
    return int(row[3])


def _refuse_funding(one: Escrow, now: datetime) -> None:
    if one.state != "pending":
        raise EscrowRefuses(escrow=one.id, verb="fund", why=f"it is {one.state}")
    if now >= one.expires_at:
        raise EscrowRefuses(escrow=one.id, verb="fund", why=f"its time was over at {one.expires_at.isoformat()}")


def fund_from_payments(conn: Connection[Any], references: Sequence[str], *, make_id: MakeId, now: datetime) -> None:
    """Payments that name an escrow as their reference fund it, as far as it lacks money; the rest stays in suspense."""
    payments, escrows = lock_for_funding(conn, references)
    paid = conn.execute(
        """select id, provider, charge_id, reference, payment_unused(id) from payment
           where id = any(%s) order by recorded_at, id""",
        [payments],
    ).fetchall()
    for payment_id, provider, charge, reference, unused in paid:
        one = escrows[reference]
        taken = min(unused, one.amount - one.funded)
        if one.state == "pending" and now < one.expires_at and taken > 0:
            state = fund_with(conn, one, taken, Hand(ACTOR, now, make_id), provider=provider, reference=charge, payment_id=payment_id)
            escrows[reference] = one._replace(funded=one.funded + taken, remaining=one.remaining + taken, state=state)
    freeze_charged_back(conn, sorted(escrows), now=now)


def lock_for_funding(conn: Connection[Any], references: Sequence[str]) -> tuple[list[str], dict[str, Escrow]]:
    """Lock what `fund_from_payments` needs, before anything else is locked: the payments that name these escrows, then the escrows."""
    naming = """select p.id from payment p join escrow e on (e.id, e.program_id, e.asset) = (p.reference, p.program_id, p.asset)
                where e.id = any(%s) and e.state = 'pending' and p.invoice_id is null and payment_unused(p.id) > 0"""
    payments = [row[0] for row in conn.execute(naming, [list(references)]).fetchall()]
    conn.execute("select lock_payments(%s)", [payments])
    return payments, {one.id: one for one in escrows_by_id(conn, references)}


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
    """One tick: warn of escrows that expire within a day, and give back what is in those whose time is over.

    Each in a transaction of its own: it posts to accounts, and an escrow is locked before accounts.
    """

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        for one in escrows_by_id(conn, [claim.id for claim in claims]):
            if now < one.expires_at:
                _warn(conn, one, now)
            elif conn.execute("select from escrow where id = %s and escrow_charged_back(id) is not null", [one.id]).fetchone():
                conn.execute("update escrow set due_at = %s where id = %s", [now + LADDER_END, one.id])  # the bank decides first
            else:
                expire_escrow(conn, one, Hand(ACTOR, now, make_id))

    return run_one_by_one(runner, EXPIRING, work)


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
        of_runner_and_ids(expire_due),
        "Warns of escrows that expire within a day, and gives what is in an expired one back to its customer.",
    ),
)

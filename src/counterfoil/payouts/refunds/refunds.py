"""Refunds: money that is owed back to a customer, before the settlement from escrow, after it from all who got a part.

Booked with everything that follows from it in one transaction: the payout that waits is cut to what is left, and an attempt that never
called is taken back first. Money that may be on its way is left alone: then the payee's holdback pays, and what that does not hold the
payee owes. It is taken from the payee's next payout, and none goes out until then.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Machine, Move, record_birth, take_step, take_steps
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.base.rows import Records
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import REFUND as REFUND_KEYS
from counterfoil.ledger.journals.key_spaces import REFUND_EXECUTE, KeySpace
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.payouts.disputes.standing import contests_of
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT
from counterfoil.payouts.payouts.payable import Purse, payable_of, payables_of, take
from counterfoil.payouts.payouts.reissuing import pay_what_came_meanwhile
from counterfoil.payouts.payouts.verbs import Owed, create_payouts
from counterfoil.payouts.provider_payouts.standings import lock_settlements
from counterfoil.payouts.provider_payouts.unreserving import unreserve
from counterfoil.payouts.refunds.rules import (
    Lines,
    RefundSources,
    refund_lines,
    refund_parts,
    refuse_amount,
    sources_of,
    taken_oldest_first,
)
from counterfoil.settlement.fees.fees import rates_of
from counterfoil.settlement.holdback import held_of_payee, use
from counterfoil.settlement.invoices.contested import call_refunded
from counterfoil.settlement.invoices.invoices import Invoice, lock_invoices
from counterfoil.settlement.payments.paying_back import account_of, new_reference
from counterfoil.settlement.settlements import Settlement, settlement_of
from counterfoil.settlement.treasury.treasury import owed_to_validators

WHY: Final = "a refund was booked before it was sent"
REFUND: Final = Machine(
    name="refund",
    table="refund",
    initial=("owed",),
    transitions={
        ("owed", "execute"): "executed",
        ("owed", "charge_back"): "charged_back",
        ("charged_back", "win_back"): "won_back",
        ("charged_back", "owe_again"): "owed",
    },
)
EVENT_KINDS: Final = declare(
    info={
        "refund_booked": "Money is owed back to a customer.",
        "refund_executed": "A refund was paid to its customer.",
    },
    warning={"payee_owes": "A refund was more than is still held for its payee, who owes the rest."},
)


class UnderDispute(Problem):
    """A dispute or a chargeback is open on this invoice: until it is over nothing of it is refunded, and no dispute is opened."""

    todo = "Decide the dispute that is named, or wait for the bank's word on the chargeback; it says what goes back."


class Refund(NamedTuple):
    """A refund as it was booked: how much, and from where; minor units. amount + credited = all the sources.

    `charged_back`: what of it the customer's bank has paid by a chargeback, so that only the rest is still paid out.
    """

    id: str
    program_id: str
    invoice_id: str
    settlement_id: str | None
    customer_id: str
    payee_id: str
    asset: str
    amount: int
    escrow: int
    platform_fee: int
    validator_fee: int
    own_holdback: int
    payable: int
    holdback: int
    receivable: int
    credited: int
    retain_fees: bool
    cause: str
    created_at: datetime
    state: str
    state_at: datetime
    charged_back: int = 0


def lock_invoice(conn: Connection[Any], invoice_id: str) -> Invoice:
    """An invoice, locked: whoever takes from what was paid on it does this first. Raises NotFound."""
    found = lock_invoices(conn, [invoice_id])
    if not found:
        raise NotFound(what="invoice", id=invoice_id)
    return found[0]


def refuse_disputed(conn: Connection[Any], invoice_id: str, *, but: str | None = None, paid_at: datetime | None = None) -> None:
    """Raises UnderDispute while a dispute or a chargeback is open on this locked invoice; the ruling of `but` waits for neither, and what
    was paid at `paid_at` for no dispute that was opened later. A chargeback counts what was paid when it came: it is always waited for."""
    found = contests_of(conn, invoice_id)
    if paid_at is not None:
        found = [one for one in found if one.kind != "dispute" or one.opened_at is None or one.opened_at <= paid_at]
    if found and but not in [one.id for one in found]:
        raise UnderDispute(invoice=invoice_id, **{found[0].kind: found[0].id})


def refundable(conn: Connection[Any], invoice: Invoice) -> int:
    """What was paid on an invoice and has not gone back yet, in minor units."""
    row = conn.execute(
        "select coalesce(sum(amount), 0)::bigint from refund where invoice_id = %s and state <> 'won_back'", [invoice.id]
    ).fetchone()
    assert row is not None
    return invoice.paid - int(row[0])


def book_refund(
    conn: Connection[Any],
    refund_id: str,
    invoice: Invoice,
    amount: int,
    *,
    cause: str,
    make_id: MakeId,
    actor: str,
    now: datetime,
    retain_fees: bool = False,
    ruling: str | None = None,
    by_bank: bool = False,
) -> Refund:
    """Owe the customer of a locked invoice this much, in minor units. Raises InvalidInput when less can still go back, UnderDispute unless
    it is the `ruling` of the dispute that is open or the customer's bank took it (`by_bank`), and what the ledger refuses."""
    if not by_bank:
        refuse_disputed(conn, invoice.id, but=ruling)
    left = refundable(conn, invoice)
    refuse_amount(amount, left, asset_of_book(conn, invoice.asset))
    call_refunded(conn, invoice, left - amount, cause=refund_id, actor=actor, now=now)
    settlement = settlement_of(conn, invoice.id)
    if settlement is None:
        return _write(conn, refund_id, invoice, None, RefundSources(amount, escrow=amount), retain_fees, cause, actor, now)
    purse = Purse(settlement.program_id, settlement.payee_id, settlement.asset)
    # The order of locks, everywhere: invoice, tranches of its payee, attempts, payouts, accounts.
    tranches = held_of_payee(conn, *purse)
    payout_id = ready_to_cut(conn, settlement, make_id=make_id, actor=actor, why=WHY, now=now)
    payable = 0 if payout_id is None else payable_of(conn, [settlement.id])[settlement.id]
    own = next((one for one in tranches if one.settlement_id == settlement.id), None)
    rates = rates_of(conn, settlement.program_id, settlement.rate_version, settlement.asset)
    sources = sources_of(
        refund_parts(settlement.gross, settlement.gross - invoice.written_off - left, amount, rates, retain_fees=retain_fees),
        payable=min(payable, payables_of(conn, [purse]).get(purse, 0)),
        own_holdback=own.remaining if own else 0,
        holdback=sum(one.remaining for one in tranches),
    )
    taken = taken_oldest_first(
        [(one.id, one.remaining) for one in tranches], own.id if own else None, sources.own_holdback, sources.holdback
    )
    made = _write(conn, refund_id, invoice, settlement, sources, retain_fees, cause, actor, now)
    use(conn, refund_id, taken, actor=actor, now=now)
    if payout_id is not None:
        take(conn, payout_id, sources.payable - sources.credited, now=now)
        end_empty(conn, settlement.id, cause=refund_id, actor=actor, now=now)
        if sources.credited:
            pay_what_came_meanwhile(conn, {payout_id: make_id("po")}, actor=actor, now=now)
    elif sources.credited:  # the settlement left nothing to pay, until now
        why = f"{refund_id} gave it back"
        create_payouts(conn, [_owed(settlement, sources.credited)], make_id=make_id, actor=actor, cause=why, now=now)
    return made


def _owed(one: Settlement, minor: int) -> Owed:
    return Owed(one.program_id, one.invoice_id, one.id, one.payee_id, one.asset, minor)


def ready_to_cut(conn: Connection[Any], settlement: Settlement, *, make_id: MakeId, actor: str, why: str, now: datetime) -> str | None:
    """The last payout of a settlement, made if the event that makes it has not come yet; all of it locked, and every attempt that
    never called is taken back. None when the settlement left nothing to pay."""
    if settlement.net:
        known = conn.execute("select from payout where settlement_id = %s", [settlement.id]).fetchone()
        if known is None:
            create_payouts(conn, [_owed(settlement, settlement.net)], make_id=make_id, actor=actor, cause="settlement_completed", now=now)
    attempts = lock_settlements(conn, [settlement.id], now=now)
    rows = conn.execute("select id, reissue from payout where settlement_id = %s order by id for update", [settlement.id]).fetchall()
    # Reserved while we waited for the payout's row: an attempt that the first look did not see.
    attempts = lock_settlements(conn, [settlement.id], now=now) or attempts
    unreserve(conn, [one.id for one in attempts if one.state in PROVIDER_PAYOUT.open], why=why, actor=actor, now=now)
    return str(max(rows, key=lambda row: row[1])[0]) if rows else None


def end_empty(conn: Connection[Any], settlement_id: str, *, cause: str, actor: str, now: datetime) -> None:
    """Payouts of a settlement that waited for money of which nothing is left are over; the last one also when it came back."""
    if payable_of(conn, [settlement_id])[settlement_id] > 0:
        return
    rows = conn.execute(
        """select id, program_id, state from payout p where settlement_id = %s and (state = any(%s) or (
               state = 'returned' and not exists (
                   select from payout o where o.settlement_id = p.settlement_id and o.reissue > p.reissue)))""",
        [settlement_id, [one for one in PAYOUT.before("net_out") if one in ("pending", "failed", "held")]],
    ).fetchall()
    moves = [Move(row[0], row[2], "net_out") for row in rows]
    take_steps(conn, PAYOUT, moves, actor=actor, at=now, cause=cause)
    conn.execute("update payout set due_at = null where id = any(%s)", [[row[0] for row in rows]])
    emit(conn, [NewEvent("payout_netted_out", row[1], row[0], {"by": cause}, once=cause) for row in rows], at=now)


def _write(
    conn: Connection[Any],
    refund_id: str,
    invoice: Invoice,
    settlement: Settlement | None,
    sources: RefundSources,
    retain_fees: bool,
    cause: str,
    actor: str,
    now: datetime,
) -> Refund:
    made = Refund(
        refund_id,
        invoice.program_id,
        invoice.id,
        settlement.id if settlement else None,
        invoice.customer_id,
        invoice.payee_id,
        invoice.asset,
        *sources,
        retain_fees,
        cause,
        now,
        "owed",
        now,
    )
    conn.execute(
        """insert into refund (id, program_id, invoice_id, settlement_id, customer_id, payee_id, asset, amount, escrow, platform_fee,
               validator_fee, own_holdback, payable, holdback, receivable, credited, retain_fees, cause, created_at, state, state_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        made[:-1],  # no bank has taken anything of it yet
    )
    record_birth(conn, REFUND, [refund_id], "owed", actor=actor, at=now)
    validator_payable = owed_to_validators(conn, invoice.program_id, invoice.asset).payable if sources.validator_fee else 0
    lines = refund_lines(
        sources, validator_payable=validator_payable, invoice_id=invoice.id, payee_id=invoice.payee_id, customer_id=invoice.customer_id
    )
    _post(conn, made, REFUND_KEYS, lines, actor, now)
    told = {"invoiceId": invoice.id, "amount": str(made.amount), "asset": made.asset, "cause": cause}
    emit(conn, [NewEvent("refund_booked", made.program_id, refund_id, told)], at=now)
    if made.receivable:
        more = {"payeeId": made.payee_id, "amount": str(made.receivable), "asset": made.asset}
        emit(conn, [NewEvent("payee_owes", made.program_id, refund_id, more)], at=now)
    return made


def _post(
    conn: Connection[Any], one: Refund, space: KeySpace, lines: Lines, actor: str, now: datetime, effective_at: datetime | None = None
) -> None:
    journal = NewJournal(
        key=space.key(one.id),
        kind=space.kind or "",
        lines=lines,
        asset=one.asset,
        actor=actor,
        effective_at=effective_at,
        source=("refund", one.id),
        space=space,
    )
    post_all(conn, [ProgramJournal(one.program_id, journal)], now=now)


def execute_refund(
    conn: Connection[Any],
    refund_id: str,
    *,
    provider: str,
    reference: str,
    known: set[str],
    actor: str,
    now: datetime,
    paid_at: datetime | None = None,
) -> str:
    """Record that a refund was paid to its customer, through a provider of `known` or from the bank, under their reference for it: all of
    it, or what the customer's bank has not paid by a chargeback.

    While a dispute or a chargeback is open on its invoice it waits, as everything that was paid on it does: only what was paid before the
    dispute was opened, `paid_at`, is a fact that no ruling changes, and is recorded at that moment. Raises UnderDispute; NotFound,
    InvalidInput for a provider that is not set up, a reference that paid another refund or a moment that cannot be, TransitionRefused.
    """
    one = show_refund(conn, refund_id)
    lock_invoice(conn, one.invoice_id)  # the one lock on what was paid: no refund and chargeback of the same money
    conn.execute("select from refund where id = %s for update", [refund_id])
    one = show_refund(conn, refund_id)
    state = take_step(conn, REFUND, refund_id, one.state, "execute", actor=actor, at=now)
    if paid_at is not None and not one.created_at <= paid_at <= now:
        raise InvalidInput("paid_at", f"from {one.created_at.isoformat()}, when it was booked, until now", got=paid_at.isoformat())
    refuse_disputed(conn, one.invoice_id, paid_at=paid_at)
    reference = new_reference(conn, provider, reference, known)
    conn.execute(
        "insert into refund_execution (refund_id, provider, reference, actor, at) values (%s, %s, %s, %s, %s)",
        [refund_id, provider, reference, actor, now],
    )
    left = one.amount - one.charged_back
    _post(conn, one, REFUND_EXECUTE, [(f"refund_payable:customer:{one.customer_id}", account_of(provider), left)], actor, now, paid_at)
    emit(
        conn,
        [
            NewEvent(
                "refund_executed",
                one.program_id,
                refund_id,
                {"provider": provider, "reference": reference, "amount": str(left), "asset": one.asset},
            )
        ],
        at=now,
    )
    return state


REFUNDS: Final = Records(
    Refund,
    """select id, program_id, invoice_id, settlement_id, customer_id, payee_id, asset, amount, escrow, platform_fee, validator_fee,
              own_holdback, payable, holdback, receivable, credited, retain_fees, cause, created_at, state, state_at,
              coalesce((select sum(x.amount) from chargeback_refund x join chargeback c on c.id = x.chargeback_id
                        where x.refund_id = refund.id and c.state <> 'won'), 0)::bigint as charged_back
       from refund""",
    "refund",
)
show_refund: Final = REFUNDS.show
refunds_by_id: Final = REFUNDS.by_id
list_refunds: Final = REFUNDS.newest

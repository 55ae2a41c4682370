"""Chargebacks: the customer's bank takes a payment back, and the provider takes it from us, with a fee.

What was taken is a refund that the bank has paid out by itself: it falls on the parts of the settlement as every refund does, and counts
with them, so that no more than was paid on an invoice is ever taken from those who earned it. What the invoice did not take of the payment
is owed back anyway, and is taken first; then a refund that is owed and not paid out yet, which is the same money. What had gone back before
and is taken all the same, the customer owes: nobody else bears it.

Of a payment that funded escrows what they got their customers owe, and what had paid a debt is owed again; what had gone back to who sent
it nobody is known to owe, and the house loses it. The others whose money lies in suspense bear nothing.

While one is open nothing of its invoice is settled, paid out, refunded or released, and nothing leaves the escrows that it funded. Won, the
money is credited to the payee's current account, less the fees of it; lost, nothing moves but what is still in those escrows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Move, record_birth, take_step, take_steps
from counterfoil.base.money import out_of_range
from counterfoil.base.problems import InvalidInput, check
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import CHARGEBACK as CHARGEBACK_KEYS
from counterfoil.ledger.journals.key_spaces import CHARGEBACK_FEE, CHARGEBACK_WON, KeySpace
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.escrowed import book_shares, decide_shares, settled_debt, take_shares, won_shares
from counterfoil.payouts.chargebacks.machine import CHARGEBACK
from counterfoil.payouts.chargebacks.model import Chargeback, charge_of, locked_chargeback, show_chargeback
from counterfoil.payouts.chargebacks.words import agrees
from counterfoil.payouts.disputes.standing import is_contested
from counterfoil.payouts.refunds.owing import owe_more
from counterfoil.payouts.refunds.refunds import REFUND, Refund, book_refund, lock_invoice, refundable, refunds_by_id
from counterfoil.payouts.refunds.rules import Lines, won_back
from counterfoil.settlement.escrow.taken_back import CustomerPurse, lock_behind, lock_debts
from counterfoil.settlement.fees.fees import rates_of
from counterfoil.settlement.invoices.contested import call_decided, call_disputed
from counterfoil.settlement.invoices.invoices import Invoice
from counterfoil.settlement.payments.payments import Payment, payment_of
from counterfoil.settlement.settlements import settlement_of

ACTOR: Final = "system:worker"


def apply_chargebacks(conn: Connection[Any], facts: Sequence[ChargebackFact], *, provider: str, make_id: MakeId, now: datetime) -> int:
    """Book what a provider tells of chargebacks, each in whatever order and however often it comes. Returns how many moved something.

    Raises InvalidInput for one of a payment that is not on record (it is tried again), or that ties to none of ours.
    """
    moved = 0
    for fact in sorted(facts, key=lambda one: (one.charge_id, one.chargeback_id, one.status != "open")):
        moved += _apply(conn, fact, provider, make_id, now)
    return moved


def _apply(conn: Connection[Any], fact: ChargebackFact, provider: str, make_id: MakeId, now: datetime) -> bool:
    before = charge_of(conn, provider, fact.chargeback_id)
    payment = payment_of(conn, provider, before or fact.charge_id)
    if payment is None:
        raise InvalidInput("charge_id", "a payment that is on record", got=fact.charge_id[:80])
    invoice = _lock(conn, payment)
    known = locked_chargeback(conn, provider, fact.chargeback_id)
    if known is None:
        known = _open(conn, fact, payment, invoice, make_id, now)
        if fact.status != "open":
            end_chargeback(conn, known, fact, make_id=make_id, now=now)
        return True
    if not agrees(conn, known, fact, make_id=make_id, now=now):
        return False
    if fact.status == "open":
        return _note_time(conn, known, fact)
    if known.state != "open":
        return fact.status == "won" and _more_fee_back(conn, known, fact, now)
    end_chargeback(conn, known, fact, make_id=make_id, now=now)
    return True


def _note_time(conn: Connection[Any], known: Chargeback, fact: ChargebackFact) -> bool:
    if known.state == "open" and fact.answer_by is not None:
        conn.execute("update chargeback set answer_by = %s where id = %s", [fact.answer_by, known.id])
    return False


def _open(
    conn: Connection[Any], fact: ChargebackFact, payment: Payment, invoice: Invoice | None, make_id: MakeId, now: datetime
) -> Chargeback:
    _refuse_strange(conn, fact, payment)
    chargeback_id = make_id("cb")
    left = refundable(conn, invoice) if invoice else 0
    excess = min(fact.amount, _excess_left(conn, payment)) if invoice else 0
    rest = fact.amount - excess
    owed = _owed_before(conn, invoice, rest) if invoice else []
    settled_by_it = sum(one.amount for one in owed)
    new = min(rest - settled_by_it, left)
    beyond = rest - settled_by_it - new
    conn.execute(
        """insert into chargeback (id, program_id, provider, provider_ref, charge_id, payment_id, invoice_id, customer_id, payee_id, asset,
                                   amount, fee, excess, beyond, cause, answer_by, opened_at, state, state_at)
           select %s, p.program_id, p.provider, %s, p.charge_id, p.id, p.invoice_id, i.customer_id, i.payee_id, p.asset,
                  %s, %s, %s, %s, %s, %s, %s, 'open', %s
           from payment p left join invoice i on i.id = p.invoice_id where p.id = %s""",
        [
            *[chargeback_id, fact.chargeback_id, fact.amount, fact.fee, excess, beyond, fact.cause[:200], fact.answer_by],
            *[fact.occurred_at, now, payment.id],
        ],
    )
    record_birth(conn, CHARGEBACK, [chargeback_id], "open", actor=ACTOR, at=now)
    made = show_chargeback(conn, chargeback_id)
    if invoice is not None:
        call_disputed(conn, invoice, cause=chargeback_id, actor=ACTOR, now=now)
        invoice = lock_invoice(conn, invoice.id)
    if invoice is not None and new:
        why = f"chargeback {chargeback_id}"
        own = book_refund(conn, make_id("ref"), invoice, new, cause=why, make_id=make_id, actor=ACTOR, now=now, by_bank=True)
        owed = [*owed, Taken(own, new)]
    _paid_by_bank(conn, made, owed, now)
    if invoice is None:
        take_shares(conn, made)
    _post(conn, made, CHARGEBACK_KEYS, _taken_lines(made, excess + settled_by_it + new), fact.occurred_at, now)
    made = show_chargeback(conn, chargeback_id)
    book_shares(conn, made, now=now)
    _tell(conn, "chargeback_opened", made, now)
    if made.repaid or (beyond and invoice is not None):
        _tell(conn, "chargeback_beyond", made, now)
    return made


def _refuse_strange(conn: Connection[Any], fact: ChargebackFact, payment: Payment) -> None:
    """Raises InvalidInput for what cannot be a part of this payment: a person looks at it, and nothing is booked by guess."""
    if fact.asset != payment.asset:
        raise InvalidInput("asset", f"{payment.asset}, as the payment", got=fact.asset[:20])
    row = conn.execute(
        "select coalesce(sum(amount), 0)::bigint from chargeback where payment_id = %s and state <> 'won'", [payment.id]
    ).fetchone()
    most = payment.amount - (row[0] if row else 0)
    if not 0 < fact.amount <= most:
        raise out_of_range("amount", fact.amount, asset_of_book(conn, fact.asset), most=most, what="what is left of the payment")


def _excess_left(conn: Connection[Any], payment: Payment) -> int:
    """What its invoice did not take of a payment, and neither bank nor house has given back since: it is owed to the customer, and nobody
    earned it."""
    row = conn.execute(
        """select coalesce((select sum(excess) from chargeback where payment_id = %(id)s and state <> 'won'), 0)::bigint
                + coalesce((select sum(r.amount) from overpayment o join overpayment_repayment r on r.overpayment_id = o.id
                            where o.payment_id = %(id)s), 0)::bigint""",
        {"id": payment.id},
    ).fetchone()
    return payment.amount - payment.applied - (row[0] if row else 0)


class Taken(NamedTuple):
    """A refund, and how much of what was left of it the bank has paid; minor units."""

    refund: Refund
    amount: int


def _owed_before(conn: Connection[Any], invoice: Invoice, amount: int) -> list[Taken]:
    """Refunds of the invoice that are owed and not paid out yet, the oldest first, as much of them as the bank has paid with this."""
    rows = conn.execute("select id from refund where invoice_id = %s and state = 'owed' order by id for update", [invoice.id]).fetchall()
    taken: list[Taken] = []
    for one in refunds_by_id(conn, [row[0] for row in rows]):
        part = min(one.amount - one.charged_back, amount - sum(each.amount for each in taken))
        if part:
            taken.append(Taken(one, part))
    return taken


def _paid_by_bank(conn: Connection[Any], made: Chargeback, taken: Sequence[Taken], now: datetime) -> None:
    with conn.cursor() as cur:
        cur.executemany(
            "insert into chargeback_refund (chargeback_id, refund_id, is_own, amount) values (%s, %s, %s, %s)",
            [(made.id, one.refund.id, one.refund.cause == f"chargeback {made.id}", one.amount) for one in taken],
        )
    whole = [one.refund for one in taken if one.refund.charged_back + one.amount == one.refund.amount]
    take_steps(conn, REFUND, [Move(one.id, "owed", "charge_back") for one in whole], actor=ACTOR, at=now, cause=made.id)


def _taken_lines(one: Chargeback, refunded: int) -> Lines:
    clearing = f"clearing:{one.provider}"
    owing = f"receivable:customer:{one.customer_id}" if one.invoice_id else "suspense"
    lines = [(f"refund_payable:customer:{one.customer_id}", clearing, refunded), (owing, clearing, one.beyond)]
    return [line for line in [*lines, ("dispute_fee", clearing, one.fee)] if line[2]]


def lock_chargeback(conn: Connection[Any], one: Chargeback) -> Chargeback:
    """A chargeback as it is, locked with its payment and all that follows from it."""
    payment = payment_of(conn, one.provider, one.charge_id)
    check(payment is not None, "a chargeback is of a payment", chargeback=one.id)
    assert payment is not None
    _lock(conn, payment)
    return locked_chargeback(conn, one.provider, one.provider_ref) or one


def _lock(conn: Connection[Any], payment: Payment) -> Invoice | None:
    # The order of locks, everywhere: payment, then its invoice, then what customers owe, then the escrows that it funded or paid for, and
    # accounts last. Two words of one chargeback, two chargebacks of one payment, and a chargeback and a use of one payment wait for each
    # other.
    conn.execute("select lock_payments(%s)", [[payment.id]])
    if payment.invoice_id:
        invoice = lock_invoice(conn, payment.invoice_id)
        lock_debts(conn, [CustomerPurse(invoice.program_id, invoice.customer_id, invoice.asset)])
        return invoice
    lock_behind(conn, [payment.id])
    return None


def end_chargeback(conn: Connection[Any], known: Chargeback, fact: ChargebackFact, *, make_id: MakeId, now: datetime) -> None:
    """A locked chargeback that is open is won or lost, as `fact` says."""
    ended = {"won": "win", "lost": "lose"}[fact.status]
    book_shares(conn, known, now=now)
    take_step(conn, CHARGEBACK, known.id, known.state, ended, actor=ACTOR, at=now)
    back = known.fee - fact.fee if fact.status == "won" and fact.fee < known.fee else 0
    conn.execute("update chargeback set ended_at = %s, fee_back = %s where id = %s", [now, back, known.id])
    known = known._replace(fee_back=back)
    invoice = lock_invoice(conn, known.invoice_id) if known.invoice_id else None
    if fact.status == "won":
        _win(conn, known, invoice, fact.occurred_at, make_id, now)
    decide_shares(conn, known, make_id=make_id, now=now)
    if invoice is not None and not is_contested(conn, invoice.id):
        call_decided(conn, lock_invoice(conn, invoice.id), refundable(conn, invoice), cause=known.id, actor=ACTOR, now=now)
    _tell(conn, "chargeback_won" if fact.status == "won" else "chargeback_lost", known, now)


def _more_fee_back(conn: Connection[Any], known: Chargeback, fact: ChargebackFact, now: datetime) -> bool:
    """Of a chargeback that was won more of the fee comes back than came with the money. An early word that comes late moves nothing."""
    back = known.fee - fact.fee
    if back <= known.fee_back:
        return False
    conn.execute("update chargeback set fee_back = %s where id = %s", [back, known.id])
    lines = [(f"clearing:{known.provider}", "dispute_fee", back - known.fee_back)]
    _post(conn, known, CHARGEBACK_FEE, lines, fact.occurred_at, now, str(back))
    return True


def _win(conn: Connection[Any], one: Chargeback, invoice: Invoice | None, at: datetime, make_id: MakeId, now: datetime) -> None:
    """The money is ours again: what the customer owed is settled, what was owed to the customer is owed again, the rest is shared out."""
    clearing = f"clearing:{one.provider}"
    rows = conn.execute(
        "select refund_id, is_own, amount from chargeback_refund where chargeback_id = %s order by refund_id", [one.id]
    ).fetchall()
    refunds = {each.id: each for each in refunds_by_id(conn, [row[0] for row in rows])}
    own = next((refunds[row[0]] for row in rows if row[1]), None)
    before = [Taken(refunds[row[0]], row[2]) for row in rows if not row[1]]
    lines: Lines = [
        *(settled_debt(conn, one, one.customer_id, clearing, one.beyond) if one.customer_id else [(clearing, "suspense", one.beyond)]),
        *won_shares(conn, one),
        (clearing, f"refund_payable:customer:{one.customer_id}", one.excess + sum(each.amount for each in before)),
        (clearing, "dispute_fee", one.fee_back),
    ]
    whole = [each.refund.id for each in before if each.refund.state == "charged_back"]  # of any other a part was owed all the time
    take_steps(conn, REFUND, [Move(each, "charged_back", "owe_again") for each in whole], actor=ACTOR, at=now, cause=one.id)
    if own is None or invoice is None:
        _post(conn, one, CHARGEBACK_WON, lines, at, now)
        return
    settlement = settlement_of(conn, invoice.id)
    if settlement is None:
        lines.append((clearing, f"escrow:{invoice.id}", own.amount))
        shared = None
    else:
        rates = rates_of(conn, settlement.program_id, settlement.rate_version, settlement.asset)
        gone = settlement.gross - invoice.written_off - refundable(conn, invoice)
        shared = won_back(settlement.gross, gone, own.amount, rates)
        lines += [
            (clearing, "fee:platform", shared.platform_fee),
            (clearing, "payable:validator", shared.validator_fee),
            (clearing, f"payable:payee:{invoice.payee_id}", shared.payee),
        ]
    payout = owe_more(conn, settlement, now=now) if settlement is not None else None  # locks, before accounts
    take_step(conn, REFUND, own.id, own.state, "win_back", actor=ACTOR, at=now, cause=one.id)
    _post(conn, one, CHARGEBACK_WON, lines, at, now)
    if payout is not None and shared is not None:
        payout(conn, shared.payee, make_id, f"chargeback {one.id} was won")


def _post(conn: Connection[Any], one: Chargeback, space: KeySpace, lines: Lines, at: datetime, now: datetime, *part: str) -> None:
    journal = NewJournal(
        key=space.key(one.provider, one.provider_ref, *part),
        kind=space.kind or "",
        lines=[line for line in lines if line[2]],
        asset=one.asset,
        actor=ACTOR,
        effective_at=min(at, now),
        source=("chargeback", one.provider_ref),
        space=space,
    )
    post_all(conn, [ProgramJournal(one.program_id, journal)], now=now)


def _tell(conn: Connection[Any], name: str, one: Chargeback, now: datetime) -> None:
    told = {"invoiceId": one.invoice_id or "", "amount": str(one.amount), "beyond": str(one.beyond), "asset": one.asset}
    told |= {"escrowed": str(one.escrowed), "repaid": str(one.repaid), "cause": one.cause}
    emit(conn, [NewEvent(name, one.program_id, one.id, told)], at=now)

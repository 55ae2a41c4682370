"""Payments: a customer's money, as the provider tells it. Recorded once for each charge, whatever comes how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Also, Move, take_steps
from counterfoil.base.problems import AmountOutOfRange, InvalidInput
from counterfoil.base.rows import insert_rows
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import PAYMENT
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.providers import SUCCEEDED, ChargeFact
from counterfoil.settlement.intents.intents import begin_verifying, expired_among
from counterfoil.settlement.invoices.invoices import INVOICE, Invoice, lock_invoices
from counterfoil.settlement.payments.overpayments import NewOverpayment, owe_back
from counterfoil.settlement.payments.rules import Bill, Receipt, decide_receipts
from counterfoil.settlement.payments.unidentified import NewUnidentified, keep_unidentified, why_unidentified

ACTOR = "system:worker"

EVENT_KINDS: Final = declare(
    info={
        "invoice_paid": "An invoice is paid in full.",
        "invoice_partially_paid": "A part of an invoice is paid.",
    },
    warning={
        "invoice_overpaid": "A customer paid more than was asked; the rest is owed back.",
        "payment_contradicted": "A provider tells a payment otherwise than it did before; what it told first stays booked.",
        "payment_late": "A customer paid an invoice that is cancelled or expired; it is owed back.",
        "payment_unidentified": "Money came that belongs to no open invoice; it lies in suspense.",
    },
)


class Payment(NamedTuple):
    """A payment as it was recorded; amounts in minor units."""

    id: str
    provider: str
    charge_id: str
    invoice_id: str | None
    reference: str
    asset: str
    amount: int
    applied: int
    fee: int
    account: str | None
    occurred_at: datetime
    recorded_at: datetime


def receive_charges(
    conn: Connection[Any],
    charges: Sequence[ChargeFact],
    *,
    provider: str,
    program_id: str,
    make_id: MakeId,
    cause: str,
    now: datetime,
) -> int:
    """Book what customers paid, by set, in one transaction with the invoices' new states. Returns how many were new.

    `program_id` is where money goes that names nothing of ours; what names an escrow waits in its program. Raises InvalidInput for an
    asset without a book there.
    """
    fresh, _ = _not_yet_recorded(conn, charges, provider)
    invoices = {one.id: one for one in lock_invoices(conn, [charge.reference for charge in fresh])}
    fresh, contradicted = _not_yet_recorded(conn, charges, provider)  # again, now under the lock: a racer may have booked them meanwhile
    _tell_contradicted(conn, contradicted, provider, program_id, now)
    if not fresh:
        return 0
    expired = expired_among(conn, list(invoices))
    bills = {key: _bill(one, expired=key in expired) for key, one in invoices.items()}
    homes = _homes(conn, [one for one in fresh if one.reference not in bills or bills[one.reference].asset != one.asset])
    receipts, after = decide_receipts(fresh, bills, provider=provider, program_id=program_id, homes=homes)
    post_all(conn, [_booking(receipt, provider, now) for receipt in receipts], now=now)
    recorded = _record(conn, receipts, provider, make_id, now)
    _owe_excess(conn, [one for one in recorded if one[1].excess], after, make_id, now)
    kept = _keep_unidentified(conn, [one for one in recorded if one[1].unknown], bills, homes, provider, make_id, now)
    _move_invoices(conn, invoices, after, cause, now)
    emit(conn, [told for receipt in receipts for told in _events(receipt, after, kept, provider)], at=now)
    return len(receipts)


def _homes(conn: Connection[Any], charges: Sequence[ChargeFact]) -> dict[tuple[str, str], str]:
    """Where the money of these charges, which pay no invoice, waits, by reference and asset: in the program of the escrow that they name,
    or of the invoice, which is in another asset."""
    if not charges:
        return {}
    rows = conn.execute(
        """select id, asset, program_id from escrow where id = any(%(named)s)
           union all
           select i.id, b.asset, i.program_id from invoice i join book b on b.program_id = i.program_id where i.id = any(%(named)s)""",
        {"named": [charge.reference for charge in charges]},
    ).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def _bill(invoice: Invoice, *, expired: bool) -> Bill:
    one, asked = invoice, invoice.total - invoice.credited - invoice.written_off
    return Bill(one.id, one.program_id, one.customer_id, one.asset, asked, one.paid, one.state, expired, one.written_off > 0)


Known = tuple[int, str, str, str | None, str]  # what a provider said of a charge: amount, asset, reference, account; and its program


def _not_yet_recorded(
    conn: Connection[Any], charges: Sequence[ChargeFact], provider: str
) -> tuple[list[ChargeFact], list[tuple[ChargeFact, Known]]]:
    """Those that are new, and those that are told otherwise than before, with what was told first: that stays booked."""
    rows = conn.execute(
        "select charge_id, amount, asset, reference, account, program_id from payment where provider = %s and charge_id = any(%s)",
        [provider, [charge.charge_id for charge in charges]],
    ).fetchall()
    known: dict[str, Known] = {row[0]: (row[1], row[2], row[3], row[4], row[5]) for row in rows}
    fresh: dict[str, ChargeFact] = {}
    contradicted = []
    for charge in charges:  # one batch may hold a duplicate webhook, too: the first counts
        if charge.charge_id not in known:
            first = fresh.setdefault(charge.charge_id, charge)
            before: Known = (first.amount, first.asset, first.reference, first.account, "")
        else:
            before = known[charge.charge_id]
        if _differs(before, charge):
            contradicted.append((charge, before))
    return list(fresh.values()), contradicted


def _differs(before: Known, now: ChargeFact) -> bool:
    """The fee and the moment may come to be known later; what was not told at first is no other word."""
    account = None not in (before[3], now.account) and before[3] != now.account
    return before[:3] != (now.amount, now.asset, now.reference) or account


def _tell_contradicted(
    conn: Connection[Any], found: Sequence[tuple[ChargeFact, Known]], provider: str, program_id: str, now: datetime
) -> None:
    """A person looks at it: nothing is booked by guess, and nothing is passed over in silence. Each other word is told once."""
    told: dict[str, NewEvent] = {}
    for charge, before in found:
        facts = {"chargeId": charge.charge_id, "provider": provider, "amount": str(before[0]), "asset": before[1], "reference": before[2]}
        more = {"saidAmount": str(charge.amount), "saidAsset": charge.asset, "saidReference": charge.reference}
        once = ":".join((provider, str(charge.amount), charge.asset, charge.reference, charge.account or ""))
        one = NewEvent("payment_contradicted", before[4] or program_id, charge.charge_id, facts | more, once=once)
        told[one.id()] = one
    if told:
        rows = conn.execute("select id from event where id = any(%s)", [list(told)]).fetchall()
        emit(conn, [one for key, one in told.items() if (key,) not in rows], at=now)


def _booking(receipt: Receipt, provider: str, now: datetime) -> ProgramJournal:
    journal = NewJournal(
        key=PAYMENT.key(provider, receipt.charge.charge_id),
        kind="payment",
        lines=list(receipt.lines),
        asset=receipt.charge.asset,
        actor=ACTOR,
        effective_at=min(receipt.charge.occurred_at, now),
        source=("charge", receipt.charge.charge_id),
        space=PAYMENT,
    )
    return ProgramJournal(receipt.program_id, journal)


def _record(conn: Connection[Any], receipts: Sequence[Receipt], provider: str, make_id: MakeId, now: datetime) -> list[tuple[str, Receipt]]:
    """The id of each payment that is recorded now, with its receipt."""
    ids = [make_id("pay") for _ in receipts]
    rows = [
        (
            payment_id,
            one.program_id,
            provider,
            one.charge.charge_id,
            one.invoice_id,
            one.charge.reference,
            one.charge.asset,
            one.charge.amount,
            one.applied,
            one.charge.fee,
            one.charge.account,
            one.charge.occurred_at,
            now,
        )
        for payment_id, one in zip(ids, receipts, strict=True)
    ]
    texts = ("id", "program_id", "provider", "charge_id", "invoice_id", "reference", "asset")
    columns = dict.fromkeys(texts, "text") | dict.fromkeys(("amount", "applied", "fee"), "bigint")
    insert_rows(conn, "payment", columns | {"account": "text", "occurred_at": "timestamptz", "recorded_at": "timestamptz"}, rows)
    return list(zip(ids, receipts, strict=True))


def _owe_excess(
    conn: Connection[Any], received: Sequence[tuple[str, Receipt]], after: dict[str, Bill], make_id: MakeId, now: datetime
) -> None:
    bills = [(payment_id, after[one.invoice_id or ""], one.excess) for payment_id, one in received]
    new = [
        NewOverpayment(make_id("ovp"), bill.program_id, payment_id, bill.id, bill.customer_id, bill.asset, minor, bill.why_too_much)
        for payment_id, bill, minor in bills
    ]
    owe_back(conn, new, actor=ACTOR, now=now)


def _keep_unidentified(
    conn: Connection[Any],
    received: Sequence[tuple[str, Receipt]],
    bills: Mapping[str, Bill],
    homes: Mapping[tuple[str, str], str],
    provider: str,
    make_id: MakeId,
    now: datetime,
) -> dict[str, NewUnidentified]:
    """What was written down of each charge that belongs to no open invoice."""
    assets = dict(homes.keys()) | {one.id: one.asset for one in bills.values()}
    new = []
    for payment_id, receipt in received:
        charge, bill = receipt.charge, bills.get(receipt.charge.reference)
        new.append(
            NewUnidentified(
                make_id("unp"),
                receipt.program_id,
                payment_id,
                provider,
                charge.charge_id,
                charge.reference,
                bill.customer_id if bill else None,
                charge.asset,
                receipt.unknown,
                why_unidentified(charge.reference, charge.asset, assets),
            )
        )
    keep_unidentified(conn, new, actor=ACTOR, now=now)
    return {one.charge_id: one for one in new}


def _move_invoices(conn: Connection[Any], before: dict[str, Invoice], after: dict[str, Bill], cause: str, now: datetime) -> None:
    changed = [bill for key, bill in after.items() if bill.paid != before[key].paid]
    if not changed:
        return
    moves = [Move(one.id, before[one.id].state, "pay" if one.paid == one.total else "pay_part") for one in changed]
    paid = Also(
        "paid = n.paid",
        {"paid_ids": [bill.id for bill in changed], "paid": [bill.paid for bill in changed]},
        rows="unnest(%(paid_ids)s::text[], %(paid)s::bigint[]) as n (id, paid)",
    )
    take_steps(conn, INVOICE, moves, actor=ACTOR, at=now, cause=cause, also=paid)
    begin_verifying(conn, [bill.id for bill in changed if bill.paid == bill.total], cause=cause, now=now)


def _events(receipt: Receipt, after: dict[str, Bill], kept: Mapping[str, NewUnidentified], provider: str) -> list[NewEvent]:
    charge, told = receipt.charge, []
    once = f"{provider}:{charge.charge_id}"  # two providers may give their charges the same id
    facts = {"chargeId": charge.charge_id, "amount": str(charge.amount), "asset": charge.asset}
    if receipt.invoice_id is None:
        one = kept[charge.charge_id]
        why = {"customerId": one.customer_id, "why": one.cause} if one.customer_id else {}
        subject = {**facts, "reference": charge.reference, "unidentifiedPaymentId": one.id, **why}
        return [NewEvent("payment_unidentified", receipt.program_id, charge.charge_id, subject, once=once)]
    if receipt.applied:
        bill = after[receipt.invoice_id]
        paid = bill.paid == bill.total
        name = "invoice_paid" if paid else "invoice_partially_paid"
        told.append(NewEvent(name, receipt.program_id, receipt.invoice_id, facts, once=once))
    if receipt.excess:
        late = after[receipt.invoice_id].takes_none
        more = {**facts, "excess": str(receipt.excess), **({"why": late} if late else {})}
        told.append(NewEvent("payment_late" if late else "invoice_overpaid", receipt.program_id, receipt.invoice_id, more, once=once))
    return told


def payment_of(conn: Connection[Any], provider: str, charge_id: str) -> Payment | None:
    """The payment that one charge of a provider was recorded as, if it was."""
    with conn.cursor(row_factory=class_row(Payment)) as cur:
        return cur.execute(
            """select id, provider, charge_id, invoice_id, reference, asset, amount, applied, fee, account, occurred_at, recorded_at
               from payment where provider = %s and charge_id = %s""",
            [provider, charge_id],
        ).fetchone()


def payments_of(conn: Connection[Any], invoice_ids: Sequence[str], *, rows_max: int) -> list[Payment]:
    """What was paid on these invoices, in the order it was recorded."""
    with conn.cursor(row_factory=class_row(Payment)) as cur:
        return cur.execute(
            """select id, provider, charge_id, invoice_id, reference, asset, amount, applied, fee, account, occurred_at, recorded_at
               from payment where invoice_id = any(%s) order by recorded_at, id limit %s""",
            [list(invoice_ids), rows_max],
        ).fetchall()


def parsed(facts: Callable[[bytes], ChargeFact], body: bytes) -> ChargeFact:
    """The charge in a webhook, checked for what no provider should send. Raises InvalidInput."""
    charge = facts(body)
    if charge.amount <= 0:
        raise AmountOutOfRange("amount", "more than 0", got=charge.amount, asset=charge.asset)
    if charge.status != SUCCEEDED:
        raise InvalidInput("status", f"{SUCCEEDED}, for money that came in", got=charge.status[:40])
    return charge

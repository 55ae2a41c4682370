"""What a chargeback takes of money that had funded escrows, or paid debts: its customers owe it, and escrows give nothing until the
bank decides. What had gone back before is taken last: that is a loss of the house."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import CHARGEBACK_DEBT, CHARGEBACK_ESCROW, CHARGEBACK_REPAID, KeySpace
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import Event
from counterfoil.payouts.chargebacks.model import Chargeback, show_chargeback
from counterfoil.payouts.chargebacks.repaid import repaid_of, take_debts, take_repaid
from counterfoil.payouts.refunds.rules import Lines
from counterfoil.settlement.escrow.moving import Hand
from counterfoil.settlement.escrow.taken_back import (
    CustomerPurse,
    Share,
    customer_debt,
    decide_charged_back,
    freeze_charged_back,
    funded_by,
    lock_behind,
    shares_of,
)
from counterfoil.settlement.payments.unidentified import end_spent

ACTOR: Final = "system:worker"
LOSS: Final = "bad_debt"


def take_shares(conn: Connection[Any], made: Chargeback) -> None:
    """Note what a new chargeback of a locked payment takes of each escrow, what is left after them of the debts that the payment paid, and
    after these of what had gone back."""
    payment_id = _payment_of(conn, made)
    funded = [one for one in funded_by(conn, payment_id) if one.amount > 0]
    row = conn.execute("select payment_unused(%s)", [payment_id]).fetchone()
    assert row is not None
    unused = int(row[0]) + made.amount  # it counts already, as if all of it came out of suspense
    shares = shares_of(made.amount, unused, funded)
    with conn.cursor() as cur:
        cur.executemany(
            "insert into chargeback_escrow (chargeback_id, escrow_id, amount) values (%s, %s, %s)", [(made.id, *one) for one in shares]
        )
    left = take_debts(conn, made, payment_id, made.amount - unused - sum(one.amount for one in shares))
    take_repaid(conn, made, payment_id, left)


def book_shares(conn: Connection[Any], one: Chargeback, *, now: datetime) -> None:
    """What had funded escrows or paid debts goes back into suspense, where the whole came from, and their customers owe it; what had gone
    back does, too, and the house loses it. Once. Freezes the escrows, and those whose lost money the debts were."""
    escrows = _escrows(conn, one)
    freeze_charged_back(conn, sorted(escrows), now=now)
    shared = [(f"receivable:customer:{escrows[each.escrow_id]}", "suspense", each.amount) for each in _shares(conn, one.id)]
    _book_once(conn, one, CHARGEBACK_ESCROW, shared, now)
    repaid = [(f"receivable:customer:{each.customer_id}", "suspense", each.amount) for each in repaid_of(conn, one.id)]
    _book_once(conn, one, CHARGEBACK_DEBT, repaid, now)
    _book_once(conn, one, CHARGEBACK_REPAID, [(LOSS, "suspense", one.repaid)] if one.repaid else [], now)


def _book_once(conn: Connection[Any], one: Chargeback, space: KeySpace, lines: Lines, now: datetime) -> None:
    key = space.key(one.provider, one.provider_ref)
    booked = conn.execute("select from journal where program_id = %s and key = %s", [one.program_id, key]).fetchone()
    if lines and booked is None:
        journal = NewJournal(
            key=key,
            kind=space.kind or "",
            lines=lines,
            asset=one.asset,
            actor=ACTOR,
            effective_at=min(one.opened_at, now),
            source=("chargeback", one.provider_ref),
            space=space,
        )
        post_all(conn, [ProgramJournal(one.program_id, journal)], now=now)


def won_shares(conn: Connection[Any], one: Chargeback) -> Lines:
    """The postings for money that had funded escrows, paid debts or gone back, and is ours again: nobody owes or loses it any more."""
    escrows = _escrows(conn, one)
    owed = [(escrows[each.escrow_id], each.amount) for each in _shares(conn, one.id)]
    lines: Lines = []
    for customer_id, amount in [*owed, *((each.customer_id, each.amount) for each in repaid_of(conn, one.id))]:
        lines += settled_debt(conn, one, customer_id, "suspense", amount, less=_settled(lines, customer_id))
    return [*lines, ("suspense", LOSS, one.repaid)]


def settled_debt(conn: Connection[Any], one: Chargeback, customer_id: str, source: str, amount: int, *, less: int = 0) -> Lines:
    """The postings of money that settles what a customer owes; what the customer had paid of it meanwhile is owed back.

    `less`: what is settled of the debt already in the same journal.
    """
    owed = max(0, customer_debt(conn, CustomerPurse(one.program_id, customer_id, one.asset)) - less)
    part = min(amount, owed)
    return [(source, f"receivable:customer:{customer_id}", part), (source, f"refund_payable:customer:{customer_id}", amount - part)]


def _settled(lines: Lines, customer_id: str) -> int:
    return sum(amount for _, to, amount in lines if to == f"receivable:customer:{customer_id}")


def decide_shares(conn: Connection[Any], one: Chargeback, *, make_id: MakeId, now: datetime) -> None:
    """The bank has decided: what it keeps is taken out of the escrows, and what was frozen goes on. A payment of which nothing is left is
    over."""
    hand = Hand(ACTOR, now, make_id, f"the bank has decided chargeback {one.id}")
    decide_charged_back(conn, sorted(_escrows(conn, one)), hand, provider=one.provider, reference=one.provider_ref)
    end_spent(conn, [_payment_of(conn, one)], "charge_back", actor=ACTOR, now=now, cause=one.id)


def references_of(conn: Connection[Any], chargeback_ids: Sequence[str]) -> list[str]:
    """What the payments that these chargebacks took named as their reference."""
    rows = conn.execute(
        """select distinct p.reference from chargeback c join payment p on p.id = c.payment_id
           where c.id = any(%s) and p.invoice_id is null order by 1""",
        [list(chargeback_ids)],
    ).fetchall()
    return [row[0] for row in rows]


def _shares(conn: Connection[Any], chargeback_id: str) -> list[Share]:
    rows = conn.execute(
        "select escrow_id, amount from chargeback_escrow where chargeback_id = %s order by escrow_id", [chargeback_id]
    ).fetchall()
    return [Share(*row) for row in rows]


def _payment_of(conn: Connection[Any], one: Chargeback) -> str:
    row = conn.execute("select payment_id from chargeback where id = %s", [one.id]).fetchone()
    assert row is not None
    return str(row[0])


def _escrows(conn: Connection[Any], one: Chargeback) -> dict[str, str]:
    """The customers of all escrows behind which the payment stands, by escrow; these are locked, before accounts."""
    return {each.id: each.customer_id for each in lock_behind(conn, [_payment_of(conn, one)])}


def book_what_was_found(conn: Connection[Any], events: Sequence[Event], *, make_id: MakeId, now: datetime) -> None:
    """Follow `chargeback_escrow_found`: a chargeback of before came out of suspense in full, and what had funded escrows or paid debts is
    booked now."""
    found = [show_chargeback(conn, event.subject_id) for event in events]
    payments = [_payment_of(conn, one) for one in found]
    conn.execute("select lock_payments(%s)", [payments])  # all of them, then all debts and escrows, then accounts
    lock_behind(conn, payments)
    for event in events:
        one = show_chargeback(conn, event.subject_id)
        book_shares(conn, one, now=now)
        if one.state == "lost":
            decide_shares(conn, one, make_id=make_id, now=now)

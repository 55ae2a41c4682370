"""Overpayments: what came for an invoice and is no part of it, since it was more than was asked, or came too late. It is owed back.

The books owe it to the customer from the moment on at which it came. What the customer's bank takes back of it by a chargeback is not paid
back once more; `overpayment_left` says what is still owed, and the database holds every repayment to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import Machine, Move, record_birth, take_step, take_steps
from counterfoil.base.problems import NotFound, Problem
from counterfoil.base.rows import Records
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import OVERPAYMENT_REPAY
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import First, SortKey, between_amounts, between_moments, of_party
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun, Verb
from counterfoil.settlement.payments.paying_back import BankTakesIt, account_of, new_reference, noting, open_chargeback, paid_by

OVERPAYMENT: Final = Machine(
    name="overpayment",
    table="overpayment",
    initial=("owed",),
    transitions={("owed", "repay"): "repaid", ("owed", "charge_back"): "charged_back"},
)
EVENT_KINDS: Final = declare(info={"overpayment_repaid": "A customer has back what was paid too much or too late."})


class NothingLeft(Problem):
    """The customer's bank took all of this overpayment: nothing is owed back of it."""


class NewOverpayment(NamedTuple):
    """What a payment brought beyond its invoice, in minor units, and why."""

    id: str
    program_id: str
    payment_id: str
    invoice_id: str
    customer_id: str
    asset: str
    amount: int
    cause: str


class Overpayment(NamedTuple):
    """An overpayment as it stands; minor units. `remaining`: what is still owed of it."""

    id: str
    program_id: str
    payment_id: str
    invoice_id: str
    customer_id: str
    asset: str
    amount: int
    charged_back: int
    remaining: int
    cause: str
    created_at: datetime
    state: str
    state_at: datetime


def owe_back(conn: Connection[Any], new: Sequence[NewOverpayment], *, actor: str, now: datetime) -> None:
    """Write down what is owed back, in the transaction of its payments; their journals owe it already."""
    if not new:
        return
    with conn.cursor() as cur:
        cur.executemany(
            """insert into overpayment (id, program_id, payment_id, invoice_id, customer_id, asset, amount, cause, created_at, state,
                                        state_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'owed', %s)""",
            [(*one, now, now) for one in new],
        )
    record_birth(conn, OVERPAYMENT, [one.id for one in new], "owed", actor=actor, at=now)


def repay_overpayment(
    conn: Connection[Any], overpayment_id: str, *, provider: str, reference: str, known: set[str], actor: str, now: datetime
) -> str:
    """Record that the customer has it back, through a provider of `known` or from the bank, under their reference for it.

    Raises NotFound, BankTakesIt, NothingLeft, TransitionRefused, InvalidInput for a provider that is not set up or a reference that paid
    something else.
    """
    _lock(conn, overpayment_id)
    one = show_overpayment(conn, overpayment_id)
    state = take_step(conn, OVERPAYMENT, one.id, one.state, "repay", actor=actor, at=now)
    if chargeback := open_chargeback(conn, one.payment_id):
        raise BankTakesIt(overpayment=one.id, chargeback=chargeback)
    if not one.remaining:
        raise NothingLeft(overpayment=one.id)
    reference = new_reference(conn, provider, reference, known)
    conn.execute(
        "insert into overpayment_repayment (overpayment_id, program_id, amount, provider, reference, actor, at)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        [one.id, one.program_id, one.remaining, provider, reference, actor, now],
    )
    journal = NewJournal(
        key=OVERPAYMENT_REPAY.key(one.id),
        kind=OVERPAYMENT_REPAY.kind or "",
        lines=[(f"refund_payable:customer:{one.customer_id}", account_of(provider), one.remaining)],
        asset=one.asset,
        actor=actor,
        source=("overpayment", one.id),
        space=OVERPAYMENT_REPAY,
    )
    post_all(conn, [ProgramJournal(one.program_id, journal)], now=now)
    told = {"provider": provider, "reference": reference, "amount": str(one.remaining), "asset": one.asset}
    emit(conn, [NewEvent("overpayment_repaid", one.program_id, one.id, told)], at=now)
    return state


def end_charged_back(conn: Connection[Any], chargeback_ids: Sequence[str], *, now: datetime) -> None:
    """Overpayments that the customer's bank took whole, by these chargebacks that are lost, are over."""
    rows = conn.execute(
        """select o.id from overpayment o join chargeback c on c.payment_id = o.payment_id
           where c.id = any(%s) and o.state = 'owed' and overpayment_left(o.id) = 0
             and not exists (select from chargeback x where x.payment_id = o.payment_id and x.state = 'open' and x.excess > 0)
           order by o.id for update of o""",
        [list(chargeback_ids)],
    ).fetchall()
    moves = [Move(one, "owed", "charge_back") for one in sorted({row[0] for row in rows})]
    take_steps(conn, OVERPAYMENT, moves, actor="system:worker", at=now, cause=chargeback_ids[0])


def _lock(conn: Connection[Any], overpayment_id: str) -> None:
    """Its payment first, then its invoice, as everywhere: no bank takes it back at the same moment."""
    row = conn.execute(
        "select p.invoice_id, p.id from overpayment o join payment p on p.id = o.payment_id where o.id = %s", [overpayment_id]
    ).fetchone()
    if row is None:
        raise NotFound(what="overpayment", id=overpayment_id)
    conn.execute("select lock_payments(%s)", [[row[1]]])
    conn.execute("select from invoice where id = %s for update", [row[0]])
    conn.execute("select from overpayment where id = %s for update", [overpayment_id])


OVERPAYMENTS: Final = Records(
    Overpayment,
    """select o.id, o.program_id, o.payment_id, o.invoice_id, o.customer_id, o.asset, o.amount,
                      coalesce((select sum(c.excess) from chargeback c
                                where c.payment_id = o.payment_id and c.state <> 'won'), 0)::bigint as charged_back,
                      overpayment_left(o.id) as remaining, o.cause, o.created_at, o.state, o.state_at
               from overpayment o""",
    "overpayment",
    "o.",
)
show_overpayment: Final = OVERPAYMENTS.show
list_overpayments: Final = OVERPAYMENTS.newest


def _refusals(conn: Connection[Any], overpayment_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    one = show_overpayment(conn, overpayment_id)
    chargeback = open_chargeback(conn, one.payment_id)
    waits = (
        f"chargeback {chargeback} is open on its payment" if chargeback else None if one.remaining else "its customer's bank took all of it"
    )
    return {"repay": f"it is {one.state.replace('_', ' ')}" if one.state != "owed" else waits}


VERBS: Final = (
    Verb(
        "repay",
        OPERATE,
        "Record as paid back",
        "The customer has it back: note through whom, and under which reference. Each reference pays one thing.",
        do=noting(repay_overpayment),
        done="The customer has {id} back.",
        reason=False,
        takes=paid_by("simulator"),
    ),
)
OVERPAYMENT_NOUN: Final = Noun(
    "overpayment",
    "overpayments",
    "ovp",
    OVERPAYMENT,
    VERBS,
    show_overpayment,
    _refusals,
    row=Overpayment,
    rows=list_overpayments,
    by_id=OVERPAYMENTS.by_id,
    sorts=(SortKey("created_at", datetime), SortKey("amount", int, money=True)),
    narrows=(*of_party("customer", "invoice"), *between_moments("created_at", "paid"), *between_amounts("amount")),
    help="What customers paid too much or too late, and is owed back.",
    columns=("id", "invoice_id", "customer_id", "asset", "amount", "remaining", "cause", "state"),
    first=First("It comes when a customer pays more than is owed, or pays too late."),
    sought=(FoundBy("amount", "of this amount", "amount"),),
)

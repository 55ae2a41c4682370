"""Unidentified payments: money that a provider told of and that belongs to no open invoice. It lies in suspense until a person knows whose
it is: an escrow or a customer's debt has it, or it goes back.

What is left of one is always worked out from what was done with its payment (`payment_unused`), and all of that goes back at once, while no
bank takes it. A chargeback that comes after that takes what the customer has already: nobody is known who owes it, and it is nobody else's
money in suspense, so it is a loss of the house until the chargeback is won.

Whoever uses a payment or gives it back locks the payment first, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import Machine, Move, record_birth, take_step, take_steps
from counterfoil.base.problems import NotFound
from counterfoil.base.rows import Records, insert_rows
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import UNIDENTIFIED_REPAY
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.settlement.payments.paying_back import BankTakesIt, account_of, new_reference, open_chargeback

UNIDENTIFIED_PAYMENT: Final = Machine(
    name="unidentified_payment",
    table="unidentified_payment",
    initial=("open",),
    transitions={
        ("open", "repay"): "repaid",
        ("open", "use"): "used",
        ("open", "charge_back"): "charged_back",
    },
)
EVENT_KINDS: Final = declare(info={"unidentified_repaid": "Money that nobody had identified went back to who sent it."})


class NewUnidentified(NamedTuple):
    """A payment of no invoice, in minor units, and why it is of none. `customer_id`: of the invoice that it names, in another asset."""

    id: str
    program_id: str
    payment_id: str
    provider: str
    charge_id: str
    reference: str
    customer_id: str | None
    asset: str
    amount: int
    cause: str


class UnidentifiedPayment(NamedTuple):
    """An unidentified payment as it stands; minor units. `escrowed`: what funded escrows; `debts_paid`: what paid debts of customers;
    `charged_back`: what banks took and did not give back, which may be of what was used before; `remaining`: what lies in suspense of it.
    """

    id: str
    program_id: str
    payment_id: str
    provider: str
    charge_id: str
    reference: str
    customer_id: str | None
    asset: str
    amount: int
    escrowed: int
    debts_paid: int
    repaid: int
    charged_back: int
    remaining: int
    cause: str
    created_at: datetime
    state: str
    state_at: datetime


def keep_unidentified(conn: Connection[Any], new: Sequence[NewUnidentified], *, actor: str, now: datetime) -> None:
    """Write down what belongs to no open invoice, in the transaction of its payments; their journals put it into suspense already."""
    if not new:
        return
    texts = ("id", "program_id", "payment_id", "provider", "charge_id", "reference", "customer_id", "asset")
    columns = dict.fromkeys(texts, "text") | {"amount": "bigint", "cause": "text", "created_at": "timestamptz"}
    rows = [(*one, now, "open", now) for one in new]
    insert_rows(conn, "unidentified_payment", {**columns, "state": "text", "state_at": "timestamptz"}, rows)
    record_birth(conn, UNIDENTIFIED_PAYMENT, [one.id for one in new], "open", actor=actor, at=now)


def why_unidentified(reference: str, asset: str, assets: Mapping[str, str]) -> str:
    """Why a payment belongs to no invoice; `assets`: of the invoices and escrows that there are, by their ids."""
    if reference not in assets:
        return "nothing of ours has its reference"
    return f"{reference} is in {assets[reference]}" if assets[reference] != asset else f"it names escrow {reference}"


def end_spent(
    conn: Connection[Any],
    payment_ids: Sequence[str],
    verb: Literal["use", "charge_back"],
    *,
    actor: str,
    now: datetime,
    cause: str | None = None,
) -> None:
    """Those of these locked payments of which nothing is left, and nothing can come back from a bank, are over."""
    rows = conn.execute(
        """select u.id from unidentified_payment u
           where u.payment_id = any(%s) and u.state = 'open' and payment_unused(u.payment_id) <= 0
             and not exists (select from chargeback c
                             where c.payment_id = u.payment_id and c.state = 'open' and chargeback_of_unused(c.id) > 0)
           order by u.id for update""",
        [list(payment_ids)],
    ).fetchall()
    moves = [Move(row[0], "open", verb) for row in rows]
    take_steps(conn, UNIDENTIFIED_PAYMENT, moves, actor=actor, at=now, cause=cause)


def repay_unidentified(
    conn: Connection[Any], unidentified_id: str, *, provider: str, reference: str, known: set[str], actor: str, now: datetime
) -> str:
    """Record that who sent it has back all that is left of it, through a provider of `known` or from the bank, under their reference.

    Raises NotFound, BankTakesIt, TransitionRefused when nothing is left, InvalidInput for a provider that is not set up or a reference that
    paid something else.
    """
    _lock(conn, unidentified_id)
    one = show_unidentified(conn, unidentified_id)
    state = take_step(conn, UNIDENTIFIED_PAYMENT, one.id, one.state, "repay", actor=actor, at=now)
    if chargeback := open_chargeback(conn, one.payment_id):
        raise BankTakesIt(unidentified_payment=one.id, chargeback=chargeback)
    reference = new_reference(conn, provider, reference, known)
    conn.execute(
        """insert into unidentified_repayment (unidentified_payment_id, program_id, payment_id, amount, provider, reference, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [one.id, one.program_id, one.payment_id, one.remaining, provider, reference, actor, now],
    )
    journal = NewJournal(
        key=UNIDENTIFIED_REPAY.key(one.id),
        kind=UNIDENTIFIED_REPAY.kind or "",
        lines=[("suspense", account_of(provider), one.remaining)],
        asset=one.asset,
        actor=actor,
        source=("unidentified_payment", one.id),
        space=UNIDENTIFIED_REPAY,
    )
    post_all(conn, [ProgramJournal(one.program_id, journal)], now=now)
    told = {"provider": provider, "reference": reference, "amount": str(one.remaining), "asset": one.asset, "chargeId": one.charge_id}
    emit(conn, [NewEvent("unidentified_repaid", one.program_id, one.id, told)], at=now)
    return state


def _lock(conn: Connection[Any], unidentified_id: str) -> None:
    """Its payment first, as everywhere: nobody uses it and no bank takes it back at the same moment."""
    row = conn.execute("select payment_id from unidentified_payment where id = %s", [unidentified_id]).fetchone()
    if row is None:
        raise NotFound(what="unidentified_payment", id=unidentified_id)
    conn.execute("select lock_payments(%s)", [[row[0]]])


UNIDENTIFIED_PAYMENTS: Final = Records(
    UnidentifiedPayment,
    """select u.id, u.program_id, u.payment_id, u.provider, u.charge_id, u.reference, u.customer_id, u.asset, u.amount,
              coalesce((select sum(m.amount) from escrow_movement m where m.payment_id = u.payment_id), 0)::bigint as escrowed,
              coalesce((select sum(d.amount) from customer_debt_entry d where d.payment_id = u.payment_id), 0)::bigint as debts_paid,
              coalesce((select r.amount from unidentified_repayment r where r.unidentified_payment_id = u.id), 0) as repaid,
              coalesce((select sum(c.amount) from chargeback c
                        where c.payment_id = u.payment_id and c.state <> 'won'), 0)::bigint as charged_back,
              greatest(payment_unused(u.payment_id), 0) as remaining, u.cause, u.created_at, u.state, u.state_at
       from unidentified_payment u""",
    "unidentified_payment",
    "u.",
)
show_unidentified: Final = UNIDENTIFIED_PAYMENTS.show
list_unidentified: Final = UNIDENTIFIED_PAYMENTS.newest

INVARIANTS: Final = (
    Invariant(
        "UNIDENTIFIED_TIE",
        "Is every payment of no invoice on the list of those until nothing is left of it, and was what went back booked, and once?",
        """select coalesce(p.id, u.payment_id), p.charge_id, u.id, p.amount, u.amount
           from payment p full join unidentified_payment u on u.payment_id = p.id
           where (p.invoice_id is null or u.id is not null)
             and (p.program_id, p.provider, p.charge_id, p.reference, p.asset, p.amount, p.invoice_id)
                 is distinct from (u.program_id, u.provider, u.charge_id, u.reference, u.asset, u.amount, null)
           union all
           select u.id, u.state, 'left', payment_unused(u.payment_id), 0 from unidentified_payment u
           where case u.state when 'open' then payment_unused(u.payment_id) <= 0 and not exists (
                                  select from chargeback c
                                  where c.payment_id = u.payment_id and c.state = 'open' and chargeback_of_unused(c.id) > 0)
                              else payment_unused(u.payment_id) > 0 end
           union all
           select coalesce(u.id, b.source_id), u.state, 'booked', r.amount, b.amount from unidentified_payment u
           left join unidentified_repayment r on r.unidentified_payment_id = u.id
           full join (select j.source_id, sum(t.amount) filter (where d.name = 'suspense' and c.name = case x.provider
                                 when 'bank' then 'cash:bank:client' else 'clearing:' || x.provider end) as amount
                      from journal j join posting t on t.journal_id = j.id
                      join account d on d.id = t.debit join account c on c.id = t.credit
                      left join unidentified_repayment x on x.unidentified_payment_id = j.source_id
                      where j.kind = 'unidentified_repay' group by j.source_id) b on b.source_id = u.id
           where r.amount is distinct from b.amount or (u.state = 'repaid') is distinct from (r.payment_id is not null)""",
        "critical",
        "Money that belongs to nobody known is on no list, or it went back twice.",
        "P12",
    ),
)

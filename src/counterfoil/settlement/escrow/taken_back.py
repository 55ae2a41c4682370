"""Money that funded escrows and that the customer's bank takes back by a chargeback: frozen until the bank has decided, then ours again, or
taken out of what is still there.

Whoever uses a payment or takes it back locks the payment first, then the debts of the customers it was for, then the escrows, in id order,
then accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.settlement.escrow.freezing import freeze_escrow, frozen_by_chargeback, unfreeze_escrow
from counterfoil.settlement.escrow.model import Escrow, escrows_by_id, show_escrow
from counterfoil.settlement.escrow.moving import Hand, charged_back_text, end_escrow, move_money, take_escrow_step

ACTOR: Final = "system:worker"


class CustomerPurse(NamedTuple):
    """Whose debt, and in what: a customer of a program in an asset."""

    program_id: str
    customer_id: str
    asset: str


class Share(NamedTuple):
    """What of a payment funded one escrow, or what of that was taken back; minor units."""

    escrow_id: str
    amount: int


def funded_by(conn: Connection[Any], payment_id: str) -> list[Share]:
    """What a payment funded of escrows and no bank has taken back, the last one first; amounts may be nothing."""
    rows = conn.execute(
        """select m.escrow_id, (sum(m.amount) - coalesce((
                      select sum(x.amount) from chargeback_escrow x join chargeback c on c.id = x.chargeback_id
                      where x.escrow_id = m.escrow_id and c.payment_id = %(payment)s and c.state <> 'won'), 0))::bigint
           from escrow_movement m where m.payment_id = %(payment)s
           group by m.escrow_id order by max(m.at) desc, m.escrow_id""",
        {"payment": payment_id},
    ).fetchall()
    return [Share(*row) for row in rows]


def lock_behind(conn: Connection[Any], payment_ids: Sequence[str]) -> list[Escrow]:
    """The escrows that these locked payments funded, or whose lost money they paid for with a debt; locked, before anything is posted, and
    before them the debts of their customers."""
    rows = conn.execute(
        """select e.program_id, e.customer_id, e.asset, false from escrow e
           where e.id in (select m.escrow_id from escrow_movement m where m.payment_id = any(%(payments)s))
           union select d.program_id, d.customer_id, d.asset, true from customer_debt_entry d where d.payment_id = any(%(payments)s)""",
        {"payments": list(payment_ids)},
    ).fetchall()
    lock_debts(conn, [CustomerPurse(*row[:3]) for row in rows])
    found = conn.execute(
        """select m.escrow_id from escrow_movement m where m.payment_id = any(%s)
           union select e.id from escrow e
           join unnest(%s::text[], %s::text[], %s::text[]) as d (program_id, customer_id, asset) using (program_id, customer_id, asset)
           where e.id in (select escrow_id from chargeback_escrow)""",
        [list(payment_ids), *([row[place] for row in rows if row[3]] for place in range(3))],
    ).fetchall()
    return escrows_by_id(conn, [row[0] for row in found])


def shares_of(amount: int, unused: int, funded: Sequence[Share]) -> list[Share]:
    """What a chargeback of `amount` takes of each escrow: first it takes what its payment had funded nothing with."""
    left, shares = max(0, amount - unused), []
    for one in funded:
        part = min(one.amount, left)
        left -= part
        if part:
            shares.append(Share(one.escrow_id, part))
    return shares


def freeze_charged_back(conn: Connection[Any], escrow_ids: Sequence[str], *, now: datetime) -> None:
    """Freeze those of these escrows that are active while a chargeback of what funded them is open."""
    for one in escrows_by_id(conn, escrow_ids):
        row = conn.execute("select escrow_charged_back(%s)", [one.id]).fetchone()
        if row is not None and row[0] is not None and one.state == "active":
            freeze_escrow(conn, one.id, reason=charged_back_text(row[0]), actor=ACTOR, now=now, cause=row[0])


def decide_charged_back(conn: Connection[Any], escrow_ids: Sequence[str], hand: Hand, *, provider: str, reference: str) -> None:
    """The bank has decided a chargeback of what funded these escrows: what it keeps is taken out of what is still there, or set off against
    what was owed back; the rest its customer owes. What it had frozen goes on.

    While another chargeback of an escrow's money is open it stays as it is. `provider` and `reference`: of the chargeback.
    """
    for one in escrows_by_id(conn, escrow_ids):
        row = conn.execute("select escrow_charged_back(%s), escrow_lost(%s)", [one.id, one.id]).fetchone()
        if row is None or row[0] is not None:
            continue
        due = min(int(row[1]), debt_of(conn, one))
        taken = min(due, one.remaining)
        if taken:
            move_money(conn, one, "charge_back", taken, hand, provider=provider, reference=reference)
            _after_taking(conn, show_escrow(conn, one.id), hand)
        set_off = min(due - taken, one.refunded - one.repaid)
        if set_off:
            move_money(conn, one, "set_off", set_off, hand, provider=provider, reference=reference)
        if show_escrow(conn, one.id).state == "disputed" and frozen_by_chargeback(conn, one.id):
            unfreeze_escrow(conn, one.id, reason=hand.reason or "", actor=hand.actor, now=hand.now)


def _after_taking(conn: Connection[Any], one: Escrow, hand: Hand) -> None:
    if one.remaining and one.state == "pending":  # it will never be funded with this: what others gave goes back
        move_money(conn, one, "refund", one.remaining, hand)
        one = show_escrow(conn, one.id)
    if one.remaining:
        take_escrow_step(conn, one, "charge_back_part", hand)
    else:
        end_escrow(conn, one, hand)


def lock_debts(conn: Connection[Any], purses: Iterable[CustomerPurse]) -> None:
    """Whoever books by what customers owe looks after this: of two at once the second sees what the first left."""
    for key in sorted({"customer_debt:" + ":".join(one) for one in purses}):
        conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def debt_of(conn: Connection[Any], one: Escrow) -> int:
    """What the customer of an escrow owes us in its asset, in minor units."""
    return customer_debt(conn, CustomerPurse(one.program_id, one.customer_id, one.asset))


def customer_debt(conn: Connection[Any], purse: CustomerPurse) -> int:
    """What a customer owes us in an asset, in minor units."""
    row = conn.execute(
        """select a.debits - a.credits from account a join book b on b.id = a.book_id
           where (b.program_id, b.asset, a.name) = (%s, %s, 'receivable:customer:' || %s::text)""",
        [purse.program_id, purse.asset, purse.customer_id],
    ).fetchone()
    return int(row[0]) if row else 0

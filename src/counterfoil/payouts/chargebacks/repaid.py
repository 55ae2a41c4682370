"""What a chargeback takes of money that had paid debts of customers, or that had gone back to who sent it. The debts are owed again; what
had gone back nobody is known to owe, so the house loses it until the chargeback is won. Nobody else's money in suspense pays for either."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.payouts.chargebacks.model import Chargeback


class Repaid(NamedTuple):
    """What of a payment paid a debt of a customer, or what of that was taken back; minor units. `id`: of the entry that paid it."""

    id: str
    customer_id: str
    asset: str
    amount: int


def take_debts(conn: Connection[Any], made: Chargeback, payment_id: str, amount: int) -> int:
    """Note that so much of a new chargeback of a locked payment had paid debts, the last one first; minor units, nothing when it is less
    than 1. What is left of it then."""
    left = amount
    for one in _paid_by(conn, payment_id):
        part = min(one.amount, left)
        if part > 0:
            left -= part
            conn.execute("insert into chargeback_debt (chargeback_id, entry_id, amount) values (%s, %s, %s)", [made.id, one.id, part])
    return left


def take_repaid(conn: Connection[Any], made: Chargeback, payment_id: str, amount: int) -> None:
    """Note that so much of a new chargeback of a locked payment had gone back already, as far as it did and no other chargeback took that;
    minor units."""
    row = conn.execute(
        """select r.unidentified_payment_id, (r.amount - coalesce((
                      select sum(x.amount) from chargeback_repaid x join chargeback c on c.id = x.chargeback_id
                      where x.unidentified_payment_id = r.unidentified_payment_id and c.state <> 'won'), 0))::bigint
           from unidentified_repayment r where r.payment_id = %s""",
        [payment_id],
    ).fetchone()
    if row and (taken := min(amount, row[1])) > 0:
        conn.execute(
            "insert into chargeback_repaid (chargeback_id, unidentified_payment_id, amount) values (%s, %s, %s)", [made.id, row[0], taken]
        )


def repaid_of(conn: Connection[Any], chargeback_id: str, *, rows_max: int | None = None) -> list[Repaid]:
    """What a chargeback took of money that had paid debts."""
    with conn.cursor(row_factory=class_row(Repaid)) as cur:
        return cur.execute(
            """select d.id, d.customer_id, d.asset, x.amount from chargeback_debt x join customer_debt_entry d on d.id = x.entry_id
               where x.chargeback_id = %s order by d.id limit %s""",
            [chargeback_id, rows_max],
        ).fetchall()


def _paid_by(conn: Connection[Any], payment_id: str) -> list[Repaid]:
    with conn.cursor(row_factory=class_row(Repaid)) as cur:
        return cur.execute(
            """select d.id, d.customer_id, d.asset, (d.amount - coalesce((
                          select sum(x.amount) from chargeback_debt x join chargeback c on c.id = x.chargeback_id
                          where x.entry_id = d.id and c.state <> 'won'), 0))::bigint as amount
               from customer_debt_entry d where d.payment_id = %s order by d.at desc, d.id desc""",
            [payment_id],
        ).fetchall()

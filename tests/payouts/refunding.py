"""Paid invoices, refunds, and the payouts that are left of them: what tests of refunds and disputes do over and over."""

from __future__ import annotations

from typing import Any

from counterfoil.base.edge import make_id
from counterfoil.payouts.refunds.refunds import Refund, book_refund, lock_invoice
from tests.builders import Desk, issue

SETTLED = ("webhooks", "verify", "settle", "events")


def paid(desk: Desk, price: str = "100.00", prefix: str = "u") -> str:
    (invoice_id,) = issue(desk.database, price, prefix=prefix)
    desk.pay(invoice_id, int(price.replace(".", "")), fee=0)
    desk.deliver()
    desk.work("webhooks", "verify")
    return invoice_id


def go(desk: Desk) -> None:
    """Until everything that was sent has arrived."""
    desk.work()
    desk.settle_time()
    desk.deliver()
    desk.work()


def refund(desk: Desk, invoice_id: str, amount: int, **more: Any) -> Refund:
    with desk.database.transaction() as conn:
        one = lock_invoice(conn, invoice_id)
        return book_refund(conn, make_id("ref"), one, amount, cause="asked", make_id=make_id, actor="test", now=desk.clock.now, **more)


def states(desk: Desk) -> list[tuple[str, int]]:
    return [tuple(row) for row in desk.rows("select state, amount from payout order by reissue, id")]  # type: ignore[misc]

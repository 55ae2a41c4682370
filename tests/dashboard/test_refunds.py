"""A refund and a holdback have pages of their own, where it stands from where the money was taken."""

from __future__ import annotations

from typing import Any

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.operations.access.access import Caller
from counterfoil.payouts.disputes.disputes import open_dispute
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice
from tests.dashboard import days


def test_a_refund_and_the_holdback_that_it_took_from_are_shown(desk: Any):
    days.an_empty_day(desk)
    (invoice,) = days.issued(desk, ["40.00"], prefix="r", payee="payee-1")
    desk.pay(invoice, 40_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle")
    with desk.database.transaction() as conn:
        one = lock_invoice(conn, invoice)
        made = book_refund(conn, make_id("ref"), one, 10_00, cause="late", make_id=make_id, actor="t", now=desk.clock.now)
        anna = Caller("", "anna", "operator", principal_id="prn_anna")
        dispute = open_dispute(conn, make_id("dsp"), invoice, cause="empty", make_id=make_id, by=anna, now=desk.clock.now)
    ((tranche,),) = desk.rows("select id from holdback_tranche")
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        refund = httpx2.get(f"{url}/admin/refunds/{made.id}", headers=headers)
        holdback = httpx2.get(f"{url}/admin/holdbacks/{tranche}", headers=headers)
        disputed = httpx2.get(f"{url}/admin/disputes/{dispute.id}", headers=headers)
    assert (disputed.status_code, "30.00" in disputed.text) == (200, True), "what has gone back is not disputed"
    assert (refund.status_code, "8.90" in refund.text) == (200, True)
    assert (holdback.status_code, "1.50" in holdback.text) == (200, True), "2.00 was held back, and 0.50 went with the refund"

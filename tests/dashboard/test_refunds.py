"""A refund and a holdback have pages of their own, where it stands from where the money was taken."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.drills.drills import DrillMeasures, ask_for_drill, end_drill, start_drill
from counterfoil.operations.access.access import Caller
from counterfoil.payouts.destinations.by_hand import quarantine_destination
from counterfoil.payouts.destinations.destinations import list_destinations
from counterfoil.payouts.disputes.disputes import open_dispute
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice
from tests.dashboard import days
from tests.dashboard.test_noun_pages import logged_in

# A row of what the look at a form says that it books, and the newest rows of what is booked.
BOOKS: Final = re.compile(r'<tr><th scope="row">([^<]+)</th><td[^>]*>([^<]+)</td><td[^>]*><data class="amount" value="([0-9]+)">')
BOOKED: Final = """select debit, credit, amount from (
    select p.seq, d.name as debit, c.name as credit, p.amount::text as amount
    from posting p join account d on d.id = p.debit join account c on c.id = p.credit order by p.seq desc limit %s) t order by seq"""


def it_is_begun_on_its_page(desk: Any, url: str, path: str, asked: dict[str, str]) -> None:
    """Filled in, looked at, confirmed once, however often it is sent."""
    with logged_in(desk, url, "operator") as client:
        asked["csrf"] = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)[1]
        count = f"select count(*) from {path.rpartition('/')[2][:-1]}"
        before, looked = desk.rows(count), client.post(path, data=asked)
        assert (looked.status_code, "Nothing is made yet" in looked.text, desk.rows(count)) == (200, True, before), looked.text[-500:]
        sure = {**asked, "confirm": "yes", "key": re.search(r'name="key" value="(key_[^"]+)"', looked.text)[1]}
        changed = client.post(path, data={**sure, "cause": "another word"})
        assert (changed.status_code, "is not what was looked at" in changed.text, desk.rows(count)) == (422, True, before)
        books, booked = BOOKS.findall(looked.text.replace("<wbr>", "")), desk.rows("select count(*) from posting")[0][0]
        done, twice = client.post(path, data=sure), client.post(path, data=sure)
        assert books or path != "/admin/refunds"
        assert books == desk.rows(BOOKED, desk.rows("select count(*) from posting")[0][0] - booked), "what was told is what is booked"
        assert (done.status_code, twice.headers["location"]) == (303, done.headers["location"])
        assert desk.rows(count) == [(before[0][0] + 1,)]
        assert "It was made just now" in client.get(done.headers["location"]).text
        made = done.headers["location"].partition("?")[0].rpartition("/")[2]
        assert desk.rows("select reason from action where subject_id = %s", made) == [("the box was wet",)]


def test_a_refund_and_the_holdback_that_it_took_from_are_shown_and_today_says_what_waits(desk: Any):
    days.an_empty_day(desk)
    (invoice,) = days.issued(desk, ["40.00"], prefix="r", payee="payee-1")
    (other,) = days.issued(desk, ["12.00"], prefix="o", payee="payee-2")
    desk.pay(invoice, 40_00)
    desk.pay(other, 12_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle")
    with desk.database.transaction() as conn:
        one = lock_invoice(conn, invoice)
        made = book_refund(conn, make_id("ref"), one, 10_00, cause="late", make_id=make_id, actor="t", now=desk.clock.now)
        anna = Caller("", "anna", "operator", principal_id="prn_anna")
        also = lock_invoice(conn, other)
        owed = book_refund(conn, make_id("ref"), also, 2_00, cause="late", make_id=make_id, actor="t", now=desk.clock.now)
        [there] = list_destinations(conn, rows_max=9, payee_id="payee-3")
        quarantine_destination(conn, there.id, reason="a letter", actor="anna", now=desk.clock.now)
        drill = ask_for_drill(conn, make_id("drl"), "workers", backup_id=None, actor="t", now=desk.clock.now)
        start_drill(conn, drill.id, now=desk.clock.now)
        end_drill(conn, drill.id, measures=DrillMeasures(), evidence="signed", error="it broke", now=desk.clock.now)
        dispute = open_dispute(conn, make_id("dsp"), invoice, cause="empty", make_id=make_id, by=anna, now=desk.clock.now)
    ((charge,),) = desk.rows("select charge_id from payment where amount = 4000")
    desk.http.post(f"/v1/charges/{charge}/chargebacks", json={"amount": "500", "fee": "1500"}).raise_for_status()
    desk.deliver()
    desk.work("webhooks")
    ((chargeback,),) = desk.rows("select id from chargeback")
    ((tranche,),) = desk.rows(
        "select id from holdback_tranche where settlement_id in (select id from settlement where invoice_id = %s)", invoice
    )
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        today = httpx2.get(f"{url}/admin/reconciliation.json", headers=headers, timeout=30).json()
        refund = httpx2.get(f"{url}/admin/refunds/{made.id}", headers=headers)
        for path, more in (("/admin/refunds", {"asset": "EUR", "amount": "1.50"}), ("/admin/disputes", {})):
            it_is_begun_on_its_page(desk, url, path, {"invoice_id": other, "cause": "the box was wet", **more})
        holdback = httpx2.get(f"{url}/admin/holdbacks/{tranche}", headers=headers)
        charged = httpx2.get(f"{url}/admin/chargebacks/{chargeback}", headers=headers)
        disputed = httpx2.get(f"{url}/admin/disputes/{dispute.id}", headers=headers)
    waits = {kind["key"]: [row["id"] for row in kind["rows"]] for kind in today["readings"]["action_required"]["value"]["kinds"]}
    assert (
        waits.items()
        >= {
            "dispute": [dispute.id],
            "refund": [owed.id],  # the other waits for the dispute
            "chargeback": [chargeback],
            "destination": [there.id],
            "drill": ["workers"],
        }.items()
    )
    paths = {one["kind"]: one["on"]["path"] for one in today["causes"]}
    assert (paths["dispute"], paths["drill"]) == (f"/admin/disputes/{dispute.id}", "/admin/drills")
    assert (charged.status_code, "5.00" in charged.text, "15.00" in charged.text) == (200, True, True)
    assert (disputed.status_code, "30.00" in disputed.text) == (200, True), "what has gone back is not disputed"
    assert (refund.status_code, "8.90" in refund.text) == (200, True)
    assert "5.00" in refund.text, "the customer's bank has taken half of it already"
    assert (holdback.status_code, "1.50" in holdback.text) == (200, True), "of 2.00, 0.50 went back, once"

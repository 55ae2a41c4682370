"""A destination has a page of its own: where it stands, and why nothing is sent there."""

from __future__ import annotations

from typing import Any

import httpx2

from counterfoil.payouts.destinations.by_hand import quarantine_destination
from counterfoil.payouts.destinations.destinations import list_destinations
from tests.dashboard import days


def test_a_destination_is_shown_with_why_nothing_is_sent_there(desk: Any):
    days.an_empty_day(desk)
    days.issued(desk, ["40.00"], prefix="d", payee="payee-1")
    with desk.database.transaction() as conn:
        [one] = list_destinations(conn, rows_max=9, payee_id="payee-1")
        quarantine_destination(conn, one.id, reason="a letter of its holder", actor="anna", now=desk.clock.now)
    ((destination,),) = desk.rows("select id from destination where payee_id = 'payee-1'")
    with days.served(desk) as url:
        page = httpx2.get(f"{url}/admin/destinations/{destination}", headers={"Authorization": f"Bearer {days.a_key(desk.database)}"})
    assert page.status_code == 200
    assert "quarantined" in page.text
    assert "a letter of its holder" in page.text


def test_a_payees_card_tells_why_and_leads_to_its_destination(desk: Any):
    days.an_empty_day(desk)
    with desk.database.transaction() as conn:
        [one] = list_destinations(conn, rows_max=9, payee_id="payee-1")
        quarantine_destination(conn, one.id, reason="a letter of <its> holder", actor="anna", now=desk.clock.now)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        page = httpx2.get(f"{url}/admin/payees/payee-1", headers=headers)
        data = httpx2.get(f"{url}/admin/payees/payee-1.json", headers=headers)
        nobody = httpx2.get(f"{url}/admin/payees/somebody", headers=headers)
    assert (page.status_code, data.status_code, nobody.status_code) == (200, 200, 404)
    assert "a letter of &lt;its&gt; holder" in page.text.replace("<wbr>", "")
    assert f"/admin/destinations/{one.id}" in page.text
    assert "destination_quarantined" in data.text

"""An escrow has a page: what is in it, how far its conditions are, and the true reason why it cannot be released yet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2

from counterfoil.base.edge import make_id, now
from counterfoil.settlement.escrow.escrows import NewEscrow, fund_escrow, open_escrow
from counterfoil.settlement.escrow.moving import Hand
from counterfoil.settlement.escrow.rules import Condition
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.people import log_in_as


def test_an_escrow_is_shown_with_its_conditions_and_why_it_is_not_released(desk: Any):
    days.an_empty_day(desk)
    at = now()
    with desk.database.transaction() as conn:
        log_in_as(conn, "anna")
        signed = Condition("signature", signers=("person:anna",))
        new = NewEscrow(PROGRAM, "ann", "payee-1", "EUR", 40_00, "order 7", at + timedelta(days=9), (signed,))
        one = open_escrow(conn, make_id("esc"), new, actor="t", now=at).id
        fund_escrow(conn, one, Hand("t", at, make_id), provider="bank", reference="B-1")
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='operator')}"}
        page = httpx2.get(f"{url}/admin/escrows/{one}", headers=headers)
        offers = {offer["name"]: offer for offer in httpx2.get(f"{url}/admin/escrows/{one}.json", headers=headers).json()["offers"]}
    assert page.status_code == 200
    assert "condition 1 does not hold" in str(offers["release"])
    for said in ("40.00", "signed by person:anna", "order 7"):
        assert said in page.text.replace("<wbr>", ""), said
    assert ">4000<" not in page.text, "its movements are in whole units of its asset, too"

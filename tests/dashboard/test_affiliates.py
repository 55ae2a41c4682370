"""An affiliate and a commission have pages: who stands where, what was earned of which sale, and what may be done now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2

from counterfoil.base.edge import make_id, now
from counterfoil.settlement.affiliates.affiliates import refer, set_affiliate
from counterfoil.settlement.commissions.accruing import accrue
from counterfoil.settlement.commissions.rates import set_terms
from counterfoil.settlement.commissions.rules import CommissionTerms
from counterfoil.settlement.escrow.escrows import NewEscrow, fund_escrow, open_escrow
from counterfoil.settlement.escrow.moving import Hand, release_escrow
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.test_refunds import it_is_begun_on_its_page


def test_an_affiliate_and_what_it_earned_are_shown(desk: Any):
    days.an_empty_day(desk)
    at = now()
    with desk.database.transaction() as conn:
        set_terms(conn, PROGRAM, "EUR", CommissionTerms("gross", "rates", (1000,), 1000, 30, 0), actor="t", now=at)
        ann = set_affiliate(conn, PROGRAM, "ann", None, reason="contract 7", make_id=make_id, actor="t", now=at).id
        refer(conn, ann, "carl", actor="t", now=at)
        new = NewEscrow(PROGRAM, "carl", "payee-1", "EUR", 41_70, "order 7", at + timedelta(days=9))
        one = open_escrow(conn, make_id("esc"), new, actor="t", now=at).id
        fund_escrow(conn, one, Hand("t", at, make_id), provider="bank", reference="B-1")
        release_escrow(conn, one, Hand("t", at, make_id))
        sales = conn.execute("select id from escrow_movement where kind = 'release'").fetchall()
        (earned,) = accrue(conn, [row[0] for row in sales], make_id=make_id, now=at)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='operator')}"}
        affiliate = httpx2.get(f"{url}/admin/affiliates/{ann}", headers=headers)
        commission = httpx2.get(f"{url}/admin/commissions/{earned.id}", headers=headers)
        offers = {offer["name"]: offer for offer in httpx2.get(f"{url}/admin/affiliates/{ann}.json", headers=headers).json()["offers"]}
        below = {"program_id": PROGRAM, "name": "zoe", "parent_id": ann, "cause": "the box was wet"}
        it_is_begun_on_its_page(desk, url, "/admin/affiliates", below)
    assert desk.rows("select name, parent_id from affiliate where name = 'zoe'") == [("zoe", ann)]
    assert (affiliate.status_code, commission.status_code) == (200, 200)
    assert "it is active" in str(offers["activate"])
    for page, said in (
        (affiliate, "contract 7"),
        (affiliate, "carl"),
        (commission, "4.17"),
        (commission, "41.70"),
        (commission, "accrued"),
    ):
        assert said in page.text.replace("<wbr>", ""), said

"""Agents and transactions have their pages: what one may spend, and what is safe with the other, with the true reason where it is not."""

from __future__ import annotations

from typing import Any

import httpx2

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.dashboard.pages.treasury import AGENTS_SHOWN_MAX, agents_answer
from counterfoil.dashboard.web.sections import Day, SectionContext
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.treasury.agents.agents import NewMandate, create_agent, grant_mandate
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction
from tests.builders import PROGRAM
from tests.dashboard import days


def test_an_agent_and_its_transaction_are_shown_with_what_may_be_done(desk: Any):
    days.an_empty_day(desk)
    at = now()
    with desk.database.transaction() as conn:
        open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=at)
        payer, payee = (create_agent(conn, make_id("agent"), PROGRAM, name=name, actor="t", now=at).id for name in ("buyer", "seller"))
        limits = {"per_day": 12_34}
        grant_mandate(conn, make_id("mdt"), payer, NewMandate("EUR", None, "anyone", limits, None), reason="agreed", actor="t", now=at)
        parts = [NewParticipant(payer, "debit", "EUR", 40_00), NewParticipant(payee, "credit", "EUR", 40_00)]
        one = begin_transaction(conn, make_id("txn"), NewTransaction(PROGRAM, "task 7", parts), actor="t", now=at).id
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='operator')}"}
        agent = httpx2.get(f"{url}/admin/agents/{payer}", headers=headers)
        page = httpx2.get(f"{url}/admin/transactions/{one}", headers=headers)
        offers = {each["name"]: each for each in httpx2.get(f"{url}/admin/transactions/{one}.json", headers=headers).json()["offers"]}
    assert (agent.status_code, page.status_code) == (200, 200)
    for said in ("buyer", "12.34", f"treasury:agent:{payer}"):
        assert said in agent.text.replace("<wbr>", ""), said
    for said in ("40.00", "task 7", payee):
        assert said in page.text.replace("<wbr>", ""), said
    assert "not every participant has promised" in str(offers["force_commit"])
    assert str(offers["cancel"]["whyNot"] if "whyNot" in offers["cancel"] else offers["cancel"]["why_not"]) == "None"


def test_agents_of_one_program_are_all_shown_however_many_another_has(desk: Any):
    days.an_empty_day(desk)
    at = now()
    with desk.database.transaction() as conn:
        for program in (PROGRAM, "other"):
            open_program(conn, program, name=program, assets=[Asset("EUR", 2)], now=at)
        ours = [create_agent(conn, make_id("agent"), PROGRAM, name=f"ours {n}", actor="t", now=at).id for n in range(2)]
        for n in range(AGENTS_SHOWN_MAX + 1):
            create_agent(conn, make_id("agent"), "other", name=f"theirs {n}", actor="t", now=at)

        def answered(program: str | None, after: str = "") -> Any:
            return agents_answer(SectionContext(conn, Day(at.date(), True), program, now, None, {"after": after}))

        assert {row.id for row in answered(PROGRAM).rows} == set(ours), "newer ones of another program take no place of theirs"
        first = answered("other")
        assert (len(first.rows), first.after is not None) == (AGENTS_SHOWN_MAX, True)
        assert (len(answered("other", first.after).rows), answered("other", first.after).after) == (1, None)

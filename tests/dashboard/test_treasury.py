"""The lists of agents and transactions, and the page of carbon: what stands in them, what is late, and what is not known."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.treasury.agents.agents import create_agent
from counterfoil.treasury.carbon.billing import BillLine, NewBill, import_bill
from counterfoil.treasury.carbon.credits import NewCredit, buy_credits
from counterfoil.treasury.carbon.energy import NewEnergy, import_energy
from counterfoil.treasury.carbon.model import CarbonMeans
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction
from tests.builders import PROGRAM
from tests.dashboard import days


def test_agents_transactions_and_carbon_are_listed_with_what_needs_a_look(desk: Any) -> None:
    days.an_empty_day(desk)
    at = desk.clock.now
    with desk.database.transaction() as conn:
        open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=at)
        payer, payee = (create_agent(conn, make_id("agent"), PROGRAM, name=name, actor="t", now=at).id for name in ("buyer", "seller"))
        parts = [NewParticipant(payer, "debit", "EUR", 40_00), NewParticipant(payee, "credit", "EUR", 40_00)]
        one, other = (make_id("txn") for _ in range(2))
        begin_transaction(conn, one, NewTransaction(PROGRAM, "task 7", parts), actor="t", now=at - timedelta(minutes=12))
        begin_transaction(conn, other, NewTransaction(PROGRAM, "task 8", parts), actor="t", now=at)
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        used = NewEnergy("m-1", payer, "DE", midnight, midnight + timedelta(hours=1), 500)
        import_energy(conn, PROGRAM, [used], make_id=make_id, actor="t", now=at)
        for number, vintage in enumerate((2024, 2025)):
            new = NewCredit("Verra", f"VCS-{number}", 1, 10, 1_000_000, vintage, f"order {number}")
            buy_credits(conn, make_id("credit"), PROGRAM, new, reason="offset", actor="t", now=at)
        bill = NewBill("WattTime", "2026-11", midnight.date(), midnight.date(), [BillLine("DE", midnight.date(), 500, 200)])
        import_bill(conn, CarbonMeans(None), make_id("cbill"), PROGRAM, bill, actor="t", now=at)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='viewer')}"}
        with httpx2.Client(base_url=url, headers=headers) as client:
            agents, transactions = client.get("/admin/agents"), client.get("/admin/transactions")
            late = client.get("/admin/transactions.json?state=pending&age=%3E5m").json()
            carbon = client.get(f"/admin/carbon?day={midnight.date()}")
            told = client.get(f"/admin/carbon.json?day={midnight.date() - timedelta(days=1)}").json()
            wrong = client.get("/admin/transactions?state=lost")
            oldest = client.get("/admin/transactions?sort=createdAt&age=%3E1s")
            frozen = client.get("/admin/agents?state=frozen")
            by_name = client.get("/admin/agents?sort=-name")
            files = {
                one: client.get("/admin/{}.csv?{}".format(*one.split("?"))).text for one in ("agents?sort=-name", "transactions?age=%3E5m")
            }
            lists = {one: client.get(f"/admin/carbon/{one}") for one in ("bills", "syncs", "credits", "retirements", "nothing")}
            vintages = [client.get(f"/admin/carbon/credits.csv?sort={sort}").text for sort in ("vintage", "-vintage")]
            bills = client.get("/admin/carbon/bills.xlsx")
    assert (agents.status_code, transactions.status_code, carbon.status_code, wrong.status_code) == (200, 200, 200, 422)
    for said in ("buyer", "0.00", "2 of 2 shown need a look"):
        assert said in agents.text.replace("<wbr>", ""), said
    for said in ("task 7", "40.00", "12 min", "0 of 2", "1 pending for more than five minutes, of 2"):
        assert said in transactions.text.replace("<wbr>", ""), said
    assert [row["id"] for row in late["rows"]] == [one]
    assert 'aria-sort="ascending"><a href="/admin/transactions?sort=-createdAt&amp;age=%3E1s">Age' in oldest.text
    assert "Transactions, by created at, the earliest first</caption>" in oldest.text
    for said in ("Sync lag", "No source is set up", "never asked", "All bills"):
        assert said in carbon.text.replace("<wbr>", ""), said
    assert told["found"]["verdict"] == "NOTHING", "an empty day is not green"
    assert "No such agent" in frozen.text
    assert by_name.text.index("seller") < by_name.text.index("buyer")
    named, late_ones = ([*csv.DictReader(io.StringIO(one))] for one in files.values())
    assert [line["name"] for line in named] == ["seller", "buyer"]
    assert [(line["reference"], line["moved"]) for line in late_ones] == [("task 7", "40.00 EUR")]
    assert [one.status_code for one in lists.values()] == [200, 200, 200, 200, 404]
    assert 'href="/admin/carbon/bills?sort=-grams">Billed, g</a>' in carbon.text, "its headers lead to all of them, sorted"
    assert 'href="/admin/carbon/credits?sort=-vintage">Vintage</a>' in lists["credits"].text
    at_vintage = [[line["vintage"] for line in csv.DictReader(io.StringIO(one))] for one in vintages]
    assert at_vintage == [["2024", "2025"], ["2025", "2024"]]
    assert bills.headers["content-disposition"] == 'attachment; filename="bills.xlsx"'

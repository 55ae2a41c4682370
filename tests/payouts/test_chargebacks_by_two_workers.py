"""Two workers apply chargebacks of the same payees in opposite orders: each in a transaction of its own, so neither waits for the other."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import Database
from counterfoil.wiring import ticks
from tests.builders import Desk, a_destination, a_program, issue
from tests.payouts.refunding import go
from tests.payouts.test_escrow_chargebacks import books_are_true

PAYEES = ("payee-1", "payee-2")


@pytest.fixture
def desk(database: Database, simulator: Any):
    a_program(database, holdback_bps=1000)
    with database.transaction() as conn:
        a_destination(conn, "payee-2")
    found = Desk(database, simulator)
    events = found.http.get("/v1/events", params={"limit": 1000}).json()["data"]
    found._seen = events[-1]["id"] if events else None
    return found


def charged_back(desk: Desk, rounds: int) -> None:
    """Webhooks of chargebacks wait: of the first payee and the second, then of the second and the first, and so on."""
    invoices = []
    for number in range(rounds):
        for payee in PAYEES[:: 1 if number % 2 else -1]:
            invoices += issue(desk.database, "100.00", payee=payee, prefix=f"{payee}-{number}")
    for invoice in invoices:
        desk.pay(invoice, 100_00, fee=0)
    desk.deliver()
    go(desk)
    for invoice in invoices:
        ((charge,),) = desk.rows("select charge_id from payment where invoice_id = %s", invoice)
        desk.http.post(f"/v1/charges/{charge}/chargebacks", json={"amount": "9000", "fee": "100"}).raise_for_status()
    desk.deliver()


def test_neither_waits_for_the_other_and_nothing_is_tried_again(desk: Desk):
    charged_back(desk, 8)
    with psycopg.connect(desk.database.url, autocommit=True) as conn:
        before = conn.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
    start, failed = threading.Barrier(2), list[int]()

    def work(name: str) -> None:
        tick = ticks(replace(desk.wiring, rows_max=2), f"worker:{name}")["webhooks"]
        start.wait(10)
        tally = tick()
        while tally.handled or tally.failed:
            failed.append(tally.failed)
            tally = tick()

    workers = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    desk.work("webhooks")
    assert desk.rows("select state, count(*) from chargeback group by state") == [("open", 16)]
    assert (len(failed) >= 8, sum(failed)) == (True, 0), "the server tells of deadlocks late, and who lost one tells at once"
    assert desk.rows("select count(*) from webhook_in where attempt > 0 or last_error is not null") == [(0,)]
    with psycopg.connect(desk.database.url, autocommit=True) as conn:
        assert conn.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone() == before
    books_are_true(desk)

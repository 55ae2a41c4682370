"""Days to look at: one that went well, one that is empty, one with every kind of trouble; made by the product's own verbs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI

from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.base.money import Asset
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.integrity.runs import begin_run, end_run
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access.access import SECRET_BYTES, create_key, new_secret
from counterfoil.operations.work.runner import Tally
from counterfoil.operations.work.worker import Loop, Worker
from counterfoil.payouts.machines import SEND_JOB
from counterfoil.reconciliation.runs.run import reconcile_provider
from counterfoil.settlement.invoices.invoices import issue_invoices
from counterfoil.settlement.usage.rules import COLUMNS
from counterfoil.settlement.usage.usage import import_usage
from tests.builders import PROGRAM, Desk, a_program
from tests.people import log_in_as, past_the_guard
from tests.quick_server import QuickServer

PRICES = [f"{17 + 311 * number % 2900}.{number * 37 % 100:02}" for number in range(1, 61)]


def a_key(database: Database, *, role: str = "viewer", name: str = "mira", program_id: str | None = None) -> str:
    """What opens a session: an API key; for an approver, whom no key makes, the login of a person."""
    secret = new_secret(entropy(SECRET_BYTES), live=False)
    with past_the_guard(database.url) as conn:
        if role == "approver":
            return log_in_as(conn, name, role)[1]
        taken = conn.execute("select 1 from api_key where name = %s", [name]).fetchone()
        name = f"{name} {make_id('key')[-8:]}" if taken else name
        create_key(conn, make_id("key"), secret, name=name, role=role, by="test", now=now(), program_id=program_id)
    return secret


@contextmanager
def served(desk: Desk, *, also: Callable[[FastAPI], None] = lambda _: None, **more: Any) -> Iterator[str]:
    """The dashboard on a bare app, over a real socket; its address. `also` is done to the app before."""
    app = FastAPI()
    also(app)
    add_dashboard(app, desk.wiring, version="0.1.0", **more)
    listener = socket.create_server(("127.0.0.1", 0))
    server = QuickServer(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
        listener.close()


def issued(desk: Desk, prices: list[str], *, payees: int = 6, prefix: str = "u", payee: str | None = None) -> list[str]:
    """Usage at these prices by as many customers, and the ids of its invoices in the same order."""
    moment = desk.clock.now
    lines = [
        f"{prefix}-{n},{prefix}-customer-{n:03},{payee or f'payee-{n % payees + 1}'},EUR,1,{price},{moment:%Y-%m-%d}T00:00:00Z,a service"
        for n, price in enumerate(prices)
    ]
    body = ("\n".join([",".join(COLUMNS), *lines]) + "\n").encode()
    with desk.database.transaction() as conn:
        import_usage(conn, PROGRAM, body, file_name=f"{prefix}.csv", make_id=make_id, actor="test", now=moment)
        found = issue_invoices(conn, PROGRAM, provider="simulator", make_id=make_id, actor="test", now=moment)
        rows = conn.execute("select id from invoice where id = any(%s) order by customer_id", [found.invoice_ids]).fetchall()
    return [row[0] for row in rows]


def minor(price: str) -> int:
    """Minor units of a price in EUR."""
    return int(price.replace(".", ""))


def an_empty_day(desk: Desk) -> None:
    """A program with its books, and nothing in them."""
    a_program(desk.database, holdback_bps=500, payees=tuple(f"payee-{n}" for n in range(1, 7)))


def a_full_day(desk: Desk, *, prices: list[str] | None = None) -> None:
    """Invoices, most of them paid, settled and paid out; reconciled with the provider; a worker at work."""
    an_empty_day(desk)
    with desk.database.transaction() as conn:
        open_program(conn, "carbon", name="Carbon credits", assets=[Asset("CO2E", 0)], now=desk.clock.now)
    prices = prices or PRICES
    ids = issued(desk, prices)
    for invoice_id, price in list(zip(ids, prices, strict=True))[: len(ids) * 9 // 10]:
        desk.pay(invoice_id, minor(price), fee=minor(price) // 50)
    if len(ids) > 10:
        desk.pay(ids[-1], 500)  # a part of it
    through(desk)


def through(desk: Desk) -> None:
    """Carry everything as far as it goes."""
    for _ in range(3):
        desk.deliver()
        desk.work()
        desk.clock.now = max(desk.clock.now, now())


def reconciled(desk: Desk, *, on: datetime | None = None) -> None:
    """Hold the provider's statement of the day against our books."""
    day = (on or now()).date()
    reconcile_provider(
        desk.database, now, desk.provider, run_id=make_id("rec"), program_id=PROGRAM, source="simulator", first=day, last=day, actor="test"
    )


def everything_asked(desk: Desk) -> None:
    """The sentinel asked everything just now, and found nothing."""
    at, run_id = max(desk.clock.now, now()), make_id("srun")
    with desk.database.transaction() as conn:
        begin_run(conn, run_id, "full", since=None, actor="test", slot_at=None, now=at)
        end_run(conn, run_id, watermark=at, touched={}, error=None, now=at)


BEATS_WITHIN_S = 10
# Asked by name they do at once what is due once a night, a week or a month.
BY_HAND = (
    "backup",
    "base-backup",
    "fetch-wal",
    "audit-export",
    "payout-reminder",
)


@contextmanager
def working(desk: Desk, worker_id: str = "house:4711", *, idle: bool = False) -> Iterator[Worker]:
    """A worker that beats; an idle one beats alone, and the test does the work: it says that it sends, to whichever provider."""
    jobs = [Loop(name, tick, 0.2) for name, tick in desk.ticks.items() if name not in BY_HAND and not idle]
    if idle:  # one that sends nothing is told of on Today after a minute, where a slow machine's morning lasts so long
        jobs = [Loop(SEND_JOB, Tally)]
    worker = Worker(worker_id, jobs, desk.database, now, host="house", pid=4711, version="0.1.0")
    worker.start()
    end = time.monotonic() + BEATS_WITHIN_S
    while not desk.rows("select id from worker where id = %s and stopped_at is null", worker_id) and time.monotonic() < end:
        time.sleep(0.02)
    try:
        yield worker
    finally:
        worker.stop()


def a_silent_worker(desk: Desk, *, silent: timedelta = timedelta(minutes=7)) -> None:
    """A worker whose last heartbeat is that old."""
    desk.rows(
        "insert into worker (id, host, pid, version, started_at, beat_at) values ('house:1', 'house', 1, '0.1.0', %s, %s) returning id",
        now() - timedelta(hours=5),
        now() - silent,
    )


def a_day_of_trouble(desk: Desk) -> None:
    """A full day, and beside it: payouts refused, contradicted, in doubt, returned and homeless, money of nobody, a parked webhook."""
    a_full_day(desk)
    a_parked_webhook(desk)
    desk.pay("inv_nobody", 77_700)
    with desk.database.transaction() as conn:
        conn.execute("update destination set ended_at = %s where payee_id = 'payee-6' and ended_at is null", [now()])
    prices = ["812.40", "99.90", "1204.00", "57.25", "430.10", "610.00", "15.75"]
    for n, (price, fault) in enumerate(
        zip(
            prices,
            ("payout_failed", "payout_failed", "wrong_amount", "returned_later", None, None, "timeout"),
            strict=True,
        )
    ):
        one = issued(desk, [price], prefix=f"t{n}", payee=f"payee-{n + 1 if n < 6 else 1}")[0]
        desk.clock.now = max(desk.clock.now, now())
        if fault == "timeout":
            desk.fault("timeout_after_accepting", params={"hold_ms": 1500})
        elif fault:
            desk.fault(
                fault,
                params={"delta": "-500"} if fault == "wrong_amount" else {"after_ms": 0} if fault == "returned_later" else {},
            )
        desk.pay(one, minor(price))
        desk.deliver()
        if fault == "timeout":
            desk.work("webhooks", "verify", "settle", "events", "reserve", "outbox")
        else:
            through(desk)


def a_parked_webhook(desk: Desk) -> None:
    """The provider speaks of a payout that is not ours; after five times nobody tries any more."""
    desk.clock.now = now() - timedelta(hours=8)
    body = (
        '{"id":"evt_foreign","type":"payout.paid","created_at":"2026-11-20T08:00:00Z","data":{"id":"pout_1","object":"payout","amount_paid":null,"failure_code":null,'
        '"idempotency_key":"payout-of-somebody-else","amount":"1250","fee":"0","asset":"EUR","status":"paid",'
        '"updated_at":"2026-11-20T08:00:00Z","created_at":"2026-11-20T08:00:00Z"}}'
    )
    desk.webhook("evt_foreign", "payout.paid", body.encode())
    for _ in range(6):
        desk.work("webhooks")
        desk.clock.advance(minutes=75)
    desk.clock.now = now()
    assert desk.rows("select state from webhook_in where event_id = 'evt_foreign'") == [("parked",)]


def a_day_of_trouble_and_breaks(desk: Desk) -> None:
    """A day of trouble, reconciled with three breaks; its only worker is silent."""
    desk.spoil_the_statement()
    a_day_of_trouble(desk)
    reconciled(desk)
    a_silent_worker(desk)


def two_payouts(desk: Desk) -> None:
    """Of 100.00 and of 40.00 for two payees, which nobody has reserved yet."""
    an_empty_day(desk)
    for invoice_id, minor in zip(issued(desk, ["100.00", "40.00"], payees=2), (100_00, 40_00), strict=True):
        desk.pay(invoice_id, minor)
        desk.deliver()
        desk.work("webhooks", "verify", "settle", "events")

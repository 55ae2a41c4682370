"""Workers let commissions mature, pay them, and take them back at the same time: none ever waits for one that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg

from counterfoil.base.edge import Database, make_id
from counterfoil.operations.work.runner import Runner
from counterfoil.settlement.affiliates.affiliates import refer
from counterfoil.settlement.commissions.moving import mature_due, pay_due, take_back
from tests.builders import NOW
from tests.settlement.commissions.shop import DAYS, TERMS, a_refund, a_sale, a_shop, placed, still_true

RIPE = NOW + 31 * DAYS
ROUNDS, SALES = 3, 12


def deadlocks(database: Database) -> int:
    with psycopg.connect(database.url, autocommit=True) as conn:
        row = conn.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


def a_crowd(database: Database) -> list[str]:
    """Customers of six affiliates in pairs, so that each sale pays two, and each affiliate is paid of many."""
    with database.transaction() as conn:
        ann, bob = a_shop(conn, TERMS._replace(levels=(1000, 500)))
        names = [placed(conn, f"under-{n}", (ann, bob)[n % 2]) for n in range(4)]
        for n, one in enumerate([*names, bob]):
            refer(conn, one, f"customer-{n}", actor="test", now=NOW)
    return [f"customer-{n}" for n in range(5)]


def test_nobody_waits_for_who_waits_for_him_and_nothing_is_tried_again(database: Database) -> None:
    customers = a_crowd(database)
    before, failures, broken = deadlocks(database), list[int](), list[Exception]()
    for _ in range(ROUNDS):
        with database.transaction() as conn:
            sales = [a_sale(conn, 100_00, customers[n % len(customers)]) for n in range(SALES)]
        start = threading.Barrier(5)

        def ticking(name: str, tick: Callable[[Runner], tuple[int, int, int]], start: threading.Barrier = start) -> None:
            runner = Runner(database, lambda _: RIPE, name, rows_max=3)
            start.wait(10)
            for _ in range(2 * SALES):
                failures.append(tick(runner)[1])

        def refunding(sales: list[str] = sales, start: threading.Barrier = start) -> None:
            start.wait(10)
            for one in sales:
                with database.transaction() as conn:
                    a_refund(conn, one, 10_00)
                    take_back(conn, sales, make_id=make_id, now=RIPE)

        def guarded(what: Callable[[], None]) -> None:
            try:
                what()
            except Exception as error:  # noqa: BLE001 - told below, in the thread of the test
                broken.append(error)

        work: list[Callable[[], None]] = [
            lambda: ticking("a", lambda one: mature_due(one, make_id)),
            lambda: ticking("b", lambda one: mature_due(one, make_id)),
            lambda: ticking("c", lambda one: pay_due(one, make_id)),
            lambda: ticking("d", lambda one: pay_due(one, make_id)),
            refunding,
        ]
        threads = [threading.Thread(target=guarded, args=(each,)) for each in work]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert (broken, sum(failures)) == ([], 0)
    assert deadlocks(database) == before
    with database.transaction() as conn:
        assert conn.execute("select count(*) > 20 from commission where state in ('paid', 'payable')").fetchone() == (True,)
        still_true(conn)

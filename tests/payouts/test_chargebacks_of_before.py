"""Chargebacks of payments that had funded escrows or paid debts, from before that was asked: the migration says what of each had funded or
paid what."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from counterfoil.base.migrations.runner import FOLDER, files, migrate

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEFORE = 117  # the last migration in which a chargeback of a payment without an invoice came out of suspense in full
BEFORE_DEBTS = 129  # and the last in which one of a payment that had paid a customer's debt did


def insert(conn: psycopg.Connection[Any], table: str, **row: Any) -> None:
    names = ", ".join(row)
    conn.execute(f"insert into {table} ({names}) values ({', '.join(['%s'] * len(row))})".encode(), list(row.values()))


COMMON: dict[str, Any] = {"program_id": "main", "asset": "EUR"}


def a_database(url: str, folder: Path, last: int) -> None:
    """As it was after the migration of this number."""
    for one in files(FOLDER):
        if one.number <= last:
            shutil.copy(FOLDER / one.name, folder)
    migrate(url, folder=folder)
    with psycopg.connect(url) as conn:
        insert(conn, "program", id="main", name="Main", opened_at=NOW)
        conn.execute("insert into asset (code, scale) values ('EUR', 2) on conflict do nothing")
        rates = {"platform_bps": 0, "validator_bps": 0, "holdback_bps": 0}
        insert(conn, "fee_rate", program_id="main", version=1, **rates, actor="t", recorded_at=NOW)


def payment(conn: psycopg.Connection[Any], charge: str, amount: int = 100) -> None:
    told = {"provider": "simulator", "charge_id": charge, "reference": "x", "amount": amount, "applied": 0, "fee": 0}
    insert(conn, "payment", id=f"pay_{charge}", **told, occurred_at=NOW, recorded_at=NOW, **COMMON)


def funded_escrow(conn: psycopg.Connection[Any], number: int, charge: str, amount: int) -> None:
    one = {"id": f"esc_{number}", "customer_id": "ann", "payee_id": "bolt", "amount": amount, "reference": "order", "rate_version": 1}
    at = {"expires_at": NOW + timedelta(days=9), "created_at": NOW, "state_at": NOW}
    insert(conn, "escrow", **one, **at, state="pending", **COMMON)
    moved = {"id": f"esm_{number}", "escrow_id": f"esc_{number}", "number": 1, "program_id": "main", "kind": "fund", "amount": amount}
    source = {"payment_id": f"pay_{charge}", "provider": "simulator", "reference": charge, "actor": "t"}
    insert(conn, "escrow_movement", **moved, **source, at=NOW + timedelta(hours=number))


def paid_debt(conn: psycopg.Connection[Any], number: int, charge: str, amount: int) -> None:
    source = {"payment_id": f"pay_{charge}", "provider": "simulator", "reference": charge, "reason": "r", "actor": "t"}
    one = {"id": f"cde_{number}", "customer_id": "ann", "kind": "paid", "amount": amount}
    insert(conn, "customer_debt_entry", **one, **source, at=NOW + timedelta(hours=number), **COMMON)


def taken(conn: psycopg.Connection[Any], number: int, charge: str, amount: int, state: str) -> None:
    told = {
        "provider": "simulator",
        "provider_ref": f"r{number}",
        "charge_id": charge,
        "payment_id": f"pay_{charge}",
        "cause": "fraudulent",
    }
    one = {"id": f"cb_{number}", "amount": amount, "fee": 0, "beyond": amount, "opened_at": NOW + timedelta(days=number)}
    insert(conn, "chargeback", **one, **told, state=state, state_at=NOW, **COMMON)


def told_of(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute("select subject_id, state from event where name = 'chargeback_escrow_found' order by 1").fetchall()


def test_what_had_funded_escrows_is_found_the_last_one_first_and_told_once(make_database_url, tmp_path: Path):
    url = make_database_url(empty=True)
    a_database(url, tmp_path, BEFORE)
    with psycopg.connect(url) as conn:
        payment(conn, "ch_1")
        payment(conn, "ch_2")
        funded_escrow(conn, 1, "ch_1", 40)
        funded_escrow(conn, 2, "ch_1", 30)
        for number, (charge, amount, state) in enumerate((("ch_1", 50, "open"), ("ch_1", 40, "lost"), ("ch_2", 60, "open")), start=1):
            taken(conn, number, charge, amount, state)
    migrate(url)
    with psycopg.connect(url) as conn:
        shares = conn.execute("select chargeback_id, escrow_id, amount from chargeback_escrow order by 1, 2").fetchall()
        assert shares == [("cb_1", "esc_2", 20), ("cb_2", "esc_1", 30), ("cb_2", "esc_2", 10)], "30 of the first had funded nothing"
        assert told_of(conn) == [("cb_1", "due"), ("cb_2", "due")]
        left = conn.execute("select payment_unused('pay_ch_1'), payment_unused('pay_ch_2')").fetchone()
        assert left == (0, 40)


def test_what_had_paid_debts_is_found_and_nothing_of_others_is_missing_then(make_database_url, tmp_path: Path):
    """Of ch_1 banks took back 90 while 30 had paid nothing; of ch_2 all, an escrow of 20 and a debt of 50 among it; of ch_3 what had paid
    nothing; ch_4 was won, and is whole again."""
    url = make_database_url(empty=True)
    a_database(url, tmp_path, BEFORE_DEBTS)
    with psycopg.connect(url) as conn:
        for number in (1, 2, 3, 4):
            payment(conn, f"ch_{number}")
        for number, (charge, amount) in enumerate((("ch_1", 40), ("ch_1", 30), ("ch_2", 50), ("ch_3", 50), ("ch_4", 50)), start=1):
            paid_debt(conn, number, charge, amount)
        funded_escrow(conn, 1, "ch_2", 20)
        for number, (charge, amount, state) in enumerate(
            (("ch_1", 50, "lost"), ("ch_1", 40, "open"), ("ch_2", 100, "open"), ("ch_3", 50, "open"), ("ch_4", 100, "won")), start=1
        ):
            taken(conn, number, charge, amount, state)
        insert(conn, "chargeback_escrow", chargeback_id="cb_3", escrow_id="esc_1", amount=20)
        lacking = conn.execute("select payment_unused(id) from payment order by id").fetchall()
        assert lacking == [(-60,), (-50,), (0,), (50,)], "others' money had paid for it"
    migrate(url)
    with psycopg.connect(url) as conn:
        shares = conn.execute("select chargeback_id, entry_id, amount from chargeback_debt order by 1, 2").fetchall()
        assert shares == [("cb_1", "cde_1", 20), ("cb_2", "cde_1", 10), ("cb_2", "cde_2", 30), ("cb_3", "cde_3", 50)]
        assert told_of(conn) == [("cb_1", "due"), ("cb_2", "due"), ("cb_3", "due")]
        assert conn.execute("select payment_unused(id) from payment order by id").fetchall() == [(0,), (0,), (0,), (50,)]

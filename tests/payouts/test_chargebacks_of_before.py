"""Chargebacks of payments that had funded escrows, from before that was asked: the migration says what of each had funded which escrow."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from counterfoil.base.migrations.runner import FOLDER, files, migrate

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEFORE = 117  # the last migration in which a chargeback of a payment without an invoice came out of suspense in full


def insert(conn: psycopg.Connection[Any], table: str, **row: Any) -> None:
    names = ", ".join(row)
    conn.execute(f"insert into {table} ({names}) values ({', '.join(['%s'] * len(row))})".encode(), list(row.values()))


def a_database_of_before(url: str, folder: Path) -> None:
    """Two payments of 100 in suspense: the first funded escrows with 40 and 30, the second none; banks took back 50 and 40, and 60."""
    for one in files(FOLDER):
        if one.number <= BEFORE:
            shutil.copy(FOLDER / one.name, folder)
    migrate(url, now=NOW, folder=folder)
    common: dict[str, Any] = {"program_id": "main", "asset": "EUR"}
    with psycopg.connect(url) as conn:
        insert(conn, "program", id="main", name="Main", opened_at=NOW)
        conn.execute("insert into asset (code, scale) values ('EUR', 2) on conflict do nothing")
        insert(
            conn,
            "fee_rate",
            program_id="main",
            version=1,
            platform_bps=0,
            validator_bps=0,
            holdback_bps=0,
            actor="t",
            recorded_at=NOW,
        )
        for charge in ("ch_1", "ch_2"):
            insert(
                conn,
                "payment",
                id=f"pay_{charge}",
                provider="simulator",
                charge_id=charge,
                reference="x",
                amount=100,
                applied=0,
                fee=0,
                occurred_at=NOW,
                recorded_at=NOW,
                **common,
            )
        for number, amount in ((1, 40), (2, 30)):
            insert(
                conn,
                "escrow",
                id=f"esc_{number}",
                customer_id="ann",
                payee_id="bolt",
                amount=amount,
                reference="order",
                rate_version=1,
                expires_at=NOW + timedelta(days=9),
                created_at=NOW,
                state="pending",
                state_at=NOW,
                **common,
            )
            insert(
                conn,
                "escrow_movement",
                id=f"esm_{number}",
                escrow_id=f"esc_{number}",
                number=1,
                program_id="main",
                kind="fund",
                amount=amount,
                payment_id="pay_ch_1",
                provider="simulator",
                reference="ch_1",
                actor="t",
                at=NOW + timedelta(hours=number),
            )
        for number, (charge, amount, state) in enumerate((("ch_1", 50, "open"), ("ch_1", 40, "lost"), ("ch_2", 60, "open")), start=1):
            insert(
                conn,
                "chargeback",
                id=f"cb_{number}",
                provider="simulator",
                provider_ref=f"r{number}",
                charge_id=charge,
                payment_id=f"pay_{charge}",
                amount=amount,
                fee=0,
                beyond=amount,
                cause="fraudulent",
                opened_at=NOW + timedelta(days=number),
                state=state,
                state_at=NOW,
                **common,
            )


def test_what_had_funded_escrows_is_found_the_last_one_first_and_told_once(make_database_url, tmp_path: Path):
    url = make_database_url(empty=True)
    a_database_of_before(url, tmp_path)
    migrate(url, now=NOW)
    with psycopg.connect(url) as conn:
        shares = conn.execute("select chargeback_id, escrow_id, amount from chargeback_escrow order by 1, 2").fetchall()
        assert shares == [("cb_1", "esc_2", 20), ("cb_2", "esc_1", 30), ("cb_2", "esc_2", 10)], "30 of the first had funded nothing"
        told = conn.execute("select subject_id, state from event where name = 'chargeback_escrow_found' order by 1").fetchall()
        assert told == [("cb_1", "due"), ("cb_2", "due")]
        left = conn.execute("select payment_unused('pay_ch_1'), payment_unused('pay_ch_2')").fetchone()
        assert left == (0, 40)

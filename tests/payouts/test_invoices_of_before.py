"""Invoices that were disputed or refunded before they said so: they say it now, with a step that names what did it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg

from counterfoil.base.migrations.runner import migrate
from tests.payouts.before import as_of_migration

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEFORE = 94  # the last migration in which an invoice had no such states


def a_database_of_before(url: str, folder: Path) -> None:
    with as_of_migration(url, folder, BEFORE, now=NOW) as conn:
        for name in ("disputed", "gone", "half", "plain"):
            conn.execute(
                """insert into invoice (id, program_id, customer_id, payee_id, asset, total, paid, issued_at, due_on, state, state_at)
                   values (%s, 'main', 'cat', 'ann', 'EUR', 100, 100, %s, %s, 'paid', %s)""",
                [f"inv_{name}", NOW, NOW.date(), NOW],
            )
            for place, (start, verb, end) in enumerate(
                (("", "create", "draft"), ("draft", "issue", "pending"), ("pending", "pay", "paid")), 1
            ):
                conn.execute(
                    """insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
                       values ('invoice', %s, %s, %s, %s, %s, 'system:worker', %s)""",
                    [f"inv_{name}", place, start, verb, end, NOW],
                )
            conn.execute("update invoice set steps = 3 where id = %s", [f"inv_{name}"])
        conn.execute(
            """insert into dispute (id, program_id, invoice_id, customer_id, payee_id, asset, exposure, cause, opened_by, opened_at,
                                    state, state_at)
               values ('dsp_1', 'main', 'inv_disputed', 'cat', 'ann', 'EUR', 100, 'empty', 'prn_1', %s, 'open', %s)""",
            [NOW, NOW],
        )
        for name, amount in (("gone", 100), ("half", 50)):
            conn.execute(
                """insert into refund (id, program_id, invoice_id, customer_id, payee_id, asset, amount, escrow, platform_fee,
                       validator_fee, own_holdback, payable, holdback, receivable, credited, retain_fees, cause, created_at,
                       state, state_at)
                   values (%s, 'main', %s, 'cat', 'ann', 'EUR', %s, %s, 0, 0, 0, 0, 0, 0, 0, false, 'late', %s, 'owed', %s)""",
                [f"ref_{name}", f"inv_{name}", amount, amount, NOW, NOW],
            )


def test_an_invoice_of_before_says_what_became_of_it(make_database_url, tmp_path: Path):
    url = make_database_url(empty=True)
    a_database_of_before(url, tmp_path)
    migrate(url)
    with psycopg.connect(url) as conn:
        found = conn.execute("select id, state, steps from invoice order by id").fetchall()
        assert found == [("inv_disputed", "disputed", 4), ("inv_gone", "refunded", 4), ("inv_half", "paid", 3), ("inv_plain", "paid", 3)]
        told = conn.execute(
            "select subject_id, verb, cause from step where machine = 'invoice' and step = 4 order by subject_id"
        ).fetchall()
        assert told == [("inv_disputed", "dispute", "dsp_1"), ("inv_gone", "refund", "ref_gone")]

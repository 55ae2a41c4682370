"""Provider payouts that were sent before calls were kept: each send of theirs counts as a call, so that none is taken for harmless."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from counterfoil.base.migrations.runner import migrate
from counterfoil.operations.work.calls import Begun, begun, calls_of
from tests.payouts.before import as_of_migration

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEFORE = 7  # the last migration that kept no calls
STEPS = {  # attempt → its steps: from, verb, to
    "pp_never": [("", "create", "queued")],
    "pp_twice": [
        ("", "create", "queued"),
        ("queued", "send", "sending"),
        ("sending", "requeue", "queued"),
        ("queued", "send", "sending"),
        ("sending", "lose", "unknown"),
    ],
    "pp_once": [("", "create", "queued"), ("queued", "send", "sending"), ("sending", "accept", "sent")],
}


def a_database_of_before(url: str, folder: Path) -> None:
    with as_of_migration(url, folder, BEFORE, now=NOW) as conn:
        for number, (attempt, steps) in enumerate(STEPS.items()):
            conn.execute(
                """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at, state, state_at)
                   values (%s, 'main', 'ann', %s, %s, %s, 'EUR', 100, %s, 'processing', %s)""",
                [f"po_{number}", f"inv_{number}", f"set_{number}", f"key-{number}", NOW, NOW],
            )
            conn.execute(
                """insert into provider_payout (id, payout_id, program_id, number, provider, idempotency_key, destination, asset, amount,
                          payload_sha256, created_at, state, state_at)
                   values (%s, %s, 'main', 1, 'simulator', %s, 'acct', 'EUR', 100, %s, %s, %s, %s)""",
                [attempt, f"po_{number}", f"key-{number}-1", bytes(32), NOW, steps[-1][2], NOW],
            )
            for place, (start, verb, end) in enumerate(steps, start=1):
                conn.execute(
                    """insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
                       values ('provider_payout', %s, %s, %s, %s, %s, 'system:worker', %s)""",
                    [attempt, place, start, verb, end, NOW + timedelta(minutes=place)],
                )


def test_each_send_of_before_is_a_call_that_may_land_until_its_horizon(make_database_url, tmp_path: Path):
    url = make_database_url(empty=True)
    a_database_of_before(url, tmp_path)
    migrate(url)
    with psycopg.connect(url) as conn:
        known = begun(conn, list(STEPS), now=NOW + timedelta(minutes=18))
        first, second = NOW + timedelta(minutes=2), NOW + timedelta(minutes=4)
        assert known["pp_never"] == Begun()
        assert known["pp_twice"] == Begun(2, 1, first, second + timedelta(minutes=15), second)
        assert known["pp_once"] == Begun(1, 0, first, first + timedelta(minutes=15), first)
        assert [call.number for call in calls_of(conn, ["pp_twice"])] == [1, 2]

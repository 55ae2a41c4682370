"""Breaks and runs that were written before they lived by evidence: what a migration makes of them, and that the next run goes on."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from counterfoil.base.edge import Database
from counterfoil.base.migrations.runner import FOLDER, files, migrate
from counterfoil.matching.findings.recorded import detail_of
from tests.conftest import KEYS
from tests.reconciliation.breaks.builders import DAY, NOW, PROGRAM, a_break, a_run, the_cases

BEFORE = 7  # the last migration that knew no numbers
STATES = ("open", "matched", "accepted", "duplicate")


@pytest.fixture
def before(make_database_url, tmp_path: Path) -> str:
    """A database as it was, with a run of each of two days and a break in each state."""
    url = make_database_url(empty=True)
    for one in files(FOLDER):
        if one.number <= BEFORE:
            shutil.copy(FOLDER / one.name, tmp_path)
    migrate(url, folder=tmp_path)
    with psycopg.connect(url) as conn:
        conn.execute("insert into program (id, name, opened_at) values (%s, 'Main', %s)", [PROGRAM, NOW])
        for number in (2, 1):  # their ids are in another order than the moments at which they began
            conn.execute(
                """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, verdict, actor, started_at, beat_at,
                          finished_at) values (%s, %s, 'simulator', %s, %s, 'finished', 'not reconciled', 't', %s, %s, %s)""",
                [f"rec_{3 - number}", PROGRAM, DAY, DAY, *[NOW + timedelta(hours=number)] * 3],
            )
        for number, state in enumerate(STATES, start=1):
            found = a_break(f"payout:po_{number}")
            conn.execute(
                """insert into reconciliation_break (run_id, number, break_id, kind, severity, asset, at_stake, cause, detail)
                   values ('rec_1', %s, %s, %s, 'low', 'EUR', 1200, '', %s)""",
                [number, found.id, found.kind, Jsonb(detail_of(found).written())],
            )
            conn.execute(
                """insert into break (id, program_id, source, identity, kind, severity, asset, at_stake, difference, cause, record_id,
                          reference, first_on, last_on, first_run, last_run, last_number, gone_run, due_on, opened_at, state, state_at)
                   values (%s, %s, 'simulator', %s, %s, 'low', 'EUR', 1200, -1200, '', %s, 'x', %s, %s, 'rec_2', 'rec_1', %s, %s, %s, %s,
                           %s, %s)""",
                [
                    f"break_{number}",
                    PROGRAM,
                    found.id,
                    found.kind,
                    f"payout:po_{number}",
                    DAY,
                    DAY,
                    number,
                    "rec_1" if state == "matched" else None,
                    DAY,
                    NOW,
                    state,
                    NOW,
                ],
            )
    return url


def test_runs_are_numbered_in_the_order_in_which_they_began_and_breaks_know_the_newest(before: str):
    migrate(before)
    with psycopg.connect(before) as conn:
        assert conn.execute("select id from reconciliation_run order by number").fetchall() == [("rec_2",), ("rec_1",)]
        told = conn.execute("select state, seen_number, accepted_at_stake, subject from break order by id").fetchall()
    assert told == [
        ("open", 2, None, "payout:po_1"),
        ("matched", 2, None, "payout:po_2"),
        ("accepted", 2, 1200, "payout:po_3"),
        ("duplicate", 2, None, "payout:po_4"),
    ]


def test_the_next_run_shows_what_was_accepted_and_opens_what_was_closed_and_is_there(before: str):
    migrate(before)
    database = Database(before, keys=KEYS).open()
    try:
        with database.transaction() as conn:
            _, filed = a_run(conn, [a_break(f"payout:po_{number}") for number in range(1, 5)], at=NOW + timedelta(days=1))
            live = {one.record_id for one in the_cases(conn) if one.live}
    finally:
        database.close()
    assert (filed.seen, filed.shown, filed.opened) == (1, 1, 2)
    assert live == {"payout:po_1", "payout:po_2", "payout:po_4"}

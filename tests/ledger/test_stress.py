"""The stress of all kinds of writers at once sees what it is to see."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from counterfoil.base.edge import Database, now
from counterfoil.ledger.journals.bulk import Bulk, post_many
from tests.ledger.builders import PROGRAM, a_movement, a_program
from tests.ledger.stress import _compare


def test_an_answer_that_does_not_stand_and_a_refusal_that_does_are_found(database: Database, tmp_path: Path):
    stands, missing = a_movement(), a_movement()
    with database.transaction() as conn:
        a_program(conn)
        post_many(conn, PROGRAM, Bulk("one", "test", "EUR", "tester"), [stands], now=now())
    notes = tmp_path / "notes"
    notes.write_text(f"stands {(missing.id or b'').hex()}\nposted never\nrefused {(stands.id or b'').hex()}\n")
    found = _compare(database, [notes], Counter())
    assert (found.lost, found.doubled, found.findings) == (2, 1, [])

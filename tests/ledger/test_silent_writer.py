"""A writer that is frozen with a program's lock: the program's others wait for it only so long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from psycopg import Connection, errors

from counterfoil.base.edge import Database, now
from counterfoil.base.money import Asset
from counterfoil.ledger import write_context
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.ledger.write_context import enter, enter_for_bulks, enter_for_one

WAYS: dict[str, Callable[[Connection[Any]], object]] = {
    "alone": lambda conn: enter(conn, "main", alone=True),
    "beside others": lambda conn: enter(conn, "main", alone=False),
    "for one journal": lambda conn: enter_for_one(conn, "main", "EUR", "key", ["cash"]),
    "for bulks": lambda conn: enter_for_bulks(conn, "main", ["key"], bytes(16), None, postings=1),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_is_silent_with_the_lock_of_a_program_loses_its_transaction_and_the_others_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
):
    with database.transaction() as conn:
        open_program(conn, "main", name="Main", assets=[Asset("EUR", 2)], now=now())
    monkeypatch.setattr(write_context, "SILENT_MAX_MS", 300)
    with pytest.raises(errors.IdleInTransactionSessionTimeout):
        _freeze(database, WAYS[way])


def _freeze(database: Database, way: Callable[[Connection[Any]], object]) -> None:
    with database.transaction() as frozen:
        way(frozen)
        began = time.monotonic()
        with database.transaction() as other:
            enter(other, "main", alone=True)
        assert time.monotonic() - began < 4  # nobody waits longer than 5 s for a lock
        frozen.execute("select 1")


def test_it_is_ended_before_the_others_have_given_up_for_a_minute(database: Database):
    with database.transaction() as conn:
        open_program(conn, "main", name="Main", assets=[Asset("EUR", 2)], now=now())
        enter(conn, "main", alone=True)
        assert conn.execute("select current_setting('idle_in_transaction_session_timeout')").fetchone() == ("20s",)

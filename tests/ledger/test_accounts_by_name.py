"""Accounts are found by how their names begin along the index of the names, however many there are: no list reads all of them for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import tuple_row

from counterfoil.ledger.reads.listing import ACCOUNT_LIST, list_accounts
from counterfoil.reconciliation.client_money import _peers
from tests.ledger.builders import CASH, ESCROW, PROGRAM, a_program, posted
from tests.listed import newest

READS: dict[str, Callable[[Connection[Any]], Any]] = {
    "a list": lambda conn: list_accounts(conn, PROGRAM, rows_max=9, beginning="escrow:"),
    "a list in an asset": lambda conn: list_accounts(conn, PROGRAM, rows_max=9, asset="EUR", beginning="escrow:"),
    "a page": lambda conn: newest(conn, ACCOUNT_LIST, program_id=PROGRAM, beginning="escrow:"),
    "peers": lambda conn: _peers(conn, PROGRAM),
}


class Explained(psycopg.Cursor[Any]):
    """Notes the plan of every statement before it is executed."""

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else query if isinstance(query, str) else query.as_string(self.connection)
        asked = psycopg.Cursor(self.connection, row_factory=tuple_row)
        plan = asked.execute(f"explain (costs off) {text}".encode(), params, prepare=False).fetchall()
        self.connection.plans.append("\n".join(row[0] for row in plan))  # type: ignore[attr-defined]
        return super().execute(query, params, **more)


@pytest.mark.parametrize("read", READS)
def test_accounts_are_found_by_the_beginning_of_their_names_in_an_index(conn: Any, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a_program(conn)
    posted(conn, (CASH, ESCROW, 100), key="in")
    conn.execute("set local enable_seqscan = off")  # as it is where there are many: here reading all of them would be quicker
    conn.plans = []
    monkeypatch.setattr(conn, "cursor_factory", Explained)
    READS[read](conn)
    assert re.search(r"name ~?>=~? '", conn.plans[0]), conn.plans[0]

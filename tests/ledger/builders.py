"""Builders with defaults for the ledger's tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection

from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import NewAccount, open_accounts, open_program
from counterfoil.ledger.journals.batch_types import Movement, MovementKind
from counterfoil.ledger.journals.journal import NewJournal, NewPosting, Posted, post

PROGRAM = "program_main"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CASH, ESCROW, PAYEE, FEES = "cash:bank:client", "escrow:inv_1", "payable:payee:ann", "fee:platform"
_numbers = itertools.count(1)


def a_program(
    conn: Connection[Any],
    program_id: str = PROGRAM,
    accounts: Iterable[str | NewAccount] = (CASH, ESCROW, PAYEE, FEES),
    assets: Sequence[str] = ("EUR", "USD"),
) -> str:
    """A program with books in `assets` and these accounts in each."""
    open_program(conn, program_id, name="Main", assets=[Asset(code, 2) for code in assets], now=NOW)
    for asset in assets:
        open_accounts(conn, program_id, list(accounts), asset=asset, actor="tester", now=NOW)
    return program_id


def next_segment(conn: Connection[Any], program_id: str = PROGRAM) -> int:
    """Fill the segment that is written now, and begin the next."""
    for postings in (1_000_000, 0):
        row = conn.execute("select segment from enter_program(%s, true, %s)", [program_id, postings]).fetchone()
    return int(row[0]) if row else 0


def small_segments(url: str, postings: int) -> None:
    """Let a segment of this database be full after so many postings."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            f"create or replace function segment_size() returns bigint immutable parallel safe language sql return {int(postings)}"
        )


def a_journal(*lines: tuple[str, str, int], key: str | None = None, **rest: Any) -> NewJournal:
    """A journal of these lines; cash into escrow if there are none."""
    given: dict[str, Any] = {"kind": "test", "asset": "EUR", "actor": "tester"} | rest
    return NewJournal(key=f"key-{next(_numbers)}" if key is None else key, lines=lines or [NewPosting(CASH, ESCROW, 10_00)], **given)


def posted(conn: Connection[Any], *lines: tuple[str, str, int], **rest: Any) -> Posted:
    """Post one journal of these lines."""
    given: dict[str, Any] = {"kind": "test", "asset": "EUR", "actor": "tester", "now": NOW} | rest
    program = given.pop("program", PROGRAM)
    key = given.pop("key", None) or f"key-{next(_numbers)}"
    return post(conn, program, key=key, lines=lines or [NewPosting(CASH, ESCROW, 10_00)], **given)


def an_id(number: int | None = None) -> bytes:
    """A movement's id; they sort by their number."""
    return UUID(int=(1 << 120) + (next(_numbers) if number is None else number)).bytes


def a_movement(debit: str = CASH, credit: str = ESCROW, minor: int = 10_00, **rest: Any) -> Movement:
    """A transfer with a fresh id."""
    return Movement(rest.pop("id", None) or an_id(), debit, credit, minor, **rest)


def a_hold(debit: str = ESCROW, credit: str = PAYEE, minor: int = 1_00, **rest: Any) -> Movement:
    """A hold with a fresh id."""
    return a_movement(debit, credit, minor, kind=MovementKind.HOLD, **rest)


def a_resolution(kind: MovementKind, hold: Movement, minor: int = 0, **rest: Any) -> Movement:
    """The end of a hold."""
    return Movement(rest.pop("id", None), "", "", minor, kind, hold_id=hold.id, **rest)

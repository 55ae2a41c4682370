"""A long history for `benchmarks.payouts`: what really happened to some thousand payouts, copied until there are a million.

Each copy has ids and keys of its own, the same parties, amounts, steps, calls, answers, webhooks and events, and all in it has ended.
The books are not copied: what a long history costs the ledger is measured by `benchmarks.ledger`. Rows are written past the triggers, so
the invariants are asked before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql

# What stands for a payout, and of each the columns that name one thing alone.
COPIED: Final = {
    "usage_record": ("id", "external_id", "invoice_id"),
    "invoice": ("id",),
    "intent": ("id", "invoice_id"),
    "payment": ("id", "charge_id", "invoice_id", "reference"),
    "settlement": ("id", "invoice_id"),
    "payout": ("id", "invoice_id", "settlement_id", "key"),
    "provider_payout": ("id", "payout_id", "idempotency_key", "provider_ref"),
    "payout_approval": ("provider_payout_id", "payout_id"),
    "call": ("id", "subject_id", "key"),
    "call_answer": ("id",),
    "webhook_in": ("id", "event_id"),
    "event": ("id", "subject_id"),
    "step": ("subject_id",),
}
AT_ONCE: Final = 10  # copies in one statement
HANDS: Final = (("step",), tuple(table for table in COPIED if table != "step"))  # steps are more than all others


def grow(url: str, payouts: int, *, seconds_max: float) -> int:
    """Copy what there is until so many payouts are completed, or the time is over; how many there are then. All that is there has ended.

    By two connections at once: nobody else works meanwhile.
    """
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute("select count(*) from payout where state = 'completed'").fetchone()
        had = int(row[0]) if row else 0
        copies, begun, made = max(0, -(-payouts // had) - 1), time.monotonic(), 0
        with _past_triggers(conn), ThreadPoolExecutor(len(HANDS)) as hands:
            _keep_templates(conn)
            while made < copies and time.monotonic() - begun < seconds_max:
                numbers = range(made + 1, made + min(AT_ONCE, copies - made) + 1)
                for done in [hands.submit(_copy_all, url, tables, had, numbers) for tables in HANDS]:
                    done.result()
                made += len(numbers)
            _drop_templates(conn)
        for table in COPIED:
            conn.execute(sql.SQL("vacuum analyze {}").format(sql.Identifier(table)))
        conn.execute("checkpoint")
    return had * (made + 1)


def _copy_all(url: str, tables: Sequence[str], had: int, numbers: range) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set session_replication_role = replica")
        for table in tables:
            _copy(conn, table, COPIED[table], had, numbers)


def _template(table: str) -> sql.Identifier:
    return sql.Identifier(f"bench_{table}")


def _keep_templates(conn: psycopg.Connection[Any]) -> None:
    for table in COPIED:
        # In order, so that copies of a row come to lie beside each other in every index.
        conn.execute(
            sql.SQL("create unlogged table {} as select * from {} order by {}").format(
                _template(table), sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, COPIED[table]))
            )
        )


def _drop_templates(conn: psycopg.Connection[Any]) -> None:
    for table in COPIED:
        conn.execute(sql.SQL("drop table {}").format(_template(table)))


def _copy(conn: psycopg.Connection[Any], table: str, named: tuple[str, ...], had: int, numbers: range) -> None:
    rows = conn.execute(
        "select column_name from information_schema.columns where table_name = %s and is_generated = 'NEVER' order by ordinal_position",
        [table],
    ).fetchall()
    columns = [row[0] for row in rows]
    new = sql.SQL("{} || {} || k")
    taken = [new.format(sql.Identifier(one), sql.Literal(f"-{had}.")) if one in named else sql.Identifier(one) for one in columns]
    conn.execute(
        sql.SQL("insert into {} ({}) select {} from {}, generate_series({}, {}) k").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(taken),
            _template(table),
            sql.Literal(numbers.start),
            sql.Literal(numbers.stop - 1),
        )
    )


@contextmanager
def _past_triggers(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """Rows are written as they are: no seal, no step of their own, no check of what they belong to. Afterwards it is as it was."""
    before = conn.execute(
        """select tgrelid::regclass::text, tgname, tgenabled::text from pg_trigger
           where not tgisinternal and tgrelid::regclass::text = any(%s)""",
        [list(COPIED)],
    ).fetchall()
    conn.execute("set session_replication_role = replica")
    for table, name, _ in before:
        conn.execute(sql.SQL("alter table {} disable trigger {}").format(sql.Identifier(table), sql.Identifier(name)))
    try:
        yield
    finally:
        for table, name, enabled in before:
            how = sql.SQL("enable always" if enabled == "A" else "enable")
            conn.execute(sql.SQL("alter table {} {} trigger {}").format(sql.Identifier(table), how, sql.Identifier(name)))
        conn.execute("set session_replication_role = origin")

"""From PostgreSQL to Parquet: rows a second, of plain rows and of the query that reads our side of a reconciliation.

python -m benchmarks.postgres_to_parquet [--quick]

Prints a table; its last line is one JSON object. `cpu_s` is what this process and the server's backend worked, which a machine that
is shared does not change; `rows_per_s` is by the clock on the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import pyarrow.parquet as pq
from psycopg import sql

from counterfoil.base.edge import Database, entropy
from counterfoil.base.encryption.key_file import new_key
from counterfoil.base.encryption.keys import EncryptionKeys, parse_keys
from counterfoil.base.migrations.runner import migrate
from counterfoil.base.money import Asset
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.reconciliation.bank_lines import CONFIDENTIAL as LINES
from counterfoil.reconciliation.bank_statements import CONFIDENTIAL as FILES
from counterfoil.reconciliation.movements import account_movements
from counterfoil.reconciliation.runs.books import bank_lines, with_words
from counterfoil.reconciliation.runs.copying import Read, copy_out

WANTED: Final = 500_000
DAY: Final = date(2026, 1, 5)
NOON: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
TRIES: Final = 3
KEYS: Final = EncryptionKeys(parse_keys(new_key(entropy)), entropy)


class Measured(NamedTuple):
    """The best of some tries."""

    what: str
    rows: int
    seconds: float
    rows_per_s: int
    cpu_s: float


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    count = 100_000 if parser.parse_args().quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="counterfoil-copy-") as name, PrivatePostgres(Path(name)) as server:
        migrate(server.url)
        fill(server.url, count)
        database = Database(server.url).open()
        out = Path(name) / "out.parquet"
        with database.transaction() as conn:
            clearing = account_movements(conn, "main", "clearing:simulator", first=DAY, last=DAY)
        queries: dict[str, tuple[sql.Composable, Read | None]] = {
            "bank lines, encrypted": (
                bank_lines("main", "cash:bank:client", first=DAY, last=DAY),
                lambda batch: with_words(KEYS, batch),
            ),
            "clearing, by journal": (clearing, None),
        }
        found = [measure(database, what, query, out, count, read) for what, (query, read) in queries.items()]
        database.close()
    for one in found:
        print(f"{one.what:24} {one.rows:>10,} rows {one.seconds:7.2f} s {one.rows_per_s:>10,} rows/s, {one.cpu_s:.2f} s of CPU here")
    told = {one.what: one._asdict() for one in found}
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"benchmark": "postgres_to_parquet", "wanted_rows_per_s": WANTED, "load": load, "measured": told}))


def fill(url: str, count: int) -> None:
    """So many charges on the clearing account, and as many lines of a bank."""
    database = Database(url, role=None).open()
    with database.transaction() as conn:
        open_program(conn, "main", name="Main", assets=[Asset("EUR", 2)], now=NOON)
        open_accounts(conn, "main", ["clearing:simulator", "escrow:all"], asset="EUR", actor="benchmark", now=NOON)
    database.close()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            """insert into bank_file (id, program_id, account, file_name, sha256, format, records, new, known, envelope, actor, at)
               values ('bf', 'main', 'cash:bank:client', 'f', '', 'x', 0, 0, 0, %s, 'benchmark', %s)""",
            [FILES.encrypted(KEYS, ["bf"], [[]]), NOON],
        )
        conn.execute(
            """insert into bank_line (program_id, account, key, asset, amount, booked_on, external_id, envelope, file_id, line)
               select 'main', 'cash:bank:client', int8send(n), 'EUR', n %% 100000, %s, 'ref-' || md5(n::text), envelope, 'bf', n
               from unnest(%s::bytea[]) with ordinality as e (envelope, n)""",
            [DAY, [_line(number) for number in range(1, count + 1)]],
        )
        debit, credit = (_one(conn, "select id from account where name = %s", name) for name in ("clearing:simulator", "escrow:all"))
        conn.execute("set session_replication_role = replica")  # a benchmark of reading: what is written need not be checked
        conn.execute("alter table posting disable trigger user")
        conn.execute("alter table journal disable trigger user")
        conn.execute(
            """insert into journal (id, program_id, book_id, lines, effective_at, recorded_at, kind, key, request_hash, actor,
                      source_type, source_id)
               select md5(n::text)::uuid, 'main', %s::bigint >> 40, 1, %s, %s, 'payment', 'PAYMENT:' || n, sha256(int8send(n)), 'b',
                      'charge', 'ch_' || md5(n::text) from generate_series(1, %s) n""",
            [debit, NOON, NOON, count],
        )
        seq = int(NOON.timestamp() * 1000) << 20
        conn.execute(
            """insert into posting (journal_id, debit, credit, amount, debit_balance, credit_balance, effective_at, seq, line, segment,
                                    off_clock)
               select md5(n::text)::uuid, %s, %s, 1 + n %% 100000, 0, 0, %s, %s::bigint + n, 1, 0, false from generate_series(1, %s) n""",
            [debit, credit, NOON, seq, count],
        )
        conn.execute("vacuum analyze")


def _line(number: int) -> bytes:
    """The words of the bank line with this number."""
    row = ("main", "cash:bank:client", number.to_bytes(8, "big"))
    return LINES.encrypted(KEYS, row, [f"inv-{number}", f"payer {number % 5000}", "transfer"])


def measure(database: Database, what: str, query: sql.Composable, out: Path, count: int, read: Read | None) -> Measured:
    """The fastest of three."""
    found = []
    for _ in range(TRIES):
        began, cpu = time.perf_counter(), time.process_time()
        rows = copy_out(database, query, out, read=read)
        seconds = time.perf_counter() - began
        assert rows == count == pq.read_metadata(out).num_rows, f"{rows} of {count}"
        found.append(Measured(what, rows, round(seconds, 3), int(rows / seconds), round(time.process_time() - cpu, 3)))
    return max(found, key=lambda one: one.rows_per_s)


def _one(conn: psycopg.Connection[Any], query: str, *given: Any) -> Any:
    row = conn.execute(query, given).fetchone()
    assert row is not None
    return row[0]


if __name__ == "__main__":
    main()

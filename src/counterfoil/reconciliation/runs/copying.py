"""From PostgreSQL to Parquet, column by column: a query's answer is never a Python row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from psycopg import sql

from counterfoil.base.encryption.keys import EncryptionKeys
from counterfoil.base.problems import Problem
from counterfoil.operations.work.runner import Transactions

STATEMENT_TIMEOUT_MS: Final = 900_000  # a full run reads years
ERROR_MAX: Final = 500
ROWS_OF_GROUP: Final = 1 << 20
WORK_MEMORY_MB: Final = 128  # of each sort or hash: with PostgreSQL's default of 4 they go to disk and back


Read = Callable[[Any], Any]  # from one batch of Arrow to another


class BooksUnreadable(Problem, kind="busy"):
    """The database did not give our side to the end; try again."""


class Books(Transactions, Protocol):
    """A database that can also be read by column: its address, and the role to act as."""

    url: str
    role: str | None
    keys: EncryptionKeys | None


def copy_out(books: Books, query: sql.Composable, path: Path, *, snapshot: str | None = None, read: Read | None = None) -> int:
    """Write the answer of `query` to `path` as Parquet, and return how many rows that were.

    One read-only snapshot on a connection of its own, by the driver of Arrow, which reads PostgreSQL's binary COPY; with `snapshot`
    the one that an open transaction exported under that name. `read` makes of each batch what is written. Amounts must be bigint, days
    date. Raises BooksUnreadable.
    """
    import adbc_driver_postgresql.dbapi as adbc  # 0.3 s, with Arrow, that only those pay who read this way

    role = books.role or "none"
    if not re.fullmatch(r"[a-z_]{1,63}", role):
        raise ValueError(f"not a role's name: {role}")
    try:
        return _copied(adbc, books.url, role, query, path, snapshot, read or _as_it_is)
    except (adbc.OperationalError, adbc.InternalError) as error:
        raise BooksUnreadable(detail=str(error)[:ERROR_MAX]) from error


def _as_it_is(batch: Any) -> Any:
    return batch


def _copied(adbc: Any, url: str, role: str, query: sql.Composable, path: Path, snapshot: str | None, read: Read) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    with adbc.connect(url) as conn, conn.cursor() as cur:
        cur.execute("set transaction isolation level repeatable read, read only")
        if snapshot is not None:
            cur.execute(f"set transaction snapshot {sql.Literal(snapshot).as_string(None)}")
        cur.execute(f"set local role {role}")
        cur.execute(f"set local statement_timeout = {STATEMENT_TIMEOUT_MS}")
        cur.execute("set local timezone = 'UTC'")
        cur.execute(f"set local work_mem = '{WORK_MEMORY_MB}MB'")
        cur.execute("set local jit = off")  # compiling takes longer than it saves
        cur.execute(query.as_string(None))
        found = cur.fetch_record_batch()
        schema = read(pa.RecordBatch.from_pylist([], schema=found.schema)).schema
        with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=_repeated(schema)) as out:
            for batch in found:
                out.write_batch(read(batch), row_group_size=ROWS_OF_GROUP)
                rows += batch.num_rows
    return rows


def _repeated(schema: Any) -> list[str]:
    """Columns in which a few words come again and again; ids are all different, and a dictionary of them costs more than it saves."""
    return [name for name in ("asset", "memo", "status") if name in schema.names]

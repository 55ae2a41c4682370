"""Batches: imports of files, as they stand. One that was broken off is half applied; it is rolled forward with the same file and map, once.

How far it came was written with the journals of each part, and each row's journal has its key, so nothing is posted twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.rows import row_by_id
from counterfoil.ledger.importing.imports import Imported, Open, import_file, import_id_of
from counterfoil.ledger.importing.map import ImportMap

ID_CHARS: Final = 64


class BatchOfAnotherFile(Problem):
    """This is not the file, or not the map, of this batch: nothing was posted."""

    todo = "Find the file and the map that the import was begun with; one altered byte makes another batch."


class ImportBatch(NamedTuple):
    """An import of a file: how many rows it has, how many are applied, and since when. `state`: complete or half applied."""

    id: str
    program_id: str
    file_name: str
    rows: int
    rows_applied: int
    state: str
    actor: str
    begun_at: datetime
    last_at: datetime | None


_SELECT: Final = """
    select * from (
        select encode(i.id, 'hex') as id, i.program_id, i.file_name, i.rows, coalesce(max(s.rows_done), 0) as rows_applied,
               case when coalesce(max(s.rows_done), 0) = i.rows then 'complete' else 'half applied' end as state, i.actor,
               i.at as begun_at, max(s.at) as last_at
        from journal_import i left join journal_import_step s on s.import_id = i.id group by i.id) b"""


def list_batches(conn: Connection[Any], *, rows_max: int, after: tuple[datetime, str] | None = None) -> list[ImportBatch]:
    """Batches, the one that was begun last first."""
    with conn.cursor(row_factory=class_row(ImportBatch)) as cur:
        return cur.execute(
            f"""{_SELECT}
            where %(at)s::timestamptz is null or (b.begun_at, b.id) < (%(at)s, %(id)s)
            order by b.begun_at desc, b.id desc limit %(rows)s""",
            {"at": after[0] if after else None, "id": after[1] if after else None, "rows": rows_max},
        ).fetchall()


def show_batch(conn: Connection[Any], batch_id: str) -> ImportBatch:
    """One batch. Raises NotFound."""
    return row_by_id(conn, ImportBatch, "batch", f"{_SELECT} where b.id = %s", batch_id)


def repair_batch(open_transaction: Open, batch_id: str, path: Path, mapped: ImportMap, *, clock: Callable[[], datetime]) -> Imported:
    """Post what a batch lacks, from the row on at which it was broken off; nothing, when it is complete.

    Journals carry the name of whoever began the import; who rolled it forward is in the action log. Raises NotFound, BatchOfAnotherFile,
    ImportStopped.
    """
    with open_transaction() as conn:
        batch = batch_of_file(conn, batch_id, path, mapped)
    return import_file(open_transaction, batch.program_id, path, mapped, actor=batch.actor, clock=clock)


def batch_of_file(conn: Connection[Any], batch_id: str, path: Path, mapped: ImportMap) -> ImportBatch:
    """The batch, where it was begun with this very file and map. Raises NotFound, BatchOfAnotherFile."""
    batch = show_batch(conn, batch_id)
    if import_id_of(batch.program_id, path, mapped).hex() != batch_id:
        raise BatchOfAnotherFile(batch=batch_id, file=batch.file_name)
    return batch


def valid_batch_id(given: str) -> str:
    """An id of a batch: SHA-256 in hex. Raises InvalidInput."""
    if len(given) != ID_CHARS or not set(given) <= set("0123456789abcdef"):
        raise InvalidInput("id", f"{ID_CHARS} digits and letters a to f, as `counterfoil journal batch list` shows it")
    return given

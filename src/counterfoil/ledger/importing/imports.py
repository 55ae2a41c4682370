"""Import a file of movements as journals: checked whole before anything is written, then written part by part.

A part and the mark of how far it got are one transaction, so an import that is broken off goes on where it stopped, and the same
file with the same map is imported once. A row that the ledger refuses stops the import at that row, with its line and reason; what
came before it stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.importing.files import Row, rows_of, sha256_of
from counterfoil.ledger.importing.map import ImportMap, journal_of
from counterfoil.ledger.journals.journal import NewJournal, Posted, post_journals
from counterfoil.ledger.problems import UnknownProgram

PART_ROWS: Final = 2_000
TURN: Final = 4_271_119  # with the import's id: the advisory lock of whoever writes a part of it

Open = Callable[[], AbstractContextManager[Connection[Any]]]
Progress = Callable[[int, int], None]  # rows done, rows in all


class ImportStopped(Problem):
    """The ledger refuses a row of this file; what came before it is posted, and the import goes on from there."""


class FileChanged(Problem):
    """The file changed while it was imported, so rows of two files may have been posted; compare the journals with the file."""


class Imported(NamedTuple):
    """What an import did. `resumed_at`: rows that an earlier run had done; `existed`: rows whose journals were there before."""

    import_id: bytes
    rows: int
    resumed_at: int
    posted: int
    existed: int


def import_file(
    open_transaction: Open,
    program_id: str,
    path: Path,
    mapped: ImportMap,
    *,
    actor: str,
    clock: Callable[[], datetime],
    progress: Progress | None = None,
) -> Imported:
    """Post every row of a file as a journal. Raises InvalidInput (with line and column, nothing written), ImportStopped, FileChanged."""
    with open_transaction() as conn:
        scales = dict(
            conn.execute(
                "select b.asset, a.scale from book b join asset a on a.code = b.asset where b.program_id = %s",
                [program_id],
            ).fetchall()
        )
    if not scales:
        raise UnknownProgram(program=program_id)
    digest = sha256_of(path)
    total = sum(1 for _ in _journals(path, mapped, scales, actor))  # every row is understood before the first is written
    if sha256_of(path) != digest:
        raise InvalidInput("file", "a file that stays as it is while it is read; nothing was written", got=path.name)
    with open_transaction() as conn:
        import_id, done = _begin(conn, program_id, path, digest, mapped, total, actor=actor, now=clock())
    resumed_at, posted, existed = done, 0, 0
    told = progress or (lambda *_: None)
    told(done, total)
    rows = islice(_journals(path, mapped, scales, actor), done, None)
    opened: set[tuple[str, str]] = set()
    while part := list(islice(rows, PART_ROWS)):
        with open_transaction() as conn:
            # Somebody else may roll the same import forward: what they have done since is not done again.
            lacking = part[max(0, _done_by_now(conn, import_id) - done) :]
            new = _write_part(conn, program_id, lacking, mapped, opened, actor=actor, now=clock()) if lacking else 0
            if lacking:
                conn.execute(
                    "insert into journal_import_step (import_id, rows_done, at) values (%s, %s, %s)",
                    [import_id, done + len(part), clock()],
                )
        done += len(part)
        posted += new
        existed += len(part) - new
        told(done, total)
    if done != total or sha256_of(path) != digest:
        raise FileChanged(file=path.name, rows=total, rows_done=done)
    return Imported(import_id, total, resumed_at, posted, existed)


def import_id_of(program_id: str, path: Path, mapped: ImportMap) -> bytes:
    """The name of the import of this file with this map into this program."""
    return _id_of(program_id, sha256_of(path), mapped)


def _id_of(program_id: str, digest: bytes, mapped: ImportMap) -> bytes:
    return hashlib.sha256(b"\n".join([program_id.encode(), digest, mapped.sha256])).digest()


def _journals(path: Path, mapped: ImportMap, scales: dict[str, int], actor: str) -> Iterator[tuple[Row, NewJournal]]:
    for row in rows_of(path, mapped):
        yield row, journal_of(row.values, mapped, scales, actor=actor, line=row.line)


def _begin(
    conn: Connection[Any],
    program_id: str,
    path: Path,
    digest: bytes,
    mapped: ImportMap,
    rows: int,
    *,
    actor: str,
    now: datetime,
) -> tuple[bytes, int]:
    """The import of this file with this map, and how many rows it has done."""
    import_id = _id_of(program_id, digest, mapped)
    conn.execute(
        """insert into journal_import (id, program_id, file_name, rows, actor, at) values (%s, %s, %s, %s, %s, %s)
           on conflict do nothing""",
        [import_id, program_id, path.name[:255], rows, actor, now],
    )
    return import_id, _done(conn, import_id)


def _done_by_now(conn: Connection[Any], import_id: bytes) -> int:
    """How many rows are done, by whomever; nobody else does any of this import until this transaction ends."""
    conn.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [TURN, import_id.hex()])
    return _done(conn, import_id)


def _done(conn: Connection[Any], import_id: bytes) -> int:
    found = conn.execute("select coalesce(max(rows_done), 0) from journal_import_step where import_id = %s", [import_id]).fetchone()
    return int(found[0]) if found else 0


def _write_part(
    conn: Connection[Any],
    program_id: str,
    part: Sequence[tuple[Row, NewJournal]],
    mapped: ImportMap,
    opened: set[tuple[str, str]],
    *,
    actor: str,
    now: datetime,
) -> int:
    """Open the accounts that are new, and post; returns how many journals were not there before. Raises ImportStopped."""
    wanted: dict[str, set[str]] = {}
    for _, journal in part:
        for debit, credit, _ in journal.lines:
            names = {name for name in (debit, credit) if (journal.asset, name) not in opened}
            wanted.setdefault(journal.asset, set()).update(names)
    for asset, names in wanted.items():
        accounts = [mapped.account(name) for name in sorted(names)]
        open_accounts(conn, program_id, accounts, asset=asset, actor=actor, now=now)
    results = post_journals(conn, program_id, [journal for _, journal in part], now=now)
    for (row, journal), result in zip(part, results, strict=True):
        if isinstance(result, Problem):
            raise ImportStopped(**(result.facts | {"line": row.line, "key": journal.key, "reason": result.headline()})) from result
    opened.update((asset, name) for asset, names in wanted.items() for name in names)
    return sum(1 for result in results if isinstance(result, Posted) and not result.existed)

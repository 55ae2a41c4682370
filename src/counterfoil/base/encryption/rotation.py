"""Bring every row under the current key, those in clear too: in batches, each committed, by as many processes at once as one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql

from counterfoil.base.encryption.confidential import Confidential
from counterfoil.base.encryption.keys import EncryptionKeyMissing, EncryptionKeys, EnvelopeDoesNotOpen, key_of
from counterfoil.base.encryption.standing import count_other, other_than, rows_to_rotate
from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy, Problem

ROWS_OF_BATCH: Final = 500
Begin = Callable[[], AbstractContextManager[Connection[Any]]]  # the owner's transaction, committed as its block ends


def _unseen(_done: int, _of: int) -> None:
    """Nobody looks."""


class Rotated(NamedTuple):
    """What a rotation did: rows brought under the current key, and those that do not open, with why."""

    rows: int
    unopened: list[tuple[str, str, str]]


class NotAsAgreed(Problem):
    """This opens and holds another thing than was agreed on, so it is not brought under another key: that would make it look agreed."""


class _Batch(NamedTuple):
    renewed: int
    failed: list[tuple[str, str, str]]
    last: tuple[Any, ...] | None  # the primary key that the next batch begins behind; None at the table's end


def rotate(
    begin: Begin,
    declared: Sequence[Confidential],
    keys: EncryptionKeys,
    *,
    shown: Callable[[int, int], None] = _unseen,
) -> Rotated:
    """Encrypt with the current key what is not. `shown` is told how many of how many rows are done.

    Stopped at any moment it goes on where it was: what is done is committed, and what is not is found again. A row that another process
    holds is passed over and looked at again at the end. A row that does not open, or holds another thing than was agreed on, stays as it
    is and is returned.
    """
    with begin() as conn:
        total = sum(one.rows for one in rows_to_rotate(conn, declared, keys.current))
    done, unopened = 0, list[tuple[str, str, str]]()
    for one in declared:
        while True:
            before, failed = done, list[tuple[str, str, str]]()
            for batch in _batches(begin, one, keys):
                done += batch.renewed
                failed += batch.failed
                shown(done, max(total, done))
            with begin() as conn:
                left = count_other(conn, one, keys.current)
            if left <= len(failed) or (done == before and not _wait_for_others(begin, one, keys)):
                break
        unopened += failed
    return Rotated(done, unopened)


def _batches(begin: Begin, one: Confidential, keys: EncryptionKeys) -> Iterator[_Batch]:
    after: tuple[Any, ...] | None = None
    while True:
        with begin() as conn:
            batch = _batch(conn, one, keys, after)
            reached("encryption.before_commit")
        reached("encryption.after_commit")
        yield batch
        if batch.last is None:
            return
        after = batch.last


def _batch(conn: Connection[Any], one: Confidential, keys: EncryptionKeys, after: tuple[Any, ...] | None) -> _Batch:
    rows = conn.execute(_select(one, keys.current, after, "for update skip locked")).fetchall()
    width, renewed, failed = len(one.key), list[tuple[Any, ...]](), list[tuple[str, str, str]]()
    for found in rows:
        row, envelope, fingerprint, clear = found[:width], found[width], found[width + 1], found[width + 2 :]
        try:
            renewed.append((*_renewed(one, keys, row, envelope, fingerprint, clear)[: 2 if one.purpose else 1], *row))
        except (EncryptionKeyMissing, EnvelopeDoesNotOpen, NotAsAgreed) as error:
            failed.append((one.relation, " ".join(one.place(*row).row), error.sentence()))
    if renewed:
        with conn.cursor() as cur:
            cur.executemany(_update(one), renewed)
    return _Batch(len(renewed), failed, tuple(rows[-1][:width]) if len(rows) == ROWS_OF_BATCH else None)


def _renewed(
    one: Confidential, keys: EncryptionKeys, row: Sequence[Any], envelope: bytes | None, fingerprint: bytes | None, clear: Sequence[Any]
) -> tuple[bytes, bytes | None]:
    """Envelope and fingerprint under the current key. A fingerprint is made anew of what it was found to be of, and of nothing else."""
    values = one.opened(keys, row, envelope, clear)
    if not one.is_as_agreed(keys, row, values, fingerprint):
        raise NotAsAgreed(key=key_of(bytes(fingerprint or b"")).hex())
    if fingerprint is not None and key_of(bytes(fingerprint)) in keys.lost:
        if key_of(bytes(envelope or b"")) == keys.current:
            raise EncryptionKeyMissing(key=key_of(bytes(fingerprint)).hex(), what="fingerprint")
    elif fingerprint is not None:
        fingerprint = one.fingerprints(keys, values)[0]
    return one.encrypted(keys, row, values), fingerprint


def _wait_for_others(begin: Begin, one: Confidential, keys: EncryptionKeys) -> bool:
    """Wait for whoever holds the first of the rows that are left, as long as a lock is waited for; False when it is not had."""
    try:
        with begin() as conn:
            conn.execute(_select(one, keys.current, None, "for update"))
    except Busy:
        return False
    return True


def _select(one: Confidential, current: bytes, after: tuple[Any, ...] | None, lock: str) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, one.key))
    behind: sql.Composable = sql.SQL("")
    if after is not None:
        behind = sql.SQL("and ({}) > ({})").format(names, sql.SQL(", ").join(map(sql.Literal, after)))
    return sql.SQL(
        "select {names}, envelope, {mark}, {fields} from {table} where {other} {behind} order by {names} limit {rows} {lock}"
    ).format(
        names=names,
        mark=sql.SQL("fingerprint" if one.purpose else "null"),
        fields=sql.SQL(", ").join(map(sql.Identifier, one.fields)),
        table=sql.Identifier(one.relation),
        other=other_than(one, current),
        behind=behind,
        rows=sql.Literal(ROWS_OF_BATCH),
        lock=sql.SQL(lock),
    )


def _update(one: Confidential) -> sql.Composed:
    emptied = sql.SQL("").join(sql.SQL(", {} = null").format(sql.Identifier(name)) for name in one.clear)
    found = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in one.key)
    mark = sql.SQL(", fingerprint = %s" if one.purpose else "")
    return sql.SQL("update {} set envelope = %s{}{} where {}").format(sql.Identifier(one.relation), mark, emptied, found)

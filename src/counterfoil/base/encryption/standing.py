"""How the encryption of a database stands: what lies in clear, what is under which key, and whether every envelope opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql

from counterfoil.base.encryption.confidential import Confidential
from counterfoil.base.encryption.keys import EncryptionKeyMissing, EncryptionKeys, EnvelopeDoesNotOpen, key_of, keys_of
from counterfoil.base.invariant import Invariant
from counterfoil.base.postgres.fitness import BAD, GOOD, WARNING, Check
from counterfoil.base.problems import Problem

ROWS_OF_PAGE: Final = 1_000
ROTATE: Final = "counterfoil encryption rotate"
_KEY: Final = sql.SQL("substr(envelope, 1, 4)")
_MARK: Final = sql.SQL("substr(fingerprint, 1, 4)")


class EncryptionKeysUnset(Problem, kind="invalid"):
    """Rows of this database are encrypted with keys that are not set here, so nothing starts: it would not see what it must."""

    todo = (
        "Find the keys with these ids and put them back, at any place of the list: into COUNTERFOIL_ENCRYPTION_KEYS, or with the private "
        "database into `encryption.keys` in the data folder. Only when they are lost for good: COUNTERFOIL_ENCRYPTION_KEYS_LOST."
    )


class KeyedRows(NamedTuple):
    """So many rows of a table under one key, by its id; None: in clear."""

    what: str
    key: bytes | None
    rows: int


def rows_by_key(conn: Connection[Any], declared: Sequence[Confidential]) -> list[KeyedRows]:
    """Every row, by table and key; one whose fingerprint is under another key than its envelope needs both, and is told under both.

    Reads an index of each table from end to end.
    """
    everything = sql.SQL("true")
    return [found for one in declared for found in _counted(conn, one, everything, everything)]


def rows_to_rotate(conn: Connection[Any], declared: Sequence[Confidential], current: bytes) -> list[KeyedRows]:
    """Rows that are in clear or under another key than the current one, by table and key; quick when there are none."""
    return [found for one in declared for found in _counted(conn, one, _other(_KEY, current), _other(_MARK, current))]


def count_other(conn: Connection[Any], one: Confidential, current: bytes) -> int:
    """How many rows of a table are left to rotate, each once."""
    query = sql.SQL("select count(*) from {} where {}").format(sql.Identifier(one.relation), other_than(one, current))
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def other_than(one: Confidential, current: bytes) -> sql.Composed:
    """Rows in clear, or under another key than this with envelope or fingerprint; as PostgreSQL's indexes can find them."""
    envelope = sql.SQL("({other} or {key} is null)").format(other=_other(_KEY, current), key=_KEY)
    return sql.SQL("({} or {})").format(envelope, _other(_MARK, current)) if one.purpose else envelope


def _other(key: sql.SQL, current: bytes) -> sql.Composed:
    return sql.SQL("({key} < {current} or {key} > {current})").format(key=key, current=sql.Literal(current))


def _counted(conn: Connection[Any], one: Confidential, envelopes: sql.Composable, marks: sql.Composable) -> list[KeyedRows]:
    table = sql.Identifier(one.relation)
    counted = sql.SQL("select {key} as key from {table} where {which} or {key} is null").format(key=_KEY, table=table, which=envelopes)
    if one.purpose:
        apart = sql.SQL("select {mark} from {table} where {which} and {mark} <> {key}")  # nothing of a row without a fingerprint
        counted = sql.SQL(" union all ").join([counted, apart.format(mark=_MARK, table=table, which=marks, key=_KEY)])
    rows = conn.execute(sql.SQL("select key, count(*) from ({}) counted group by 1 order by 1").format(counted)).fetchall()
    return [KeyedRows(one.what, _bytes(key), count) for key, count in rows]


def refuse_unknown_keys(conn: Connection[Any], declared: Sequence[Confidential], keys: EncryptionKeys) -> None:
    """Raises EncryptionKeysUnset when rows are under keys that are neither set nor said to be lost."""
    there = {one.key for one in rows_to_rotate(conn, declared, keys.current) if one.key is not None}
    if unknown := there - keys.known - keys.lost:
        raise EncryptionKeysUnset(keys=sorted(key.hex() for key in unknown), variable="COUNTERFOIL_ENCRYPTION_KEYS")


def check_encryption(conn: Connection[Any], declared: Sequence[Confidential], keys: EncryptionKeys) -> Check:
    """What `counterfoil doctor` says: the worst that is so."""
    there = rows_to_rotate(conn, declared, keys.current)
    clear = [one for one in there if one.key is None]
    unknown = [one for one in there if one.key is not None and one.key not in keys.known | keys.lost]
    lost = [one for one in there if one.key in keys.lost]
    older = [one for one in there if one.key in keys.known]
    if unknown:
        do = "Put the keys with these ids back into COUNTERFOIL_ENCRYPTION_KEYS: rows are not readable without them."
        return Check("encryption", BAD, f"{_told(unknown)}: these keys are not set", do)
    if clear:
        return Check("encryption", BAD, f"{_told(clear)} in clear", f"As the owner of the database: {ROTATE}")
    if older:
        do = f"As the owner of the database: {ROTATE}; then the older key can be taken away."
        return Check("encryption", WARNING, f"{_told(older)}, which is not the current key", do)
    if lost:
        return Check("encryption", WARNING, f"{_told(lost)}, which is lost", "What it encrypted stays unreadable.")
    return Check("encryption", GOOD, f"everything confidential is encrypted with the current key, {keys.current.hex()}")


def unopened(conn: Connection[Any], declared: Sequence[Confidential]) -> Iterator[tuple[str, str, str]]:
    """Every envelope that does not open, fingerprint whose key is not set, and field in clear: table, row and why. Of lost keys they are
    passed over."""
    keys = keys_of(conn)
    for one in declared:
        yield from _in_clear(conn, one)
        yield from _unmarked(conn, one, keys)
        for row, envelope in _envelopes(conn, one):
            if key_of(envelope) in keys.lost:
                continue
            try:
                one.unpacked(keys.decrypt(envelope, one.place(*row)))
            except EnvelopeDoesNotOpen:
                yield one.relation, " ".join(one.place(*row).row), f"does not open with key {key_of(envelope).hex()}"
            except EncryptionKeyMissing:
                yield one.relation, " ".join(one.place(*row).row), f"key {key_of(envelope).hex()} is not set"


def _in_clear(conn: Connection[Any], one: Confidential) -> Iterator[tuple[str, str, str]]:
    """Rows that are not encrypted. Readers take them for rows of before there were envelopes, so a hand past every rule could write
    whatever it likes there, and nothing would be left to hold it against."""
    query = sql.SQL("select {names} from {table} where envelope is null or num_nonnulls({clear}) > 0 order by {names}").format(
        names=sql.SQL(", ").join(map(sql.Identifier, one.key)),
        table=sql.Identifier(one.relation),
        clear=sql.SQL(", ").join(map(sql.Identifier, one.clear)),
    )
    for row in conn.execute(query):
        yield one.relation, " ".join(one.place(*row).row), "lies in clear: of before there were envelopes, or written past every rule"


def _unmarked(conn: Connection[Any], one: Confidential, keys: EncryptionKeys) -> Iterator[tuple[str, str, str]]:
    """Rows whose fingerprint nobody can hold against them, because its key is not set."""
    if not one.purpose:
        return
    query = sql.SQL("select {names}, {mark} from {table} where fingerprint is not null and {mark} <> all(%s) order by {names}").format(
        names=sql.SQL(", ").join(map(sql.Identifier, one.key)), mark=_MARK, table=sql.Identifier(one.relation)
    )
    for *row, key in conn.execute(query, [sorted(keys.known | keys.lost)]).fetchall():
        yield one.relation, " ".join(one.place(*row).row), f"key {bytes(key).hex()} of its fingerprint is not set"


def every_envelope_opens(declared: Sequence[Confidential]) -> Invariant:
    """The question that opens each of them."""
    return Invariant(
        "ENVELOPE_UNOPENED",
        "Is everything confidential encrypted, and does it open with its key, in the row that it was written for?",
        lambda conn: list(unopened(conn, declared)),
        "critical",
        "Somebody changed an account of a payee, a bank line or a webhook past every rule, or moved it from another row; a key is gone; or "
        "rows of before are still to be encrypted.",
        "P2",
    )


def _envelopes(conn: Connection[Any], one: Confidential) -> Iterator[tuple[tuple[Any, ...], bytes]]:
    """Row and envelope, by primary key, page by page."""
    names = sql.SQL(", ").join(map(sql.Identifier, one.key))
    after: tuple[Any, ...] | None = None
    while True:
        behind = sql.SQL("true") if after is None else sql.SQL("({}) > ({})").format(names, sql.SQL(", ").join(map(sql.Literal, after)))
        query = sql.SQL("select {names}, envelope from {table} where envelope is not null and {behind} order by {names} limit {rows}")
        rows = conn.execute(
            query.format(names=names, table=sql.Identifier(one.relation), behind=behind, rows=sql.Literal(ROWS_OF_PAGE))
        ).fetchall()
        for *row, envelope in rows:
            yield tuple(row), bytes(envelope)
        if len(rows) < ROWS_OF_PAGE:
            return
        after = tuple(rows[-1][:-1])


def _told(rows: Sequence[KeyedRows]) -> str:
    return ", ".join(f"{one.rows} {one.what}" + (f" under key {one.key.hex()}" if one.key else "") for one in rows)


def _bytes(key: Any) -> bytes | None:
    return None if key is None else bytes(key)

"""What a database holds, as one transaction sees it: rows, books, the log. Said of it when it is backed up, and asked again when it was
restored: by the same questions, so that what differs was lost or changed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from psycopg import Connection, sql

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.proofs.log.merkle import root_of
from counterfoil.proofs.log.tree import StoredTree, size_of


def measured(conn: Connection[Any]) -> dict[str, Any]:
    """Rows of every table, the trial balance of each program and asset, size and root of the log, and which schema it is."""
    return {"tables": _rows(conn), "books": _books(conn), "log": _log(conn), "migrations": _migrations(conn)}


def log_measured(conn: Connection[Any]) -> dict[str, Any]:
    """Size and root of the log, and which schema it is: the beginning of what comes later."""
    return {"log": _log(conn), "migrations": _migrations(conn)}


def differences(told: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Where what was restored is not what was backed up, by what was compared: each place with both figures, in words."""
    return {
        "rows": _differ(told["tables"], found["tables"], "{0}: {1} rows were backed up, {2} are there"),
        "trial balance": _differ(_by_book(told), _by_book(found), "{0}: {1} was backed up, {2} is there"),
        "log": _differ(told["log"], found["log"], "{0} of the log: {1} was backed up, {2} is there"),
        "schema": _differ(told["migrations"], found["migrations"], "{0}: {1} was backed up, {2} is there"),
    }


def _differ(told: Mapping[str, Any], found: Mapping[str, Any], words: str) -> list[str]:
    return [
        words.format(name, told.get(name, "nothing"), found.get(name, "nothing"))
        for name in sorted({*told, *found})
        if told.get(name) != found.get(name)
    ]


def _by_book(told: Mapping[str, Any]) -> dict[str, str]:
    return {f"{one['program']} {one['asset']}": canonical_json(one) for one in told["books"]}


def _rows(conn: Connection[Any]) -> dict[str, int]:
    names = conn.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname collate \"C\""
    ).fetchall()
    return {name: _one(conn, sql.SQL("select count(*) from {}").format(sql.Identifier(name))) for (name,) in names}


def _books(conn: Connection[Any]) -> list[dict[str, Any]]:
    """Of each program and asset: how many accounts and postings, Σ debits, Σ credits, and a digest of every account's two sums."""
    posted = dict(
        conn.execute("select a.book_id, count(*) from posting p join account a on a.id = p.debit group by 1").fetchall(),
    )
    rows = conn.execute(
        """select b.id, b.program_id, b.asset, a.name, a.debits, a.credits from book b join account a on a.book_id = b.id
           order by b.program_id collate "C", b.asset collate "C", a.name collate "C" """
    ).fetchall()
    found: dict[int, dict[str, Any]] = {}
    digests: dict[int, Any] = {}
    for book, program, asset, name, debits, credit in rows:
        one = found.setdefault(
            book, {"program": program, "asset": asset, "accounts": 0, "postings": posted.get(book, 0), "debits": 0, "credits": 0}
        )
        one["accounts"] += 1
        one["debits"] += debits
        one["credits"] += credit
        digests.setdefault(book, hashlib.sha256()).update(canonical_json([name, str(debits), str(credit)]).encode())
    return [
        {**one, "debits": str(one["debits"]), "credits": str(one["credits"]), "accounts_sha256": digests[book].hexdigest()}
        for book, one in found.items()
    ]


def _log(conn: Connection[Any]) -> dict[str, Any]:
    size = size_of(conn)
    return {"size": size, "root": base64.b64encode(root_of(size, StoredTree(conn))).decode()}


def _migrations(conn: Connection[Any]) -> dict[str, Any]:
    row = conn.execute("select count(*), coalesce(max(number), 0) from migration").fetchone()
    assert row is not None
    return {"count": row[0], "last": row[1]}


def _one(conn: Connection[Any], query: sql.Composed) -> int:
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])

"""Usage: what customers used of what payees offer. Imported by file, all of it or nothing; a record counts once for ever."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.settlement.usage.rules import Usage, parse_usage

FILE_NAME_MAX = 200


class UsageDiffers(Problem):
    """A usage record with this id is known already, and says something else."""


class UsageImport(NamedTuple):
    """What an import did: `new` records, and how many were known already. `existed`: this very file was imported before."""

    id: str
    records: int
    new: int
    existed: bool


def assets_of(conn: Connection[Any], program_id: str) -> dict[str, Asset]:
    """The assets a program keeps books in, by code."""
    rows = conn.execute(
        """select a.code, a.scale from book b join asset a on a.code = b.asset
           where b.program_id = %s order by a.code limit 1000""",
        [program_id],
    ).fetchall()
    return {row[0]: Asset(row[0], row[1]) for row in rows}


def import_usage(
    conn: Connection[Any],
    program_id: str,
    body: bytes,
    *,
    file_name: str,
    make_id: MakeId,
    actor: str,
    now: datetime,
) -> UsageImport:
    """Record a CSV of usage. The same file again changes nothing; a known record that says something else is refused.

    Raises InvalidInput with line and column, UsageDiffers, TooLarge: then nothing of the file is recorded.
    """
    if not 0 < len(file_name) <= FILE_NAME_MAX or not file_name.isprintable():
        raise InvalidInput("file_name", f"1 to {FILE_NAME_MAX} printable characters")
    digest = hashlib.sha256(body).digest()
    before = _imported_before(conn, program_id, digest)
    if before is not None:
        return before
    usages = parse_usage(body, assets_of(conn, program_id), now=now)
    import_id = make_id("imp")
    claimed = conn.execute(
        """insert into usage_import (id, program_id, file_name, sha256, records, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s) on conflict on constraint usage_file_is_imported_once do nothing""",
        [import_id, program_id, file_name, digest, len(usages), actor, now],
    ).rowcount
    if not claimed:  # somebody imported the same file while we read it; their transaction has ended by now
        found = _imported_before(conn, program_id, digest)
        assert found is not None
        return found
    new = _insert(conn, program_id, import_id, usages, make_id)
    if new < len(usages):
        _refuse_differences(conn, program_id, usages)
    return UsageImport(import_id, len(usages), new, existed=False)


def _imported_before(conn: Connection[Any], program_id: str, digest: bytes) -> UsageImport | None:
    row = conn.execute("select id, records from usage_import where program_id = %s and sha256 = %s", [program_id, digest]).fetchone()
    return UsageImport(row[0], row[1], 0, existed=True) if row else None


def _insert(conn: Connection[Any], program_id: str, import_id: str, usages: list[Usage], make_id: MakeId) -> int:
    return conn.execute(
        """insert into usage_record (id, program_id, external_id, import_id, customer_id, payee_id, asset, quantity_micro,
                                     price_micro, amount, occurred_at, description)
           select u.id, %s, u.external_id, %s, u.customer_id, u.payee_id, u.asset, u.quantity_micro,
                  u.price_micro, u.amount, u.occurred_at, u.description
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                       %s::timestamptz[], %s::text[])
             as u (id, external_id, customer_id, payee_id, asset, quantity_micro, price_micro, amount, occurred_at, description)
           on conflict on constraint usage_is_recorded_once do nothing""",
        [program_id, import_id, [make_id("use") for _ in usages], *_columns(usages)],
    ).rowcount


def _refuse_differences(conn: Connection[Any], program_id: str, usages: list[Usage]) -> None:
    row = conn.execute(
        """select u.external_id
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                       %s::timestamptz[], %s::text[])
             as u (external_id, customer_id, payee_id, asset, quantity_micro, price_micro, amount, occurred_at, description)
           join usage_record r on r.program_id = %s and r.external_id = u.external_id
           where (r.customer_id, r.payee_id, r.asset, r.quantity_micro, r.price_micro, r.occurred_at, r.description)
              is distinct from (u.customer_id, u.payee_id, u.asset, u.quantity_micro, u.price_micro, u.occurred_at, u.description)
           order by u.external_id limit 1""",
        [*_columns(usages), program_id],
    ).fetchone()
    if row is not None:
        raise UsageDiffers(field="record_id", got=row[0])


def _columns(usages: list[Usage]) -> list[list[Any]]:
    return [
        [one.external_id for one in usages],
        [one.customer_id for one in usages],
        [one.payee_id for one in usages],
        [one.asset for one in usages],
        [one.quantity_micro for one in usages],
        [one.price_micro for one in usages],
        [one.amount for one in usages],
        [one.occurred_at for one in usages],
        [one.description for one in usages],
    ]

"""Usage: what customers used of what payees offer. Imported by file or part of one, line by line; a record counts once for ever."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.settlement.usage.rules import ParsedUsage, Usage, UsageMistake, parse_usage

FILE_NAME_MAX = 200
MISTAKES_MAX = 1_000


class UsageDiffers(Problem):
    """A usage record with this id is known already, and says something else."""


class UsageImport(NamedTuple):
    """What an import did: `records` that are good, of them `new`; the rest were known. `existed`: all of it was imported before.
    `rejected`: lines with a mistake, of which `mistakes` names the first 1,000."""

    id: str
    records: int
    new: int
    existed: bool
    rejected: int
    mistakes: list[UsageMistake]


def assets_of(conn: Connection[Any], program_id: str) -> dict[str, Asset]:
    """The assets a program keeps books in, by code."""
    rows = conn.execute(
        """select a.code, a.scale from book b join asset a on a.code = b.asset
           where b.program_id = %s order by a.code""",
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
    from_line: int | None = None,
) -> UsageImport:
    """Record usage from CSV or NDJSON: every good line; those with a mistake are named. The same file again changes nothing.

    A known record that says something else is a mistake, too. Raises InvalidInput and TooLarge for what is no such file: then nothing of
    it is recorded.
    """
    if not 0 < len(file_name) <= FILE_NAME_MAX or not file_name.isprintable():
        raise InvalidInput("file_name", f"1 to {FILE_NAME_MAX} printable characters")
    digest = hashlib.sha256(body).digest()
    before = _imported_before(conn, program_id, digest)
    if before is not None:
        return before
    parsed = parse_usage(body, assets_of(conn, program_id), now=now, from_line=from_line)
    usages, mistakes = _without_differing(conn, program_id, parsed)
    if mistakes:  # known by its good lines: mended or allowed since, the rest of the same file counts as new
        digest = hashlib.sha256(repr(usages).encode()).digest()
    import_id = make_id("imp")
    claimed = conn.execute(
        """insert into usage_import (id, program_id, file_name, sha256, records, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s) on conflict on constraint usage_file_is_imported_once do nothing""",
        [import_id, program_id, file_name, digest, len(usages), actor, now],
    ).rowcount
    if not claimed:  # somebody imported the same while we read it; their transaction has ended by now
        found = _imported_before(conn, program_id, digest)
        assert found is not None
        return found._replace(rejected=len(mistakes), mistakes=mistakes[:MISTAKES_MAX])
    new = _insert(conn, program_id, import_id, usages, make_id)
    if new < len(usages) and (differing := _differing(conn, program_id, usages)):
        raise UsageDiffers(field="record_id", got=min(differing))  # written by somebody else while we read it: send it again
    return UsageImport(import_id, len(usages), new, False, len(mistakes), mistakes[:MISTAKES_MAX])


def _without_differing(conn: Connection[Any], program_id: str, parsed: ParsedUsage) -> tuple[list[Usage], list[UsageMistake]]:
    """The good records, less those that are known and say something else; and all mistakes in the order of their lines."""
    usages = [one for _, one in parsed.records]
    differing = _differing(conn, program_id, usages)
    known = [
        UsageMistake(line, 1, "record_id", "one that is not known yet: it is recorded and says something else", one.external_id)
        for line, one in parsed.records
        if one.external_id in differing
    ]
    return [one for one in usages if one.external_id not in differing], sorted([*parsed.mistakes, *known], key=lambda one: one.line)


def _imported_before(conn: Connection[Any], program_id: str, digest: bytes) -> UsageImport | None:
    row = conn.execute("select id, records from usage_import where program_id = %s and sha256 = %s", [program_id, digest]).fetchone()
    return UsageImport(row[0], row[1], 0, True, 0, []) if row else None


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


def _differing(conn: Connection[Any], program_id: str, usages: list[Usage]) -> set[str]:
    """Ids of those that are known and say something else."""
    rows = conn.execute(
        """select u.external_id
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                       %s::timestamptz[], %s::text[])
             as u (external_id, customer_id, payee_id, asset, quantity_micro, price_micro, amount, occurred_at, description)
           join usage_record r on r.program_id = %s and r.external_id = u.external_id
           where (r.customer_id, r.payee_id, r.asset, r.quantity_micro, r.price_micro, r.occurred_at, r.description)
              is distinct from (u.customer_id, u.payee_id, u.asset, u.quantity_micro, u.price_micro, u.occurred_at, u.description)""",
        [*_columns(usages), program_id],
    ).fetchall()
    return {row[0] for row in rows}


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

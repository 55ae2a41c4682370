"""Other proofs of the same period, and which files of theirs are not the same: what somebody asks who finds two of one month."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.proofs.packages.layout import MANIFEST


class SamePeriodProof(NamedTuple):
    """Another proof of the same period. `differs_in`: the files that are not the same in both; the manifest where all others are the same,
    and what it says of checks, of the proof of before or of the software is another."""

    id: str
    created_at: datetime
    state: str
    verdict: str
    differs_in: str


def others_of_period(conn: Connection[Any], proof_id: str, *, rows_max: int) -> list[SamePeriodProof]:
    """The one that was made last first."""
    with conn.cursor(row_factory=class_row(SamePeriodProof)) as cur:
        return cur.execute(
            """select o.id, o.created_at, o.state, o.verdict, coalesce(d.names, %(manifest)s) as differs_in
               from proof p join proof o on (o.from_at, o.to_at) = (p.from_at, p.to_at) and o.id <> p.id
               cross join lateral (
                   select string_agg(coalesce(a.name, b.name), ', ' order by coalesce(a.name, b.name) collate "C") as names
                   from (select name, sha256 from proof_file where proof_id = p.id) a
                   full join (select name, sha256 from proof_file where proof_id = o.id) b on b.name = a.name
                   where a.sha256 is distinct from b.sha256 and coalesce(a.name, b.name) <> %(manifest)s) d
               where p.id = %(id)s order by o.created_at desc, o.id desc limit %(rows)s""",
            {"id": proof_id, "manifest": MANIFEST, "rows": rows_max},
        ).fetchall()

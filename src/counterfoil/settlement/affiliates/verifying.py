"""Is every program's tree of affiliates a tree? Looked at as it stands, whoever wrote it. Select only."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import check

FAULTS_MAX: Final = 1_000
# Every affiliate by one walk up the tree, which ends at the top, in a circle, at an affiliate that is not there, or too deep.
TREE_FAULTS: Final = """
    with recursive walk (id, at, program_id, depth, seen) as (
        select id, parent_id, program_id, 1, array[id] from affiliate
        union all
        select w.id, a.parent_id, w.program_id, w.depth + 1, w.seen || a.id from walk w join affiliate a on a.id = w.at
        where w.depth <= affiliate_depth_max() and a.id <> all (w.seen)
    ), last as (
        select distinct on (id) id, at, depth, seen from walk order by id, depth desc
    )
    select l.id as affiliate_id, a.program_id, 'cycle' as fault, 'it stands above itself, through ' || l.at as detail
    from last l join affiliate a using (id) where l.at = any (l.seen) and l.at = l.id
    union all
    select a.id, a.program_id, 'orphan', 'there is no affiliate ' || a.parent_id || ' in its program'
    from affiliate a where a.parent_id is not null
      and not exists (select from affiliate p where (p.id, p.program_id) = (a.parent_id, a.program_id))
    union all
    select l.id, a.program_id, 'depth', 'it is more than ' || affiliate_depth_max() || ' deep'
    from last l join affiliate a using (id) where l.depth > affiliate_depth_max()
    union all
    select a.id, a.program_id, 'placement', 'it stands under ' || coalesce(a.parent_id, 'nobody') || ', and was placed under '
           || coalesce(p.parent_id, 'nobody')
    from affiliate a
    left join lateral (select parent_id from affiliate_placement p where p.affiliate_id = a.id order by number desc limit 1) p on true
    where a.parent_id is distinct from p.parent_id
    union all
    select a.id, a.program_id, 'self_referral', 'it refers itself as customer ' || r.customer_id
    from referral r join affiliate a on a.id = r.affiliate_id where r.customer_id in (a.id, a.name)"""


class TreeFault(NamedTuple):
    """What is wrong with an affiliate's place: a cycle, an orphan, depth, placement, or a self_referral; `detail` in words."""

    affiliate_id: str
    program_id: str
    fault: str
    detail: str


class TreeVerdict(NamedTuple):
    """How many affiliates were looked at, all of them; what is wrong, at most a thousand of it, and how much there is in all."""

    affiliates: int
    faulty: int
    faults: list[TreeFault]


def verify_tree(conn: Connection[Any], *, program_id: str | None) -> TreeVerdict:
    """Look at every affiliate, of a program or of all."""
    where = " where %(program)s::text is null or program_id = %(program)s"
    given = {"program": program_id, "rows": FAULTS_MAX}
    with conn.cursor(row_factory=class_row(TreeFault)) as cur:
        faults = cur.execute(
            f"select affiliate_id, program_id, fault, detail from ({TREE_FAULTS}) found{where} order by affiliate_id, fault limit %(rows)s",
            given,
        ).fetchall()
    row = conn.execute(
        f"select (select count(*) from affiliate{where}), (select count(*) from ({TREE_FAULTS}) found{where})", given
    ).fetchone()
    check(row is not None, "counts are always answered")
    return TreeVerdict(int(row[0]), int(row[1]), faults) if row else TreeVerdict(0, 0, faults)

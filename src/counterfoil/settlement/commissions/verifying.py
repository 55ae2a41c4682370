"""Commissions worked out again, by the database, from what was frozen with each sale and from the refunds that are there. Select only.

The population is every sale to a customer who was referred before it, while rates were in force: sales that nobody referred earn none,
and are in no total.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import check

DIFFERENCES_MAX: Final = 1_000
# Every sale that was referred; and any other that has commissions all the same, which is a fault.
_REFERRED: Final = """right_one as materialized (
        select s.id, s.program_id, s.invoice_id from sale s
        join referral f on (f.program_id, f.customer_id) = (s.program_id, s.customer_id) and f.at <= s.at
        where commission_version_at(s.program_id, s.asset, s.at) is not null),
    referred as materialized (
        select id, invoice_id, true as was_referred from right_one where %(program)s::text is null or program_id = %(program)s
        union all
        select c.id, null, false from commission_sale c
        where c.id not in (select id from right_one) and (%(program)s::text is null or c.program_id = %(program)s))"""
# What was told and is not followed yet changes a commission soon; what nobody could follow and is parked does not, and is judged.
_WAITING: Final = """select from event e where e.state = 'due' and (
    e.subject_id = l.id and e.name in ('settlement_completed', 'escrow_released', 'sale_referred')
        and not exists (select from commission_sale c where c.id = l.id)
    or e.name = 'refund_booked' and e.subject_id in (select r.id from refund r where r.settlement_id = l.id)
    or e.name = 'chargeback_won' and e.subject_id in (select k.id from chargeback k where k.invoice_id = l.invoice_id))"""
# Of the sales `looked` (id, invoice_id): each figure that is not what it should be.
_DIFFERENCES: Final = f"""
    waiting as (select l.id from looked l where exists ({_WAITING})),
    due as materialized (
        select c.*, commission_due(c.id, false) as whole, commission_due(c.id, true) as rest
        from looked l join commission_sale c on c.id = l.id where l.id not in (select id from waiting)),
    level as (
        select d.*, n, coalesce(d.whole[n], 0) as should, coalesce(d.rest[n], 0) as remains,
               o.id as commission_id, coalesce(o.amount, 0) as amount, coalesce(o.taken_back, 0) as taken_back, o.affiliate_id
        from due d cross join lateral generate_subscripts(d.path, 1) as n
        left join commission o on (o.sale_id, o.level) = (d.id, n)),
    booked as (
        select d.id, coalesce(sum(t.amount), 0)::bigint as amount
        from due d left join journal j on j.source_type = 'commission_sale' and j.source_id = d.id
        left join posting t on t.journal_id = j.id group by d.id),
    difference as (
        select l.id as sale_id, null::integer as level, 'missing' as what, null::bigint as expected, null::bigint as found
        from looked l where l.id not in (select id from waiting) and not exists (select from commission_sale c where c.id = l.id)
        union all select id, null, 'unreferred', null, null from looked where not was_referred
        union all select id, n, 'amount', should, amount from level where should <> amount
        union all select id, n, 'affiliate', null, null from level where affiliate_id <> path[n]
        union all select id, n, 'taken_back', should - remains, taken_back from level
                  where commission_id is not null and should = amount and should - remains <> taken_back
        union all select d.id, null, 'terms', null, null from due d
                  left join commission_rate r on (r.program_id, r.asset, r.version) = (d.program_id, d.asset, d.rate_version)
                  where (r.base, r.mode, r.levels) is distinct from (d.base_kind, d.mode, d.levels)
                     or r.version is distinct from commission_version_at(d.program_id, d.asset, d.at)
        union all select d.id, null, 'sale', s.gross, d.gross from due d left join sale s on s.id = d.id
                  where (s.gross, s.platform_fee, s.customer_id, s.asset, s.at)
                        is distinct from (d.gross, d.platform_fee, d.customer_id, d.asset, d.at)
        union all select d.id, null, 'path', null, null
                  from due d join referral f on (f.program_id, f.customer_id) = (d.program_id, d.customer_id)
                  where (d.path, d.earns) is distinct from ((affiliate_path_at(f.affiliate_id, d.at))[1:cardinality(d.levels)],
                                                            commission_earners(d.path, d.customer_id, d.at))
        union all select d.id, o.level, 'beyond_path', 0, o.amount from due d join commission o on o.sale_id = d.id
                  where o.level > cardinality(d.path)
        union all select b.id, null, 'ledger', o.amount, b.amount from booked b cross join lateral (
                      select coalesce(sum(amount), 0)::bigint as amount from commission where sale_id = b.id) o
                  where b.amount <> o.amount)"""
ALL_DIFFERENCES: Final = (f"with {_REFERRED}, looked as (select * from referred), {_DIFFERENCES} select * from difference").replace(
    "%(program)s", "null"
)


class CommissionDifference(NamedTuple):
    """What of a sale's commissions is not as it was worked out; minor units. `what`: missing (it was referred, and nothing accrued),
    amount, affiliate, taken_back (by refunds), terms (not those of the contract then), sale (frozen otherwise than it was),
    path (others stood above or were active at that moment), beyond_path, unreferred (nobody referred it), ledger."""

    sale_id: str
    level: int | None
    what: str
    asset: str | None
    expected: int | None
    found: int | None


class CommissionVerdict(NamedTuple):
    """`sales` were referred in all, `looked_at` were worked out again; `waiting` of these have an event that is still to be followed, and
    were not. `is_sample`: not all were looked at, and nothing is said of the others. At most a thousand `differences` are shown."""

    sales: int
    looked_at: int
    waiting: int
    is_sample: bool
    differing: int
    differences: list[CommissionDifference]


def verify_commissions(conn: Connection[Any], *, program_id: str | None, sample: int | None, seed: datetime) -> CommissionVerdict:
    """Work out again the commissions of all referred sales, or of a sample of so many, which another `seed` draws otherwise."""
    given = {"program": program_id, "sample": sample, "seed": seed.isoformat(), "rows": DIFFERENCES_MAX}
    looked = f"""with {_REFERRED},
        looked as materialized (select * from referred order by md5(id || %(seed)s), id limit %(sample)s)"""
    row = conn.execute(
        f"""{looked}, {_DIFFERENCES}
            select (select count(*) from referred), (select count(*) from looked), (select count(*) from waiting),
                   (select count(distinct sale_id) from difference)""",
        given,
    ).fetchone()
    check(row is not None, "counts are always answered")
    assert row is not None
    with conn.cursor(row_factory=class_row(CommissionDifference)) as cur:
        found = cur.execute(
            f"""{looked}, {_DIFFERENCES}
                select d.sale_id, d.level, d.what, s.asset, d.expected, d.found from difference d left join sale s on s.id = d.sale_id
                order by d.sale_id, d.level nulls first, d.what limit %(rows)s""",
            given,
        ).fetchall()
    return CommissionVerdict(row[0], row[1], row[2], row[1] < row[0], row[3], found)

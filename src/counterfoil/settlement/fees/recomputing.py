"""What each settlement's fees are by the rates that were in force when it was settled, beside what was taken. Select only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row, dict_row


class FeeRecomputed(NamedTuple):
    """A settlement's fees as they were taken, and as they are recomputed (`due…`) by the version that was in force at `at`; minor units.

    `differs`: one of them is another, or it was settled by another version than was in force.
    """

    settlement_id: str
    program_id: str
    invoice_id: str
    at: datetime
    asset: str
    gross: int
    rate_version: int
    version_in_force: int | None
    platform_fee: int
    due_platform_fee: int | None
    validator_fee: int
    due_validator_fee: int | None
    holdback: int
    due_holdback: int | None
    net: int
    due_net: int | None
    differs: bool


class FeeTotal(NamedTuple):
    """All settlements of a range in an asset: how many, how many differ, and what was taken beside what is due; minor units."""

    asset: str
    settlements: int
    differing: int
    platform_fee: int
    due_platform_fee: int
    validator_fee: int
    due_validator_fee: int


_RECOMPUTED: Final = """
    select s.id as settlement_id, s.program_id, s.invoice_id, s.at, s.asset, s.gross, s.rate_version, f.version as version_in_force,
           s.platform_fee, d.platform as due_platform_fee, s.validator_fee, d.validator as due_validator_fee,
           s.holdback, d.holdback as due_holdback, s.net, s.gross - d.platform - d.validator - d.holdback as due_net,
           (f.version, d.platform, d.validator, d.holdback)
               is distinct from (s.rate_version, s.platform_fee, s.validator_fee, s.holdback) as differs
    from settlement s
    cross join lateral (select fee_version_at(s.program_id, s.at) as version) f
    left join fee_rate r on (r.program_id, r.version) = (s.program_id, f.version)
    cross join lateral (
        select fee_platform(s.gross, s.program_id, f.version, s.asset)::bigint as platform,
               div(s.gross::numeric * r.validator_bps, 10000)::bigint as validator,
               div(s.gross::numeric * r.holdback_bps, 10000)::bigint as holdback) d
    where s.at >= %(start)s and s.at < %(end)s and (%(program)s::text is null or s.program_id = %(program)s)"""


def recompute_fees(
    conn: Connection[Any],
    *,
    start: datetime,
    end: datetime,
    program_id: str | None,
    rows_max: int,
    after: tuple[datetime, str] | None = None,
    differing_only: bool = False,
) -> list[FeeRecomputed]:
    """Settlements of a range, end not included, in the order of their time; changes nothing."""
    given = _given(start, end, program_id) | {"at": after and after[0], "id": after and after[1], "rows": rows_max, "only": differing_only}
    with conn.cursor(row_factory=class_row(FeeRecomputed)) as cur:
        return cur.execute(
            f"""select * from ({_RECOMPUTED}) found
                where (%(at)s::timestamptz is null or (at, settlement_id) > (%(at)s, %(id)s)) and (differs or not %(only)s)
                order by at, settlement_id limit %(rows)s""",
            given,
        ).fetchall()


def fee_totals(conn: Connection[Any], *, start: datetime, end: datetime, program_id: str | None) -> list[FeeTotal]:
    """All settlements of a range, by asset: nothing is left out."""
    with conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(
            f"""select asset, count(*) as settlements, count(*) filter (where differs) as differing,
                       sum(platform_fee)::bigint as platform_fee, coalesce(sum(due_platform_fee), 0)::bigint as due_platform_fee,
                       sum(validator_fee)::bigint as validator_fee, coalesce(sum(due_validator_fee), 0)::bigint as due_validator_fee
                from ({_RECOMPUTED}) found group by asset order by asset""",
            _given(start, end, program_id),
        ).fetchall()
    return [FeeTotal(**row) for row in rows]


def _given(start: datetime, end: datetime, program_id: str | None) -> dict[str, Any]:
    return {"start": start, "end": end, "program": program_id}

"""The contract with affiliates: versions of what they get, by program and asset, each in force from its moment on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey, between_moments
from counterfoil.settlement.affiliates.affiliates import after_sales
from counterfoil.settlement.commissions.rules import CommissionTerms, check_terms
from counterfoil.settlement.usage.usage import assets_of


class CommissionRate(NamedTuple):
    """One version of the terms: `levels` in basis points of the base, `minimum` in minor units; who recorded it, and when."""

    program_id: str
    asset: str
    version: int
    base: str
    mode: str
    levels: list[int]
    cap_bps: int
    mature_days: int
    minimum: int
    effective_at: datetime
    actor: str
    recorded_at: datetime

    @property
    def id(self) -> str:
        """What names it among all versions."""
        return f"{self.program_id}:{self.asset}:{self.version}"


def set_terms(
    conn: Connection[Any],
    program_id: str,
    asset: str,
    terms: CommissionTerms,
    *,
    actor: str,
    now: datetime,
    effective_at: datetime | None = None,
) -> CommissionRate:
    """Add the next version. Sales from `effective_at` on use it, or from now; earlier ones keep theirs. Raises InvalidInput, NotFound."""
    check_terms(terms)
    if effective_at is not None and effective_at < now:
        raise InvalidInput("effective_at", "not in the past: what was sold keeps its rates", got=effective_at.isoformat())
    if conn.execute("select 1 from program where id = %s", [program_id]).fetchone() is None:
        raise NotFound(what="program", id=program_id)
    assets = assets_of(conn, program_id)
    if asset not in assets:
        raise InvalidInput("asset", f"one of {', '.join(sorted(assets))}", got=asset[:12])
    begins = after_sales(conn, program_id, effective_at or now)  # one at a time, and while no commission is worked out
    if effective_at is not None and begins > effective_at:
        limit = f"{begins.isoformat()} or later: what was sold keeps its rates"
        raise InvalidInput("effective_at", limit, got=effective_at.isoformat())
    conn.execute(
        """insert into commission_rate (program_id, asset, version, base, mode, levels, cap_bps, mature_days, minimum, effective_at, actor,
                                        recorded_at)
           select %(program)s, %(asset)s, coalesce(max(version), 0) + 1, %(base)s, %(mode)s, %(levels)s::integer[], %(cap)s, %(days)s,
                  %(minimum)s, %(effective)s, %(actor)s, %(now)s
           from commission_rate where (program_id, asset) = (%(program)s, %(asset)s)""",
        {
            "program": program_id,
            "asset": asset,
            "base": terms.base,
            "mode": terms.mode,
            "levels": list(terms.levels),
            "cap": terms.cap_bps,
            "days": terms.mature_days,
            "minimum": terms.minimum,
            "effective": begins,
            "actor": actor,
            "now": now,
        },
    )
    # A lower minimum may let what carried over be paid.
    conn.execute(
        """update affiliate set due_at = least(due_at, %(at)s) where id in (
               select a.id from affiliate a where a.program_id = %(program)s and exists (
                   select from commission c where (c.affiliate_id, c.asset) = (a.id, %(asset)s) and c.state in ('payable', 'paid'))
               order by a.id for no key update)""",
        {"at": begins, "program": program_id, "asset": asset},
    )
    return _select(conn, "where (program_id, asset) = (%s, %s) order by version desc limit 1", [program_id, asset])[0]


def terms_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[CommissionRate]:
    """The versions of these ids, in any order."""
    programs = [one.partition(":")[0] for one in ids]
    return _select(conn, "where program_id = any(%s) and id = any(%s) order by id limit %s", [programs, list(ids), len(ids)])


def _select(conn: Connection[Any], ending: LiteralString, given: Sequence[Any]) -> list[CommissionRate]:
    with conn.cursor(row_factory=class_row(CommissionRate)) as cur:
        return cur.execute(
            """select program_id, asset, version, base, mode, levels, cap_bps, mature_days, minimum, effective_at, actor, recorded_at
               from listed_commission_rate """
            + ending,
            given,
        ).fetchall()


TERMS_LIST: Final = PlainList(
    "commission_rates",
    "",
    "listed_commission_rate",
    terms_by_id,
    (SortKey("asset", str), SortKey("version", int), SortKey("effective_at", datetime), SortKey("cap_bps", int)),
    (Narrow("asset", "t.asset = %(asset)s", "Only of sales in this asset.", "asset"), *between_moments("effective_at", "effective")),
    order="-effectiveAt",
)

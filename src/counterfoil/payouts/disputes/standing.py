"""Disputes as payouts see them: whose money is held, and what is ruled. Select only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection


class DisputeStanding(NamedTuple):
    """The open dispute on a settlement's invoice. `appeal_until`: from then on its ruling takes effect."""

    id: str
    state: str
    outcome: str | None
    appeal_until: datetime | None
    now: datetime

    def why_not(self, *outcomes: str) -> str | None:
        """Why a ruling of one of these outcomes does not take effect now; None when it may."""
        if self.state != "resolved_pending_appeal" or self.appeal_until is None:
            return f"dispute {self.id} is {self.state.replace('_', ' ')}: it is decided first"
        if self.outcome not in outcomes:
            return f"dispute {self.id} was resolved as {(self.outcome or '').replace('_', ' ')}"
        if self.now < self.appeal_until:
            return f"the ruling of dispute {self.id} may be appealed until {self.appeal_until.isoformat()}; nothing moves before"
        return None


def disputes_of(conn: Connection[Any], settlement_ids: Iterable[str], *, now: datetime) -> dict[str, DisputeStanding]:
    """The open dispute of each of these settlements that has one."""
    rows = conn.execute(
        """select s.id, d.id, d.state, d.outcome, d.appeal_until from settlement s
           join dispute d on d.invoice_id = s.invoice_id and d.ended_at is null where s.id = any(%s)""",
        [sorted(set(settlement_ids))],
    ).fetchall()
    return {row[0]: DisputeStanding(row[1], row[2], row[3], row[4], now) for row in rows}


def in_dispute(conn: Connection[Any], settlement_ids: Iterable[str]) -> set[str]:
    """Which of these settlements and releases of escrows wait for a dispute or a chargeback: on their own invoice, or on money that a
    dispute says went out to the same payee before."""
    wanted = sorted(set(settlement_ids))
    rows = conn.execute(
        """select s.id from payout_source s where s.id = any(%s) and exists (
               select from dispute d where d.ended_at is null and (d.invoice_id = s.invoice_id or (
                   d.program_id = s.program_id and d.payee_id = s.payee_id and d.asset = s.asset and exists (
                       select from payout p join provider_payout pp on pp.payout_id = p.id join call c on c.subject_id = pp.id
                       where p.invoice_id = d.invoice_id))))
           union select s.id from settlement s join chargeback c on c.invoice_id = s.invoice_id and c.ended_at is null
           where s.id = any(%s)""",
        [wanted, wanted],
    ).fetchall()
    return {row[0] for row in rows}


def contests_of(conn: Connection[Any], invoice_id: str) -> list[str]:
    """The ids of the dispute and of the chargebacks that are open on an invoice."""
    rows = conn.execute(
        """select id from dispute where invoice_id = %(id)s and ended_at is null
           union all select id from chargeback where invoice_id = %(id)s and ended_at is null order by id""",
        {"id": invoice_id},
    ).fetchall()
    return [row[0] for row in rows]


def is_contested(conn: Connection[Any], invoice_id: str) -> bool:
    """Is a dispute or a chargeback open on an invoice?"""
    return bool(contests_of(conn, invoice_id))

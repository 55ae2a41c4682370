"""Disputes as payouts see them: whose money is held, and what is ruled. Select only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row


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
    wanted = sorted(set(settlement_ids))
    if not wanted:
        return {}
    rows = conn.execute(
        """select s.id, d.id, d.state, d.outcome, d.appeal_until from settlement s
           join dispute d on d.invoice_id = s.invoice_id and d.ended_at is null where s.id = any(%s)""",
        [wanted],
    ).fetchall()
    return {row[0]: DisputeStanding(row[1], row[2], row[3], row[4], now) for row in rows}


class HeldByDispute(NamedTuple):
    """What waits for the end of a dispute, in minor units: what was paid and is not settled (by the invoice), a payout, or a tranche of the
    holdback."""

    what: Literal["not settled", "payout", "holdback"]
    about: str
    asset: str
    amount: int


def held_by_dispute(conn: Connection[Any], dispute_id: str, /, *, rows_max: int) -> list[HeldByDispute]:
    """What of its invoice is held while the dispute is open; nothing once it has ended."""
    with conn.cursor(row_factory=class_row(HeldByDispute)) as cur:
        return cur.execute(
            """with open as (select invoice_id, program_id, asset from dispute where id = %(id)s and ended_at is null)
               select 'not settled' as what, o.invoice_id as about, o.asset, (a.credits - a.debits)::bigint as amount
               from open o join book b on (b.program_id, b.asset) = (o.program_id, o.asset)
               join account a on a.book_id = b.id and a.name = 'escrow:' || o.invoice_id where a.credits > a.debits
               union all
               select 'payout', p.id, p.asset, p.amount from open o join payout p on p.invoice_id = o.invoice_id and p.state = 'held'
               union all
               select 'holdback', t.id, t.asset,
                      (t.amount - coalesce((select sum(u.amount) from holdback_use u where u.tranche_id = t.id), 0))::bigint
               from open o join settlement s on s.invoice_id = o.invoice_id
               join holdback_tranche t on t.settlement_id = s.id and t.state = 'held'
               order by 1 desc, 2 limit %(most)s""",
            {"id": dispute_id, "most": rows_max},
        ).fetchall()


class Contest(NamedTuple):
    """What is open on an invoice: our own dispute, or a chargeback of the customer's bank, by its id, and since when. `appeal_until`: a
    dispute is decided, and its ruling has effect then."""

    kind: Literal["dispute", "chargeback"]
    id: str
    opened_at: datetime | None = None
    appeal_until: datetime | None = None

    @property
    def why(self) -> str:
        """What waits for it, in words."""
        if self.appeal_until is not None:
            at = f"{self.appeal_until:%Y-%m-%d %H:%M} UTC"
            return f"dispute {self.id} is decided, and its ruling has effect at {at} unless it is appealed"
        until = "it is decided" if self.kind == "dispute" else "the customer's bank has decided"
        return f"{self.kind} {self.id} is open, until {until}"


def contests_of(conn: Connection[Any], invoice_id: str) -> list[Contest]:
    """The dispute and the chargebacks that are open on an invoice, the dispute first."""
    return contests_by_invoice(conn, [invoice_id]).get(invoice_id, [])


def contests_by_invoice(conn: Connection[Any], invoice_ids: Iterable[str]) -> dict[str, list[Contest]]:
    """What is open on each of these invoices that has anything open, the dispute first."""
    found: dict[str, list[Contest]] = {}
    rows = conn.execute(
        """select invoice_id, 'dispute' as kind, id, opened_at, appeal_until from dispute
           where invoice_id = any(%(ids)s) and ended_at is null
           union all
           select invoice_id, 'chargeback', id, opened_at, null from chargeback where invoice_id = any(%(ids)s) and ended_at is null
           order by 1, 2 desc, 3""",
        {"ids": sorted(set(invoice_ids))},
    ).fetchall()
    for invoice_id, *contest in rows:
        found.setdefault(invoice_id, []).append(Contest(*contest))
    return found


def in_dispute(conn: Connection[Any], settlement_ids: Iterable[str]) -> dict[str, str]:
    """Which of these settlements and releases of escrows wait for a dispute or a chargeback, and why: on their own invoice, or on money
    that a dispute says went out to the same payee before."""
    rows = conn.execute(
        """select s.id, 'chargeback' as kind, c.id as contest, null::text as elsewhere, null::timestamptz as appeal_until from settlement s
           join chargeback c on c.invoice_id = s.invoice_id and c.ended_at is null where s.id = any(%(ids)s)
           union all
           select s.id, 'dispute', d.id, nullif(d.invoice_id, s.invoice_id), d.appeal_until from payout_source s
           join dispute d on d.ended_at is null and (d.invoice_id = s.invoice_id or (
               d.program_id = s.program_id and d.payee_id = s.payee_id and d.asset = s.asset and exists (
                   select from payout p join provider_payout pp on pp.payout_id = p.id join call c on c.subject_id = pp.id
                   where p.invoice_id = d.invoice_id)))
           where s.id = any(%(ids)s)
           order by 1, kind, elsewhere nulls last, contest desc""",  # the last one of a settlement is what is told
        {"ids": sorted(set(settlement_ids))},
    ).fetchall()
    found = {}
    for settlement, kind, contest, elsewhere, appeal_until in rows:
        why = Contest(kind, contest, appeal_until=appeal_until).why
        about = f"dispute {contest} about money of invoice {elsewhere} that went out to the same payee"
        found[settlement] = why if elsewhere is None else why.replace(f"dispute {contest}", about, 1)
    return found


def is_contested(conn: Connection[Any], invoice_id: str) -> bool:
    """Is a dispute or a chargeback open on an invoice?"""
    return bool(contests_of(conn, invoice_id))

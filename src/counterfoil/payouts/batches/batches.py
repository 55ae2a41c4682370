"""Payout batches as they stand: one, many, their lines, who approved them. Select only, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import listed
from counterfoil.base.problems import NotFound
from counterfoil.payouts.batches.machine import APPROVAL_LIFE, ENDED_UNPAID, LINES_MAX, SERVICE_LEVEL
from counterfoil.payouts.machines import PAYOUT


class PayoutBatch(NamedTuple):
    """A payout batch; its total in minor units. `approve_by` and `execute_by`: the 24 hours of the service level; `late`: they passed.

    `approvers`: how many people it takes; of a draft, by the policy as it is. `sha256` is of its frozen lines, in hex: what people approve.
    `lines_left`: they are not paid in it any more. `not_by_rule` is why it takes people.
    """

    id: str
    program_id: str
    asset: str
    amount: int
    state: str
    lines: int
    lines_paid: int
    lines_left: int
    approvals: int
    approvers: int
    by_rule: bool
    not_by_rule: str | None
    sha256: str | None
    maker: str
    created_at: datetime
    approve_by: datetime | None
    approved_at: datetime | None
    expires_at: datetime | None
    execute_by: datetime | None
    late: bool


class BatchLine(NamedTuple):
    """One line: a payout, to whom and how much (minor units), and how far it is. `why`: why it waits, failed, came back, or left the
    batch."""

    number: int
    payout_id: str
    payee_id: str
    destination_id: str
    provider: str
    asset: str
    amount: int
    status: str
    why: str | None


class BatchApproval(NamedTuple):
    """Who approved it when; `counts`: of the lines as they are frozen now, in the present round."""

    approver: str
    at: datetime
    round: int
    sha256: str
    counts: bool


def show_batch(conn: Connection[Any], batch_id: str) -> PayoutBatch:
    """One batch. Raises NotFound."""
    found = _select(conn, "where b.id = %(id)s", {"id": batch_id})
    if not found:
        raise NotFound(what="batch", id=batch_id)
    return found[0]


def batches_by_id(conn: Connection[Any], ids: Sequence[str]) -> Sequence[PayoutBatch]:
    """These batches, in id order."""
    return _select(conn, "where b.id = any(%(ids)s) order by b.id", {"ids": list(ids)})


def list_batches(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> Sequence[PayoutBatch]:
    """Batches, newest first."""
    ending = """where (%(after)s::text is null or b.id < %(after)s) and (%(state)s::text is null or b.state = %(state)s)
                order by b.id desc limit %(rows)s"""
    return _select(conn, ending, {"after": after, "state": state, "rows": rows_max})


def batches_waiting(conn: Connection[Any], *, rows_max: int, program_id: str | None = None) -> tuple[int, Sequence[PayoutBatch]]:
    """How many batches wait for people, and those that have waited longest."""
    which = "b.state = 'pending_approval' and (%(program)s::text is null or b.program_id = %(program)s)"
    row = conn.execute(f"select count(*) from payout_batch b where {which}", {"program": program_id}).fetchone()
    rows = _select(conn, f"where {which} order by b.frozen_at, b.id limit %(rows)s", {"program": program_id, "rows": rows_max})
    return (row[0] if row else 0), rows


def _select(conn: Connection[Any], ending: LiteralString, given: dict[str, Any]) -> list[PayoutBatch]:
    with conn.cursor(row_factory=class_row(PayoutBatch)) as cur:
        return cur.execute(
            """select b.id, b.program_id, b.asset, b.amount, b.state, b.lines, l.lines_paid, l.lines_left,
                      (select count(*) from payout_batch_approval a
                       where (a.batch_id, a.round, a.sha256) = (b.id, b.round, b.sha256))::integer as approvals,
                      case b.state when 'draft' then coalesce(
                               (select max(t.needed) from payout_policy_in_force p,
                                    unnest(p.tiers_above, p.tiers_approvers) t (above, needed)
                                where (p.program_id, p.asset) = (b.program_id, b.asset) and b.amount > t.above), 1)
                           else b.approvers end as approvers,
                      b.by_rule, b.not_by_rule, encode(b.sha256, 'hex') as sha256, b.maker, b.created_at,
                      case when b.state = 'pending_approval' then b.frozen_at + %(level)s end as approve_by, b.approved_at,
                      case when b.state = 'approved' then b.approved_at + %(life)s end as expires_at,
                      b.approved_at + %(level)s as execute_by,
                      case when b.state = 'pending_approval' then clock_timestamp() > b.frozen_at + %(level)s
                           when b.state in ('executed', 'closed') then b.state_at > b.approved_at + %(level)s
                           else coalesce(clock_timestamp() > b.approved_at + %(level)s, false) end as late
               from payout_batch b
               cross join lateral (select count(*) filter (where paid_at is not null)::integer as lines_paid,
                                          count(*) filter (where left_at is not null)::integer as lines_left
                                   from payout_batch_line l where l.batch_id = b.id and l.removed_at is null) l """
            + ending,
            {**given, "level": SERVICE_LEVEL, "life": APPROVAL_LIFE},
        ).fetchall()


def lines_of(conn: Connection[Any], batch_id: str, *, rows_max: int = LINES_MAX) -> list[BatchLine]:
    """The lines of a batch in their order, without those that were taken out while it was a draft."""
    return _lines(conn, "true", batch_id, rows_max)


def stopped_lines_of(conn: Connection[Any], batch_id: str, *, rows_max: int = LINES_MAX) -> list[BatchLine]:
    """Those of them that do not go on by themselves, so that one among hundreds is seen: they left it, are held, wait for something else
    than the batch, ended unpaid, or came back after they had arrived."""
    ended = listed((*ENDED_UNPAID, *PAYOUT.before("retry"), "held"))
    stopped = f"""l.left_at is not null or p.state = 'returned' or l.paid_at is null and (
                      p.state in {ended} or p.state = 'pending' and p.last_error is not null
                                            and not starts_with(p.last_error, 'it is in batch ' || l.batch_id))"""
    return _lines(conn, stopped, batch_id, rows_max)


def _lines(conn: Connection[Any], which: LiteralString, batch_id: str, rows_max: int) -> list[BatchLine]:
    with conn.cursor(row_factory=class_row(BatchLine)) as cur:
        return cur.execute(
            f"""select l.number, l.payout_id, l.payee_id, l.destination_id, l.provider, l.asset, l.amount,
                      case when p.state = 'returned' then p.state when l.paid_at is not null then 'paid'
                           when l.left_at is not null then 'left' else p.state end as status,
                      case when l.left_at is not null then l.left_why
                           when l.paid_at is null or p.state = 'returned' then p.last_error end as why
               from payout_batch_line l join payout p on p.id = l.payout_id
               where l.batch_id = %s and l.removed_at is null and ({which}) order by l.number limit %s""",
            [batch_id, rows_max],
        ).fetchall()


def approvals_of(conn: Connection[Any], batch_id: str, *, rows_max: int) -> list[BatchApproval]:
    """Everybody who ever approved it, the first one first."""
    with conn.cursor(row_factory=class_row(BatchApproval)) as cur:
        return cur.execute(
            """select a.approver, a.at, a.round, encode(a.sha256, 'hex') as sha256,
                      (a.round, a.sha256) = (b.round, b.sha256) as counts
               from payout_batch_approval a join payout_batch b on b.id = a.batch_id
               where a.batch_id = %s order by a.at, a.principal_id limit %s""",
            [batch_id, rows_max],
        ).fetchall()


class LockedBatch(NamedTuple):
    """What decides on a batch. `sha256` is what was frozen, `digest` that of the lines as they are."""

    id: str
    program_id: str
    asset: str
    state: str
    amount: int
    round: int
    sha256: bytes | None
    digest: bytes
    approvers: int
    by_rule: bool
    approved_at: datetime | None

    @property
    def altered(self) -> bool:
        """It was frozen, and its lines are others now."""
        return self.sha256 is not None and bytes(self.sha256) != bytes(self.digest)


def lock_batch(conn: Connection[Any], batch_id: str) -> LockedBatch:
    """One batch, locked until the end of the transaction. Raises NotFound."""
    return _standing(conn, batch_id, " for no key update")


def standing_batch(conn: Connection[Any], batch_id: str) -> LockedBatch:
    """The same, without a lock: to say what could be done. Raises NotFound."""
    return _standing(conn, batch_id, "")


def _standing(conn: Connection[Any], batch_id: str, ending: str) -> LockedBatch:
    with conn.cursor(row_factory=class_row(LockedBatch)) as cur:
        found = cur.execute(
            """select id, program_id, asset, state, amount, round, sha256, payout_batch_digest(id) as digest, approvers, by_rule,
                      approved_at
               from payout_batch where id = %s"""
            + ending,
            [batch_id],
        ).fetchone()
    if found is None:
        raise NotFound(what="batch", id=batch_id)
    return found

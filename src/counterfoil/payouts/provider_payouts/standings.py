"""Attempts as they stand, locked with all of their settlement: every decision is made on what is true while it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.work.calls import begun
from counterfoil.payouts.provider_payouts.conflicts import attempts_in_conflict
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout

_SETTLEMENTS: Final = "select p.settlement_id from provider_payout pp join payout p on p.id = pp.payout_id"


def lock_by_key(conn: Connection[Any], provider: str, keys: Sequence[str], *, now: datetime) -> list[LockedProviderPayout]:
    """The provider payouts with these keys, in id order; they and all of their settlements are locked."""
    wanted = set(keys)
    where = f"{_SETTLEMENTS} where pp.provider = %s and pp.idempotency_key = any(%s)"
    found = _lock(conn, where, [provider, sorted(wanted)], now)
    return [one for one in found if one.provider == provider and one.key in wanted]


def lock_by_id(conn: Connection[Any], ids: Sequence[str], *, now: datetime) -> list[LockedProviderPayout]:
    """These provider payouts, in id order; they and all of their settlements are locked."""
    wanted = set(ids)
    found = _lock(conn, f"{_SETTLEMENTS} where pp.id = any(%s)", [sorted(wanted)], now)
    return [one for one in found if one.id in wanted]


def lock_settlements(conn: Connection[Any], settlement_ids: Iterable[str], *, now: datetime) -> list[LockedProviderPayout]:
    """Every attempt at these settlements' payouts, locked, in id order."""
    return _lock(conn, "select unnest(%s::text[])", [sorted(set(settlement_ids))], now)


def standings_of(conn: Connection[Any], settlement_ids: Iterable[str], *, now: datetime) -> list[LockedProviderPayout]:
    """Every attempt at these settlements' payouts as they are, in id order; nothing is locked."""
    return _lock(conn, "select unnest(%s::text[])", [sorted(set(settlement_ids))], now, lock="")


def _lock(
    conn: Connection[Any], settlements: str, given: list[Any], now: datetime, lock: str = "for update of pp, p"
) -> list[LockedProviderPayout]:
    """Attempts first, then payouts, each in id order: all who lock them do it so."""
    with conn.cursor(row_factory=class_row(LockedProviderPayout)) as cur:
        found = cur.execute(
            f"""select pp.id, pp.payout_id, pp.program_id, p.payee_id, pp.provider, pp.asset, pp.amount,
                       pp.idempotency_key as key, pp.state, p.state as payout_state, pp.provider_ref,
                       pp.request_sent_at, pp.sent_at, pp.attempt, p.settlement_id, pp.failed_by, pp.unconfirmed, pp.not_there_at,
                       pp.paid, pp.beyond, pp.number
                from provider_payout pp join payout p on p.id = pp.payout_id
                where p.settlement_id in ({settlements}) order by pp.id {lock}""",
            given,
        ).fetchall()
    ids = [one.id for one in found]
    calls, disputed = begun(conn, ids, now=now), attempts_in_conflict(conn, ids)
    paid = [one for one in found if one.state == "succeeded"]
    return [
        one._replace(
            calls=calls[one.id].calls,
            open_calls=calls[one.id].open,
            first_call_at=calls[one.id].first_at,
            last_call_at=calls[one.id].last_at,
            closed_at=calls[one.id].closed_at,
            noes=calls[one.id].noes,
            conflict=one.id in disputed,
            paid_beside=any(_instead(other, one) for other in paid),
        )
        for one in found
    ]


def _instead(paid: LockedProviderPayout, one: LockedProviderPayout) -> bool:
    """Did another attempt pay what this one would? One of an earlier payout of the settlement that was wholly owed did not: a later
    payout has money of its own, such as a holdback that was released."""
    return paid.id != one.id and paid.settlement_id == one.settlement_id and (paid.payout_id == one.payout_id or paid.beyond > 0)

"""What a provider says again of a chargeback: the same changes nothing; other facts are kept as a conflict for a person, and not booked."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.ids import MakeId
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.model import Chargeback

CAUSE_MAX = 200


class ChargebackConflict(NamedTuple):
    """A word that excludes what was known of a chargeback: `differs` says in what, `status` what it wanted it to be; minor units."""

    id: str
    at: datetime
    status: str
    differs: str
    asset: str
    amount: int
    fee: int
    cause: str


def agrees(conn: Connection[Any], known: Chargeback, fact: ChargebackFact, *, make_id: MakeId, now: datetime) -> bool:
    """Does a word fit what is known, so that it may take effect? If not it is kept and told, once.

    Another reason alone is told, too, and stops nothing: no money follows from it.
    """
    differs = differing(known, fact)
    if differs:
        _keep(conn, known, fact, differs, make_id, now)
    return not set(differs) - {"reason"}


def was_stopped(conn: Connection[Any], chargeback_id: str) -> bool:
    """Did a word of a chargeback take no effect, since it excluded what was known? Another reason alone stops nothing, and comes last in
    what differs."""
    row = conn.execute(
        "select from chargeback_conflict where chargeback_id = %s and not starts_with(differs, 'reason was ') limit 1", [chargeback_id]
    ).fetchone()
    return row is not None


def differing(known: Chargeback, fact: ChargebackFact) -> dict[str, str]:
    """What a word says otherwise than what is known, by field. Pure.

    What was won may come back with its fee, or a part of it, at once or later; and an early word that comes late knows nothing of that yet.
    """
    fee = known.fee - known.fee_back if known.state == fact.status else known.fee
    fees_fit = fact.fee <= known.fee if fact.status == "won" else fact.fee == fee or (known.state == "won" and fact.status == "open")
    points = {
        "status": (known.state, fact.status, known.state in ("open", fact.status) or fact.status == "open"),
        "charge": (known.charge_id, fact.charge_id, known.charge_id == fact.charge_id),
        "asset": (known.asset, fact.asset, known.asset == fact.asset),
        "amount": (known.amount, fact.amount, known.amount == fact.amount),
        "fee": (fee, fact.fee, fees_fit),
        "reason": (known.cause, fact.cause, known.cause == fact.cause[:CAUSE_MAX]),
    }
    return {name: f"{name} was {was}, now {says}" for name, (was, says, fits) in points.items() if not fits}


def _keep(conn: Connection[Any], known: Chargeback, fact: ChargebackFact, differs: dict[str, str], make_id: MakeId, now: datetime) -> None:
    said = {
        "status": fact.status,
        "charge": fact.charge_id,
        "asset": fact.asset,
        "amount": str(fact.amount),
        "fee": str(fact.fee),
        "reason": fact.cause[:CAUSE_MAX],
    }
    digest = hashlib.sha256(canonical_json(said).encode()).digest()
    text = "; ".join(differs.values())
    fresh = conn.execute(
        """insert into chargeback_conflict (id, chargeback_id, program_id, said, said_sha256, differs, at)
           values (%s, %s, %s, %s, %s, %s, %s) on conflict (chargeback_id, said_sha256) do nothing""",
        [make_id("cbc"), known.id, known.program_id, Jsonb(said), digest, text[:1000], now],
    ).rowcount
    if fresh:
        told = {"was": known.state, "says": fact.status, "differs": text, "provider": known.provider}
        emit(conn, [NewEvent("chargeback_conflict", known.program_id, known.id, told, once=digest.hex()[:32])], at=now)


def conflicts_of(conn: Connection[Any], chargeback_id: str, *, rows_max: int) -> list[ChargebackConflict]:
    """What was said otherwise of a chargeback, the first one first."""
    with conn.cursor(row_factory=class_row(ChargebackConflict)) as cur:
        return cur.execute(
            """select id, at, said ->> 'status' as status, differs, said ->> 'asset' as asset, (said ->> 'amount')::bigint as amount,
                      (said ->> 'fee')::bigint as fee, said ->> 'reason' as cause
               from chargeback_conflict where chargeback_id = %s order by at, id limit %s""",
            [chargeback_id, rows_max],
        ).fetchall()

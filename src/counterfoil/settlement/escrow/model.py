"""Escrows as they stand: their states, their rows, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Machine
from counterfoil.base.rows import Records
from counterfoil.operations.events.events import declare
from counterfoil.operations.work.runner import Queue
from counterfoil.settlement.escrow.rules import CONDITIONS_MAX, Condition, reached_text, terms_of

ESCROW: Final = Machine(
    name="escrow",
    table="escrow",
    initial=("pending",),
    transitions={
        ("pending", "fund_part"): "pending",
        ("pending", "fund"): "active",
        ("pending", "refund"): "refunded",
        ("pending", "expire"): "expired",
        ("active", "release_part"): "active",
        ("active", "refund_part"): "active",
        ("active", "release"): "released",
        ("active", "refund"): "refunded",
        ("active", "split"): "split",
        ("active", "expire"): "expired",
        ("active", "freeze"): "disputed",
        ("active", "charge_back_part"): "active",
        ("disputed", "charge_back_part"): "disputed",
        ("disputed", "freeze"): "disputed",  # by a person, of what a chargeback froze
        ("disputed", "unfreeze"): "active",
        ("disputed", "release"): "released",
        ("disputed", "refund"): "refunded",
        ("disputed", "split"): "split",
    },
    reasoned=frozenset({"freeze", "unfreeze"}),
)
EXPIRING: Final = Queue("escrow_expiry", "escrow", ESCROW.before("expire"), program="program_id")
EVENT_KINDS: Final = declare(
    info={
        "escrow_funded": "Money came into an escrow.",
        "escrow_released": "Money of an escrow was earned by its payee.",
        "escrow_refunded": "Money of an escrow is owed back to its customer.",
        "escrow_frozen": "An escrow is disputed: nothing leaves it, and it does not expire.",
        "escrow_unfrozen": "An escrow is no longer disputed.",
    },
    warning={
        "escrow_charged_back": "What funded an escrow stays with the customer's bank, and was taken out of the escrow.",
        "escrow_expires_soon": "An escrow expires within a day; what is in it goes back to its customer then.",
        "escrow_expired": "An escrow's time was over; what was in it is owed back to its customer.",
    },
)


class Escrow(NamedTuple):
    """An escrow as it stands; amounts in minor units. `remaining` is in it: funded less released less refunded."""

    id: str
    program_id: str
    customer_id: str
    payee_id: str
    asset: str
    amount: int
    funded: int
    released: int
    refunded: int
    repaid: int
    remaining: int
    reference: str
    rate_version: int
    expires_at: datetime
    created_at: datetime
    state: str
    state_at: datetime


class ConditionStanding(NamedTuple):
    """A condition of an escrow: what it says, how far it is, and whether it holds."""

    number: int
    kind: str
    terms: str
    reached: str
    holds: bool


class EscrowMovement(NamedTuple):
    """Money that came into an escrow, or left it; minor units. The fees and the net are those of a release."""

    number: int
    at: datetime
    kind: str
    amount: int
    platform_fee: int
    validator_fee: int
    net: int
    provider: str | None
    reference: str | None
    by_ruling: bool
    actor: str
    reason: str | None
    id: str


class EscrowEvidence(NamedTuple):
    """A signature, or a score in millionths, for one of the conditions."""

    at: datetime
    condition: int
    actor: str
    score_micro: int | None
    source: str | None


ESCROWS: Final = Records(
    Escrow,
    """select id, program_id, customer_id, payee_id, asset, amount, funded, released, refunded, repaid,
              funded - released - refunded as remaining, reference, rate_version, expires_at, created_at, state, state_at
       from escrow""",
    "escrow",
)
show_escrow: Final = ESCROWS.show
list_escrows: Final = ESCROWS.newest


def escrows_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Escrow]:
    """These escrows, locked, in id order; those that do not exist are not in the answer."""
    return ESCROWS.by_id(conn, ids, lock=True)


def conditions_of(
    conn: Connection[Any], escrow_id: str, *, at: datetime | None = None, rows_max: int = CONDITIONS_MAX
) -> list[ConditionStanding]:
    """The conditions of an escrow, and how each stands at this moment; by the database's clock when none is given."""
    rows = conn.execute(
        """select c.number, c.kind, c.not_before, c.signers, c.needed, c.least_micro, s.reached, s.holds
           from escrow_condition c join escrow_standing(%s, coalesce(%s, clock_timestamp())) s using (number)
           where c.escrow_id = %s order by c.number limit %s""",
        [escrow_id, at, escrow_id, rows_max],
    ).fetchall()
    found = [(row, Condition(row[1], row[2], tuple(row[3]), row[4], row[5])) for row in rows]
    return [ConditionStanding(row[0], row[1], terms_of(one), reached_text(one, row[6]), row[7]) for row, one in found]


def movements_of(conn: Connection[Any], escrow_id: str, *, rows_max: int) -> list[EscrowMovement]:
    """What came in and went out, in its order."""
    with conn.cursor(row_factory=class_row(EscrowMovement)) as cur:
        return cur.execute(
            """select number, at, kind, amount, platform_fee, validator_fee, net, provider, reference, by_ruling, actor, reason, id
               from escrow_movement where escrow_id = %s order by number limit %s""",
            [escrow_id, rows_max],
        ).fetchall()


def evidence_of(conn: Connection[Any], escrow_id: str, *, rows_max: int) -> list[EscrowEvidence]:
    """Signatures and scores, the first one first."""
    with conn.cursor(row_factory=class_row(EscrowEvidence)) as cur:
        return cur.execute(
            """select at, condition, actor, score_micro, source from escrow_evidence
               where escrow_id = %s order by at, id limit %s""",
            [escrow_id, rows_max],
        ).fetchall()

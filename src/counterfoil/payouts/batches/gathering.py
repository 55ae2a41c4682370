"""Gathering a batch: which payouts go into it, each at what is owed for it now; and changing it while it is a draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import record_birth
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import Caller
from counterfoil.payouts.batches.facts import payees_of
from counterfoil.payouts.batches.machine import LEAVES, LINES_MAX, PAYOUT_BATCH, BatchFrozen, BatchNotNow, PayoutInBatch
from counterfoil.payouts.batches.policies import Policy, policies_of
from counterfoil.payouts.batches.rule import PayeeFacts
from counterfoil.payouts.destinations.destinations import Destination, active_destinations
from counterfoil.payouts.destinations.machine import NO_DESTINATION, QUARANTINED
from counterfoil.payouts.payouts.payable import owed_after_netting
from counterfoil.payouts.payouts.verbs import Payout, payouts_by_id
from counterfoil.payouts.provider_payouts.conflicts import in_conflict
from counterfoil.settlement.usage.usage import assets_of

SKIPPED_MAX = 100
BUSY: Final = "the worker, or somebody else, is at it at this moment: gather again, or add it"
_WANTED: Final[LiteralString] = """
    select p.id from payout p
    where p.program_id = %(program_id)s and p.asset = %(asset)s and p.state = 'pending'
      and (cardinality(%(payees)s::text[]) = 0 or p.payee_id = any(%(payees)s))
      and (%(created_before)s::timestamptz is null or p.created_at < %(created_before)s)
      and (%(amount_least)s::bigint is null or p.amount >= %(amount_least)s)
      and (%(amount_most)s::bigint is null or p.amount <= %(amount_most)s)"""
_FITS: Final[LiteralString] = _WANTED + " and not exists (select from payout_batch_line l where l.payout_id = p.id and l.live)"


class Wanted(NamedTuple):
    """Which pending payouts: of a program in an asset, and narrower where something is given. Amounts in minor units."""

    program_id: str
    asset: str
    payees: tuple[str, ...] = ()
    provider: str | None = None
    created_before: datetime | None = None
    amount_least: int | None = None
    amount_most: int | None = None


class Skipped(NamedTuple):
    """A payout that would fit and is not in the batch, and why."""

    payout_id: str
    why: str


class NewBatch(NamedTuple):
    """A batch that was made; of what was left out at most 100 are named, and all counted."""

    batch_id: str
    lines: int
    skipped: tuple[Skipped, ...]
    skipped_total: int


def gather_batch(conn: Connection[Any], wanted: Wanted, *, by: Caller, make_id: Callable[[str], str], now: datetime) -> NewBatch:
    """Make a draft of every payout that fits and may be paid. What payees owe is taken first, as before each payment.

    Raises InvalidInput for more than 1,000 payouts: nothing is cut short. Raises BatchNotNow when none is left.
    """
    assets = assets_of(conn, wanted.program_id)
    if wanted.asset not in assets:
        raise InvalidInput("asset", f"one of {', '.join(sorted(assets))}", got=wanted.asset[:12])
    found, busy = _pending(conn, wanted)
    payouts = payouts_by_id(conn, found)
    lines, skipped = _judged(conn, wanted.program_id, payouts, now, wanted.provider)
    skipped += [Skipped(one, BUSY) for one in busy]
    if not lines:
        first = f"; {skipped[0].payout_id}: {skipped[0].why}" if skipped else _batched(conn, wanted)
        raise BatchNotNow(why=f"no pending payout fits{first}", skipped=len(skipped))
    batch_id = make_id("bat")
    conn.execute(
        """insert into payout_batch (id, program_id, asset, created_by, maker, created_at, state, state_at)
           values (%s, %s, %s, %s, %s, %s, 'draft', %s)""",
        [batch_id, wanted.program_id, wanted.asset, by.principal_id, by.actor, now, now],
    )
    record_birth(conn, PAYOUT_BATCH, [batch_id], "draft", actor=by.actor, at=now)
    note_maker(conn, batch_id, by, now)
    _insert(conn, batch_id, lines)
    return NewBatch(batch_id, len(lines), tuple(skipped[:SKIPPED_MAX]), len(skipped))


def add_payout(conn: Connection[Any], batch_id: str, payout_id: str, *, by: Caller, now: datetime) -> None:
    """Put one more pending payout into a draft. Raises BatchFrozen, BatchNotNow, PayoutInBatch."""
    program_id, asset = _draft(conn, batch_id)
    conn.execute("select from payout where id = %s for update", [payout_id])
    found = [one for one in payouts_by_id(conn, [payout_id]) if (one.program_id, one.asset) == (program_id, asset)]
    if not found or found[0].state != "pending":
        why = f"it is {found[0].state}" if found else f"it is no payout of {program_id} in {asset}"
        raise InvalidInput("payout_id", f"a pending payout of this batch's program and asset: {why}", got=payout_id[:40])
    _refuse_batched(conn, batch_id, payout_id)
    lines, skipped = _judged(conn, program_id, found, now, None)
    if skipped:
        raise BatchNotNow(batch=batch_id, payout=payout_id, why=skipped[0].why)
    _insert(conn, batch_id, lines)
    note_maker(conn, batch_id, by, now)


def remove_payout(conn: Connection[Any], batch_id: str, payout_id: str, *, by: Caller, now: datetime) -> None:
    """Take a payout out of a draft; it is judged by itself again. Raises BatchFrozen, InvalidInput."""
    _draft(conn, batch_id)
    free_payouts(conn, [payout_id], now)
    gone = conn.execute(
        """update payout_batch_line set live = false, removed_at = %s
           where batch_id = %s and payout_id = %s and removed_at is null""",
        [now, batch_id, payout_id],
    ).rowcount
    if gone == 0:
        raise InvalidInput("payout_id", "a payout of this batch", got=payout_id[:40])
    note_maker(conn, batch_id, by, now)
    _count(conn, batch_id)


def free_payouts(conn: Connection[Any], payout_ids: Sequence[str], now: datetime) -> None:
    """Have these judged by themselves again; they are locked from here on, in id order."""
    conn.execute("select from payout where id = any(%s) order by id for update", [list(payout_ids)])
    conn.execute("update payout set due_at = %s, attempt = 0 where id = any(%s) and state = 'pending'", [now, list(payout_ids)])


def note_maker(conn: Connection[Any], batch_id: str, by: Caller, now: datetime) -> None:
    """Whoever made or changed a batch never approves it."""
    conn.execute(
        """insert into payout_batch_maker (batch_id, program_id, principal_id, at)
           select id, program_id, %s, %s from payout_batch where id = %s on conflict do nothing""",
        [by.principal_id, now, batch_id],
    )


def _pending(conn: Connection[Any], wanted: Wanted) -> tuple[list[str], list[str]]:
    """What fits, its rows locked, and what fits and another hand has locked. Raises InvalidInput for more than a batch takes."""
    given = {**wanted._asdict(), "payees": list(wanted.payees), "limit": LINES_MAX + 1}
    fits = [row[0] for row in conn.execute(_FITS + " order by p.id limit %(limit)s", given).fetchall()]
    if len(fits) > LINES_MAX:
        raise InvalidInput("payouts", f"at most {LINES_MAX} payouts in a batch; narrow it by payee, amount or date")
    mine = conn.execute(_FITS + " and p.id = any(%(fits)s) order by p.id for update skip locked", {**given, "fits": fits}).fetchall()
    others = sorted(set(fits) - {row[0] for row in mine})
    still = conn.execute(_FITS + " and p.id = any(%(fits)s) order by p.id", {**given, "fits": others}).fetchall()
    return [row[0] for row in mine], [row[0] for row in still]


def _batched(conn: Connection[Any], wanted: Wanted) -> str:
    """Of what would fit the first that is in a batch already, in words; empty when there is none."""
    row = conn.execute(
        f"""select fits.id, l.batch_id, b.state from ({_WANTED}) fits join payout_batch_line l on l.payout_id = fits.id and l.live
            join payout_batch b on b.id = l.batch_id order by fits.id limit 1""",
        {**wanted._asdict(), "payees": list(wanted.payees)},
    ).fetchone()
    return f"; {row[0]}: it is in batch {row[1]} ({row[2]})" if row else ""


def _refuse_batched(conn: Connection[Any], batch_id: str, payout_id: str) -> None:
    """Its payout is locked. Raises PayoutInBatch with that batch."""
    row = conn.execute(
        "select b.id, b.state from payout_batch_line l join payout_batch b on b.id = l.batch_id where l.payout_id = %s and l.live",
        [payout_id],
    ).fetchone()
    if row is not None:
        leaves = "nothing: it is in this very batch" if row[0] == batch_id else LEAVES[row[1]].format(batch=row[0])
        raise PayoutInBatch(payout=payout_id, batch=row[0], batch_state=row[1], do=leaves)


class _NewLine(NamedTuple):
    payout: Payout
    destination: Destination
    amount: int


def _judged(
    conn: Connection[Any], program_id: str, payouts: Sequence[Payout], now: datetime, provider: str | None
) -> tuple[list[_NewLine], list[Skipped]]:
    payees = [one.payee_id for one in payouts]
    destinations = active_destinations(conn, program_id, payees)
    facts = payees_of(conn, program_id, payees, now=now)
    policies = policies_of(conn, program_id)
    disputed = in_conflict(conn, [one.settlement_id for one in payouts])
    lines: list[_NewLine] = []
    skipped: list[Skipped] = []
    owed = owed_after_netting(conn, payouts, actor="system:worker", now=now)
    for one in payouts:
        place, left = destinations.get(one.payee_id), owed.get(one.settlement_id, 0)
        if place is not None and provider not in (None, place.provider):
            continue  # it does not fit
        why = QUARANTINED if place is not None and place.quarantined else _why_not(one, facts, policies, disputed, left, now)
        if why is not None or place is None:
            skipped.append(Skipped(one.id, why or NO_DESTINATION))
        else:
            lines.append(_NewLine(one, place, min(one.amount, left)))
    return lines, skipped


def _why_not(
    one: Payout,
    facts: Mapping[str, PayeeFacts],
    policies: Mapping[str, Policy],
    disputed: Mapping[str, str],
    left: int,
    now: datetime,
) -> str | None:
    payee, policy = facts.get(one.payee_id), policies.get(one.asset)
    if payee is None:
        return NO_DESTINATION
    if one.settlement_id in disputed:
        return disputed[one.settlement_id]
    if left <= 0:
        return "nothing is owed for its settlement any more"
    return cooling_off(payee, policy.cooling, now) if policy is not None else None  # without one, the gate waits by the setting


def cooling_off(payee: PayeeFacts, cooling: timedelta, now: datetime) -> str | None:
    """Why nothing at all is paid to a payee whose destination was changed a short while ago; None when that is over."""
    until = payee.destination_at + cooling
    return cools_until(payee.payee_id, until) if payee.changed and until > now else None


def cools_until(payee_id: str, until: datetime) -> str:
    """As a payout that waits for it says it."""
    return f"the destination of {payee_id} was changed; it cools off until {until:%Y-%m-%d %H:%M} UTC"


def _insert(conn: Connection[Any], batch_id: str, lines: Sequence[_NewLine]) -> None:
    conn.execute(
        """insert into payout_batch_line (batch_id, number, program_id, payout_id, payee_id, destination_id, provider, asset, amount)
           select b.id, row_number() over () + (select coalesce(max(l.number), 0) from payout_batch_line l where l.batch_id = b.id),
                  b.program_id, r.payout_id, r.payee_id, r.destination_id, r.provider, b.asset, r.amount
           from payout_batch b, unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
                as r (payout_id, payee_id, destination_id, provider, amount) where b.id = %s""",
        [
            [one.payout.id for one in lines],
            [one.payout.payee_id for one in lines],
            [one.destination.id for one in lines],
            [one.destination.provider for one in lines],
            [one.amount for one in lines],
            batch_id,
        ],
    )
    conn.execute(
        "update payout set due_at = null, last_error = %s where id = any(%s)",
        [f"it is in batch {batch_id}", [one.payout.id for one in lines]],
    )
    _count(conn, batch_id)


def _count(conn: Connection[Any], batch_id: str) -> None:
    conn.execute(
        """update payout_batch b set (lines, amount) = (
               select count(*), coalesce(sum(amount), 0) from payout_batch_line l where l.batch_id = b.id and l.removed_at is null)
           where b.id = %s""",
        [batch_id],
    )


def _draft(conn: Connection[Any], batch_id: str) -> tuple[str, str]:
    row = conn.execute("select program_id, asset, state from payout_batch where id = %s for no key update", [batch_id]).fetchone()
    if row is None or row[2] != "draft":
        raise BatchFrozen(batch=batch_id, state=row[2] if row else None)
    return row[0], row[1]

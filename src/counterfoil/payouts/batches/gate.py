"""The gate: whether a payout may be reserved now. Asked in the transaction that reserves it, under lock; nothing is reserved past it.

It does not matter when a payout is due, nor why: what was approved is a line of a batch, exactly as it was frozen, or what the rule of the
program's policy lets go. Without a policy everything may be paid, and is written down so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.payouts.batches.facts import Treasury, alarms_of, broken_providers, changed_since, lock_treasury, payees_of, treasuries_of
from counterfoil.payouts.batches.gathering import cooling_off, cools_until
from counterfoil.payouts.batches.machine import PAYS
from counterfoil.payouts.batches.policies import Policy, policies_of
from counterfoil.payouts.batches.rule import Doubt, PayeeFacts, doubt_about_amount, doubt_about_everything, doubt_about_payee

ASKED_AGAIN_EVERY: Final = timedelta(hours=1)
COVER_ASKED_EVERY: Final = timedelta(minutes=5)


class Asked(NamedTuple):
    """A payout that is about to be reserved: of this amount (minor units), to this destination."""

    payout_id: str
    payee_id: str
    asset: str
    amount: int
    destination_id: str
    provider: str


class Allowed(NamedTuple):
    """It may: by what."""

    basis: str
    policy_version: int | None = None
    batch_id: str | None = None


class Waits(NamedTuple):
    """It may not, and why; `again_at`: when it is asked again, None until somebody does something."""

    why: str
    again_at: datetime | None = None


class _ApprovedLine(NamedTuple):
    payout_id: str
    batch_id: str
    number: int
    amount: int
    destination_id: str
    state: str
    as_frozen: bool


def decide(
    conn: Connection[Any], program_id: str, asked: Sequence[Asked], *, cooling: timedelta, now: datetime
) -> dict[str, Allowed | Waits]:
    """For each of these payouts of a program whether it may be reserved. The payouts are locked by whoever asks.

    `cooling`: for how long nothing goes to a destination that was changed, in an asset whose policy does not say it.
    """
    lines = _lines(conn, [one.payout_id for one in asked])
    policies = policies_of(conn, program_id)
    if not lines and not policies:
        changed = changed_since(conn, program_id, [one.payee_id for one in asked], since=now - cooling)
        return {one.payout_id: _cools(one.payee_id, changed, cooling) or Allowed("none") for one in asked}
    lock_treasury(conn, program_id)
    gate = _Gate(conn, program_id, asked, policies, cooling, now)
    return {one.payout_id: gate.answer(one, lines.get(one.payout_id)) for one in asked}


def _cools(payee_id: str, changed: Mapping[str, datetime], cooling: timedelta) -> Waits | None:
    if payee_id not in changed:
        return None
    until = changed[payee_id] + cooling
    return Waits(cools_until(payee_id, until), until)


class _Gate:
    """What is asked once for all of them; what one takes of the treasury or of the rule's limit, the next has no more."""

    def __init__(
        self,
        conn: Connection[Any],
        program_id: str,
        asked: Sequence[Asked],
        policies: Mapping[str, Policy],
        cooling: timedelta,
        now: datetime,
    ) -> None:
        self._conn, self._program, self._policies, self._cooling, self._now = conn, program_id, policies, cooling, now
        self._payees = dict(payees_of(conn, program_id, [one.payee_id for one in asked], now=now))
        self._treasuries = treasuries_of(conn, program_id)
        self._alarms = alarms_of(conn, program_id)
        self._broken = broken_providers(conn)

    def answer(self, one: Asked, line: _ApprovedLine | None) -> Allowed | Waits:
        """Of one payout."""
        policy, payee = self._policies.get(one.asset), self._payees.get(one.payee_id)
        if payee is None:
            return Waits("its payee's destination is being changed", self._now)
        cooling = self._cooling if policy is None else policy.cooling
        cools = cooling_off(payee, cooling, self._now)
        if cools is not None:
            return Waits(cools, payee.destination_at + cooling)
        if line is not None:
            return self._of_batch(one, line)
        if policy is None:
            return Allowed("none")
        return self._by_rule(one, policy, payee)

    def _of_batch(self, one: Asked, line: _ApprovedLine) -> Allowed | Waits:
        if line.state not in PAYS:
            return Waits(f"it is in batch {line.batch_id}, which is {line.state.replace('_', ' ')}")
        if not line.as_frozen:
            self._tell_altered(line)
            return Waits(f"the lines of batch {line.batch_id} are not those that were approved")
        if (line.amount, line.destination_id) != (one.amount, one.destination_id):
            what = "amount" if line.amount != one.amount else "destination"
            why = f"its {what} is not the one that was approved"
            leave_batch(self._conn, self._program, [(line.batch_id, line.payout_id)], why, self._now)
            return Waits(f"it left batch {line.batch_id}: {why}", self._now)
        short = self._take(one)
        return Waits(short, self._now + COVER_ASKED_EVERY) if short else Allowed("batch", None, line.batch_id)

    def _by_rule(self, one: Asked, policy: Policy, payee: PayeeFacts) -> Allowed | Waits:
        broken, today = self._broken.get(one.provider), payee.by_rule_today.get(one.asset, 0)
        doubt = (
            doubt_about_amount(one.amount, policy, by_rule_today=today)
            or doubt_about_payee(payee, policy, now=self._now)
            or doubt_about_everything([*self._alarms, *([broken] if broken else [])])
        )
        if doubt is None:
            short = self._take(one)
            doubt = Doubt(short, self._now + COVER_ASKED_EVERY, True) if short else None
        if doubt is None:
            gone = {**payee.by_rule_today, one.asset: today + one.amount}
            self._payees[one.payee_id] = payee._replace(by_rule_today=gone)
            return Allowed("rule", policy.version)
        # Waiting helps where the doubt is about something that ends, or about what the payee got within the last day.
        again = doubt.again_at or (self._now + ASKED_AGAIN_EVERY if doubt.passes or today else None)
        return Waits(f"it needs an approved batch: {doubt.why}", again)

    def _take(self, one: Asked) -> str | None:
        """Take it from the treasury; why it does not cover it, otherwise."""
        place = (one.provider, one.asset)
        treasury = self._treasuries.get(place) or Treasury(one.provider, one.asset, 0, 0)
        short = treasury.lacks(one.amount)
        if short is None:
            self._treasuries[place] = treasury._replace(free=treasury.free - one.amount)
        return short

    def _tell_altered(self, line: _ApprovedLine) -> None:
        tell_altered(self._conn, self._program, line.batch_id, self._now)


def tell_altered(conn: Connection[Any], program_id: str, batch_id: str, now: datetime) -> None:
    """Tell it once of each batch."""
    one = NewEvent("payout_batch_altered", program_id, batch_id, {})
    if conn.execute("select from event where id = %s", [one.id()]).fetchone() is None:
        emit(conn, [one], at=now)


def note_approvals(
    conn: Connection[Any],
    program_id: str,
    reserved: Sequence[tuple[str, Asked, Allowed]],
    *,
    now: datetime,
) -> None:
    """Write down by what each attempt was allowed. The database refuses an attempt without it, and one that its batch does not pay."""
    conn.execute(
        """insert into payout_approval (provider_payout_id, payout_id, program_id, basis, policy_version, batch_id, destination_id,
                                        amount, at)
           select r.attempt, r.payout, %s, r.basis, r.version, r.batch, r.destination, r.amount, %s
           from unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::bigint[])
                as r (attempt, payout, basis, version, batch, destination, amount)""",
        [
            program_id,
            now,
            [attempt for attempt, _, _ in reserved],
            [one.payout_id for _, one, _ in reserved],
            [by.basis for _, _, by in reserved],
            [by.policy_version for _, _, by in reserved],
            [by.batch_id for _, _, by in reserved],
            [one.destination_id for _, one, _ in reserved],
            [one.amount for _, one, _ in reserved],
        ],
    )


def leave_batch(conn: Connection[Any], program_id: str, lines: Sequence[tuple[str, str]], why: str, now: datetime) -> None:
    """Take live lines (batch, payout) out of their frozen batches: what people approved is not there any more."""
    conn.execute(
        """update payout_batch_line l set live = false, left_at = %s, left_why = %s
           from unnest(%s::text[], %s::text[]) as r (batch_id, payout_id)
           where (l.batch_id, l.payout_id) = (r.batch_id, r.payout_id) and l.live""",
        [now, why, [one[0] for one in lines], [one[1] for one in lines]],
    )
    told = [
        NewEvent(
            "payout_batch_line_left",
            program_id,
            batch,
            {"payoutId": payout, "why": why},
            once=f"{payout}.{now.isoformat()}",
        )
        for batch, payout in lines
    ]
    emit(conn, told, at=now)


def _lines(conn: Connection[Any], payout_ids: Sequence[str]) -> dict[str, _ApprovedLine]:
    """The live line of each of these payouts that has one, locked: whoever closes a batch waits for its lines."""
    with conn.cursor(row_factory=class_row(_ApprovedLine)) as cur:
        rows = cur.execute(
            """with mine as materialized (
                   select b.id, b.state, coalesce(b.sha256 = payout_batch_digest(b.id), false) as as_frozen
                   from payout_batch b where b.id in (
                       select l.batch_id from payout_batch_line l where l.live and l.payout_id = any(%(payouts)s)))
               select l.payout_id, l.batch_id, l.number, l.amount, l.destination_id, mine.state, mine.as_frozen
               from payout_batch_line l join mine on mine.id = l.batch_id
               where l.live and l.payout_id = any(%(payouts)s) order by l.payout_id for update of l""",
            {"payouts": list(payout_ids)},
        ).fetchall()
    return {one.payout_id: one for one in rows}

"""Sending: the queued provider payouts go out, each at most once, and whatever is not certain becomes unknown, never failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Move, take_steps
from counterfoil.base.problems import check
from counterfoil.operations.providers import Answer, PayoutOrder, Provider
from counterfoil.operations.providers.capabilities import capabilities_of
from counterfoil.operations.work.runner import ATTEMPTS_MAX, Claim, Runner, Tally, run_here, run_outside
from counterfoil.payouts.machines import PROVIDER_PAYOUT, REPAIRING, SENDING
from counterfoil.payouts.payouts.reserving import order_hash
from counterfoil.payouts.provider_payouts.outcome_rules import Decision, Standing, decide_answer, decide_orphan
from counterfoil.payouts.provider_payouts.outcomes import ACTOR, carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id


class Letter(NamedTuple):
    """One order and the provider it goes to."""

    provider: str
    order: PayoutOrder


class _Queued(NamedTuple):
    id: str
    provider: str
    idempotency_key: str
    amount: int
    asset: str
    destination: str
    payload_sha256: bytes


class Sending:
    """Send what is queued. The row is `sending` before the call and says when the call began; then a crash is told apart."""

    queue = SENDING

    def __init__(self, providers: Mapping[str, Provider], *, silent_after: timedelta, lease: timedelta) -> None:
        """`silent_after`: how long an accepted payout may be silent before it is pulled; `lease`: as the runner's."""
        self._providers = providers
        self._silent_after = silent_after
        self._lease = lease

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> list[Letter]:
        """Mark the rows as sending, in the transaction of the claim; should we vanish, repair finds them after the lease."""
        ids = [one.id for one in claims]
        take_steps(conn, PROVIDER_PAYOUT, [Move(one, "queued", "send") for one in ids], actor=ACTOR, at=now)
        conn.execute("update provider_payout set due_at = %s where id = any(%s)", [now + self._lease, ids])
        with conn.cursor(row_factory=class_row(_Queued)) as cur:
            rows = cur.execute(
                """select id, provider, idempotency_key, amount, asset, destination, payload_sha256
                   from provider_payout where id = any(%s)""",
                [ids],
            ).fetchall()
        found = {row.id: row for row in rows}
        return [_letter(found[one]) for one in ids]

    def announce(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        """From this commit on, nobody may conclude from silence that nothing was sent."""
        conn.execute(
            "update provider_payout set request_sent_at = %s where id = any(%s)", [now, [one.id for one in claims]]
        )

    def act(self, item: Letter) -> Answer:
        """Ask the provider; its key makes asking twice harmless."""
        return self._providers[item.provider].send(item.order)

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, Answer]], now: datetime) -> None:
        """Write what the provider answered, for rows that are still ours."""
        standings = {one.id: one for one in lock_by_id(conn, [one.id for one, _ in done], now=now)}
        carry_out(conn, [self._decide(standings[one.id], answer) for one, answer in done], cause="sending", now=now)

    def _decide(self, one: Standing, answer: Answer) -> Decision:
        tries_left = one.attempt + 1 < ATTEMPTS_MAX
        can = capabilities_of(self._providers[one.provider])
        return decide_answer(one, answer, silent_after=self._silent_after, tries_left=tries_left, capabilities=can)


def _letter(row: _Queued) -> Letter:
    digest = order_hash(row.idempotency_key, row.amount, row.asset, row.destination)
    check(digest == bytes(row.payload_sha256), "what is sent is what was reserved", provider_payout=row.id)
    return Letter(row.provider, PayoutOrder(row.idempotency_key, row.amount, row.asset, row.destination, row.id))


def send_due(runner: Runner, providers: Mapping[str, Provider], *, silent_after: timedelta) -> Tally:
    """One tick: send queued provider payouts."""
    return run_outside(runner, Sending(providers, silent_after=silent_after, lease=runner.lease))


def repair_due(runner: Runner) -> Tally:
    """One tick: rows whose sender is gone. Before its call: queued again. After it began: unknown, and the provider is asked."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        standings = lock_by_id(conn, [one.id for one in claims], now=now)
        carry_out(conn, [decide_orphan(one) for one in standings], cause="repair", now=now)

    return run_here(runner, REPAIRING, work)

"""Pulling: ask the provider about payouts that are silent or unknown. The webhook is a courtesy; this is what is relied on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.operations.providers import Found, NotThere, Provider, Sought, Unclear, WritesOrders, capabilities_of, health_of
from counterfoil.operations.work.circuit_rules import Health
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.outside import run_outside
from counterfoil.operations.work.runner import Claim, Runner, Tally
from counterfoil.operations.work.station import Channel, OutsideQuestion, Station
from counterfoil.payouts.destinations.tokens import readable_tokens
from counterfoil.payouts.machines import PULLING
from counterfoil.payouts.provider_payouts.brakes import Brake, brakes_on
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout, OutcomeDecision, decide_lookup
from counterfoil.payouts.provider_payouts.outcomes import carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id


class Question(NamedTuple):
    """What became of this order?"""

    provider: str
    sought: Sought
    asked_at: datetime  # not later than the asking: what was found absent then proves nothing about a later call


class Heard(NamedTuple):
    """What a look-up found, and since when that is known."""

    found: Found
    asked_at: datetime
    asked: bool = True  # False: it cannot be


class Pulling(Station[Question, Heard]):
    """Look up what we have no final word on."""

    queue = PULLING
    company_s = 0.03  # the money is on its way: nobody waits for this, and each transaction costs as much for one as for sixty
    asks = True

    def __init__(self, providers: Mapping[str, Provider], *, silent_after: timedelta) -> None:
        """`silent_after`: how long until the next look-up when there is still no final word."""
        self._providers = providers
        self._silent_after = silent_after

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> Mapping[str, Question]:
        """What to ask for."""
        rows = conn.execute(
            """select pp.provider, pp.idempotency_key, pp.id, pp.provider_ref, pp.amount, pp.asset, pp.destination_id,
                      (select min(announced_at) from call where subject_id = pp.id)
               from provider_payout pp where pp.id = any(%s)""",
            [[one.id for one in claims]],
        ).fetchall()
        # Whom we can still ask is asked: an account whose key is not there is left out, and what is sought has other names.
        accounts = readable_tokens(conn, [row[6] for row in rows if row[6] is not None])
        written = {
            name: one.written(conn, [row[1] for row in rows if row[0] == name])
            for name, one in self._providers.items()
            if isinstance(one, WritesOrders)
        }
        found = {}
        for row in rows:
            known = written.get(row[0], {}).get(row[1])
            sought = Sought(row[1], row[2], row[3], row[4], row[5], accounts.get(row[6], ""), row[7], known)
            found[row[2]] = Question(row[0], sought, now)
        return found

    def provider(self, item: Question) -> str:
        """Whom it asks."""
        return item.provider

    def health(self, outcome: Heard) -> Health | None:
        """Does the provider answer questions?"""
        return health_of(outcome.found) if outcome.asked else None

    def connect(self, item: Question) -> Channel[Heard]:
        """Ask: a look-up changes nothing at the provider, so nothing is announced."""
        return OutsideQuestion(lambda: self.act(item))

    def act(self, item: Question) -> Heard:
        """Ask, where the provider can be asked; elsewhere two people decide, with evidence."""
        provider = self._providers[item.provider]
        if not capabilities_of(provider).looks_up:
            return Heard(Unclear("this provider cannot be asked; two people decide, with evidence"), item.asked_at, False)
        return Heard(provider.find_payout(item.sought), item.asked_at)

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, Heard]], now: datetime) -> None:
        """Write what was found, for rows that are still ours."""
        standings = {one.id: one for one in lock_by_id(conn, [one.id for one, _ in done], now=now)}
        absent = [standings[one.id] for one, heard in done if isinstance(heard.found, NotThere) and standings[one.id].state == "unknown"]
        brakes = brakes_on(conn, absent) if absent else {}
        decisions = [self._decide(standings[one.id], heard, brakes.get(one.id), now) for one, heard in done]
        carry_out(conn, [one for one in decisions if "cancel" not in one.verbs], cause="pull", now=now)
        for decision in decisions:
            if "cancel" in decision.verbs:  # each for a reason of its own
                carry_out(conn, [decision], cause="pull", now=now, reason=decision.error)

    def _decide(self, one: LockedProviderPayout, heard: Heard, brake: Brake | None, now: datetime) -> OutcomeDecision:
        return decide_lookup(
            one,
            heard.found,
            now=now,
            silent_after=self._silent_after,
            asked_at=heard.asked_at,
            capabilities=capabilities_of(self._providers[one.provider]),
            brake=brake.why if brake else None,
        )


def pull_due(runner: Runner, providers: Mapping[str, Provider], *, silent_after: timedelta, lane: str | None = None) -> Tally:
    """One tick: ask about provider payouts that are silent or unknown; at one provider when `lane` names it."""
    return run_outside(runner, Pulling(providers, silent_after=silent_after), lane=lane)


JOBS: Final = (
    Job(
        "reconcile-pull",
        PULLING,
        lambda c, lane: pull_due(c.runner_of(lane), c.of(lane), silent_after=c.silent_after, lane=lane),
        "Asks providers what became of payouts that are silent or unknown.",
        per_provider=True,
    ),
)

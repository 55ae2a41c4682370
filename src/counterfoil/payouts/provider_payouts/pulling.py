"""Pulling: ask the provider about payouts that are silent or unknown. The webhook is a courtesy; this is what is relied on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.operations.providers import Found, Provider
from counterfoil.operations.work.runner import Claim, Runner, Tally, run_outside
from counterfoil.payouts.machines import PULLING
from counterfoil.payouts.provider_payouts.outcome_rules import decide_lookup
from counterfoil.payouts.provider_payouts.outcomes import carry_out, lock_by_id


class Question(NamedTuple):
    """What became of the payout with this key?"""

    provider: str
    key: str


class Pulling:
    """Look up what we have no final word on."""

    queue = PULLING

    def __init__(self, providers: Mapping[str, Provider], *, silent_after: timedelta) -> None:
        """`silent_after`: how long until the next look-up when there is still no final word."""
        self._providers = providers
        self._silent_after = silent_after

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> list[Question]:  # noqa: ARG002
        """The keys to ask for, in the order of the claims."""
        found = {one.id: one for one in lock_by_id(conn, [one.id for one in claims])}
        return [Question(found[one.id].provider, found[one.id].key) for one in claims]

    def announce(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        """A look-up changes nothing at the provider: nothing is to be announced."""

    def act(self, item: Question) -> Found:
        """Ask."""
        return self._providers[item.provider].find_payout(item.key)

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, Found]], now: datetime) -> None:
        """Write what was found, for rows that are still ours."""
        standings = {one.id: one for one in lock_by_id(conn, [one.id for one, _ in done])}
        decisions = [
            decide_lookup(standings[one.id], found, now=now, silent_after=self._silent_after) for one, found in done
        ]
        carry_out(conn, decisions, cause="pull", now=now)


def pull_due(runner: Runner, providers: Mapping[str, Provider], *, silent_after: timedelta) -> Tally:
    """One tick: ask about provider payouts that are silent or unknown."""
    return run_outside(runner, Pulling(providers, silent_after=silent_after))

"""The rule that approves without a person: small, to somebody who was paid before, at a place known for long, while nothing is wrong.

Pure: the facts are read under lock by whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from counterfoil.base.money import format_major
from counterfoil.payouts.batches.policies import Policy


class PayeeFacts(NamedTuple):
    """What the rule asks of one payee: since when its destination is active, whether it ever was paid, and what the rule let go to it
    within a day, by asset in minor units. `changed`: it had another destination before."""

    payee_id: str
    destination_at: datetime
    changed: bool
    paid_before: bool
    by_rule_today: Mapping[str, int]


class Doubt(NamedTuple):
    """Why the rule does not approve; `again_at`: from when on it may, None while nobody can tell."""

    why: str
    again_at: datetime | None = None
    passes: bool = False  # by itself, some day


def doubt_about_payee(one: PayeeFacts, policy: Policy, *, now: datetime) -> Doubt | None:
    """The first reason, of a payee, why people have to look."""
    old_at = one.destination_at + policy.cooling
    if old_at > now:
        return Doubt(f"the destination of {one.payee_id} is new until {old_at:%Y-%m-%d %H:%M} UTC", old_at, True)
    if not one.paid_before:
        return Doubt(f"{one.payee_id} was never paid before", None, True)
    return None


def doubt_about_amount(amount: int, policy: Policy, *, by_rule_today: int = 0) -> Doubt | None:
    """More than may go without a person; what went to the same payee within a day counts, so that splitting helps nobody."""
    if amount + by_rule_today <= policy.by_rule_max:
        return None
    asked, went, limit = (format_major(one, policy.scale) for one in (amount, by_rule_today, policy.by_rule_max))
    within = f", with {went} of the last 24 hours," if by_rule_today else ""
    verb = "are" if by_rule_today else "is"
    return Doubt(f"{asked} {policy.asset}{within} {verb} more than the {limit} that is paid by rule")


def doubt_about_everything(alarms: Sequence[str]) -> Doubt | None:
    """While something critical is open, nothing goes without a person."""
    return Doubt(f"{alarms[0]}; nothing is paid by rule meanwhile", None, True) if alarms else None

"""The page of limits: what is paid without people, how long a login lasts, and how often somebody may ask."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.settings.offers import ActOffer, ApprovedAct, approved_acts, offer
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.ledger.reads.books import known_assets, known_programs
from counterfoil.operations.access.access import SessionRules
from counterfoil.operations.access.turns import TurnLimits
from counterfoil.payouts.batches.acts import SET_POLICY
from counterfoil.payouts.batches.policies import policies_of

PROGRAMS_SHOWN_MAX: Final = 100


class PolicyTier(NamedTuple):
    """A batch of more than this takes so many people."""

    above: Money
    approvers: int


class PolicyRow(NamedTuple):
    """The policy of a program in an asset that counts."""

    program_id: str
    asset: str
    by_rule: Money
    tiers: tuple[PolicyTier, ...]
    cooling_hours: int
    version: int
    reason: str
    actor: str
    at: datetime


class LimitsAnswer(NamedTuple):
    """What the page shows. `programs_more`: how many programs are not looked at here."""

    policies: tuple[PolicyRow, ...]
    programs_more: int
    rules: SessionRules
    turns: TurnLimits
    set_policy: ActOffer
    approved: tuple[ApprovedAct, ...]
    programs: tuple[str, ...]
    assets: tuple[str, ...]
    measured_at: datetime


def limits_answer(ask: SectionContext) -> LimitsAnswer:
    """As they hold now."""
    programs = [ask.program_id] if ask.program_id else list(known_programs(ask.conn))
    looked = programs[:PROGRAMS_SHOWN_MAX]
    rows = tuple(
        PolicyRow(
            one.program_id,
            one.asset,
            Money(one.by_rule_max, one.asset),
            tuple(PolicyTier(Money(above, one.asset), n) for above, n in zip(one.tiers_above, one.tiers_approvers, strict=True)),
            one.cooling_hours,
            one.version,
            one.reason,
            one.actor,
            one.at,
        )
        for program_id in looked
        for one in policies_of(ask.conn, program_id).values()
    )
    return LimitsAnswer(
        rows,
        len(programs) - len(looked),
        ask.extra.door.rules,
        ask.extra.turn_limits,
        offer(SET_POLICY),
        approved_acts(ask, (SET_POLICY,)),
        tuple(programs),
        tuple(known_assets(ask.conn)),
        ask.clock(),
    )

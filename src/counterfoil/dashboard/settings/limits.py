"""The page of limits: what is paid without people, how long a login lasts, and how often somebody may ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.access.access import SessionRules
from counterfoil.operations.access.turns import TurnLimits
from counterfoil.payouts.batches.policies import POLICY_LIST, Policy

POLICIES_SHOWN_MAX: Final = 20


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


class PolicyFiled(NamedTuple):
    """A policy as a row of a file: so many people, in this order, above each of these totals."""

    program_id: str
    asset: str
    by_rule_max: int
    above: tuple[Money, ...]
    people: str
    cooling_hours: int
    version: int
    reason: str
    actor: str
    at: datetime


FILE: Final = PolicyFiled._fields


class LimitsAnswer(NamedTuple):
    """What the page shows. `after`: behind what the next page of policies begins; None on the last."""

    policies: tuple[PolicyRow, ...]
    after: str | None
    asked: AskedPage
    rules: SessionRules
    turns: TurnLimits
    measured_at: datetime


def limits_answer(ask: SectionContext) -> LimitsAnswer:
    """As they hold now; policies by program and asset unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    page = plain_page(ask, POLICY_LIST, rows_max=POLICIES_SHOWN_MAX, program_id=ask.program_id)
    rows = tuple(_shown(one) for one in page.rows)
    return LimitsAnswer(rows, page.after, page.asked, ask.extra.door.rules, ask.extra.turn_limits, ask.clock())


def limits_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """The payout policies as rows of a file, sorted and narrowed as the page is. Raises InvalidInput."""
    return plain_export(ask, POLICY_LIST, FILE, _filed, asked=asked_here(ask, POLICY_LIST, ask.program_id))


def _shown(one: Policy) -> PolicyRow:
    tiers = zip(one.tiers_above, one.tiers_approvers, strict=True)
    return PolicyRow(
        one.program_id,
        one.asset,
        Money(one.by_rule_max, one.asset),
        tuple(PolicyTier(Money(above, one.asset), needed) for above, needed in tiers),
        one.cooling_hours,
        one.version,
        one.reason,
        one.actor,
        one.at,
    )


def _filed(_: Connection[Any], policies: Sequence[Policy], __: datetime) -> list[PolicyFiled]:
    return [
        PolicyFiled(
            one.program_id,
            one.asset,
            one.by_rule_max,
            tuple(Money(above, one.asset) for above in one.tiers_above),
            ", ".join(map(str, one.tiers_approvers)) or "1",
            one.cooling_hours,
            one.version,
            one.reason,
            one.actor,
            one.at,
        )
        for one in policies
    ]

"""The page of limits: what is paid without people, how long a login lasts, and how often somebody may ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.finding.ordering import EXPORTED_MAX
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.access.access import SessionRules
from counterfoil.operations.access.turns import TurnLimits
from counterfoil.payouts.batches.policies import list_policies

POLICIES_SHOWN_MAX: Final = 20
FILE: Final = ("program_id", "asset", "by_rule_max", "above", "people", "cooling_hours", "version", "reason", "actor", "at")


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
    """What the page shows. `after`: the `program:asset` that the next page of policies begins behind; None on the last."""

    policies: tuple[PolicyRow, ...]
    is_first: bool
    after: str | None
    rules: SessionRules
    turns: TurnLimits
    measured_at: datetime


def limits_answer(ask: SectionContext) -> LimitsAnswer:
    """As they hold now."""
    given = ask.params.get("after")
    behind = _behind(given) if given else None
    found = list_policies(ask.conn, rows_max=POLICIES_SHOWN_MAX + 1, program_id=ask.program_id, after=behind)
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
        for one in found[:POLICIES_SHOWN_MAX]
    )
    return LimitsAnswer(
        rows,
        not given,
        f"{rows[-1].program_id}:{rows[-1].asset}" if len(found) > POLICIES_SHOWN_MAX else None,
        ask.extra.door.rules,
        ask.extra.turn_limits,
        ask.clock(),
    )


def limits_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """The payout policies as rows of a file, the names of the columns first; a last row says where it was cut."""
    found = list_policies(ask.conn, rows_max=EXPORTED_MAX + 1, program_id=ask.program_id)
    yield FILE
    for one in found[:EXPORTED_MAX]:
        tiers = tuple(Money(above, one.asset) for above in one.tiers_above)
        by_rule = Money(one.by_rule_max, one.asset)
        people = ", ".join(map(str, one.tiers_approvers)) or "1"
        yield (one.program_id, one.asset, by_rule, tiers, people, one.cooling_hours, one.version, one.reason, one.actor, one.at)
    if len(found) > EXPORTED_MAX:
        yield (f"cut at {EXPORTED_MAX} rows: choose a program",)


def _behind(given: str) -> tuple[str, str]:
    program, _, asset = given.partition(":")
    if not program or not asset:
        raise InvalidInput("after", "a program and an asset, as main:EUR", got=given[:40])
    return program, asset

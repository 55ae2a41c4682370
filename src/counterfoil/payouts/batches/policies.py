"""Which payouts of a program need an approval, and of how many people. Without a policy none does: each is paid when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.administering.enough import ManyApprove
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.machines import RESERVING

TIERS_MAX: Final = 10
APPROVERS_MAX: Final = 10
HOURS_MAX: Final = 8_760
MINOR_MAX: Final = 10**18
COOLING_HOURS: Final = 72


class Tier(NamedTuple):
    """A batch of more than `above` minor units takes the approval of so many people."""

    above: int
    approvers: int


class Policy(NamedTuple):
    """What may be paid by rule, in minor units, and what takes people. `cooling_hours`: how long a new destination is looked at."""

    program_id: str
    asset: str
    version: int
    by_rule_max: int
    tiers_above: list[int]
    tiers_approvers: list[int]
    cooling_hours: int
    reason: str
    actor: str
    at: datetime
    scale: int  # the decimals of the asset

    @property
    def id(self) -> str:
        """What names it among all policies."""
        return f"{self.program_id}:{self.asset}"

    @property
    def cooling(self) -> timedelta:
        """How long a destination is new."""
        return timedelta(hours=self.cooling_hours)

    def approvers_for(self, total: int) -> int:
        """How many people approve a batch of this total; one at the least."""
        tiers = zip(self.tiers_above, self.tiers_approvers, strict=True)
        return max((needed for above, needed in tiers if total > above), default=1)


def policies_of(conn: Connection[Any], program_id: str) -> dict[str, Policy]:
    """The newest policy of each asset of a program that has one."""
    with conn.cursor(row_factory=class_row(Policy)) as cur:
        rows = cur.execute(
            """select distinct on (p.asset) p.program_id, p.asset, p.version, p.by_rule_max, p.tiers_above, p.tiers_approvers,
                      p.cooling_hours, p.reason, p.actor, p.at, a.scale
               from payout_policy p join asset a on a.code = p.asset
               where p.program_id = %s order by p.asset, p.version desc""",
            [program_id],
        ).fetchall()
    return {one.asset: one for one in rows}


def policies_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Policy]:
    """Those of these ids that count, in any order."""
    with conn.cursor(row_factory=class_row(Policy)) as cur:
        return cur.execute(
            """select p.program_id, p.asset, p.version, p.by_rule_max, p.tiers_above, p.tiers_approvers, p.cooling_hours, p.reason,
                      p.actor, p.at, a.scale
               from payout_policy_in_force p join asset a on a.code = p.asset
               where p.program_id = any(%(programs)s) and p.id = any(%(ids)s) order by p.id limit %(rows)s""",
            {"programs": [one.partition(":")[0] for one in ids], "ids": list(ids), "rows": len(ids)},
        ).fetchall()


def many_approve(conn: Connection[Any]) -> list[ManyApprove]:
    """What of the policies in force takes more people than one to approve it."""
    rows = conn.execute(
        """select program_id, asset, tiers_above[cardinality(tiers_above)], tiers_approvers[cardinality(tiers_approvers)]
           from payout_policy_in_force where tiers_approvers[cardinality(tiers_approvers)] > 1 order by program_id, asset"""
    ).fetchall()
    tell = tell_in(known_assets(conn))
    return [ManyApprove(program, f"payouts of {program} beyond {tell(above, asset)}", n) for program, asset, above, n in rows]


POLICY_LIST: Final = PlainList(
    "payout_policies",
    "",
    "payout_policy_in_force",
    policies_by_id,
    (SortKey("program_id", str), SortKey("by_rule_max", int, money=True), SortKey("cooling_hours", int), SortKey("at", datetime)),
    (Narrow("asset", "t.asset = %(asset)s", "Only in this asset.", "asset"),),
    order="programId",
)


def set_policy(
    conn: Connection[Any],
    program_id: str,
    asset: str,
    *,
    by_rule_max: int,
    tiers: Sequence[Tier],
    cooling_hours: int,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """From now on payouts of this program in this asset need what the policy says; those that wait are judged anew.

    Raises InvalidInput.
    """
    _refuse_policy(by_rule_max, tiers, cooling_hours)
    # One at a time, so that two people do not both write version n + 1.
    conn.execute("select pg_advisory_xact_lock(hashtextextended('payout_policy:' || %s || ':' || %s, 0))", [program_id, asset])
    row = conn.execute(
        """insert into payout_policy (program_id, asset, version, by_rule_max, tiers_above, tiers_approvers, cooling_hours, reason,
                                      actor, at)
           select %(program)s, %(asset)s, 1 + count(*), %(max)s, %(above)s, %(approvers)s, %(hours)s, %(reason)s, %(actor)s, %(at)s
           from payout_policy where program_id = %(program)s and asset = %(asset)s returning version""",
        {
            "program": program_id,
            "asset": asset,
            "max": by_rule_max,
            "above": [one.above for one in tiers],
            "approvers": [one.approvers for one in tiers],
            "hours": cooling_hours,
            "reason": reason,
            "actor": actor,
            "at": now,
        },
    ).fetchone()
    version = row[0] if row else 0
    conn.execute(
        """update payout set due_at = %s, attempt = 0 where id in (
               select id from payout where program_id = %s and asset = %s and state = 'pending' order by id for no key update)""",
        [now, program_id, asset],
    )
    told = {"asset": asset, "byRuleMax": str(by_rule_max), "coolingHours": cooling_hours, "reason": reason}
    emit(conn, [NewEvent("payout_policy_set", program_id, f"{program_id}:{asset}", told, once=f"v{version}")], at=now)
    wake(conn, RESERVING)


def _refuse_policy(by_rule_max: int, tiers: Sequence[Tier], cooling_hours: int) -> None:
    if not 0 <= by_rule_max <= MINOR_MAX:
        raise InvalidInput("by_rule_max", "from 0 to 10¹⁸ minor units", got=str(by_rule_max))
    if not 0 <= cooling_hours <= HOURS_MAX:
        raise InvalidInput("cooling_hours", f"from 0 to {HOURS_MAX} hours", got=str(cooling_hours))
    if len(tiers) > TIERS_MAX:
        raise InvalidInput("tiers", f"at most {TIERS_MAX}", got=str(len(tiers)))
    for number, (one, before) in enumerate(zip(tiers, [None, *tiers], strict=False), start=1):
        if not 0 <= one.above <= MINOR_MAX or not 1 <= one.approvers <= APPROVERS_MAX:
            raise InvalidInput("tiers", f"an amount from 0, and 1 to {APPROVERS_MAX} people", line=number)
        if before is not None and not (one.above > before.above and one.approvers >= before.approvers):
            raise InvalidInput("tiers", "each above more than the one before, by no fewer people", line=number)

"""A payee who got more than the payout says: paid twice, paid after its money had gone elsewhere, or in a larger amount than was ordered.

What the statement shows of it is a break by its amount or its double. What both sides agree on, because it was booked, is one by the
debt: found as long as the payee owes it, and matched by the run that sees it paid back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import Tell
from counterfoil.matching.findings.actions import OVERPAID_ACTION
from counterfoil.matching.findings.differences import Record, differences
from counterfoil.matching.findings.findings import Finding, finding_identity, severity_of
from counterfoil.matching.findings.hypotheses import Hypothesis, said
from counterfoil.matching.findings.outcome import MatchingResult

KIND: Final = "OVERPAID"
MORE_WEIGHT: Final = 96  # before a factor of ten: the unit of our books and of the provider is fixed, so a factor is money too


class Overpaid(NamedTuple):
    """An attempt that paid more than was owed, as booked. Minor units: `ordered` by the payout, of it `beyond` what was still owed, `paid`
    where another amount was found paid. `debt`: what the payee owes by now, for whatever reason. `beside`: other attempts that paid.
    `asked`: of the provider and the days of the run; the others only have their share of the debt."""

    id: str
    payout_id: str
    payee_id: str
    provider_ref: str | None
    asset: str
    ordered: int
    beyond: int
    paid: int
    day: date
    debt: int
    beside: list[str]
    asked: bool

    @property
    def excess(self) -> int:
        """What went out beyond what was owed."""
        return self.beyond + max(self.paid - self.ordered, 0)


def overpaid_of(conn: Connection[Any], program_id: str, provider: str, *, first: date, last: date) -> list[Overpaid]:
    """Attempts of this provider, sent on these days (UTC), that paid more than was owed, and whose payee owes something, by id; and beside
    them all others of these payees, of whatever provider and day: one debt is told once, whichever run asks."""
    with conn.cursor(row_factory=class_row(Overpaid)) as cur:
        return cur.execute(
            """with booked as (
                   select pp.id, pp.payout_id, p.payee_id, pp.provider_ref, pp.asset, pp.amount as ordered, pp.beyond,
                          coalesce(pp.paid, pp.amount) as paid,
                          (coalesce(pp.request_sent_at, pp.sent_at, pp.created_at) at time zone 'UTC')::date as day,
                          a.debits - a.credits as debt,
                          array(select o.id from provider_payout o join payout q on q.id = o.payout_id
                                where q.settlement_id = p.settlement_id and o.id <> pp.id and o.state = 'succeeded'
                                order by o.id) as beside,
                          pp.provider
                   from provider_payout pp join payout p on p.id = pp.payout_id
                   join book b on b.program_id = pp.program_id and b.asset = pp.asset
                   join account a on a.book_id = b.id and a.name = 'receivable:payee:' || p.payee_id and a.debits > a.credits
                   where pp.program_id = %(program)s and pp.state = 'succeeded'
                     and (pp.beyond > 0 or coalesce(pp.paid, pp.amount) > pp.amount))
               select id, payout_id, payee_id, provider_ref, asset, ordered, beyond, paid, day, debt, beside,
                      provider = %(provider)s and day between %(first)s and %(last)s as asked
               from booked
               where (payee_id, asset) in (select payee_id, asset from booked
                                           where provider = %(provider)s and day between %(first)s and %(last)s)
               order by id""",
            {"program": program_id, "provider": provider, "first": first, "last": last},
        ).fetchall()


def with_overpaid(outcome: MatchingResult, booked: Sequence[Overpaid], tell: Tell) -> MatchingResult:
    """The findings with what payees got beyond their payouts: the statement's, told as that, and those that are booked and still owed."""
    found = tuple(_told(one, tell) for one in outcome.breaks)
    owed = tuple(_owed(booked, outcome, tell))
    if not owed:
        return replace(outcome, breaks=found)
    sums: dict[str, list[int]] = defaultdict(list)
    for one in owed:
        sums[one.asset].append(one.at_stake)
    kinds = tuple((KIND, asset, len(minor), sum(minor)) for asset, minor in sorted(sums.items()))
    verdict = "not reconciled" if outcome.verdict == "reconciled" else outcome.verdict
    total = outcome.breaks_total + len(owed)
    return replace(outcome, verdict=verdict, breaks=(*found, *owed), breaks_total=total, kinds=(*outcome.kinds, *kinds))


def _told(one: Finding, tell: Tell) -> Finding:
    """More went out than was ordered: that comes first, whatever else the figures look like."""
    if one.kind != "AMOUNT_MISMATCH" or len(one.left) != 1 or len(one.right) != 1:
        return one
    ours, theirs = one.left[0], one.right[0]
    is_payout = "payout" in (ours.memo or "") or ours.id.startswith("payout:")
    if not is_payout or not theirs.amount < ours.amount < 0 or one.cause == "fee netted":
        return one
    more = said(
        "overpaid",
        True,
        "did more go out than the payout says?",
        f"{tell(-theirs.amount, theirs.asset)} for {tell(-ours.amount, ours.asset)}",
        MORE_WEIGHT,
    )
    return replace(one, hypotheses=(more, *one.hypotheses), action=OVERPAID_ACTION)


def _owed(booked: Sequence[Overpaid], outcome: MatchingResult, tell: Tell) -> Iterator[Finding]:
    """A break for each that is still owed: what was paid back has paid the oldest first, so the newest stand."""
    left: dict[tuple[str, str], int] = {(one.payee_id, one.asset): one.debt for one in booked}
    stakes: dict[str, int] = {}
    for one in sorted(booked, key=lambda each: (each.day, each.id), reverse=True):
        purse = (one.payee_id, one.asset)
        stakes[one.id] = min(one.excess, left[purse])
        left[purse] -= stakes[one.id]
    for one in booked:
        if one.asked and stakes[one.id] > 0:
            yield _finding(one, stakes[one.id], outcome, tell)


def _finding(one: Overpaid, stake: int, outcome: MatchingResult, tell: Tell) -> Finding:
    def record(side: str, minor: int) -> Record:
        return Record(side, one.id, one.provider_ref, -minor, one.asset, one.day, "paid", one.payee_id, "payout", one.payout_id)

    ours, theirs = record("left", one.paid - one.excess), record("right", one.paid)
    hypotheses = tuple(sorted(_hypotheses(one, tell), key=lambda each: (each.verdict != "supported", -each.weight)))
    return Finding(
        id=finding_identity(KIND, (ours,), (theirs,)),
        kind=KIND,
        severity=severity_of(stake, outcome.rules.severity),
        asset=one.asset,
        at_stake=stake,
        step="debt",
        reason=f"paid {tell(one.excess, one.asset)} beyond what was owed, of which the payee owes {tell(stake, one.asset)}",
        left=(ours,),
        right=(theirs,),
        fields=tuple(differences(ours, theirs, ("amount",))),
        candidates=(),
        hypotheses=hypotheses,
        action=OVERPAID_ACTION,
        explained=True,
    )


def _hypotheses(one: Overpaid, tell: Tell) -> Iterator[Hypothesis]:
    beside = ", ".join(one.beside)
    yield said(
        "paid twice",
        bool(one.beyond and one.beside),
        "did another attempt of the same settlement pay?",
        f"{beside} paid, too" if beside else "no other attempt paid",
        90,
    )
    yield said(
        "paid after its money had gone",
        bool(one.beyond and not one.beside),
        "was its money given back, refunded or netted before the provider said that it was paid?",
        f"{tell(one.beyond, one.asset)} of {tell(one.ordered, one.asset)} were no longer owed",
        80,
    )
    yield said(
        "overpaid",
        one.paid > one.ordered,
        "did more go out than the payout says?",
        f"{tell(one.paid, one.asset)} for {tell(one.ordered, one.asset)}",
        MORE_WEIGHT,
    )

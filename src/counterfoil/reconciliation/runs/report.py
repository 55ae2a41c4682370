"""What a run tells beside its breaks: what it could not check, what is expected later, and how two balances tie."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from counterfoil.base.formats.counting import counted
from counterfoil.matching.findings import recorded
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.findings.recorded import BalanceRow, BookedLater, RunReport, Waiting
from counterfoil.matching.passes.footing import Footing
from counterfoil.reconciliation.bank_statements import Reach
from counterfoil.reconciliation.runs.our_side import Ours
from counterfoil.reconciliation.runs.pairings import Pairing
from counterfoil.reconciliation.runs.sides import LISTED_MAX, LateRecord, Partner, UnderWay
from counterfoil.reconciliation.runs.statements import ProviderStatement


class Days(Protocol):
    """The days of a run, and its scope."""

    @property
    def first(self) -> date:
        """The first of them."""

    @property
    def last(self) -> date:
        """The last, included."""

    @property
    def scope(self) -> str:
        """range, recent or full."""


def holes_of(asked: Days, reach: Reach | None, statement: ProviderStatement) -> list[str]:
    """Why this run cannot speak for all of its days."""
    holes = [f"{counted(statement.rejected, 'line')} of the statement could not be read"] if statement.rejected else []
    if reach is None:
        return holes
    if reach.last_on is None:
        return [*holes, "no statement of this account was imported"]
    if reach.last_on < asked.last:
        holes.append(f"stale: the bank's statements reach to {reach.last_on}, not to {asked.last}")
    return [*holes, *reach.gaps]


def report_of(
    one: Pairing,
    asked: Days,
    outcome: MatchingResult,
    verdict: str,
    waiting: list[Partner],
    late: list[LateRecord],
    holes: list[str],
    balances: Sequence[BalanceRow],
) -> RunReport:
    """All that a run tells beside its findings."""
    told = recorded.report_of(outcome)
    return told.model_copy(
        update={
            "verdict": verdict,
            "source": one.name,
            "question": one.question,
            "scope": asked.scope,
            "first_on": asked.first,
            "last_on": asked.last,
            "not_checked": (*told.not_checked, *holes),
            "expected_later": tuple(Waiting(**each._asdict()) for each in waiting),
            "booked_later": tuple(BookedLater(**each._asdict()) for each in late[:LISTED_MAX]),
            "lists_cut": (
                *_cut("records that are expected later", sum(row.expected.rows for row in outcome.footing), len(waiting)),
                *_cut("records that were booked later", len(late), min(len(late), LISTED_MAX)),
            ),
            "balances": tuple(balances),
        }
    )


def _cut(what: str, there: int, listed: int) -> list[str]:
    """That a list is not whole, where it is not; the figures are."""
    return [f"of {there:,} {what}, the first {listed:,} are listed"] if there > listed else []


def tie(one: Pairing, statement: ProviderStatement, ours: Ours, footing: Sequence[Footing], under_way: UnderWay) -> list[BalanceRow]:
    """By asset: book balance and stated balance at the end of the days, and what of their difference the listed items explain.

    Empty for a part of a source, which has no balance of its own.
    Source: Sentinel, BANK_TIE: book cash = statement closing ± listed items in transit.
    """
    if one.account is None:
        return []
    booked = [a for a, minor in (*ours.booked.items(), *ours.booked_before.items()) if minor]
    return [_tied(asset, statement, ours, footing, under_way) for asset in sorted({*statement.stated, *booked})]


def _tied(asset: str, statement: ProviderStatement, ours: Ours, footing: Sequence[Footing], under_way: UnderWay) -> BalanceRow:
    """What stands between two balances. A line of the run that lies outside its days moved neither of them."""
    stated, booked, before = statement.stated.get(asset), ours.booked.get(asset, 0), statement.opening.get(asset)
    opening = None if before is None else before - ours.booked_before.get(asset, 0)
    if stated is None:
        return BalanceRow(asset=asset, booked=booked, opening=opening)
    outside = {side: under_way.outside.get((side, asset), 0) for side in ("left", "right")}
    outside["left"] += ours.shifted.get(asset, 0)
    items = {
        side: sum(row.breaks.minor + row.expected.minor for row in footing if (row.side, row.asset) == (side, asset))
        for side in ("left", "right")
    }
    explained = (items["right"] - outside["right"]) - (items["left"] - outside["left"])
    return BalanceRow(
        asset=asset,
        booked=booked,
        stated=stated,
        opening=opening,
        difference=stated - booked,
        only_there=items["right"],
        only_here=items["left"],
        sooner_there=under_way.ahead.get(("right", asset), 0),
        sooner_here=under_way.ahead.get(("left", asset), 0),
        sent_on=under_way.sent.get(asset, 0),
        contradicted=tuple(under_way.contradicted),
        unexplained=None if opening is None else stated - booked - opening - explained,
    )


def untied(one: Pairing, balances: Sequence[BalanceRow]) -> list[str]:
    """Why balances could not be compared: each is something that nobody looked at."""
    found = []
    for row in balances:
        if row.stated is None:
            found.append(f"the balance in {row.asset} was not compared: the other side states none")
        elif row.opening is None:
            found.append(f"the balance in {row.asset} was not compared: what {one.name} held before these days is not known")
    return found


def unlisted_of(outcome: MatchingResult) -> list[str]:
    """Differences that get no break of their own, for there are too many; none of them is taken to have gone."""
    more = outcome.breaks_total - len(outcome.breaks)
    if more <= 0:
        return []
    most = f"a run makes {len(outcome.breaks):,} at most"
    said = f"{more:,} of {outcome.breaks_total:,} differences have no break of their own: {most}"
    return [f"{said}. Mend what so many have in common, or run fewer days at once"]


def verdict_of(verdict: str, holes: Sequence[str], balances: Sequence[BalanceRow], *, cut_short: bool = False) -> str:
    """What all of it comes to. What no listed item explains is a difference; where something was not looked at, that comes first.

    `cut_short`: it found more than it lists.
    """
    if cut_short:
        return "incomplete"
    if verdict != "reconciled" or holes:
        return "incomplete" if verdict == "reconciled" else verdict
    return "not reconciled" if any(row.unexplained for row in balances) else verdict

"""What a run tells beside its breaks: what it could not check, what is expected later, and how two balances tie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from counterfoil.matching.findings.outcome import Outcome, as_json
from counterfoil.matching.passes.footing import Footing
from counterfoil.reconciliation.bank_statements import Reach
from counterfoil.reconciliation.runs.our_side import Ours
from counterfoil.reconciliation.runs.pairings import Pairing
from counterfoil.reconciliation.runs.sides import Partner, UnderWay
from counterfoil.reconciliation.runs.statements import Statement


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


def holes_of(asked: Days, reach: Reach | None, statement: Statement) -> list[str]:
    """Why this run cannot speak for all of its days."""
    holes = [f"{statement.rejected} lines of the statement could not be read"] if statement.rejected else []
    if reach is None:
        return holes
    if reach.last_on is None:
        return [*holes, "no statement of this account was imported"]
    if reach.last_on < asked.last:
        holes.append(f"stale: the bank's statements reach to {reach.last_on}, not to {asked.last}")
    return [*holes, *reach.gaps]


def report_of(
    one: Pairing, asked: Days, outcome: Outcome, verdict: str, waiting: list[Partner], holes: list[str]
) -> dict[str, Any]:
    told = {name: value for name, value in as_json(outcome).items() if name != "breaks"}
    return told | {
        "verdict": verdict,
        "source": one.name,
        "question": one.question,
        "scope": asked.scope,
        "first_on": asked.first.isoformat(),
        "last_on": asked.last.isoformat(),
        "not_checked": [*told["not_checked"], *holes],
        "expected_later": [
            {**each._asdict(), "amount": str(each.amount), "day": each.day.isoformat()} for each in waiting
        ],
    }


def tie(
    one: Pairing, statement: Statement, ours: Ours, footing: Sequence[Footing], under_way: UnderWay
) -> list[dict[str, Any]]:
    """By asset: book balance and stated balance at the end of the days, and what of their difference the listed items explain.

    `opening` is what the two sides differed by before the days; None where the other side does not say what it held then, and
    `unexplained` with it. Empty for a part of a source, which has no balance of its own.
    Source: Sentinel, BANK_TIE: book cash = statement closing ± listed items in transit.
    """
    if one.account is None:
        return []
    rows = []
    for asset in sorted(
        {*statement.stated, *(a for a, minor in (*ours.booked.items(), *ours.booked_before.items()) if minor)}
    ):
        stated, booked = statement.stated.get(asset), ours.booked.get(asset, 0)
        before = statement.opening.get(asset)
        opening = None if before is None else before - ours.booked_before.get(asset, 0)
        row: dict[str, Any] = {
            "asset": asset,
            "booked": str(booked),
            "stated": _text(stated),
            "opening": _text(opening),
        }
        if stated is not None:
            row |= _explained(asset, stated - booked, opening, ours, footing, under_way)
        rows.append(row)
    return rows


def _explained(
    asset: str, difference: int, opening: int | None, ours: Ours, footing: Sequence[Footing], under_way: UnderWay
) -> dict[str, Any]:
    """What stands between two balances. A line of the run that lies outside its days moved neither of them."""
    outside = {side: under_way.outside.get((side, asset), 0) for side in ("left", "right")}
    outside["left"] += ours.shifted.get(asset, 0)
    items = {
        side: sum(row.breaks.minor + row.expected.minor for row in footing if (row.side, row.asset) == (side, asset))
        for side in ("left", "right")
    }
    ahead = {side: under_way.ahead.get((side, asset), 0) for side in ("left", "right")}
    explained = (items["right"] - outside["right"]) - (items["left"] - outside["left"])
    return {
        "difference": str(difference),
        "only_there": str(items["right"]),
        "only_here": str(items["left"]),
        "sooner_there": str(ahead["right"]),
        "sooner_here": str(ahead["left"]),
        "sent_on": str(under_way.sent.get(asset, 0)),
        "contradicted": under_way.contradicted,
        "unexplained": None if opening is None else str(difference - opening - explained),
    }


def untied(one: Pairing, balances: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why balances could not be compared: each is something that nobody looked at."""
    found = []
    for row in balances:
        if row["stated"] is None:
            found.append(f"the balance in {row['asset']} was not compared: the other side states none")
        elif row["opening"] is None:
            found.append(
                f"the balance in {row['asset']} was not compared: what {one.name} held before these days is not known"
            )
    return found


def verdict_of(verdict: str, holes: Sequence[str], balances: Sequence[Mapping[str, Any]]) -> str:
    """What all of it comes to. What no listed item explains is a difference; where something was not looked at, that comes first."""
    if verdict != "reconciled" or holes:
        return "incomplete" if verdict == "reconciled" else verdict
    return "not reconciled" if any(row.get("unexplained") not in (None, "0") for row in balances) else verdict


def _text(minor: int | None) -> str | None:
    return None if minor is None else str(minor)

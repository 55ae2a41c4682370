"""What a run tells beside its breaks: what it could not check, what is expected later, and how two balances tie."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from counterfoil.reconciliation.bank_files import Reach
from counterfoil.reconciliation.outcome import Outcome, as_json
from counterfoil.reconciliation.pairings import Pairing
from counterfoil.reconciliation.sides_of_run import Partner, UnderWay
from counterfoil.reconciliation.statements_of_run import Statement


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
    both = all(side.rows for side in outcome.sources)  # what an empty side does not give, it does not withhold
    return told | {
        "verdict": verdict,
        "source": one.name,
        "question": one.question,
        "scope": asked.scope,
        "first_on": asked.first.isoformat(),
        "last_on": asked.last.isoformat(),
        "not_checked": [*(told["not_checked"] if both else []), *holes],
        "expected_later": [
            {**each._asdict(), "amount": str(each.amount), "day": each.day.isoformat()} for each in waiting
        ],
    }


def tie(
    statement: Statement, booked: Mapping[str, int], outcome: Outcome, under_way: UnderWay, reach: Reach | None
) -> dict[str, Any]:
    """Book balance and stated balance at the end of the days, and what of their difference the listed items explain.

    Source: Sentinel, BANK_TIE: book cash = statement closing ± listed items in transit. Exact where the days begin with the account.
    """
    rows = []
    for asset in sorted({*statement.stated, *(a for a, minor in booked.items() if minor)}):
        stated, ours = statement.stated.get(asset), booked.get(asset, 0)
        items = {
            side: sum(
                row.breaks.minor + row.expected.minor
                for row in outcome.footing
                if (row.side, row.asset) == (side, asset)
            )
            for side in ("left", "right")
        }
        opening = reach.opening.get(asset, 0) if reach else 0
        ahead = {side: under_way.ahead.get((side, asset), 0) for side in ("left", "right")}
        explained = opening + items["right"] - items["left"] + ahead["right"] - ahead["left"]
        row = {
            "asset": asset,
            "booked": str(ours),
            "stated": None if stated is None else str(stated),
            "opening": str(opening),
        }
        if stated is not None:
            row["difference"] = str(stated - ours)
            row["only_there"], row["only_here"] = str(items["right"]), str(items["left"])
            row["sooner_there"], row["sooner_here"] = str(ahead["right"]), str(ahead["left"])
            flying = under_way.totals.get(("right", asset))
            row["sent_on"] = str((flying.minor if flying else 0) + ahead["right"])
            row["unexplained"] = str(stated - ours - explained)
        rows.append(row)
    return {"balances": rows}

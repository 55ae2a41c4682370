"""Amounts for people: minor units of the wire become major units with their asset, by the decimals that the server's books have."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from counterfoil.base.formats.amounts import asset_told, tell_in
from counterfoil.base.money import Asset, parse_major
from counterfoil.base.problems import InvalidInput
from counterfoil.cli.core.connection import asked, server
from counterfoil.client.problems import ApiProblem, Unreachable

PROBLEM_AMOUNTS: Final = "problem_amounts.json"  # beside this file; `make reference` records it from the classes of problems
# The fields of answers that hold minor units; a test holds them against the API's own description.
FIELDS: Final = frozenset(
    {
        "above",
        "acceptedAtStake",
        "accountBalance",
        "againstDue",
        "amount",
        "applied",
        "atStake",
        "available",
        "balance",
        "baseAmount",
        "beyond",
        "billed",
        "byRuleMax",
        "cachedCredits",
        "cachedDebits",
        "cachedHeld",
        "carried",
        "charged",
        "chargedBack",
        "closing",
        "credit",
        "creditBalance",
        "credited",
        "credits",
        "debit",
        "debitBalance",
        "debits",
        "debtsPaid",
        "difference",
        "distributed",
        "drift",
        "due",
        "dueHoldback",
        "dueNet",
        "duePlatformFee",
        "dueValidatorFee",
        "earned",
        "escrow",
        "escrowed",
        "excess",
        "expected",
        "fee",
        "feeBack",
        "feesIn",
        "fixed",
        "found",
        "fromPostings",
        "funded",
        "givenBack",
        "grams",
        "gross",
        "held",
        "holdback",
        "inBooks",
        "inTransit",
        "inTreasury",
        "ledger",
        "left",
        "leftOver",
        "maximum",
        "minimum",
        "minor",
        "net",
        "openHolds",
        "opening",
        "other",
        "overdue",
        "owed",
        "ownHoldback",
        "paid",
        "payable",
        "perDay",
        "perHour",
        "perMonth",
        "perTransaction",
        "perWeek",
        "platformFee",
        "posted",
        "postedCredits",
        "postedDebits",
        "promised",
        "promisedToOthers",
        "receivable",
        "received",
        "refund",
        "refunded",
        "released",
        "remaining",
        "repaid",
        "sent",
        "settled",
        "source",
        "takenBack",
        "toPay",
        "total",
        "totalCredit",
        "totalDebit",
        "undecided",
        "validatorFee",
        "validatorGivenBack",
        "validatorHeld",
        "validatorIn",
        "validatorOpening",
        "withdrawn",
        "writtenOff",
    }
)


def scales() -> Mapping[str, int]:
    """How many decimals each asset has in the books of the server that is asked; nothing when it does not tell."""
    try:
        return _scales(server("read", os.environ).url)
    except (ApiProblem, Unreachable):
        return {}  # and not remembered: the next amount asks again


@cache
def _scales(url: str) -> Mapping[str, int]:  # noqa: ARG001 - remembered for each server
    with asked("read") as client:
        return {one["code"]: one["scale"] for one in client.get("/api/assets")["data"]}


def is_amount(name: str, value: Any) -> bool:
    """Is this a field of minor units with a whole number in it?"""
    return name.rpartition(".")[2] in FIELDS and isinstance(value, str) and value.removeprefix("-").isdigit()


def major(minor: str, asset: str | None) -> str:
    """`"125050"` of EUR is `1,250.50`. An asset that the books do not know stays in minor units, and says so."""
    found = asset_told(_assets(), asset) if asset else None
    return f"{minor} minor units" if found is None else found.figure(int(minor))


def figure(minor: int | str, asset: str) -> str:
    """An amount with its asset: `1,250.50 EUR`; minor units, and so called, where the books do not know it."""
    return tell_in(_assets())(int(minor), asset)


def _assets() -> dict[str, Asset]:
    return {code: Asset(code, scale) for code, scale in scales().items()}


def amounts_of(problem: str) -> Sequence[str]:
    """Which facts of a problem with this name are amounts, as they stand in answers."""
    return _amounts().get(problem, ())


@cache
def _amounts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(Path(__file__).with_name(PROBLEM_AMOUNTS).read_text("utf-8"))
    return found


def to_minor(given: str, asset: str, field: str) -> str:
    """What a person typed in major units, as minor units for the wire. Raises InvalidInput: no amount, or too many decimals."""
    scale = scales().get(asset)
    if scale is None:
        raise InvalidInput("asset", f"one of {', '.join(sorted(scales())) or 'those the server keeps books in'}", got=asset)
    return str(parse_major(given, Asset(asset, scale), field))

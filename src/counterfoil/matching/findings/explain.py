"""Why a break is there: hypotheses, each with the test that supports or excludes it, and the one safe thing to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.matching.findings.differences import Record
from counterfoil.matching.findings.explain_missing import ALONE, AMBIGUOUS, DOUBLE
from counterfoil.matching.findings.hypotheses import (
    CUT_SHORT,
    SUPPORTED,
    FindingEvidence,
    Hypothesis,
    Test,
    of_amounts,
    of_both,
    said,
    went_back,
)

FEE_PAIRS_LEAST: Final = 3  # a rate that is seen once is no rate
FEE_BPS_MAX: Final = 2_000
ROUNDING_MOST: Final = 5  # minor units: more is seldom what rounding leaves
ROUNDING_SHARE: Final = 200  # and of a far larger amount: 5 of 20 cents are no rounding
UNFINISHED: Final = ("pending", "processing", "sent", "queued", "open", "in_transit", "unknown")
FINISHED: Final = ("paid", "succeeded", "completed", "complete", "settled", "booked", "done", "success")


def explain(case: FindingEvidence) -> list[Hypothesis]:
    """Every hypothesis that can be tested on this break, supported ones first, the more telling first."""
    if case.cut_short:
        return [
            said(
                CUT_SHORT,
                True,
                "did a limit end the search before every partner was looked at?",
                "see what was not checked",
                99,
            )
        ]
    found = [hypothesis for test in TESTS.get(case.kind, ()) if (hypothesis := test(case)) is not None]
    return sorted(found, key=lambda each: (each.verdict != SUPPORTED, -each.weight, each.cause))


# --- amounts ------------------------------------------------------------------------------------------------------------------


@of_amounts
def _sign(left: int, right: int, here: str, there: str) -> Hypothesis | None:
    return said("sign", left == -right, "is one amount the other's negative?", f"{here} and {there}", 95)


def _scale(case: FindingEvidence) -> Hypothesis | None:
    if not (case.left and case.right) or not case.left.amount or not case.right.amount:
        return None
    small, large = sorted((abs(case.left.amount), abs(case.right.amount)))
    factor = next((f for f in (10, 100, 1000) if small * f == large), 0)
    return said(
        "scale",
        factor > 0,
        "is one amount 10, 100 or 1,000 times the other?",
        f"×{factor}" if factor else "no such factor",
        94,
    )


def _transposed(case: FindingEvidence) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    left, right = case.left, case.right
    here, there = str(abs(left.amount)), str(abs(right.amount))
    apart = [at for at, (a, b) in enumerate(zip(here, there, strict=False)) if a != b]
    holds = len(here) == len(there) and len(apart) == 2 and here[apart[0]] == there[apart[1]] and here[apart[1]] == there[apart[0]]
    off = right.amount - left.amount
    return said(
        "transposed digits",
        holds,
        "is the difference divisible by 9, two digits having changed places?",
        f"difference {case.context.told(off, left.asset)}",
        90,
    )


def _cent(case: FindingEvidence) -> Hypothesis | None:
    """One smallest unit, or a few: sums that were rounded line by line on one side and as a whole on the other."""
    if not (case.left and case.right) or case.left.asset != case.right.asset:
        return None
    off, asset, told = abs(case.right.amount - case.left.amount), case.left.asset, case.context.told
    if off == 1:
        return said("off by a cent", True, "is the difference the smallest unit there is?", told(off, asset), 82)
    larger = max(abs(case.left.amount), abs(case.right.amount))
    holds = 1 < off <= ROUNDING_MOST and off * ROUNDING_SHARE <= larger
    return said(
        "rounding",
        holds,
        "is the difference a few of the smallest units of a far larger amount?",
        f"{told(off, asset)} of {told(larger, asset)}",
        81,
    )


def _fee(case: FindingEvidence) -> Hypothesis | None:
    rate = fee_bps(case.left, case.right)
    seen = case.context.fee_rates.get(rate, 0) if rate else 0
    return said(
        "fee netted",
        seen >= FEE_PAIRS_LEAST,
        "do several pairs show the same rate as their difference?",
        f"{rate} basis points, seen {counted(seen, 'time')}" if rate else "the difference is no fee's share",
        85,
    )


def fee_bps(left: Record | None, right: Record | None) -> int:
    """The rate that would explain the difference as a fee taken off the larger amount, in whole basis points; 0 for none."""
    if left is None or right is None or left.asset != right.asset or left.amount * right.amount <= 0:
        return 0
    gross, net = max(abs(left.amount), abs(right.amount)), min(abs(left.amount), abs(right.amount))
    rate = round_half((gross - net) * 10_000, gross)
    return rate if 0 < rate <= FEE_BPS_MAX and abs(gross * rate // 10_000 - (gross - net)) <= 1 else 0


def round_half(top: int, bottom: int) -> int:
    """top ÷ bottom to the nearest whole number."""
    return (2 * top + bottom) // (2 * bottom)


@of_amounts
def _partial(left: int, right: int, here: str, there: str) -> Hypothesis | None:
    holds = 0 < abs(right) < abs(left) and left * right > 0
    return said(
        "partial payment",
        holds,
        "is the right amount a part of the left one?",
        f"{there} of {here}",
        40,
    )


@of_amounts
def _over(left: int, right: int, here: str, there: str) -> Hypothesis | None:
    holds = 0 < abs(left) < abs(right) and left * right > 0
    return said(
        "altered or overpaid",
        holds,
        "is the right amount larger than the left one?",
        f"{there} for {here}",
        39,
    )


# --- dates, states, currencies ------------------------------------------------------------------------------------------------


def _time_zone(case: FindingEvidence) -> Hypothesis | None:
    if not (case.left and case.right and case.left.day and case.right.day):
        return None
    one = abs((case.right.day - case.left.day).days) == 1
    moment = case.left.event_at or case.right.event_at
    near = moment is None or int(moment[11:13] or 0) >= 20 or int(moment[11:13] or 0) < 4
    return said(
        "date by time zone",
        one and near,
        "one day apart, and the time near midnight?",
        moment or "no time of day is known",
        70,
    )


def _slow(case: FindingEvidence) -> Hypothesis | None:
    if not (case.left and case.right and case.left.day and case.right.day):
        return None
    days = (case.right.day - case.left.day).days
    weekend = any((min(case.left.day, case.right.day) + timedelta(days=n)).weekday() >= 5 for n in range(abs(days) + 1))
    return said("booked late", days > 1 or weekend, "is it later by days, or over a weekend?", counted(days, "day"), 60)


@of_both
def _not_finished(left: Record, right: Record) -> Hypothesis | None:
    return _behind("missing webhook or finalise", left, right, UNFINISHED, FINISHED, "is it done there and open here?", 90)


@of_both
def _sync_lag(left: Record, right: Record) -> Hypothesis | None:
    return _behind("sync lag", left, right, FINISHED, UNFINISHED, "is it done here and open there?", 80)


def _behind(
    name: str, left: Record, right: Record, here: Collection[str], there: Collection[str], question: str, weight: int
) -> Hypothesis | None:
    holds = (left.status or "") in here and (right.status or "") in there
    return said(name, holds, question, f"{left.status or 'nothing'} here, {right.status or 'nothing'} there", weight)


@of_both
def _currency(left: Record, right: Record) -> Hypothesis | None:
    holds = left.amount == right.amount
    return said(
        "wrong currency code",
        holds,
        "is the figure the same under another code?",
        f"{left.asset} and {right.asset}",
        88,
    )


@of_amounts
def _converted(left: int, right: int, here: str, there: str) -> Hypothesis | None:
    holds = left != right
    return said(
        "converted",
        holds,
        "is the figure another one under another code?",
        f"{here} and {there}",
        60,
    )


TESTS: Final[Mapping[str, tuple[Test, ...]]] = {
    "AMOUNT_MISMATCH": (_sign, _scale, _transposed, _fee, _cent, _partial, _over, went_back),
    "CURRENCY_MISMATCH": (_currency, _converted),
    "STATUS_MISMATCH": (_not_finished, _sync_lag, went_back),
    "DATE_MISMATCH": (_time_zone, _slow),
    "COUNTERPARTY_MISMATCH": (went_back,),
    "MISSING_LEFT": ALONE,
    "MISSING_RIGHT": ALONE,
    "DUPLICATE_LEFT": DOUBLE,
    "DUPLICATE_RIGHT": DOUBLE,
    "AMBIGUOUS": AMBIGUOUS,
}

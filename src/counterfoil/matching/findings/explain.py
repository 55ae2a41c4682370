"""Why a break is there: hypotheses, each with the test that supports or excludes it, and the one safe thing to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple

from counterfoil.matching.findings.differences import Difference, Record, edits

SUPPORTED: Final = "supported"
EXCLUDED: Final = "excluded"
FEE_PAIRS_LEAST: Final = 3  # a rate that is seen once is no rate
FEE_BPS_MAX: Final = 2_000
WRONG_WORDS: Final = {
    "returned": ("return", "rejected", "bounced", "rückgabe", "rücklastschrift"),
    "refund": ("refund", "reversal", "storno", "credit note", "erstattung"),
    "chargeback": ("chargeback", "dispute"),
}
UNFINISHED: Final = ("pending", "processing", "sent", "queued", "open", "in_transit", "unknown")
FINISHED: Final = ("paid", "succeeded", "completed", "complete", "settled", "booked", "done", "success")


class Candidate(NamedTuple):
    """A record that might have been the partner, and why it was not taken."""

    id: str
    reference: str | None
    amount: int
    day: date | None
    why_refused: str


class Hypothesis(NamedTuple):
    """One possible cause. `test` is what the machine checked, `finding` what it saw, `verdict` supported or excluded."""

    cause: str
    verdict: str
    test: str
    finding: str
    weight: int


@dataclass(frozen=True)
class Context:
    """What is known about the whole run; made once, read by every test."""

    as_of: date | None = None
    wait_days: Mapping[str, int | None] = field(default_factory=dict)  # by side: how long its records may take to show
    lines_of_day: Mapping[tuple[str, date], int] = field(default_factory=dict)  # side and day → lines
    fee_rates: Mapping[int, int] = field(default_factory=dict)  # basis points of a difference → pairs that show it
    duplicates: Mapping[str, int] = field(default_factory=dict)  # side → doubled records
    rows: Mapping[str, int] = field(default_factory=dict)
    counterparties: frozenset[str] = frozenset()  # those that matched elsewhere


class Case(NamedTuple):
    """One break, as the tests see it."""

    kind: str
    left: Record | None
    right: Record | None
    fields: Sequence[Difference]
    candidates: Sequence[Candidate]
    sibling: Record | None
    context: Context


Test = Callable[[Case], Hypothesis | None]


def explain(case: Case) -> list[Hypothesis]:
    """Every hypothesis that can be tested on this break, supported ones first, the more telling first."""
    found = [hypothesis for test in TESTS.get(case.kind, ()) if (hypothesis := test(case)) is not None]
    return sorted(found, key=lambda each: (each.verdict != SUPPORTED, -each.weight, each.cause))


def _said(cause: str, holds: bool, test: str, finding: str, weight: int) -> Hypothesis:
    return Hypothesis(cause, SUPPORTED if holds else EXCLUDED, test, finding, weight)


# --- amounts ------------------------------------------------------------------------------------------------------------------


def _sign(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    holds = case.left.amount == -case.right.amount
    return _said(
        "sign", holds, "is one amount the other's negative?", f"{case.left.amount} and {case.right.amount}", 95
    )


def _scale(case: Case) -> Hypothesis | None:
    if not (case.left and case.right) or not case.left.amount or not case.right.amount:
        return None
    small, large = sorted((abs(case.left.amount), abs(case.right.amount)))
    factor = next((f for f in (10, 100, 1000) if small * f == large), 0)
    return _said(
        "scale",
        factor > 0,
        "is one amount 10, 100 or 1,000 times the other?",
        f"×{factor}" if factor else "no such factor",
        94,
    )


def _transposed(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    here, there = str(abs(case.left.amount)), str(abs(case.right.amount))
    apart = [at for at, (a, b) in enumerate(zip(here, there, strict=False)) if a != b]
    holds = (
        len(here) == len(there)
        and len(apart) == 2
        and here[apart[0]] == there[apart[1]]
        and here[apart[1]] == there[apart[0]]
    )
    off = case.right.amount - case.left.amount
    return _said(
        "transposed digits",
        holds,
        "is the difference divisible by 9, two digits having changed places?",
        f"difference {off}",
        90,
    )


def _fee(case: Case) -> Hypothesis | None:
    rate = fee_bps(case.left, case.right)
    seen = case.context.fee_rates.get(rate, 0) if rate else 0
    return _said(
        "fee netted", seen >= FEE_PAIRS_LEAST, "do several pairs show the same rate as their difference?",
        f"{rate} basis points, seen {seen} times" if rate else "the difference is no fee's share", 85,
    )  # fmt: skip


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


def _partial(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    holds = 0 < abs(case.right.amount) < abs(case.left.amount) and case.left.amount * case.right.amount > 0
    return _said(
        "partial payment",
        holds,
        "is the right amount a part of the left one?",
        f"{case.right.amount} of {case.left.amount}",
        40,
    )


def _over(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    holds = 0 < abs(case.left.amount) < abs(case.right.amount) and case.left.amount * case.right.amount > 0
    return _said(
        "altered or overpaid",
        holds,
        "is the right amount larger than the left one?",
        f"{case.right.amount} for {case.left.amount}",
        39,
    )


# --- dates, states, currencies ------------------------------------------------------------------------------------------------


def _time_zone(case: Case) -> Hypothesis | None:
    if not (case.left and case.right and case.left.day and case.right.day):
        return None
    one = abs((case.right.day - case.left.day).days) == 1
    moment = case.left.event_at or case.right.event_at
    near = moment is None or int(moment[11:13] or 0) >= 20 or int(moment[11:13] or 0) < 4
    return _said(
        "date by time zone",
        one and near,
        "one day apart, and the time near midnight?",
        moment or "no time of day is known",
        70,
    )


def _slow(case: Case) -> Hypothesis | None:
    if not (case.left and case.right and case.left.day and case.right.day):
        return None
    days = (case.right.day - case.left.day).days
    weekend = any((min(case.left.day, case.right.day) + timedelta(days=n)).weekday() >= 5 for n in range(abs(days) + 1))
    return _said("booked late", days > 1 or weekend, "is it later by days, or over a weekend?", f"{days} days", 60)


def _not_finished(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    here, there = (case.left.status or ""), (case.right.status or "")
    holds = here in UNFINISHED and there in FINISHED
    return _said(
        "missing webhook or finalise",
        holds,
        "is it done there and open here?",
        f"{here or 'nothing'} here, {there or 'nothing'} there",
        90,
    )


def _sync_lag(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    here, there = (case.left.status or ""), (case.right.status or "")
    holds = here in FINISHED and there in UNFINISHED
    return _said(
        "sync lag",
        holds,
        "is it done here and open there?",
        f"{here or 'nothing'} here, {there or 'nothing'} there",
        80,
    )


def _went_back(case: Case) -> Hypothesis | None:
    for cause, words in WRONG_WORDS.items():
        for record in (case.right, case.left):
            text = f"{record.status or ''} {record.memo or ''}".lower() if record else ""
            if any(word in text for word in words):
                return _said(cause, True, "does the state or the text name it?", text.strip()[:80], 92)
    return _said("returned, refund or chargeback", False, "does the state or the text name one?", "no such word", 20)


def _currency(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    holds = case.left.amount == case.right.amount
    return _said(
        "wrong currency code",
        holds,
        "is the figure the same under another code?",
        f"{case.left.asset} and {case.right.asset}",
        88,
    )


def _converted(case: Case) -> Hypothesis | None:
    if not (case.left and case.right):
        return None
    holds = case.left.amount != case.right.amount
    return _said(
        "converted",
        holds,
        "is the figure another one under another code?",
        f"{case.left.amount} and {case.right.amount}",
        60,
    )


# --- what has no partner ------------------------------------------------------------------------------------------------------


def _alone(case: Case) -> Record | None:
    return case.left if case.right is None else case.right if case.left is None else None


def _late(case: Case) -> Hypothesis | None:
    record, context = _alone(case), case.context
    if record is None or record.day is None or context.as_of is None:
        return None
    other = "right" if record.side == "left" else "left"
    come = context.lines_of_day.get((other, record.day), 0)
    recent = (context.as_of - record.day).days <= (context.wait_days.get(record.side) or 2)
    return _said("late", recent and come == 0, "is it recent, and have no other lines of that day come?",
                 f"dated {record.day}, sources reach {context.as_of}, {come} lines of that day on the {other}", 80)  # fmt: skip


def _altered_reference(case: Case) -> Hypothesis | None:
    record = _alone(case)
    if record is None or not record.reference:
        return None
    near = [c for c in case.candidates if c.reference and c.amount == record.amount and c.reference != record.reference]
    best = min(near, key=lambda c: (edits(record.reference or "", c.reference or ""), c.id), default=None)
    if best is None or best.reference is None:
        return _said(
            "altered reference", False, "is there an equal amount under a similar reference?", "none is near", 30
        )
    cut = record.reference.startswith(best.reference) or best.reference.startswith(record.reference)
    count = edits(record.reference, best.reference)
    cause = "truncated reference" if cut else "altered reference"
    holds = cut or count * 3 <= len(record.reference)
    return _said(
        cause,
        holds,
        "is there an equal amount under a similar reference?",
        f"{best.reference}, {count} characters apart",
        86,
    )


def _other_amount(case: Case) -> Hypothesis | None:
    record = _alone(case)
    if record is None:
        return None
    for candidate in case.candidates:
        if candidate.amount == -record.amount:
            return _said("sign", True, "is there the opposite amount on the other side?", candidate.id, 60)
        small, large = sorted((abs(candidate.amount), abs(record.amount)))
        if small and small != large and large in (small * 10, small * 100, small * 1000):
            return _said(
                "scale", True, "is there 10, 100 or 1,000 times the amount on the other side?", candidate.id, 58
            )
    return _said("sign or scale", False, "is there the opposite or a multiple by ten on the other side?", "no", 15)


def _unknown_payee(case: Case) -> Hypothesis | None:
    record = _alone(case)
    if record is None or not record.counterparty or not case.context.counterparties:
        return None
    known = record.counterparty.upper() in case.context.counterparties
    return _said(
        "unknown payee", not known, "does this counterparty appear on any matched record?", record.counterparty[:60], 50
    )


def _never_sent(case: Case) -> Hypothesis | None:
    record = _alone(case)
    if record is None:
        return None
    near = [c for c in case.candidates if c.amount == record.amount]
    where = "right" if record.side == "left" else "left"
    return _said("lost or never made", not near, f"is there no record of that amount near that day on the {where}?",
                 f"{len(near)} of that amount", 55)  # fmt: skip


# --- doubles and several ------------------------------------------------------------------------------------------------------


def _doubled_file(case: Case) -> Hypothesis | None:
    record = case.left or case.right
    if record is None:
        return None
    doubled, rows = case.context.duplicates.get(record.side, 0), case.context.rows.get(record.side, 0)
    holds = rows > 0 and doubled * 3 >= rows
    return _said("doubled file", holds, "is a third or more of this side there twice?", f"{doubled} of {rows} rows", 90)


def _doubled_record(case: Case) -> Hypothesis | None:
    record, sibling = case.left or case.right, case.sibling
    if record is None or sibling is None:
        return None
    same_id = record.id == sibling.id
    cause = "the same line twice" if same_id else "booked or sent twice"
    days = abs((record.day - sibling.day).days) if record.day and sibling.day else 0
    return _said(cause, True, "does a sibling of this side with the same key and amount have its partner?",
                 f"sibling {sibling.id}, {days} days apart", 80)  # fmt: skip


def _several(case: Case) -> Hypothesis | None:
    count = len(case.candidates)
    return _said(
        "several equal candidates", count > 0, "do several records fit equally well?", f"{count} candidates", 90
    )


ALONE: Final[tuple[Test, ...]] = (_late, _altered_reference, _other_amount, _unknown_payee, _never_sent, _went_back)
DOUBLE: Final[tuple[Test, ...]] = (_doubled_file, _doubled_record, _went_back)
TESTS: Final[Mapping[str, tuple[Test, ...]]] = {
    "AMOUNT_MISMATCH": (_sign, _scale, _transposed, _fee, _partial, _over, _went_back),
    "CURRENCY_MISMATCH": (_currency, _converted),
    "STATUS_MISMATCH": (_not_finished, _sync_lag, _went_back),
    "DATE_MISMATCH": (_time_zone, _slow),
    "COUNTERPARTY_MISMATCH": (_went_back,),
    "MISSING_LEFT": ALONE,
    "MISSING_RIGHT": ALONE,
    "DUPLICATE_LEFT": DOUBLE,
    "DUPLICATE_RIGHT": DOUBLE,
    "AMBIGUOUS": (_several,),
}

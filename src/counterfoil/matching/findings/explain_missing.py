"""Why a record has no partner, or is there twice: nothing is said that rests on a look that was not taken."""

from __future__ import annotations

from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.matching.findings.differences import Record, edits
from counterfoil.matching.findings.hypotheses import TAKEN, FindingEvidence, Hypothesis, Test, said, went_back

FEE: Final = "fee"  # the state in which readers keep what a provider took for a payment


def _alone(case: FindingEvidence) -> Record | None:
    return case.left if case.right is None else case.right if case.left is None else None


def _late(case: FindingEvidence) -> Hypothesis | None:
    record, context = _alone(case), case.context
    if record is None or record.day is None or context.as_of is None or context.lines_of_day is None or case.crowded:
        return None
    other = "right" if record.side == "left" else "left"
    come = context.lines_of_day.get((other, record.day), 0)
    # What may be its partner is there: to wait for it would be to wait for a second one.
    there = sum(one.amount == record.amount and one.why_refused != TAKEN for one in case.candidates)
    recent = (context.as_of - record.day).days <= (context.wait_days.get(record.side) or 2)
    return said(
        "late",
        recent and come == 0 and not there,
        "is it recent, have no other lines of that day come, and is no open record of its amount near?",
        f"dated {record.day}, sources reach {context.as_of}, {counted(come, 'line')} of that day on the {other}, "
        f"{there} of that amount open",
        80,
    )


def _altered_reference(case: FindingEvidence) -> Hypothesis | None:
    record = _alone(case)
    if record is None or not record.reference or case.crowded:
        return None
    near = [c for c in case.candidates if c.reference and c.amount == record.amount and c.reference != record.reference]
    best = min(near, key=lambda c: (edits(record.reference or "", c.reference or ""), c.id), default=None)
    if best is None or best.reference is None:
        return said("altered reference", False, "is there an equal amount under a similar reference?", "none is near", 30)
    cut = record.reference.startswith(best.reference) or best.reference.startswith(record.reference)
    count = edits(record.reference, best.reference)
    cause = "truncated reference" if cut else "altered reference"
    holds = cut or count * 3 <= len(record.reference)
    return said(
        cause,
        holds,
        "is there an equal amount under a similar reference?",
        f"{best.reference}, {counted(count, 'character')} apart",
        86,
    )


def _other_amount(case: FindingEvidence) -> Hypothesis | None:
    record = _alone(case)
    if record is None or case.crowded:
        return None
    for candidate in case.candidates:
        if candidate.amount == -record.amount:
            return said("sign", True, "is there the opposite amount on the other side?", candidate.id, 60)
        small, large = sorted((abs(candidate.amount), abs(record.amount)))
        if small and small != large and large in (small * 10, small * 100, small * 1000):
            return said("scale", True, "is there 10, 100 or 1,000 times the amount on the other side?", candidate.id, 58)
    return said("sign or scale", False, "is there the opposite or a multiple by ten on the other side?", "no", 15)


def _unknown_payee(case: FindingEvidence) -> Hypothesis | None:
    record = _alone(case)
    if record is None or not record.counterparty or not case.context.counterparties:
        return None
    known = record.counterparty.upper() in case.context.counterparties
    return said("unknown payee", not known, "does this counterparty appear on any matched record?", record.counterparty[:60], 50)


def _common_amount(case: FindingEvidence) -> Hypothesis | None:
    if not case.crowded:
        return None
    found = f"{case.crowded:,} of that amount, too many to look at each"
    return said("common amount", True, "do so many open records have this amount that it points to none of them?", found, 45)


def _fee_of_another(case: FindingEvidence) -> Hypothesis | None:
    record = _alone(case)
    if record is None or record.status != FEE:
        return None
    return said("provider's fee", True, "is it what its source took for another record, beside it in the same line?", record.id, 91)


def _never_sent(case: FindingEvidence) -> Hypothesis | None:
    record = _alone(case)
    if record is None or case.crowded:
        return None
    near = [c for c in case.candidates if c.amount == record.amount]
    where = "right" if record.side == "left" else "left"
    return said(
        "lost or never made",
        not near,
        f"is there no record of that amount near that day on the {where}?",
        f"{len(near)} of that amount",
        55,
    )


# --- doubles and several ------------------------------------------------------------------------------------------------------


def _doubled_file(case: FindingEvidence) -> Hypothesis | None:
    record = case.left or case.right
    if record is None:
        return None
    doubled, rows = case.context.duplicates.get(record.side, 0), case.context.rows.get(record.side, 0)
    holds = rows > 0 and doubled * 3 >= rows
    return said("doubled file", holds, "is a third or more of this side there twice?", f"{doubled} of {rows} rows", 90)


def _doubled_record(case: FindingEvidence) -> Hypothesis | None:
    record, sibling = case.left or case.right, case.sibling
    if record is None or sibling is None:
        return None
    same_id = record.id == sibling.id
    cause = "the same line twice" if same_id else "booked or sent twice"
    days = abs((record.day - sibling.day).days) if record.day and sibling.day else 0
    return said(
        cause,
        True,
        "does a sibling of this side with the same key and amount have its partner?",
        f"sibling {sibling.id}, {counted(days, 'day')} apart",
        80,
    )


def _several(case: FindingEvidence) -> Hypothesis | None:
    count = len(case.candidates)
    return said("several equal candidates", count > 0, "do several records fit equally well?", f"{count} candidates", 90)


ALONE: Final[tuple[Test, ...]] = (
    _fee_of_another,
    _late,
    _altered_reference,
    _other_amount,
    _unknown_payee,
    _never_sent,
    _common_amount,
    went_back,
)
DOUBLE: Final[tuple[Test, ...]] = (_doubled_file, _doubled_record, went_back)

AMBIGUOUS: Final[tuple[Test, ...]] = (_several,)

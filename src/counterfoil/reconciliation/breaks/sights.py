"""Breaks as a run saw them: which case each is, which thing of the real world it is about, and what exactly was found."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from counterfoil.matching.findings.differences import Record
from counterfoil.matching.findings.findings import Finding

PARTS: Final[Mapping[str, str]] = {
    "payouts": "payout",
    "charges": "charge",
}  # of a provider's sources: what each tells of
WAITING: Final = "wait"  # the one safe action of what is only late


class Sight(NamedTuple):
    """A break as a run saw it. `difference`: how many minor units the right side has more, None over several assets.

    `subject`: the thing of the real world that it is about; `evidence`: a hash of kind, amounts and fields, what an acceptance is of.
    """

    identity: str
    subject: str
    number: int
    kind: str
    severity: str
    asset: str
    at_stake: int
    difference: int | None
    cause: str
    record_id: str
    reference: str
    first_on: date
    last_on: date
    waits: bool
    evidence: bytes


def sights_of(source: str, found: Iterable[Finding], fallback: date) -> Iterable[Sight]:
    """Each break with its identity: lines that are the same to the letter are told apart by their order."""
    times: Counter[str] = Counter()
    for number, one in enumerate(found, start=1):
        times[one.id] += 1
        records = (*one.left, *one.right)
        days = [record.day for record in records if record.day is not None] or [fallback]
        assets = {record.asset for record in records}
        off = sum(record.amount for record in one.right) - sum(record.amount for record in one.left)
        difference = off if len(assets) == 1 else None
        yield Sight(
            identity=one.id if times[one.id] == 1 else f"{one.id}#{times[one.id]}",
            subject=subject_of(source, records),
            number=number,
            kind=one.kind,
            severity=one.severity,
            asset=one.asset,
            at_stake=one.at_stake,
            difference=difference,
            cause=one.cause,
            record_id=records[0].id,
            reference=next((record.reference for record in records if record.reference), records[0].id),
            first_on=min(days),
            last_on=max(days),
            waits=one.action.verb == WAITING,
            evidence=_evidence(one, difference),
        )


def whole_of(source: str) -> str:
    """`simulator` of `simulator:payouts`: the sources of one provider tell of the same things. A bank account is whole."""
    name, _, part = source.partition(":")
    return name if part in PARTS else source


def subject_of(source: str, records: Sequence[Record]) -> str:
    """The thing of the real world that these records are about, named the same in every source of a provider: `payout:`, `charge:`."""
    first = records[0]
    part = source.partition(":")[2]
    if part in PARTS:
        return f"{PARTS[part]}:{first.id}"
    kind, _, reference = first.id.partition(":")
    if kind.startswith("payout"):  # ours and the provider's line of it, and what came back
        return f"payout:{next((one.batch for one in records if one.batch), reference)}"
    return first.id if kind == "charge" else f"{source}/{first.id}"


def _evidence(one: Finding, difference: int | None) -> bytes:
    fields = sorted(f"{each.name}\x1f{each.left}\x1f{each.right}" for each in one.fields)
    return hashlib.sha256("\x1e".join([one.kind, one.asset, str(one.at_stake), str(difference), *fields]).encode()).digest()

"""What is kept of a run and of each of its findings, as JSON with a version: written here, read here, and nowhere else.

Proofs will stand on these bytes. A field is added, never changed; what an older version did not have reads as its default. Amounts are
whole minor units; on paper they are strings, because numbers of JSON lose their last digits in many readers.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SerializerFunctionWrapHandler, model_serializer

from counterfoil.matching.findings.differences import Record
from counterfoil.matching.findings.findings import Finding
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.passes.footing import ControlTotal, Footing
from counterfoil.matching.reading.sides import Total

REPORT_VERSION: Final = 2
OF_OUR_BOOKS: Final = (
    "source",
    "question",
    "scope",
    "first_on",
    "last_on",
    "expected_later",
    "booked_later",
    "lists_cut",
    "balances",
)
FINDING_VERSION: Final = 2
Minor = Annotated[int, BeforeValidator(int), PlainSerializer(str, return_type=str)]


class _Kept(BaseModel):
    """Frozen; what a later version of the program wrote beside it is kept, not lost."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @classmethod
    def read(cls, kept: dict[str, Any] | None) -> Self:
        """From the JSON of a row; of no row, the one with nothing in it."""
        return cls.model_validate(kept or {})

    def written(self) -> dict[str, Any]:
        """As JSON."""
        return self.model_dump(mode="json")


class RecordedSource(_Kept):
    """One side, as it was read."""

    side: str
    name: str = ""
    rows: int = 0
    left_out: int = 0
    rejected: int = 0


class Sum(_Kept):
    """Records, and what they come to."""

    rows: int = 0
    minor: Minor = 0


class FootingRow(_Kept):
    """One side and asset: source = matched + breaks + expected, to the unit."""

    side: str
    asset: str
    source: Sum = Sum()
    matched: Sum = Sum()
    breaks: Sum = Sum()
    expected: Sum = Sum()


class PassRow(_Kept):
    """What one pass found: records confirmed on each side, pairs that it found broken, pairs that it suggests."""

    left: int = 0
    right: int = 0
    breaks: int = 0
    suggested: int = 0


class KindRow(_Kept):
    """Findings of one kind and asset."""

    kind: str
    asset: str
    breaks: int
    at_stake_minor: Minor


class ToleranceRow(_Kept):
    """How often a pass let a difference go, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=True)

    step: str = Field(alias="pass")
    asset: str
    pairs: int
    minor: Minor


class ControlRow(_Kept):
    """One asset, right less left: difference = breaks + expected + tolerated + unexplained."""

    asset: str
    left_minor: Minor = 0
    right_minor: Minor = 0
    difference_minor: Minor = 0
    breaks_minor: Minor = 0
    expected_minor: Minor = 0
    tolerated_minor: Minor = 0
    unexplained_minor: Minor = 0


class CutRow(_Kept):
    """A limit that cut a pass short: how many cases it left out, and how many records of them stayed open."""

    step: str
    what: str
    limit: int
    cases: int
    left: int
    right: int


class BalanceRow(_Kept):
    """Two balances at the end of the days, and what stands between them. `unexplained` is None where it cannot be known.

    `opening`: what they differed by before the days. `sent_on`: what the other side had paid out and our books have still to say.
    """

    asset: str
    booked: Minor = 0
    stated: Minor | None = None
    opening: Minor | None = None
    difference: Minor | None = None
    only_there: Minor | None = None
    only_here: Minor | None = None
    sooner_there: Minor | None = None
    sooner_here: Minor | None = None
    sent_on: Minor = 0
    contradicted: tuple[str, ...] = ()
    unexplained: Minor | None = None


class Waiting(_Kept):
    """A record that need not be on the other side yet, and why."""

    side: str
    id: str
    reference: str | None = None
    amount: Minor
    asset: str
    day: date
    why: str


class BookedLater(_Kept):
    """A record that both sides have, booked on the first open day because the period in which it happened was closed."""

    id: str
    reference: str | None = None
    amount: Minor
    asset: str
    happened_on: date
    booked_on: date


class RunReport(_Kept):
    """All that a finished run tells beside its findings. One of two files has no source, no days and no balances."""

    version: int = 1
    format: str = "counterfoil-reconciliation-1"
    name: str = ""
    verdict: str = ""
    source: str = ""
    question: str = ""
    scope: str = ""
    first_on: date | None = None
    last_on: date | None = None
    as_of: date | None = None
    rules_sha256: str = ""
    sources: tuple[RecordedSource, ...] = ()
    footing: tuple[FootingRow, ...] = ()
    passes: dict[str, PassRow] = {}
    kinds: tuple[KindRow, ...] = ()
    tolerances_used: tuple[ToleranceRow, ...] = ()
    control_totals: tuple[ControlRow, ...] = ()
    compared: tuple[str, ...] = ()
    cut_short: tuple[CutRow, ...] = ()
    not_checked: tuple[str, ...] = ()
    learnt: tuple[str, ...] = ()
    suggested: int = 0
    breaks_total: int = 0
    breaks_listed: int = 0
    rejected_total: int = 0
    expected_later: tuple[Waiting, ...] = ()
    booked_later: tuple[BookedLater, ...] = ()
    lists_cut: tuple[str, ...] = ()
    balances: tuple[BalanceRow, ...] = ()

    def unexplained(self) -> dict[str, int]:
        """By asset, what no listed item explains, of the balances or else of the matched sums; without what agrees or cannot be known."""
        sums = {row.asset: row.unexplained_minor for row in self.control_totals if row.unexplained_minor}
        return sums | {row.asset: row.unexplained for row in self.balances if row.unexplained}

    def written(self) -> dict[str, Any]:
        """As JSON; what only a run over our books has, only for one."""
        return self.model_dump(mode="json", exclude=None if self.source else set(OF_OUR_BOOKS))


class RecordRead(_Kept):
    """A record of one side, as it was understood."""

    id: str
    reference: str | None = None
    amount: Minor
    asset: str
    date: str | None = None
    status: str | None = None
    counterparty: str | None = None
    memo: str | None = None
    batch: str | None = None
    booked_on: str | None = None
    value_on: str | None = None
    event_at: str | None = None
    key_fields: dict[str, str] | None = None

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what the source does not give."""
        return {name: value for name, value in handler(self).items() if value is not None}

    def told(self, name: str) -> str | None:
        """One of its fields as text; None where it does not give it."""
        found = getattr(self, name) if name in type(self).model_fields else (self.key_fields or {}).get(name)
        return None if found is None else str(found)


class FieldDiffers(_Kept):
    """A field that is not the same on both sides, and by how much, in words."""

    name: str
    left: str
    right: str
    distance: str


class CandidateRead(_Kept):
    """A record that might have been the partner, and why it was not taken."""

    id: str
    reference: str | None = None
    amount: Minor
    day: str | None = None
    why_refused: str


class HypothesisRead(_Kept):
    """One possible cause, what was checked and what was seen."""

    cause: str
    verdict: str
    test: str
    finding: str


class SafeAction(_Kept):
    """The one safe thing to do next, and why nothing else is offered."""

    verb: str = ""
    sentence: str = ""
    not_offered: str = ""


class FindingDetail(_Kept):
    """One finding of a run with all that explains it."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=True)

    version: int = 1
    id: str = ""
    kind: str = ""
    severity: str = ""
    asset: str = ""
    at_stake_minor: Minor = 0
    step: str = Field("", alias="pass")
    reason: str = ""
    left: tuple[RecordRead, ...] = ()
    right: tuple[RecordRead, ...] = ()
    fields: tuple[FieldDiffers, ...] = ()
    candidates: tuple[CandidateRead, ...] = ()
    hypotheses: tuple[HypothesisRead, ...] = ()
    action: SafeAction = SafeAction()
    explained: bool = False

    def records(self) -> tuple[RecordRead, ...]:
        """Ours, then theirs."""
        return (*self.left, *self.right)


def report_of(outcome: MatchingResult) -> RunReport:
    """What a run tells beside its findings, as it is kept."""
    return RunReport(
        version=REPORT_VERSION,
        name=outcome.rules.name,
        verdict=outcome.verdict,
        as_of=outcome.as_of,
        rules_sha256=outcome.rules_sha256,
        sources=tuple(
            RecordedSource(side=s.side, name=s.name, rows=s.rows, left_out=s.left_out, rejected=s.rejected) for s in outcome.sources
        ),
        footing=tuple(_footing(row) for row in outcome.footing),
        passes={name: PassRow(**counts) for name, counts in outcome.passes.items()},
        kinds=tuple(KindRow(kind=kind, asset=asset, breaks=count, at_stake_minor=minor) for kind, asset, count, minor in outcome.kinds),
        tolerances_used=tuple(
            ToleranceRow.read({"pass": t.step, "asset": t.asset, "pairs": t.pairs, "minor": t.minor}) for t in outcome.tolerated
        ),
        control_totals=tuple(_control(row) for row in outcome.control),
        compared=outcome.compared,
        cut_short=tuple(CutRow(**cut._asdict()) for cut in outcome.cuts),
        not_checked=outcome.not_checked,
        learnt=outcome.learnt,
        suggested=outcome.suggested,
        breaks_total=outcome.breaks_total,
        breaks_listed=len(outcome.breaks),
        rejected_total=len(outcome.rejected),
    )


def detail_of(each: Finding) -> FindingDetail:
    """One finding with its explanation, as it is kept: without the place of its records, which the files of the run have."""
    return FindingDetail.read(
        {
            "version": FINDING_VERSION,
            "id": each.id,
            "kind": each.kind,
            "severity": each.severity,
            "asset": each.asset,
            "at_stake_minor": each.at_stake,
            "pass": each.step,
            "reason": each.reason,
            "left": [_record(record) for record in each.left],
            "right": [_record(record) for record in each.right],
            "fields": [field._asdict() for field in each.fields],
            "candidates": [{**c._asdict(), "day": c.day.isoformat() if c.day else None} for c in each.candidates],
            "hypotheses": [{k: v for k, v in h._asdict().items() if k != "weight"} for h in each.hypotheses],
            "action": each.action._asdict(),
            "explained": each.explained,
        }
    )


def _record(record: Record) -> RecordRead:
    given = {name: value for name, value in record._asdict().items() if name in RecordRead.model_fields}
    given["key_fields"] = dict(record.key_fields) or None
    return RecordRead(**given, date=record.day.isoformat() if record.day else None)


def _footing(row: Footing) -> FootingRow:
    return FootingRow(
        side=row.side,
        asset=row.asset,
        source=_sum(row.source),
        matched=_sum(row.matched),
        breaks=_sum(row.breaks),
        expected=_sum(row.expected),
    )


def _sum(total: Total) -> Sum:
    return Sum(rows=total.rows, minor=total.minor)


def _control(row: ControlTotal) -> ControlRow:
    return ControlRow(
        asset=row.asset,
        left_minor=row.left,
        right_minor=row.right,
        difference_minor=row.difference,
        breaks_minor=row.breaks,
        expected_minor=row.expected,
        tolerated_minor=row.tolerated,
        unexplained_minor=row.unexplained,
    )

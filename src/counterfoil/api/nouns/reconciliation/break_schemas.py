"""The shapes of breaks on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints

from counterfoil.api.http.fields import AssetCode, Clean, Minor, ProgramId
from counterfoil.api.http.history import WithHistory
from counterfoil.api.http.schemas import Because, RequestModel, ViewModel, WriteResult, shows
from counterfoil.operations.verbs import MANY_MAX, LineDone
from counterfoil.reconciliation.breaks.adjusting import AdjustmentProposal
from counterfoil.reconciliation.breaks.ages import AGES
from counterfoil.reconciliation.breaks.queries import AgeBand, BreakGroup, FlowDay, Remark
from counterfoil.reconciliation.breaks.timeline import TimelineFact
from counterfoil.reconciliation.breaks.work import Break

State = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$"), Field(examples=["investigating"])]
BreakRef = Annotated[str, StringConstraints(pattern=r"^break_[0-9A-HJKMNP-TV-Z]{26}$")]
Owner = Annotated[Clean, StringConstraints(min_length=1, max_length=80)]


class Figure(ViewModel):
    """An amount in minor units of an asset."""

    minor: Minor
    asset: str


@shows(
    Break,
    hidden=(
        "identity",
        "record_id",
        "last_number",
    ),
)
class BreakShownShort(ViewModel):
    """One lasting thing that does not agree. Amounts in minor units of `asset`."""

    cause: str = Field(description="The best supported hypothesis; empty without one.")
    at_stake: Minor
    difference: Minor | None = Field(description="What the source has more than our books; null over several assets.")
    last_run: str = Field(description="The last run that found it.")
    gone_run: str | None = Field(description="The run that covered its days and no longer found it.")
    recurs_of: str | None = Field(description="The earlier break that came back as this one.")
    duplicate_of: str | None = Field(description="Of a duplicate: the break that it is shown through.")
    accepted_at_stake: Minor | None = Field(description="Of an accepted break: what was accepted; another amount is another break.")


@shows(TimelineFact, hidden=("step",))
class FactView(ViewModel):
    """Something that happened around a break."""

    whole_day: bool = Field(description="Only the date is known.")


@shows(Remark)
class RemarkView(ViewModel):
    """A comment, or a new owner (`text`; empty: nobody)."""


@shows(
    AdjustmentProposal,
    hidden=(
        "break_id",
        "limit_minor",
    ),
)
class ProposalView(ViewModel):
    """A journal that somebody proposed, and what became of it."""

    payload: dict[str, Any] = Field(description="The journal, as it would be posted.")
    payload_sha256: str = Field(description="What an approval names.")


class BreakInFull(WithHistory, BreakShownShort):
    """A break with everything that is known of it."""

    allowed: list[str] = Field(description="The verbs that may be said in this state.")
    detail: dict[str, Any] = Field(description="Both records, what differs, candidates, hypotheses, the safe action.")
    timeline: list[FactView]
    remarks: list[RemarkView]
    proposals: list[ProposalView]
    recurred_as: list[str]


@shows(BreakGroup)
class GroupView(ViewModel):
    """Live breaks of one kind, cause and asset."""

    at_stake: Figure
    ages: list[int] = Field(description=f"Counts: {', '.join(AGES)}.")


@shows(AgeBand)
class AgeView(ViewModel):
    """Live breaks of one age and asset."""

    at_stake: Figure


@shows(FlowDay)
class FlowView(ViewModel):
    """What came and went on a day."""

    written_off: int
    closed: int


class Overview(ViewModel):
    """Breaks by cause, age and flow."""

    groups: list[GroupView]
    ages: list[AgeView]
    flow: list[FlowView]


class LimitRequest(Because):
    """Up to what a break of this program and asset may be written off."""

    program_id: ProgramId
    asset: AssetCode
    minor: str = Field(pattern="^[0-9]{1,19}$", description="Minor units; 0 forbids it.", examples=["1000"])


class RowRequest(RequestModel):
    """A break, and the state in which you saw it."""

    id: BreakRef
    expected_state: State


class BreaksBulk(Because):
    """One verb for many breaks."""

    rows_of: ClassVar[str] = "break_id"
    verb: str = Field(max_length=40, examples=["investigate"])
    rows: list[RowRequest] = Field(min_length=1, max_length=MANY_MAX)
    owner: Owner | None = Field(None, description="For `assign`; absent: nobody.")
    duplicate_of: BreakRef | None = Field(None, description="For `mark_duplicate`: the break that all of these are copies of.")


class LimitView(ViewModel):
    """Up to what a break may be written off."""

    program_id: str
    asset: str
    minor: Minor


class LimitSet(LimitView, WriteResult):
    """It holds from now on."""


@shows(LineDone)
class LineShownDone(ViewModel):
    """What became of one line: its new state, or why it was refused."""


class BreaksDone(WriteResult):
    """What became of each line."""

    done: int
    refused: int
    lines: list[LineShownDone]

    @classmethod
    def of_lines(cls, lines: Sequence[LineDone]) -> Self:
        """Counted."""
        refused = sum(one.refused is not None for one in lines)
        return cls(done=len(lines) - refused, refused=refused, lines=LineShownDone.each(lines))


class SheetView(ViewModel):
    """Breaks as the cells of a spreadsheet."""

    columns: list[str]
    rows: list[list[str]]


class SheetCarriedOut(WriteResult):
    """What a spreadsheet did."""

    rows: int = Field(description="Lines that were read.")
    done: int = Field(description="Lines with something to do.")
    states: dict[str, str] = Field(description="Each break and its state after.")

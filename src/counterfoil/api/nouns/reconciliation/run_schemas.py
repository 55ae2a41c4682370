"""Shapes of reconciliation runs, of what they found, and of how far each source is reconciled."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from counterfoil.api.http.fields import Day, Minor, ProgramId
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, shows
from counterfoil.reconciliation.runs.rows import RunFinding, Success
from counterfoil.reconciliation.runs.schedule import ScheduleGap
from counterfoil.reconciliation.runs.slot_ends import ScheduleState, SlotOutcome

AgentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["agent_123"])]


class StartRunRequest(RequestModel):
    """What to hold against our books: one source or all of them, over days or in a scope."""

    source: str | None = Field(None, max_length=64, description="One source; absent: all that are in use.", examples=["simulator"])
    program_id: ProgramId | None = Field(None, description="Absent: the installation's own program.")
    scope: Literal["full", "recent"] | None = Field(
        None,
        description="recent: since the last conclusion. full: everything, compared with what the recent runs said; with days, those "
        "days of every source.",
    )
    date_: Day | None = Field(None, alias="date", description="One day (UTC); today when neither scope nor days are given.")
    first_on: Day | None = Field(None, alias="from", description="The first day of a range.")
    last_on: Day | None = Field(None, alias="to", description="The last day of a range, included.")
    span: str | None = Field(None, alias="last", description="So many days up to today.", examples=["7d"])
    agent_id: AgentId | None = Field(
        None, description="The sources through which this agent's money moved on those days, instead of one or all."
    )


class ForceRequest(RequestModel):
    """Which program to reconcile now."""

    program_id: ProgramId


class Unexplained(ViewModel):
    """What of a balance no listed item explains, in minor units."""

    asset: str
    minor: Minor


class StandingView(ViewModel):
    """How a run stands now: what it found, and what people have decided on it since."""

    verdict: str | None = Field(
        description="reconciled, reconciled with accepted items, not reconciled or incomplete; null: it says nothing about the money."
    )
    open_breaks: int = Field(description="Of what it found, breaks on which nobody has decided.")
    decided_breaks: int = Field(description="Breaks that people closed, or that a later run no longer found.")
    unexplained: list[Unexplained] = Field(description="By asset, what of the balance no listed item explains.")
    not_checked: list[str] = Field(description="What was not compared, cut short or too old; never green.")
    measured_at: datetime | None = Field(description="When it began to read; what was recorded later it has not seen.")


class RunView(StandingView):
    """A run. `verdict` is null while it runs and when it failed: a run without a verdict says nothing about the money."""

    id: str
    program_id: str
    source: str
    scope: str = Field(description="range, recent or full.")
    first_on: date
    last_on: date
    state: str = Field(description="running, finished, failed, or stale: it says that it runs and was silent for a minute.")
    found_verdict: str | None = Field(description="The verdict as it was recorded, before people decided on anything.")
    actor: str
    slot_at: datetime | None = Field(description="The moment of its schedule; null when somebody asked for it.")
    started_at: datetime
    progress: str | None = Field(description="What it was doing at its last sign of life.")
    finished_at: datetime | None
    confirmed_at: datetime | None = Field(description="When the same inputs and rules were last found again.")
    matched: int | None
    breaks: int | None
    expected: int | None = Field(description="Records that need not be on the other side yet.")
    notes: list[str] = Field(description="What the reader noticed in the statement.")
    error: str | None


@shows(RunFinding, hidden=("run_id",))
class FindingView(ViewModel):
    """One thing that does not agree; `atStake` in minor units of `asset`."""

    identity: str = Field(description="The same in every run that finds it.")
    at_stake: Minor
    detail: dict[str, Any] = Field(description="Both records, what differs, hypotheses with their tests, the safe action.")


class RunInFull(RunView):
    """A run with its report and its breaks."""

    report: dict[str, Any] | None = Field(description="Sources, footing per side and asset, passes, kinds, balances.")
    comparison: dict[str, Any] | None = Field(description="Of a full run: does it agree with what the recent runs said?")
    found: list[FindingView]
    not_shown: int = Field(description="How many of its breaks are not in `found`; the list of breaks has them, by `run`.")


class RunWritten(RunInFull, WriteResult):
    """What a run that was just made found."""


class NotRun(ViewModel):
    """A source that could not be brought to a conclusion, and why."""

    source: str
    problem: str
    sentence: str


class RunsWritten(WriteResult):
    """What the runs that were just made found; `failed` could not conclude."""

    runs: list[RunInFull]
    failed: list[NotRun]


@shows(Success, hidden=("verdict",))
class SourceView(StandingView):
    """How far a source is reconciled. `watermark` is the last day of its last conclusion, null when there was none."""

    attempted_at: datetime | None = Field(description="Null when nobody ever tried.")
    attempt: str = Field(description="What became of the last attempt: running, finished, failed, or never.")


@shows(ScheduleState, hidden=("since",))
class ScheduleView(ViewModel):
    """A schedule: when it was last due, who took that moment, how its work ended, and whether one waits for somebody."""

    outcome: SlotOutcome | None = Field(
        description="How the work of the last moment ended: running, done, failed, or never_ended by a worker that is gone. "
        "null: none was taken yet."
    )
    error: str | None = Field(description="Why it failed.")
    skipped: int | None = Field(description="Moments before that which nobody took.")
    overdue_s: int | None = Field(
        description="For how long the first moment that nobody took has been waiting; null when that is five minutes or less."
    )
    late_s: int | None = Field(description="How late the last one was taken; null when it was in time.")


@shows(ScheduleGap)
class ScheduleGapView(ViewModel):
    """Moments of a schedule that passed with nobody there."""


class ReconciliationStatusView(ViewModel):
    """How reconciliation stands: each source, each schedule, and what was missed."""

    sources: list[SourceView]
    schedules: list[ScheduleView]
    gaps: list[ScheduleGapView] = Field(description="Moments that nobody took, the newest first.")
    known: list[str] = Field(description="Every source that can be asked for.")
    measured_at: datetime

"""Our half against the provider's: what the last reconciliation run found when it held our books against a statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.web.sections import Ask, Told
from counterfoil.matching.findings.recorded import FindingDetail, FootingRow, RunReport
from counterfoil.reconciliation.runs.run import FoundBreak, Run, breaks_of, latest_runs, runs_between
from counterfoil.reconciliation.runs.standing import NOT_RECONCILED, Standing, standings

BREAKS_SHOWN_MAX: Final = 20


class BreaksOfKind(NamedTuple):
    """Breaks of one kind: how many, and the money at stake in them."""

    kind: str
    number: int
    at_stake: Money


class BreakSeen(NamedTuple):
    """One break: what is at stake, the best supported cause, the one safe thing to do."""

    number: int
    break_id: str
    kind: str
    severity: str
    reference: str
    at_stake: Money
    cause: str
    action: str


class Half(NamedTuple):
    """One asset of a run: what moved on our clearing account in its days, and what the statement says moved."""

    ours: Money
    theirs: Money
    our_rows: int
    their_rows: int
    ours_later: Money  # what is not on the other side yet, and need not be
    theirs_later: Money

    @property
    def difference(self) -> Money:
        """Ours less theirs."""
        return self.ours.minus(self.theirs)

    @property
    def expected_later(self) -> Money:
        """How much of the difference is only late."""
        return self.ours_later.minus(self.theirs_later)

    @property
    def in_breaks(self) -> Money:
        """The rest of it: what does not agree."""
        return self.difference.minus(self.expected_later)


class RunSeen(NamedTuple):
    """A run over one program and provider. `failed` says why it could not conclude; then nothing else is known."""

    run_id: str
    program_id: str
    provider: str
    first_on: date
    last_on: date
    finished_at: datetime
    verdict: str
    failed: bool
    covers_day: bool
    halves: tuple[Half, ...]
    matched: int
    kinds: tuple[BreaksOfKind, ...]
    breaks: tuple[BreakSeen, ...]
    breaks_total: int
    notes: tuple[str, ...]
    stands: Standing  # what of it people have decided on since

    @property
    def agrees(self) -> bool:
        """Does all of it agree, or has a person said why not?"""
        return self.stands.green


class Halves(NamedTuple):
    """The last run of each program and provider; `missing` names providers whose statement nobody has held against our books."""

    runs: tuple[RunSeen, ...]
    missing: tuple[str, ...]


def provider_halves(ask: Ask) -> Told:
    """Do the providers' statements of the day say what our clearing accounts say?"""
    chosen = _runs_of(ask)
    stand = standings(ask.conn, chosen)
    runs = tuple(_seen(ask, run, stand[run.id]) for run in chosen)
    reached = {run.provider for run in runs}
    missing = tuple(sorted(name for name in ask.extra.wiring.providers if name not in reached))
    if not runs:
        return Told("Not held against a statement", "unknown", Halves((), missing), "not_checked")
    found, oldest = Halves(runs, missing), min(run.finished_at for run in runs)
    if failed := [run for run in runs if run.failed]:
        return Told(f"The run for {failed[0].provider} could not conclude", "unknown", found, as_of=oldest)
    if broken := [run for run in runs if run.stands.verdict == NOT_RECONCILED]:
        number = sum(run.stands.open for run in broken)
        said = "1 break" if number == 1 else f"{number:,} breaks" if number else "An amount is unexplained"
        return Told(said, "wrong", found, as_of=oldest)
    if unsure := [run for run in runs if not run.agrees]:
        return Told(f"Not all of {unsure[0].provider} was checked", "unknown", found, as_of=oldest)
    if old := [run for run in runs if not run.covers_day]:
        return Told(f"Not since {min(run.last_on for run in old)}", "unknown", found, "stale", oldest)
    if missing:
        return Told(f"Not checked: {', '.join(missing)}", "unknown", found, as_of=oldest)
    accepted = sum(run.stands.decided for run in runs)
    if accepted:
        said = "1 accepted item" if accepted == 1 else f"{accepted:,} accepted items"
        return Told(f"Both halves agree, with {said}", "right", found, as_of=oldest)
    return Told("Both halves agree", "right", found, as_of=oldest)


def _runs_of(ask: Ask) -> list[Run]:
    """The newest run of each program and provider that covers the day; for today the last one of an earlier day will do."""
    of_day = runs_between(ask.conn, first=ask.day.on, last=ask.day.on)
    earlier = [run for run in latest_runs(ask.conn) if run.state != "running"] if ask.day.is_today else []
    newest: dict[tuple[str, str], Run] = {}
    for run in (*of_day, *earlier):
        if ask.program_id in (None, run.program_id):
            newest.setdefault((run.program_id, run.source), run)
    return [newest[key] for key in sorted(newest)]


def _seen(ask: Ask, run: Run, stands: Standing) -> RunSeen:
    report = RunReport.read(run.report)
    listed = breaks_of(ask.conn, run.id, rows_max=BREAKS_SHOWN_MAX)
    return RunSeen(
        run_id=run.id,
        program_id=run.program_id,
        provider=run.source,
        first_on=run.first_on,
        last_on=run.last_on,
        finished_at=run.finished_at or run.started_at,
        verdict=stands.verdict or "could not conclude",
        failed=run.state == "failed",
        covers_day=run.first_on <= ask.day.on <= run.last_on,
        halves=_halves_of(report.footing),
        matched=run.matched or 0,
        kinds=tuple(BreaksOfKind(row.kind, row.breaks, Money(row.at_stake_minor, row.asset)) for row in report.kinds),
        breaks=tuple(_break(one) for one in listed),
        breaks_total=run.breaks or 0,
        notes=tuple(run.notes),
        stands=stands,
    )


def _halves_of(footing: Sequence[FootingRow]) -> tuple[Half, ...]:
    sides = {(row.side, row.asset): row for row in footing}

    def row_of(side: str, asset: str) -> FootingRow:
        return sides.get((side, asset), FootingRow(side=side, asset=asset))

    found = []
    for asset in sorted({asset for _, asset in sides}):
        ours, theirs = row_of("left", asset), row_of("right", asset)
        found.append(
            Half(
                Money(ours.source.minor, asset), Money(theirs.source.minor, asset), ours.source.rows, theirs.source.rows,
                Money(ours.expected.minor, asset), Money(theirs.expected.minor, asset),
            )
        )  # fmt: skip
    return tuple(found)


def _break(one: FoundBreak) -> BreakSeen:
    detail = FindingDetail.read(one.detail)
    reference = next((record.reference for record in detail.records() if record.reference), "")
    amount = Money(one.at_stake, one.asset)
    return BreakSeen(
        one.number,
        one.break_id,
        one.kind,
        one.severity,
        reference,
        amount,
        one.cause,
        detail.action.sentence,
    )

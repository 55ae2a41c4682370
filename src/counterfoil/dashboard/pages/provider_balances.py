"""Our half against the provider's: what the last reconciliation run found when it held our books against a statement."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.web.sections import Ask, Told
from counterfoil.reconciliation.runs.run import FoundBreak, Run, breaks_of, latest_runs, runs_between

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

    @property
    def agrees(self) -> bool:
        """Did it find nothing?"""
        return not self.failed and not self.breaks_total and not any(half.in_breaks.minor for half in self.halves)


class Halves(NamedTuple):
    """The last run of each program and provider; `missing` names providers whose statement nobody has held against our books."""

    runs: tuple[RunSeen, ...]
    missing: tuple[str, ...]


def provider_halves(ask: Ask) -> Told:
    """Do the providers' statements of the day say what our clearing accounts say?"""
    runs = tuple(_seen(ask, run) for run in _runs_of(ask))
    reached = {run.provider for run in runs}
    missing = tuple(sorted(name for name in ask.extra.wiring.providers if name not in reached))
    if not runs:
        return Told("Not held against a statement", "unknown", Halves((), missing), "not_checked")
    found, oldest = Halves(runs, missing), min(run.finished_at for run in runs)
    if failed := [run for run in runs if run.failed]:
        return Told(f"The run for {failed[0].provider} could not conclude", "unknown", found, as_of=oldest)
    if broken := [run for run in runs if not run.agrees]:
        number = sum(run.breaks_total for run in broken)
        said = "1 break" if number == 1 else f"{number:,} breaks" if number else "The sums differ"
        return Told(said, "wrong", found, as_of=oldest)
    if old := [run for run in runs if not run.covers_day]:
        return Told(f"Not since {min(run.last_on for run in old)}", "unknown", found, "stale", oldest)
    if missing:
        return Told(f"Not checked: {', '.join(missing)}", "unknown", found, as_of=oldest)
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


def _seen(ask: Ask, run: Run) -> RunSeen:
    report = run.report or {"footing": [], "kinds": []}
    listed = breaks_of(ask.conn, run.id, rows_max=BREAKS_SHOWN_MAX)
    return RunSeen(
        run_id=run.id,
        program_id=run.program_id,
        provider=run.source,
        first_on=run.first_on,
        last_on=run.last_on,
        finished_at=run.finished_at or run.started_at,
        verdict=run.verdict or "could not conclude",
        failed=run.state == "failed",
        covers_day=run.first_on <= ask.day.on <= run.last_on,
        halves=_halves_of(report["footing"]),
        matched=run.matched or 0,
        kinds=tuple(
            BreaksOfKind(row["kind"], row["breaks"], Money(int(row["at_stake_minor"]), row["asset"]))
            for row in report["kinds"]
        ),
        breaks=tuple(_break(one) for one in listed),
        breaks_total=run.breaks or 0,
        notes=tuple(run.notes),
    )


def _halves_of(footing: list[dict[str, Any]]) -> tuple[Half, ...]:
    sides = {(row["side"], row["asset"]): row for row in footing}

    def part(side: str, asset: str, name: str) -> tuple[Money, int]:
        total = sides.get((side, asset), {}).get(name, {"minor": "0", "rows": 0})
        return Money(int(total["minor"]), asset), total["rows"]

    found = []
    for asset in sorted({asset for _, asset in sides}):
        (ours, our_rows), (theirs, their_rows) = part("left", asset, "source"), part("right", asset, "source")
        later = [part(side, asset, "expected")[0] for side in ("left", "right")]
        found.append(Half(ours, theirs, our_rows, their_rows, *later))
    return tuple(found)


def _break(one: FoundBreak) -> BreakSeen:
    records = [*one.detail["left"], *one.detail["right"]]
    reference = next((str(record["reference"]) for record in records if record.get("reference")), "")
    amount = Money(one.at_stake, one.asset)
    return BreakSeen(
        one.number,
        one.break_id,
        one.kind,
        one.severity,
        reference,
        amount,
        one.cause,
        one.detail["action"]["sentence"],
    )

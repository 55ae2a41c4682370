"""Our balance against the provider's: what the last reconciliation run found when it held our books against a statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.formats.counting import counted
from counterfoil.base.money import Money
from counterfoil.dashboard.web.sections import SectionAnswer, SectionContext
from counterfoil.matching.findings.recorded import FindingDetail, FootingRow, RunReport
from counterfoil.reconciliation.breaks.queries import newest_cases
from counterfoil.reconciliation.reach import COUNTED_MAX, Since, moved_since, never_concluded
from counterfoil.reconciliation.runs.run import Run, RunFinding, findings_of, latest_runs, newest_of_day
from counterfoil.reconciliation.runs.standing import NOT_RECONCILED, RunState, standings

BREAKS_SHOWN_MAX: Final = 20
OLD_AFTER: Final = timedelta(hours=26)  # a day, and time for a late start


class BreaksOfKind(NamedTuple):
    """Breaks of one kind: how many, and the money at stake in them."""

    kind: str
    number: int
    at_stake: Money


class BreakSeen(NamedTuple):
    """One break: what is at stake, the best supported cause, the one safe thing to do. `case_id`: the lasting break that it is of."""

    number: int
    case_id: str | None
    identity: str
    kind: str
    severity: str
    reference: str
    at_stake: Money
    cause: str
    action: str


class ProviderBalance(NamedTuple):
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
    account: str  # of our books, that the statement is held against; empty for a part of a source
    verified_through: datetime | None  # what our books recorded after that was not held against the statement
    since: tuple[Since, ...]  # and what that is, by asset
    balances: tuple[ProviderBalance, ...]
    matched: int
    kinds: tuple[BreaksOfKind, ...]
    breaks: tuple[BreakSeen, ...]
    breaks_total: int
    notes: tuple[str, ...]
    stands: RunState  # what of it people have decided on since

    @property
    def agrees(self) -> bool:
        """Does all of it agree, or has a person said why not?"""
        return self.stands.green


class ProviderBalances(NamedTuple):
    """The last run of each program and source; `missing` names what money went through and nobody has held against a statement."""

    runs: tuple[RunSeen, ...]
    missing: tuple[str, ...]

    @property
    def verified_through(self) -> datetime | None:
        """Up to that moment everything was held against a statement; None when nothing moved since, or when nothing was."""
        reached = [run.verified_through for run in self.runs if run.since and run.verified_through]
        return min(reached) if reached else None


def provider_balances(ask: SectionContext) -> SectionAnswer:
    """Do the providers' statements of the day say what our clearing accounts say? Programs × sources × time, up to now."""
    chosen = _runs_of(ask)
    stand = standings(ask.conn, chosen)
    runs = tuple(_seen(ask, run, stand[run.id]) for run in chosen)
    found = ProviderBalances(runs, _missing(ask, runs))
    if not runs:
        return SectionAnswer("Not held against a statement", "unknown", found, "not_checked")
    oldest, accepted = min(run.finished_at for run in runs), sum(run.stands.decided for run in runs)
    if broken := [run for run in runs if run.stands.verdict == NOT_RECONCILED]:
        number = sum(run.stands.open for run in broken)
        said = _breaks(number) if number else "An amount is unexplained"
        return SectionAnswer(said + (f", {accepted:,} accepted" if accepted else ""), "wrong", found, as_of=oldest)
    if unknown := _unknown(ask, found):
        said, old = unknown
        return SectionAnswer(said, "unknown", found, "stale" if old else "measured", oldest)
    if accepted:
        return SectionAnswer(f"{_breaks(accepted)}, all accepted", "accepted", found, as_of=oldest)
    return SectionAnswer("Both sides agree", "right", found, as_of=oldest)


def _unknown(ask: SectionContext, found: ProviderBalances) -> tuple[str, bool] | None:
    """Why not all of it is known, and whether that is for its age."""
    if failed := [run for run in found.runs if run.failed]:
        return f"The run for {failed[0].provider} could not conclude", False
    if old := [run for run in found.runs if not run.covers_day]:
        return f"Not since {min(run.last_on for run in old)}", True
    if aged := [run for run in found.runs if ask.day.is_today and ask.clock() - run.finished_at > OLD_AFTER]:
        return f"Not since {min(run.finished_at for run in aged):%Y-%m-%d %H:%M} UTC", True
    if found.missing:
        return f"Not checked: {', '.join(found.missing)}", False
    if part := [run for run in found.runs if not run.agrees]:
        return f"Not all of {part[0].provider} was checked", False
    if found.verified_through is not None:
        return (
            f"Verified through {found.verified_through:%H:%M}; {_told_since(ask, found)} since then unverified",
            False,
        )
    return None


def _told_since(ask: SectionContext, found: ProviderBalances) -> str:
    """`412 movements, 81,000.00 EUR`: what no run has read."""
    tell = tell_in(known_assets(ask.conn))
    numbers: dict[str, int] = {}
    sums: dict[str, Money] = {}
    for one in (since for run in found.runs for since in run.since):
        asset = one.amount.asset
        numbers[asset] = numbers.get(asset, 0) + one.number
        sums[asset] = sums[asset].plus(one.amount) if asset in sums else one.amount
    number = sum(numbers.values())
    said = f"over {COUNTED_MAX:,} movements" if number > COUNTED_MAX else counted(number, "movement")
    if any(each > COUNTED_MAX for each in numbers.values()):
        return said  # not all of them were summed
    amounts = ", ".join(tell(one.minor, name) for name, one in sorted(sums.items()))
    return f"{said}, {amounts}"


def _breaks(number: int) -> str:
    return counted(number, "break")


def _missing(ask: SectionContext, runs: Sequence[RunSeen]) -> tuple[str, ...]:
    """What was never reconciled, and providers that are set and were never asked at all."""
    reached = {(run.program_id, run.provider) for run in runs}
    lacking = never_reconciled(ask)
    named = {source for _, source in reached} | {one.partition(" of ")[0] for one in lacking}
    return (*lacking, *sorted(name for name in ask.extra.wiring.providers if name not in named))


def never_reconciled(ask: SectionContext) -> tuple[str, ...]:
    """Sources through which a program's money went and that no run ever concluded on, as `source of program`."""
    return tuple(str(one) for one in never_concluded(ask.conn, program_id=ask.program_id))


def _runs_of(ask: SectionContext) -> list[Run]:
    """The newest run of each program and provider that covers the day; for today the last one of an earlier day will do."""
    of_day = newest_of_day(ask.conn, ask.day.on)
    earlier = [run for run in latest_runs(ask.conn) if run.state != "running"] if ask.day.is_today else []
    newest: dict[tuple[str, str], Run] = {}
    for run in (*of_day, *earlier):
        if ask.program_id in (None, run.program_id):
            newest.setdefault((run.program_id, run.source), run)
    return [newest[key] for key in sorted(newest)]


def _seen(ask: SectionContext, run: Run, stands: RunState) -> RunSeen:
    report = RunReport.read(run.report)
    listed = findings_of(ask.conn, run.id, rows_max=BREAKS_SHOWN_MAX)
    cases = newest_cases(ask.conn, run.program_id, run.source, [one.identity for one in listed])
    paired = ask.extra.wiring.pairings().get(run.source)
    account = (paired.account if paired else None) or ""
    return RunSeen(
        run_id=run.id,
        program_id=run.program_id,
        provider=run.source,
        first_on=run.first_on,
        last_on=run.last_on,
        finished_at=max(filter(None, (run.finished_at, run.confirmed_at)), default=run.started_at),
        verdict=stands.verdict or "could not conclude",
        failed=run.state == "failed",
        covers_day=run.first_on <= ask.day.on <= run.last_on,
        account=account,
        verified_through=stands.measured_at if stands.verdict else None,
        since=_since(ask, run, account, stands),
        balances=_balances_of(report.footing),
        matched=run.matched or 0,
        kinds=tuple(BreaksOfKind(row.kind, row.breaks, Money(row.at_stake_minor, row.asset)) for row in report.kinds),
        breaks=tuple(_break(one, cases.get(one.identity)) for one in listed),
        breaks_total=run.breaks or 0,
        notes=tuple(run.notes),
        stands=stands,
    )


def _since(ask: SectionContext, run: Run, account: str, stands: RunState) -> tuple[Since, ...]:
    """What moved after the run had read: today all of it, of an earlier day what belongs to that day."""
    if not account or stands.verdict is None:
        return ()
    start, end = (None, None) if ask.day.is_today else (ask.day.start, ask.day.end)
    return tuple(moved_since(ask.conn, run.program_id, account, stands.measured_at, start=start, end=end))


def _balances_of(footing: Sequence[FootingRow]) -> tuple[ProviderBalance, ...]:
    sides = {(row.side, row.asset): row for row in footing}

    def row_of(side: str, asset: str) -> FootingRow:
        return sides.get((side, asset), FootingRow(side=side, asset=asset))

    found = []
    for asset in sorted({asset for _, asset in sides}):
        ours, theirs = row_of("left", asset), row_of("right", asset)
        found.append(
            ProviderBalance(
                Money(ours.source.minor, asset),
                Money(theirs.source.minor, asset),
                ours.source.rows,
                theirs.source.rows,
                Money(ours.expected.minor, asset),
                Money(theirs.expected.minor, asset),
            )
        )
    return tuple(found)


def _break(one: RunFinding, case_id: str | None) -> BreakSeen:
    detail = FindingDetail.read(one.detail)
    reference = next((record.reference for record in detail.records() if record.reference), "")
    amount = Money(one.at_stake, one.asset)
    return BreakSeen(
        one.number,
        case_id,
        one.identity,
        one.kind,
        one.severity,
        reference,
        amount,
        one.cause,
        detail.action.sentence,
    )

"""Do the statements of an account follow on? A missing or doubled statement is named, and a balance that jumps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import islice, pairwise
from typing import Final, Literal, NamedTuple

from counterfoil.statements.amounts import told
from counterfoil.statements.continuity.banking_days import between, is_euro_day
from counterfoil.statements.shape import SourceRead, StatementInfo

DAYS_SHOWN_MAX: Final = 31
DAYS_COUNTED_MAX: Final = 10_000
DAILY_STATEMENTS_LEAST: Final = 5  # fewer say nothing about how often a bank sends one

LONG_WEEKEND: Final = timedelta(days=5)

Kind = Literal["missing", "doubled", "balance"]


class SequenceGap(NamedTuple):
    """Where the statements of one account do not follow on.

    `difference` is the next opening less the previous closing, in minor units. `days` are the banking days without a
    statement (at most DAYS_SHOWN_MAX; `reason` tells how many there are). `proven` says whether the balance or the bank's own numbers show
    it; a day that is only absent from an otherwise daily row, while the balance goes on unchanged, is not proven.
    """

    kind: Kind
    account: str | None
    asset: str | None
    file: str
    line: int
    days: tuple[date, ...]
    difference: int | None
    proven: bool
    reason: str


class _Placed(NamedTuple):
    """A statement and the file it came from."""

    info: StatementInfo
    file: str
    sha256: str


def follow_on(reads: Sequence[SourceRead]) -> list[SequenceGap]:
    """Every place where a statement is missing, doubled, or opens with another balance than the one before it closed with."""
    by_account: dict[tuple[str | None, str | None], list[_Placed]] = defaultdict(list)
    for read in reads:
        for info in read.statements:
            by_account[info.account, info.asset].append(_Placed(info, read.file, read.sha256))
    gaps: list[SequenceGap] = []
    for key in sorted(by_account, key=str):
        once, doubled = _without_doubles(by_account[key])
        gaps += doubled
        pages = _joined_pages(sorted(once, key=_order))
        is_daily = _is_daily([placed.info for placed in pages])
        for before, after in pairwise(pages):
            gap = _between(before, after, is_daily=is_daily)
            if gap:
                gaps.append(gap)
    return gaps


def _order(placed: _Placed) -> tuple[date, date, int, int]:
    info = placed.info
    last = info.closing_on or info.opening_on or date.min
    return (last, info.opening_on or last, info.sequence or 0, info.page or 0)


def _identity(info: StatementInfo) -> tuple[object, ...]:
    """Two statements are the same one when the bank's number and page, or else the days, balances and entries agree."""
    days = (info.opening_on, info.closing_on)
    return (*days, info.sequence, info.page, info.opening, info.closing, info.entries, info.total)


def _without_doubles(placed: Sequence[_Placed]) -> tuple[list[_Placed], list[SequenceGap]]:
    once: dict[tuple[object, ...], _Placed] = {}
    doubled: list[SequenceGap] = []
    for each in sorted(placed, key=lambda it: (_order(it), it.file, it.info.line)):
        info = each.info
        first = once.setdefault(_identity(info), each)
        if first is not each and info.closing_on is not None:
            reason = f"the statement of {info.closing_on} comes twice: first in {first.file} line {first.info.line}"
            doubled.append(_gap("doubled", each, (info.closing_on,), None, proven=True, reason=reason))
    return list(once.values()), doubled


def _joined_pages(placed: Sequence[_Placed]) -> list[_Placed]:
    """Pages of one statement, where only the first opens and only the last closes, become one."""
    joined: list[_Placed] = []
    for each in placed:
        before = joined[-1] if joined else None
        same = before is not None and before.info.statement_id == each.info.statement_id and each.info.statement_id is not None
        if before and same and before.info.closing is None and each.info.opening is None and before.info.opening is not None:
            info = before.info._replace(
                closing=each.info.closing,
                closing_on=each.info.closing_on,
                entries=before.info.entries + each.info.entries,
                total=before.info.total + each.info.total,
            )
            joined[-1] = before._replace(info=info)
        else:
            joined.append(each)
    return joined


def _is_daily(infos: Sequence[StatementInfo]) -> bool:
    """Does this bank send a statement on (nearly) every banking day, whether or not anything moved?"""
    days = sorted({info.closing_on for info in infos if info.closing_on})
    if len(days) < DAILY_STATEMENTS_LEAST:
        return False
    due = [day for day in between(days[0], days[-1]) if is_euro_day(day)]
    return len(due) == 0 or len(set(due) & set(days)) * 10 >= len(due) * 7


def _between(before: _Placed, after: _Placed, *, is_daily: bool) -> SequenceGap | None:
    """What lies between two neighbours; the strongest evidence comes first."""
    earlier, later = before.info, after.info
    difference = later.opening - earlier.closing if later.opening is not None and earlier.closing is not None else None
    days = _days(earlier, later)
    skipped = _skipped_numbers(earlier, later)
    if difference and later.opening is not None and earlier.closing is not None:
        jump = f"opens with {told(later.opening, later.asset)}, but {before.file} closed with {told(earlier.closing, earlier.asset)}"
        if skipped or days:
            missing = f"statement {skipped} is missing" if skipped else f"no statement for {_shown(days)}"
            return _gap("missing", after, days, difference, proven=True, reason=f"{missing}: {jump}")
        return _gap("balance", after, (), difference, proven=True, reason=jump)
    if skipped:
        return _gap("missing", after, days, difference, proven=True, reason=f"statement {skipped} is missing")
    if days and is_daily:
        reason = f"no statement for {_shown(days)}, though the balance goes on unchanged"
        return _gap("missing", after, days, difference, proven=False, reason=reason)
    return None


def _days(earlier: StatementInfo, later: StatementInfo) -> tuple[date, ...]:
    """Banking days that no statement covers. In other currencies than the euro holidays are not known: weekdays."""
    if earlier.closing_on is None or later.closing_on is None:
        return ()
    begins = later.closing_on
    if later.opening_on is not None and later.opening_on < later.closing_on:
        if later.opening_on <= earlier.closing_on:
            return ()  # it opens on the day the one before it closed
        # A daily statement opens on the day of the last one, which is missing too; a longer one on its own first day.
        is_short = later.closing_on - later.opening_on <= LONG_WEEKEND
        begins = later.opening_on + timedelta(days=1) if is_short else later.opening_on
    missing = between(earlier.closing_on, begins)
    return tuple(islice((day for day in missing if later.asset != "EUR" or is_euro_day(day)), DAYS_COUNTED_MAX))


def _skipped_numbers(earlier: StatementInfo, later: StatementInfo) -> str | None:
    """Numbers left out by a bank that counts its statements; counts that begin anew with a year, or differ wildly, say nothing."""
    if earlier.sequence is None or later.sequence is None or later.sequence <= earlier.sequence + 1:
        return None
    left_out = later.sequence - earlier.sequence - 1
    if left_out > DAYS_SHOWN_MAX:
        return None
    first, last = earlier.sequence + 1, later.sequence - 1
    return str(first) if first == last else f"{first} to {last}"


def _shown(days: Sequence[date]) -> str:
    more = f" and {'at least ' if len(days) == DAYS_COUNTED_MAX else ''}{len(days) - 5:,} more days" if len(days) > 5 else ""
    return ", ".join(day.isoformat() for day in days[:5]) + more


def _gap(kind: Kind, at: _Placed, days: tuple[date, ...], difference: int | None, *, proven: bool, reason: str) -> SequenceGap:
    return SequenceGap(kind, at.info.account, at.info.asset, at.file, at.info.line, days[:DAYS_SHOWN_MAX], difference, proven, reason)

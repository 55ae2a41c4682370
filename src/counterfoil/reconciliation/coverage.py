"""The coverage calendar: of each program, source and day, was it compared, up to when, and with what outcome. Select only.

For each day the newest finished run that covers it speaks, as it stands now. A day is reconciled only when that run read it after its end,
nothing of that day was booked since, the other side's statement reaches that far, and nothing of it was left unchecked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.ledger.clock import first_seq, to_us
from counterfoil.reconciliation.bank_statements import reach_of
from counterfoil.reconciliation.reach import due_sources, moved_since
from counterfoil.reconciliation.runs.pairings import Pairing
from counterfoil.reconciliation.runs.rows import Run, select_runs
from counterfoil.reconciliation.runs.standing import INCOMPLETE, RunState, found_by_day, standings

_LATE: Final = timedelta(hours=1)  # by so much a posting's own time and the one of its recording may differ, unless it says so
_STALE: Final = "stale: the bank's statements"
BANK: Final = "cash:bank:"

Word = Literal["reconciled", "accepted", "breaks", "partly", "no_conclusion", "not_compared", "no_statement", "not_yet"]


UNKNOWN: Final[tuple[Word, ...]] = ("not_compared", "no_statement", "no_conclusion")  # nothing is known of such a day


class CoverageDay(NamedTuple):
    """A source on one day. `breaks`: on how many nobody has decided; `until`: so far of it was read, where it was not all of it; `said`:
    the same in words; `run_id`: the run that says so."""

    day: date
    word: Word
    said: str
    breaks: int = 0
    until: datetime | None = None
    run_id: str | None = None


class CoverageRow(NamedTuple):
    """A source of a program, with each of its days, the oldest first."""

    program_id: str
    source: str
    question: str
    days: tuple[CoverageDay, ...]

    @property
    def due(self) -> int:
        """How many of its days were to be compared."""
        return sum(one.word != "not_yet" for one in self.days)

    @property
    def agreed(self) -> int:
        """Of how many of them both sides say the same, or somebody accepted why not."""
        return sum(one.word in ("reconciled", "accepted") for one in self.days)


class CoverageGap(NamedTuple):
    """Days in a row that one source was not compared for the same reason."""

    program_id: str
    source: str
    word: Word
    first_on: date
    last_on: date
    said: str


class _Told(NamedTuple):
    """What is known of one source: its account, since when money could go through it, how far its statements reach, which of its days were
    booked into after the fact, and the newest attempt of each day."""

    account: str | None
    opened_on: date | None
    reach: date | None
    booked_late: Mapping[date, int]
    attempts: Mapping[date, tuple[str, str | None]]


class _Spoken(NamedTuple):
    """The run that speaks for a day, and how it stands."""

    run: Run
    state: RunState
    open: int
    decided: int


def coverage(
    conn: Connection[Any], known: Sequence[Pairing], *, program_id: str | None, first: date, last: date, now: datetime
) -> list[CoverageRow]:
    """Each source of each program through which money could go, or of which there was a run, by program and name."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    chosen = _chosen(conn, program_id, first, last)
    runs = {run.id: run for run in select_runs(conn, "where id = any(%s) order by number", [sorted(set(chosen.values()))])}
    stand = standings(conn, list(runs.values()))
    found = found_by_day(conn, list(runs))
    attempts = _attempts(conn, program_id, first, last)
    rows = []
    for (program, source), one in sorted(_sources(conn, known, program_id, chosen).items()):
        told = _told(conn, program, source, one, attempts, first, last)
        spoken = {day: runs[chosen[program, source, day]] for day in days if (program, source, day) in chosen}
        cells = tuple(
            _cell(conn, program, day, told, _spoken(day, spoken, stand, found))
            if now >= _start(day)
            else CoverageDay(day, "not_yet", "not come yet")
            for day in days
        )
        rows.append(CoverageRow(program, source, one.question if one else "", cells))
    return rows


def gaps_in(rows: Sequence[CoverageRow]) -> list[CoverageGap]:
    """What was not compared, the longest first."""
    found = [gap for row in rows for gap in _gaps(row)]
    return sorted(found, key=lambda one: (one.first_on - one.last_on, one.program_id, one.source, one.first_on))


def _gaps(row: CoverageRow) -> Iterator[CoverageGap]:
    for (word, said), days in groupby(row.days, lambda one: (one.word, one.said)):
        if word in UNKNOWN:
            span = [one.day for one in days]
            yield CoverageGap(row.program_id, row.source, word, span[0], span[-1], said)


def _chosen(conn: Connection[Any], program_id: str | None, first: date, last: date) -> dict[tuple[str, str, date], str]:
    """The newest finished run of each source and day."""
    rows = conn.execute(
        """select distinct on (r.program_id, r.source, d.day) r.program_id, r.source, d.day::date, r.id
           from generate_series(%(first)s::date, %(last)s::date, interval '1 day') d(day)
           join reconciliation_run r on r.first_on <= d.day and r.last_on >= d.day
           where r.state = 'finished' and (%(program)s::text is null or r.program_id = %(program)s)
           order by r.program_id, r.source, d.day, r.number desc""",
        {"first": first, "last": last, "program": program_id},
    ).fetchall()
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _attempts(conn: Connection[Any], program_id: str | None, first: date, last: date) -> dict[tuple[str, str], dict[date, Any]]:
    """The newest run of each source and day that did not conclude, and why."""
    rows = conn.execute(
        """select distinct on (r.program_id, r.source, d.day) r.program_id, r.source, d.day::date, r.state, r.error
           from generate_series(%(first)s::date, %(last)s::date, interval '1 day') d(day)
           join reconciliation_run r on r.first_on <= d.day and r.last_on >= d.day
           where r.state <> 'finished' and (%(program)s::text is null or r.program_id = %(program)s)
           order by r.program_id, r.source, d.day, r.number desc""",
        {"first": first, "last": last, "program": program_id},
    ).fetchall()
    found: dict[tuple[str, str], dict[date, Any]] = {}
    for program, source, day, state, error in rows:
        found.setdefault((program, source), {})[day] = (state, error)
    return found


def _sources(
    conn: Connection[Any], known: Sequence[Pairing], program_id: str | None, chosen: Mapping[tuple[str, str, date], str]
) -> dict[tuple[str, str], Pairing | None]:
    """What should be compared: what money went through, with all that is asked of its provider; and whatever was."""
    by_name = {one.name: one for one in known}
    found: dict[tuple[str, str], Pairing | None] = {}
    for due in due_sources(conn, program_id=program_id):
        found[due.program_id, due.source] = by_name.get(due.source)
        found |= {(due.program_id, one.name): one for one in known if one.provider == due.source}
    return found | {(program, source): by_name.get(source) for program, source, _ in chosen}


def _told(
    conn: Connection[Any],
    program_id: str,
    source: str,
    one: Pairing | None,
    attempts: Mapping[tuple[str, str], Mapping[date, Any]],
    first: date,
    last: date,
) -> _Told:
    account = one.account if one is not None else f"clearing:{source}"
    watched = account or f"clearing:{one.provider if one else source}"
    # What was booked into a day before the account was opened says by itself that it was.
    row = conn.execute(
        """select least(min(a.opened_at), min((select min(effective_at) from posting where off_clock and debit = a.id)),
                        min((select min(effective_at) from posting where off_clock and credit = a.id)))
           from account a join book b on b.id = a.book_id where b.program_id = %s and a.name = %s""",
        [program_id, watched],
    ).fetchone()
    opened = row[0].astimezone(UTC).date() if row and row[0] else None
    bank = account is not None and account.startswith(BANK)
    reach = reach_of(conn, program_id, account).last_on if bank and account else None
    late = _booked_late(conn, program_id, account, first, last) if account else {}
    return _Told(account, opened, reach, late, attempts.get((program_id, source), {}))


def _booked_late(conn: Connection[Any], program_id: str, account: str, first: date, last: date) -> dict[date, int]:
    """By day: where the newest posting stands that was booked into it more than an hour after the fact."""
    rows = conn.execute(
        """select (p.effective_at at time zone 'UTC')::date, max(p.seq) from account a join book b on b.id = a.book_id
           cross join lateral (
               select effective_at, seq from posting
               where off_clock and debit = a.id and effective_at >= %(start)s and effective_at < %(end)s
               union all
               select effective_at, seq from posting
               where off_clock and credit = a.id and effective_at >= %(start)s and effective_at < %(end)s) p
           where b.program_id = %(program)s and a.name = %(account)s group by 1""",
        {"program": program_id, "account": account, "start": _start(first), "end": _start(last + timedelta(days=1))},
    ).fetchall()
    return dict(rows)


def _spoken(
    day: date,
    runs: Mapping[date, Run],
    stand: Mapping[str, RunState],
    found: Mapping[tuple[str, date | None], tuple[int, int]],
) -> _Spoken | None:
    run = runs.get(day)
    if run is None:
        return None
    open_, decided = found.get((run.id, day), (0, 0))
    if day == max(one for one, other in runs.items() if other.id == run.id):  # what has no day stands at its last
        listed = sum(sum(counts) for (run_id, _), counts in found.items() if run_id == run.id)
        of_none = found.get((run.id, None), (0, 0))
        open_, decided = open_ + of_none[0] + max((run.breaks or 0) - listed, 0), decided + of_none[1]
    return _Spoken(run, stand[run.id], open_, decided)


def _cell(conn: Connection[Any], program_id: str, day: date, told: _Told, spoken: _Spoken | None) -> CoverageDay:
    if spoken is None:
        return _uncovered(day, told)
    run = spoken.run.id
    if spoken.open:
        said = counted(spoken.open, "break")
        return CoverageDay(day, "breaks", said, spoken.open, run_id=run)
    if spoken.state.unexplained:
        return CoverageDay(day, "breaks", "an amount is unexplained", run_id=run)
    if _lacks_statement(day, told):
        return CoverageDay(day, "no_statement", _lacking(told), run_id=run)
    holes = [one for one in spoken.state.not_checked if not one.startswith(_STALE)]
    if holes or (spoken.state.verdict == INCOMPLETE and not spoken.state.not_checked):
        return CoverageDay(day, "partly", holes[0] if holes else "not all of it was compared", run_id=run)
    read = spoken.state.measured_at
    if changed := _changed(conn, program_id, day, told, read):
        return CoverageDay(day, "partly", changed, until=read if read < _start(day + timedelta(days=1)) else None, run_id=run)
    if spoken.decided:
        return CoverageDay(day, "accepted", f"reconciled, {spoken.decided:,} decided by people", run_id=run)
    return CoverageDay(day, "reconciled", "reconciled", run_id=run)


def _uncovered(day: date, told: _Told) -> CoverageDay:
    if told.opened_on is None or day < told.opened_on:
        return CoverageDay(day, "not_yet", "no money went through it yet")
    if day in told.attempts:
        state, error = told.attempts[day]
        said = "a run is on its way" if state == "running" else f"the run failed: {error or 'it does not say why'}"
        return CoverageDay(day, "no_conclusion", said)
    if _lacks_statement(day, told):
        return CoverageDay(day, "no_statement", _lacking(told))
    return CoverageDay(day, "not_compared", "no run: nothing is known of it")


def _lacks_statement(day: date, told: _Told) -> bool:
    return told.account is not None and told.account.startswith(BANK) and (told.reach is None or day > told.reach)


def _lacking(told: _Told) -> str:
    return "no statement of the bank" if told.reach is None else f"the bank's statements reach to {told.reach}"


def _changed(conn: Connection[Any], program_id: str, day: date, told: _Told, read: datetime) -> str | None:
    """What of this day the run has not seen, in words; None when it saw all of it."""
    end = _start(day + timedelta(days=1))
    if read < end:  # of a day that is not over, too
        return f"compared through {read:%H:%M} UTC" if read >= _start(day) else f"compared before it began, on {read:%Y-%m-%d}"
    if told.booked_late.get(day, 0) >= first_seq(to_us(read) // 1000):
        return "something was booked into it after it was compared"
    if told.account and read < end + _LATE:
        since = sum(one.number for one in moved_since(conn, program_id, told.account, read, start=_start(day), end=end))
        if since:
            return f"{counted(since, 'movement')} since it was compared"
    return None


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

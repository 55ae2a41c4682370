"""How runs stand now: what each found, and what people have decided on it since. The one place that says it for every view.

A run keeps what it found as it found it. Whether that is still open is another question, and the answer changes: a break that was
accepted shows as accepted wherever the run is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.matching.findings.recorded import RunReport
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.runs.rows import Run, Success, last_successes, select_runs

RECONCILED: Final = "reconciled"
ACCEPTED: Final = "reconciled with accepted items"
NOT_RECONCILED: Final = "not reconciled"
INCOMPLETE: Final = "incomplete"
GREEN: Final = (RECONCILED, ACCEPTED)

Verdict = Literal["reconciled", "reconciled with accepted items", "not reconciled", "incomplete"]


class RunState(NamedTuple):
    """A finished run as it stands now. `open`: findings on which nobody has decided; `decided`: those that people closed, or that a
    later run no longer found; `told_elsewhere`: those shown through the break of another source. `unexplained` in minor units by asset.
    `verdict` is None for a run that runs or failed: it says nothing."""

    verdict: Verdict | None
    found: int
    open: int
    decided: int
    told_elsewhere: int
    unexplained: Mapping[str, int]
    not_checked: tuple[str, ...]
    measured_at: datetime  # when it began to read: what was recorded later it has not seen

    @property
    def green(self) -> bool:
        """Does all of it agree, or has a person said why not?"""
        return self.verdict in GREEN

    def sentence(self) -> str:
        """The verdict in a few words, with what makes it so."""
        if self.verdict is None:
            return "could not conclude"
        parts = [counted(self.open, "break")] if self.open else []
        parts += [f"{counted(self.decided, 'break')} decided on"] if self.decided else []
        parts += ["an amount is unexplained"] if self.unexplained else []
        parts += [f"{counted(len(self.not_checked), 'thing')} not checked"] if self.not_checked else []
        return ": ".join([self.verdict, ", ".join(parts)]) if parts else self.verdict


def standings(conn: Connection[Any], runs: Sequence[Run]) -> dict[str, RunState]:
    """How each of these runs stands, by its id."""
    counted = _counted(conn, [run.id for run in runs if run.state == "finished" and run.breaks])
    return {run.id: _standing(run, counted.get(run.id, (0, 0, 0))) for run in runs}


def concluded(conn: Connection[Any], *, program_id: str | None = None) -> list[tuple[Success, RunState | None]]:
    """The last conclusion of each program and source, as it stands now; None where there was none."""
    found = last_successes(conn, program_id=program_id)
    runs = select_runs(conn, "where id = any(%s)", [[one.run_id for one in found if one.run_id]])
    stand = standings(conn, runs)
    return [(one, stand.get(one.run_id or "")) for one in found]


def _standing(run: Run, counted: tuple[int, int, int]) -> RunState:
    report = RunReport.read(run.report)
    decided, open_, elsewhere = counted
    unlisted = max((run.breaks or 0) - sum(counted), 0)  # more than a run lists: nobody can have decided on them
    return RunState(
        verdict=_verdict(run, open_ + elsewhere + unlisted, report),
        found=run.breaks or 0,
        open=open_ + unlisted,
        decided=decided,
        told_elsewhere=elsewhere,
        unexplained=report.unexplained(),
        not_checked=report.not_checked,
        measured_at=run.read_until or run.started_at,
    )


def _verdict(run: Run, open_: int, report: RunReport) -> Verdict | None:
    """What was found, and what became of it: accepted items are said, and an unexplained amount is never accepted away."""
    if run.state != "finished" or run.verdict is None:
        return None
    if run.verdict != NOT_RECONCILED:
        return INCOMPLETE if run.verdict == INCOMPLETE else RECONCILED
    if open_ or report.unexplained() or not run.breaks:
        return NOT_RECONCILED
    return ACCEPTED if run.complete else INCOMPLETE


# What became of each finding of some runs: `s.state` is open, elsewhere (told by an open break of another source), or decided.
_FINDINGS: Final = """
    from run_finding f join reconciliation_run r on r.id = f.run_id
    left join lateral (
        select c.state, c.accepted_at_stake, o.state as original from break c left join break o on o.id = c.duplicate_of
        where c.program_id = r.program_id and c.source = r.source and c.identity = f.identity order by c.id desc limit 1) c on true
    cross join lateral (select case
        when c.state is null or c.state = any(%(live)s) then 'open'
        when c.state = 'accepted' and c.accepted_at_stake <> f.at_stake then 'open'
        when c.state = 'duplicate' and c.original = any(%(live)s) then 'elsewhere'
        else c.state end as state) s
    where f.run_id = any(%(runs)s)"""


def _counted(conn: Connection[Any], run_ids: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """By run: findings that are decided on, that are open, and that are shown through an open break of another source."""
    if not run_ids:
        return {}
    rows = conn.execute(
        """select f.run_id, count(*) filter (where s.state not in ('open', 'elsewhere')), count(*) filter (where s.state = 'open'),
                  count(*) filter (where s.state = 'elsewhere')"""
        + _FINDINGS
        + " group by f.run_id",
        {"runs": list(run_ids), "live": list(BREAK.open)},
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def found_by_day(conn: Connection[Any], run_ids: Sequence[str]) -> dict[tuple[str, date | None], tuple[int, int]]:
    """By run and day: findings on which nobody has decided, also where another source tells of them, and those that are decided on.

    What is of no day stands under None.
    """
    rows = conn.execute(
        """select f.run_id, f.day, count(*) filter (where s.state in ('open', 'elsewhere')),
                  count(*) filter (where s.state not in ('open', 'elsewhere'))"""
        + _FINDINGS
        + " group by f.run_id, f.day",
        {"runs": list(run_ids), "live": list(BREAK.open)},
    ).fetchall()
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}

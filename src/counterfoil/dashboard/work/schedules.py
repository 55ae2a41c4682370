"""The page of schedules: every moment that came, who took it and how its work ended, and each that nobody took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, get_args
from urllib.parse import urlencode

from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.finding.ordering import EXPORTED_MAX
from counterfoil.dashboard.settings.offers import refuse_one_program
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.reconciliation.runs.schedule import set_schedules
from counterfoil.reconciliation.runs.slot_ends import OUTCOMES, RunOutcome, ScheduleRun, schedule_runs

SLOTS_SHOWN_MAX: Final = 20
GRADE_OF_OUTCOME: Final[Mapping[str, Grade]] = {
    "running": "plain",
    "done": "right",
    "failed": "wrong",
    "never_ended": "wrong",
    "missed": "attention",
}


class SlotRow(NamedTuple):
    """A moment, and how its end is to be taken."""

    run: ScheduleRun
    grade: Grade


class SlotsListed(NamedTuple):
    """The newest of them; `after` asks for the next page."""

    rows: tuple[SlotRow, ...]
    after: str | None


class SchedulesAnswer(NamedTuple):
    """What the page shows, narrowed to a schedule or to how they ended."""

    readings: dict[str, SectionReading]
    schedules: tuple[str, ...]
    outcomes: tuple[str, ...]
    schedule: str | None
    outcome: str | None
    narrowed: str  # to what, as it stands in an address
    measured_at: datetime


def schedules_answer(ask: SectionContext) -> SchedulesAnswer:
    """Every moment that came, newest first. Raises InvalidInput."""
    names = () if ask.only else tuple(set_schedules(ask.conn))
    outcome = _outcome(ask)
    _place(ask.params.get("after"))  # refused before anything is measured
    return SchedulesAnswer(measure(ask, (_RUNS,)), names, OUTCOMES, ask.params.get("schedule") or None, outcome, _query(ask), ask.clock())


def schedules_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """Every moment as rows of a file, narrowed as the page is. Raises InvalidInput, WholeInstallation."""
    refuse_one_program(ask)
    name, outcome = ask.params.get("schedule") or None, _outcome(ask)
    found = schedule_runs(ask.conn, now=ask.clock(), rows_max=EXPORTED_MAX + 1, name=name, outcome=outcome)
    yield ScheduleRun._fields
    yield from found[:EXPORTED_MAX]
    if len(found) > EXPORTED_MAX:
        yield (f"cut at {EXPORTED_MAX} rows: narrow the list, or page through the API",)


def _query(ask: SectionContext) -> str:
    return urlencode([(name, ask.params[name]) for name in ("schedule", "outcome") if ask.params.get(name)])


def _outcome(ask: SectionContext) -> RunOutcome | None:
    given = ask.params.get("outcome") or None
    found = next((one for one in get_args(RunOutcome) if one == given), None)
    if given is not None and found is None:
        raise InvalidInput("outcome", f"one of {', '.join(OUTCOMES)}", got=given[:40])
    return found


def _place(given: str | None) -> tuple[datetime, str, int] | None:
    """Behind which row the page begins, as the address says it. Raises InvalidInput."""
    if not given:
        return None
    micros, _, rest = given.partition(".")
    missed, _, name = rest.partition(".")
    try:
        return datetime.fromtimestamp(int(micros) / 1_000_000, UTC), name, int(missed)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput("after", "what the link to older ones says", got=given[:40]) from None


def _after(one: ScheduleRun) -> str:
    return f"{round(one.at.timestamp() * 1_000_000)}.{one.missed}.{one.name}"


def _runs(ask: SectionContext) -> SectionAnswer:
    found = schedule_runs(
        ask.conn,
        now=ask.clock(),
        rows_max=SLOTS_SHOWN_MAX + 1,
        after=_place(ask.params.get("after")),
        name=ask.params.get("schedule") or None,
        outcome=_outcome(ask),
    )
    rows = tuple(SlotRow(one, GRADE_OF_OUTCOME[one.outcome]) for one in found[:SLOTS_SHOWN_MAX])
    after = _after(rows[-1].run) if len(found) > SLOTS_SHOWN_MAX else None
    if not rows:
        return SectionAnswer("No such moment came", value=SlotsListed(rows, None), state="empty")
    bad = sum(one.grade in ("wrong", "attention") for one in rows)
    grade: Grade = max((one.grade for one in rows), key=("plain", "right", "attention", "wrong").index)
    said = f"{bad} of these {len(rows)} were not done" if bad else f"None of these {len(rows)} failed"
    return SectionAnswer(said, grade, SlotsListed(rows, after))


_RUNS: Final = Section("runs", "Moments", "work", "moments that were taken, their ends, and gaps that were noticed", _runs, whole=True)

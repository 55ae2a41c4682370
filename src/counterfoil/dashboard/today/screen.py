"""Today, on one screen: the verdict and how far it reaches, tiles, what needs action by its cause, and what stands beside that."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from counterfoil.dashboard.pages.alerts import AlertsAnswer
from counterfoil.dashboard.pages.provider_balances import ProviderBalances
from counterfoil.dashboard.today.beside import BESIDE, MorningCheck, levels_kept, morning_checks
from counterfoil.dashboard.today.causes import Cause, causes_of
from counterfoil.dashboard.today.day import SECTIONS, TodayVerdict, day_of
from counterfoil.dashboard.today.needs import Needs
from counterfoil.dashboard.web.sections import Grade, Section, SectionContext, SectionReading, measure

CAUSES_SHOWN_MAX: Final = 8  # as many as fit the screen; the others stand behind one line
_DAY: Final = timedelta(days=1)
_LEVELS: Final = Section("levels", "Service levels", "work", "what was promised, over 30 days", levels_kept, whole=True)


class DayReach(NamedTuple):
    """How much of the day was held against statements: `through`, and until when it could be; both also in thousandths of the day.

    Without `through` nothing of it was; `grade` is that of what was compared.
    """

    through: datetime | None
    until: datetime
    compared: int
    passed: int
    grade: Grade


class TodayAnswer(NamedTuple):
    """What the page shows. `causes`: what needs action, the worst first; `checks`: the morning's."""

    verdict: TodayVerdict
    readings: dict[str, SectionReading]
    programs: dict[str, str]
    reach: DayReach
    causes: tuple[Cause, ...]
    checks: tuple[MorningCheck, ...]

    @property
    def first(self) -> tuple[Cause, ...]:
        """The causes that stand on the screen."""
        return self.causes if len(self.causes) <= CAUSES_SHOWN_MAX else self.causes[:CAUSES_SHOWN_MAX]

    @property
    def others(self) -> tuple[Cause, ...]:
        """Those behind one line."""
        return self.causes[len(self.first) :]


def today_answer(ask: SectionContext) -> TodayAnswer:
    """The verdict of the day's sections, and what an operator does next."""
    measured = measure(ask, SECTIONS)
    day = day_of(ask, measured)
    readings = day.readings | measure(ask, (*BESIDE, _LEVELS))
    needs, alerts = measured["action_required"].value, measured["alerts"].value
    needs = needs if isinstance(needs, Needs) else None
    causes = causes_of(needs, alerts if isinstance(alerts, AlertsAnswer) else None)
    checks = morning_checks(readings, needs)
    return TodayAnswer(day.verdict, readings, day.programs, reach_of(ask, readings["provider"]), causes, checks)


def reach_of(ask: SectionContext, provider: SectionReading) -> DayReach:
    """Up to when every source of every program was read; nothing of the day, where one of them was not."""
    until = min(ask.clock(), ask.day.end)
    passed = _share(ask, until)
    found = provider.value
    if not isinstance(found, ProviderBalances) or not found.runs or found.missing:
        return DayReach(None, until, 0, passed, "unknown")
    read = [run.verified_through for run in found.runs if not run.failed and run.verified_through is not None]
    if len(read) < len(found.runs):
        return DayReach(None, until, 0, passed, "unknown")
    through = min(*read, until)
    grade: Grade = provider.grade if provider.grade in ("wrong", "accepted") else "right"
    return DayReach(through, until, min(_share(ask, through), passed), passed, grade)


def _share(ask: SectionContext, at: datetime) -> int:
    """That moment in thousandths of the day, nothing where it is before."""
    return max((at - ask.day.start) * 1_000 // _DAY, 0)

"""Alerts: what the sentinel found and nobody has settled yet, and when it last looked."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from counterfoil.dashboard.web.sections import Grade, SectionAnswer, SectionContext
from counterfoil.integrity.alerts.machine import Alert
from counterfoil.integrity.alerts.queries import LiveAlerts, count_live, live_alerts
from counterfoil.integrity.incidents.machine import Incident
from counterfoil.integrity.incidents.queries import open_incidents_of
from counterfoil.integrity.runs import SentinelRun, newest_run

SHOWN_MAX: Final = 20
FULL_WITHIN: Final = timedelta(hours=26)  # a night's run and its lateness


class AlertsAnswer(NamedTuple):
    """Live alerts and open incidents, the gravest first, and the newest run of each kind."""

    counts: LiveAlerts
    alerts: tuple[Alert, ...]
    incidents: tuple[Incident, ...]
    full: SentinelRun | None
    recent: SentinelRun | None

    @property
    def unshown(self) -> int:
        """How many live alerts are not in `alerts`."""
        return self.counts.critical + self.counts.warning - len(self.alerts)


def alerts_answer(ask: SectionContext) -> SectionAnswer:
    """No alert is right only where everything was asked within a day; what nobody asked is not checked."""
    counts = count_live(ask.conn, program_id=ask.program_id)
    found = AlertsAnswer(
        counts,
        tuple(live_alerts(ask.conn, rows_max=SHOWN_MAX, program_id=ask.program_id)),
        tuple(open_incidents_of(ask.conn, rows_max=SHOWN_MAX, program_id=ask.program_id)),
        newest_run(ask.conn, "full"),
        newest_run(ask.conn, "recent"),
    )
    if counts.critical or counts.warning:
        said = ", ".join(f"{number} {word}" for number, word in ((counts.critical, "critical"), (counts.warning, "warning")) if number)
        return SectionAnswer(f"{said} open", "wrong" if counts.critical else "attention", found)
    if found.incidents:
        return SectionAnswer(f"No alert is open, {len(found.incidents)} incident not closed", "attention", found)
    return _quiet(ask, found)


def _quiet(ask: SectionContext, found: AlertsAnswer) -> SectionAnswer:
    full = found.full
    if full is None or full.finished_at is None:
        return SectionAnswer("No full run of the sentinel yet", "unknown", found, "not_checked")
    if full.state == "cut_short":
        return SectionAnswer("The last full run was cut short", "unknown", found, as_of=full.finished_at)
    if ask.clock() - full.started_at > FULL_WITHIN:
        return SectionAnswer("No alert, but not everything was asked for a day", "unknown", found, "stale", full.finished_at)
    grade: Grade = "accepted" if found.counts.accepted else "right"
    said = f"None open, {found.counts.accepted} accepted" if found.counts.accepted else "None"
    return SectionAnswer(said, grade, found, as_of=full.finished_at)

"""What the sentinel, alerts, incidents and silences declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.integrity import runs, samples, schedules, silences, telling
from counterfoil.integrity.alerts import limits, untold
from counterfoil.integrity.alerts import machine as alerts
from counterfoil.integrity.incidents import machine as incidents
from counterfoil.integrity.incidents import noun

MACHINES: Final = (runs.SENTINEL_RUN, alerts.ALERT, incidents.INCIDENT, silences.SILENCE)
JOBS: Final = (*schedules.JOBS, *samples.JOBS, *telling.JOBS, *silences.JOBS, *limits.JOBS, *untold.JOBS, *noun.JOBS)
NOUNS: Final = (noun.INCIDENT_NOUN, runs.SENTINEL_NOUN, silences.SILENCE_NOUN)
EVENT_KINDS: Final = (*runs.EVENT_KINDS, *alerts.EVENT_KINDS, *incidents.EVENT_KINDS)

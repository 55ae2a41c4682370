"""The machine of an incident, its row, and how fast each level is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from counterfoil.base.machine import Machine
from counterfoil.operations.events.events import declare
from counterfoil.operations.work.runner import Queue

INCIDENT: Final = Machine(
    name="incident",
    table="incident",
    initial=("open",),
    transitions={
        ("open", "respond"): "responding",
        ("open", "close"): "closed",
        ("responding", "close"): "closed",
    },
    reasoned=frozenset({"respond", "close"}),
)
RESPONSES: Final = Queue("incidents", "incident", ("open", "responding"), program="program_id")
POST_MORTEM_MAX: Final = 20_000  # characters
# From the runbook of daily operations: within which time somebody answers.
RESPOND_WITHIN: Final[Mapping[str, timedelta]] = {
    "P0": timedelta(minutes=15),
    "P1": timedelta(minutes=30),
    "P2": timedelta(hours=2),
    "P3": timedelta(hours=4),
}
POST_MORTEM_WITHIN: Final = timedelta(hours=24)  # of a P0
EVENT_KINDS: Final = declare(
    info={"incident_closed": "An incident is over."},
    warning={"post_mortem_overdue": "The post-mortem of an incident was not written in time."},
    critical={
        "incident_opened": "Something is wrong that people answer at once; its level says within which time.",
        "incident_overdue": "Nobody answered an incident in time.",
    },
)


class Incident(NamedTuple):
    """An incident. `brake`: the queue that was paused for it; `post_mortem_by`: until when its post-mortem is due, if one is."""

    id: str
    program_id: str
    level: str
    code: str
    title: str
    state: str
    opened_at: datetime
    respond_by: datetime
    responded_at: datetime | None
    responded_by: str | None
    brake: str | None
    post_mortem_by: datetime | None
    post_mortem: str | None
    closed_at: datetime | None


class Correction(NamedTuple):
    """A journal that was posted for an incident. `proof_id`: the proof of the period in which it was entered, a signed one before others;
    `proof`: how that stands, `none` while there is no proof of that period,
    `not_shown` to who sees one program, for proofs are of the whole installation."""

    at: datetime
    journal_id: str
    program_id: str
    asset: str
    kind: str
    key: str
    actor: str
    reason: str
    proof_id: str | None
    proof: str


class IncidentAlert(NamedTuple):
    """An alert that belongs to an incident."""

    id: str
    code: str
    subject: str
    severity: str
    state: str
    times: int
    first_seen_at: datetime
    last_seen_at: datetime

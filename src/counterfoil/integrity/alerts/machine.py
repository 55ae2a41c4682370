"""The machine of an alert, its row, and who is asked to look at it by when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.base.machine import Machine
from counterfoil.operations.events.events import declare
from counterfoil.operations.work.runner import Queue

ALERT: Final = Machine(
    name="alert",
    table="alert",
    initial=("open",),
    transitions={
        ("open", "ack"): "acknowledged",
        ("open", "resolve"): "resolved",
        ("open", "accept"): "accepted",
        ("acknowledged", "reopen"): "open",
        ("acknowledged", "resolve"): "resolved",
        ("acknowledged", "accept"): "accepted",
        ("accepted", "lapse"): "open",
        ("accepted", "resolve"): "resolved",
    },
    reasoned=frozenset({"accept", "reopen"}),
)
LIMITS: Final = Queue("alerts", "alert", ("open", "accepted"), program="program_id")
EVENT_KINDS: Final = declare(
    info={"alert_resolved": "What an alert is about is no longer there."},
    warning={
        "alert_warning": "A check found something that somebody should look at.",
        "alert_lapsed": "The time for which an alert was accepted is over, and what it is about is still there.",
        "alert_snooze_over": "The time for which nobody wanted to hear of an alert is over, and it is still there.",
    },
    critical={
        "alert_critical": "A check found something that must never be.",
        "alert_escalated": "Nobody answered an alert in time: it goes one step up.",
    },
)


class AskedFirst(NamedTuple):
    """Who is asked first, and within which time an answer is expected."""

    who: str
    within: timedelta


# By how far it reaches: one thing, several, the whole system, or what a regulator must be told.
EXTENTS: Final[Mapping[str, AskedFirst]] = {
    "one": AskedFirst("on_call", timedelta(hours=4)),
    "several": AskedFirst("treasury_lead", timedelta(hours=2)),
    "system": AskedFirst("everyone", timedelta()),
    "regulator": AskedFirst("legal", timedelta()),
}
# Who is asked when nobody answered; `everyone` is the last step.
STEPS_UP: Final[Mapping[str, AskedFirst]] = {
    "on_call": AskedFirst("treasury_lead", timedelta(hours=2)),
    "treasury_lead": AskedFirst("everyone", timedelta(minutes=15)),
    "legal": AskedFirst("everyone", timedelta(minutes=15)),
}


class Alert(NamedTuple):
    """One thing that breaks a check. `times`: runs that found it; `gone_run`: the newest run that no longer did; `rest`: further findings
    of the same run that have no alert of their own."""

    id: str
    program_id: str
    code: str
    subject: str
    period: str
    severity: str
    state: str
    times: int
    first_seen_at: datetime
    last_seen_at: datetime
    playbook: str
    owner: str | None
    extent: str
    escalated_to: str
    respond_by: datetime | None
    snoozed_until: datetime | None
    accepted_until: datetime | None
    incident_id: str | None
    previous: str | None
    first_run: str | None
    last_run: str | None
    gone_run: str | None
    rest: int
    evidence: dict[str, Any]

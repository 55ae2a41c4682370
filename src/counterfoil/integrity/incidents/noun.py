"""Incidents as a noun: answered, written up, closed. Routes, commands, forms and its page follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import take_step
from counterfoil.base.problems import Problem
from counterfoil.integrity.incidents.machine import INCIDENT, POST_MORTEM_MAX, RESPONSES, Correction, Incident, IncidentAlert
from counterfoil.integrity.incidents.post_mortem import post_mortem_of
from counterfoil.integrity.incidents.queries import (
    INCIDENTS,
    alerts_of,
    corrections_of,
    list_incidents,
    live_alerts_of,
    lock_incident,
    select_incidents,
    show_incident,
)
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.noun_pages import Elsewhere, FileOfThing, First, SavedFile, SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Field, Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.pauses import paused_now
from counterfoil.operations.work.runner import Claim, Tally, run_here


class IncidentStands(Problem):
    """The incident is not over: something that it is about still stands in the way."""

    todo = "See to what is named; then close it."


def _respond(one: VerbCall) -> VerbResult:
    incident = lock_incident(one.conn, one.subject_id)
    state = take_step(one.conn, INCIDENT, incident.id, incident.state, "respond", actor=one.actor, at=one.now, reason=one.reason)
    one.conn.execute(
        "update incident set responded_at = %s, responded_by = %s, due_at = post_mortem_by where id = %s", [one.now, one.actor, incident.id]
    )
    return VerbResult(state)


def _write(one: VerbCall) -> VerbResult:
    incident = lock_incident(one.conn, one.subject_id)
    one.conn.execute("update incident set post_mortem = %s where id = %s", [one.taken["text"], incident.id])
    return VerbResult(incident.state)


def _close(one: VerbCall) -> VerbResult:
    incident = lock_incident(one.conn, one.subject_id)
    why = why_open(one.conn, incident)
    if why is not None:
        raise IncidentStands(id=incident.id, detail=why)
    one.conn.execute("update incident set closed_at = %s, due_at = null where id = %s", [one.now, incident.id])
    emit(
        one.conn,
        [NewEvent("incident_closed", incident.program_id, incident.id, {"code": incident.code, "level": incident.level})],
        at=one.now,
    )
    return VerbResult(take_step(one.conn, INCIDENT, incident.id, incident.state, "close", actor=one.actor, at=one.now, reason=one.reason))


def why_open(conn: Connection[Any], incident: Incident) -> str | None:
    """Why it cannot be closed yet: an alert that is not resolved, a brake that nobody let go, a post-mortem that is owed."""
    number, first = live_alerts_of(conn, incident.id)
    if number:
        return f"{number} of its alerts are not resolved, the first is {first}"
    # Another incident of the program may have pulled it first: whichever did, nobody says that this one is over while it holds.
    if incident.brake and any(
        one.queue == incident.brake and one.program_id == incident.program_id and one.by_machine for one in paused_now(conn)
    ):
        return f"the queue {incident.brake} of its program is still paused; two people resume it"
    if incident.post_mortem_by is not None and not (incident.post_mortem or "").strip():
        return "its post-mortem is not written"
    return None


VERBS: Final = (
    Verb(
        "respond",
        OPERATE,
        "Respond",
        "Somebody is on it: the clock of its response stops.",
        do=_respond,
    ),
    Verb(
        "write",
        OPERATE,
        "Write the post-mortem",
        "What happened, why, and what follows from it. It is kept with the incident and may be written anew until that is closed.",
        do=_write,
        done="The post-mortem of {id} is kept.",
        reason=False,
        takes=(
            Field(
                "text",
                "What happened, why, and what follows from it.",
                "prose",
                example="The import was stopped half way: …",
                length_max=POST_MORTEM_MAX,
                kept="post_mortem",
            ),
        ),
    ),
    Verb(
        "close",
        OPERATE,
        "Close",
        "It is over. Refused while an alert of it stands, its brake is pulled, or its post-mortem is owed.",
        do=_close,
    ),
)


def _refusals(conn: Connection[Any], incident_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    incident = show_incident(conn, incident_id)
    allowed = set(INCIDENT.allowed(incident.state))
    there = f"it is {incident.state}"
    return {
        "respond": None if "respond" in allowed else there,
        "write": None if incident.state in INCIDENT.open else there,
        "close": why_open(conn, incident) if "close" in allowed else there,
    }


def _tell_once(conn: Connection[Any], one: Incident, name: str, now: datetime) -> None:
    event = NewEvent(name, one.program_id, one.id, {"level": one.level, "code": one.code})
    if conn.execute("select from event where id = %s", [event.id()]).fetchone() is None:
        emit(conn, [event], at=now)


def watch_responses(context: JobContext, _: str | None) -> Tally:
    """One tick: incidents that nobody answered in time, and post-mortems that are late."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        for one in select_incidents(conn, "where id = any(%s) order by id for update", [[claim.id for claim in claims]]):
            if one.responded_at is None and now >= one.respond_by:
                _tell_once(conn, one, "incident_overdue", now)
            if one.post_mortem_by is not None and not one.post_mortem and now >= one.post_mortem_by:
                _tell_once(conn, one, "post_mortem_overdue", now)
            later = one.post_mortem_by if one.post_mortem_by and now < one.post_mortem_by else None
            conn.execute("update incident set due_at = %s where id = %s", [later, one.id])

    return run_here(context.runner, RESPONSES, work)


JOBS: Final = (Job("incidents", RESPONSES, watch_responses, "Tells of incidents that nobody answered in time."),)


def _post_mortem_file(conn: Connection[Any], incident_id: str, _: int, now: datetime) -> SavedFile:
    return SavedFile(f"{incident_id}.md", "text/markdown; charset=utf-8", post_mortem_of(conn, incident_id, now=now).encode())


INCIDENT_NOUN: Final = Noun(
    "incident",
    "incidents",
    "inc",
    INCIDENT,
    VERBS,
    show_incident,
    _refusals,
    row=Incident,
    rows=list_incidents,
    by_id=INCIDENTS.by_id,
    sorts=(
        SortKey("opened_at", datetime),
        SortKey("respond_by", datetime),
    ),
    help="What people answer within a time.",
    parts=(Part("alerts", IncidentAlert, alerts_of), Part("corrections", Correction, corrections_of)),
    columns=("id", "level", "code", "program_id", "state", "opened_at", "respond_by", "responded_by", "closed_at"),
    elsewhere=(
        Elsewhere(
            "Take its post-mortem as a document: what was seen, who answered when, what was done.",
            "counterfoil incidents post-mortem {id}",
            file=FileOfThing("post-mortem", _post_mortem_file),
        ),
    ),
    first=First("It comes with an alert that somebody answers within a time."),
    sought=(FoundBy("code", "of this code"),),
)

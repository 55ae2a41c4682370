"""Alerts as a noun: all that a person may do with one, declared once. Routes, commands, forms and its page follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import take_step
from counterfoil.base.problems import Busy, InvalidInput, Problem, ReasonRequired
from counterfoil.integrity.alerts.filing import resolve
from counterfoil.integrity.alerts.machine import ALERT, EXTENTS, Alert
from counterfoil.integrity.alerts.queries import ALERTS, LIVE, list_alerts, lock_alert, show_alert
from counterfoil.integrity.asking import CHECK_LIMIT, ask
from counterfoil.operations.access.access import ACCEPT_BREAK, OPERATE
from counterfoil.operations.noun_pages import First, Narrow, SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Do, Field, Noun, Verb, VerbCall, VerbResult

UNTIL_MAX: Final = timedelta(days=90)
OWNER_MAX: Final = 100
_BECAUSE: Final = Field("reason", "Why. Kept in the action log.", required=False)


class FaultStands(Problem):
    """What the alert is about is still there: it was asked again just now, and found."""

    todo = "Mend it first, as its playbook says; or accept the alert for a time, with a reason."


def alert_noun(checks: Sequence[Invariant], tables: Mapping[str, str]) -> Noun:
    """The noun over all checks: resolving asks the alert's own again. `tables`: where a thing is kept, by the prefix of its id."""
    return Noun(
        "alert",
        "alerts",
        "alt",
        ALERT,
        _verbs({one.code: one for one in checks}, tables),
        show_alert,
        _refusals,
        row=Alert,
        rows=list_alerts,
        by_id=ALERTS.by_id,
        sorts=(SortKey("first_seen_at", datetime), SortKey("times", int)),
        narrows=(Narrow("code", "t.code = %(code)s", "Only what this check found, such as LEDGER_UNBALANCED."),),
        help="What the sentinel found, and who sees to it.",
        columns=(
            "id",
            "severity",
            "code",
            "subject",
            "program_id",
            "state",
            "times",
            "first_seen_at",
            "last_seen_at",
            "respond_by",
            "owner",
        ),
        first=First("It comes when a check finds something. Whether anybody checks is said by the runs.", "counterfoil sentinel list"),
        sought=(FoundBy("code", "of this code"),),
    )


def _ack(one: VerbCall) -> VerbResult:
    alert = lock_alert(one.conn, one.subject_id)
    state = take_step(one.conn, ALERT, alert.id, alert.state, "ack", actor=one.actor, at=one.now, reason=one.taken.get("reason"))
    one.conn.execute("update alert set owner = coalesce(owner, %s), respond_by = null, due_at = null where id = %s", [one.actor, alert.id])
    return VerbResult(state)


def _reopen(one: VerbCall) -> VerbResult:
    alert = lock_alert(one.conn, one.subject_id)
    state = take_step(one.conn, ALERT, alert.id, alert.state, "reopen", actor=one.actor, at=one.now, reason=one.reason)
    by = one.now + EXTENTS[alert.extent].within
    one.conn.execute("update alert set owner = null, respond_by = %s, due_at = %s where id = %s", [by, by, alert.id])
    return VerbResult(state)


def _resolve(checks: Mapping[str, Invariant], tables: Mapping[str, str]) -> Do:
    def do(one: VerbCall) -> VerbResult:
        seen = show_alert(one.conn, one.subject_id)
        reason = one.taken.get("reason")
        ALERT.next_state(seen.state, "resolve")  # refused before anything is asked, which may take a while
        check = checks.get(seen.code)
        if check is None:
            _need(reason, "resolve", "at least one word: the check is not there any more, so it cannot be asked again")
        else:
            _refuse_while_it_stands(one, seen, check, tables)
        alert = lock_alert(one.conn, one.subject_id)  # only now: a run that files what it found does not wait for the question
        if (alert.state, alert.times) != (seen.state, seen.times):
            raise Busy(what=f"the alert {alert.id}", detail="it was found again, or answered, while its check was asked")
        return VerbResult(resolve(one.conn, alert, actor=one.actor, now=one.now, reason=reason))

    return do


def _refuse_while_it_stands(one: VerbCall, alert: Alert, check: Invariant, tables: Mapping[str, str]) -> None:
    answer = ask(one.conn, check, now=one.now, tables=tables, limit=CHECK_LIMIT)
    if answer.outcome == "failed":
        raise Busy(what=f"the check {check.code}", detail=answer.error)
    found = [
        each for each in answer.findings if (each.program_id, each.subject, each.period) == (alert.program_id, alert.subject, alert.period)
    ]
    if found:
        raise FaultStands(code=alert.code, subject=alert.subject, row=" ".join(found[0].rows[0]), playbook=check.playbook)
    if not answer.whole:
        raise FaultStands(
            code=alert.code, found=answer.total, detail="more is found than can be looked through: this one may be among them"
        )


def _need(reason: str | None, verb: str, limit: str) -> None:
    if not (reason or "").strip():
        raise ReasonRequired(machine=ALERT.name, verb=verb, field="reason", limit=limit)


def _accept(one: VerbCall) -> VerbResult:
    alert = lock_alert(one.conn, one.subject_id)
    until = _until(one)
    one.conn.execute(
        "update alert set accepted_until = %(until)s, due_at = %(until)s, respond_by = null, snoozed_until = null where id = %(id)s",
        {"until": until, "id": alert.id},
    )
    return VerbResult(take_step(one.conn, ALERT, alert.id, alert.state, "accept", actor=one.actor, at=one.now, reason=one.reason))


def _snooze(one: VerbCall) -> VerbResult:
    alert = lock_alert(one.conn, one.subject_id)
    if alert.state not in LIVE:
        raise InvalidInput("id", "an alert that is open or acknowledged", got=alert.state)
    one.conn.execute("update alert set snoozed_until = %s where id = %s", [_until(one), alert.id])
    return VerbResult(alert.state)


def _assign(one: VerbCall) -> VerbResult:
    alert = lock_alert(one.conn, one.subject_id)
    owner = (one.taken["owner"] or "").strip() or None
    if owner is not None and len(owner) > OWNER_MAX:
        raise InvalidInput("owner", f"at most {OWNER_MAX} characters")
    one.conn.execute("update alert set owner = %s where id = %s", [owner, alert.id])
    return VerbResult(alert.state)


def _until(one: VerbCall) -> datetime:
    until: datetime = one.taken["until"]
    if not one.now < until <= one.now + UNTIL_MAX:
        raise InvalidInput("until", f"a moment within the next {UNTIL_MAX.days} days", got=until.isoformat())
    return until


def _verbs(checks: Mapping[str, Invariant], tables: Mapping[str, str]) -> tuple[Verb, ...]:
    ops = "/admin/ops/alerts/{id}"
    return (
        Verb(
            "ack",
            OPERATE,
            "Acknowledge",
            "Somebody sees to it: it is yours, and nobody else is asked. What it is about stays.",
            do=_ack,
            reason=False,
            takes=(_BECAUSE,),
            many=True,
            paths=(f"{ops}/ack",),
        ),
        Verb(
            "resolve",
            OPERATE,
            "Resolve",
            "The check is asked again, now. It is over when the fault is no longer found, and refused while it is.",
            do=_resolve(checks, tables),
            reason=False,
            takes=(_BECAUSE,),
            many=True,
            paths=(f"{ops}/resolve",),
        ),
        Verb(
            "accept",
            ACCEPT_BREAK,
            "Accept for a time",
            "It may stay until then; after that it is open again. What it is about is not green meanwhile.",
            do=_accept,
            takes=(Field("until", "Until when, at most 90 days from now.", "moment", example="2026-12-31T00:00:00Z"),),
        ),
        Verb(
            "snooze",
            OPERATE,
            "Snooze",
            "No notices about it until then, unless it becomes critical; then it is told of again. Its state and its time limit stay.",
            do=_snooze,
            done="No notices about {id}; it is {state}.",
            reason=False,
            takes=(Field("until", "Until when, at most 90 days from now.", "moment", example="2026-12-01T08:00:00Z"),),
        ),
        Verb("reopen", OPERATE, "Give back", "It is open again and unassigned; its time limit begins anew.", do=_reopen),
        Verb(
            "assign",
            OPERATE,
            "Assign",
            "Its state stays.",
            do=_assign,
            done="{id} has its new owner; it is {state}.",
            reason=False,
            takes=(Field("owner", "Whose it is from now on; absent or empty: unassigned.", required=False, bare=True, example="olga"),),
        ),
    )


def _refusals(conn: Connection[Any], alert_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    alert = show_alert(conn, alert_id)
    there = f"it is {alert.state}"
    allowed = set(ALERT.allowed(alert.state))
    why = {name: None if name in allowed else there for name in ("ack", "resolve", "accept", "reopen")}
    live = None if alert.state in LIVE else there
    return {**why, "snooze": live, "assign": None}

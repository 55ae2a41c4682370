"""Endpoints and deliveries as nouns: what a person may do with one. Making an endpoint and changing its secret have their own routes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.operations import approvals
from counterfoil.operations.access.access import ADMINISTER, OPERATE, Caller
from counterfoil.operations.by_two import proposed_step
from counterfoil.operations.noun_pages import First, Narrow, SortKey, WaitingForPerson
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Field, Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.operations.webhooks_out import endpoints
from counterfoil.operations.webhooks_out.model import (
    DELIVERY,
    DELIVERY_ROWS,
    ENDPOINT,
    ENDPOINTS,
    Attempt,
    Endpoint,
    attempts_of,
    list_deliveries,
    list_endpoints,
    show_delivery,
    show_endpoint,
)


def _enable(one: VerbCall) -> VerbResult:
    said: dict[str, Any] = {"reason": one.reason, "actor": one.actor, "now": one.now, "approval": one.approval}
    return VerbResult(endpoints.enable(one.conn, one.subject_id, **said))


def _enabled(conn: Connection[Any], one: approvals.Proposal, by: Caller, now: datetime) -> str | None:
    endpoints.enable(conn, one.subject_id, reason=one.reason, actor=by.actor, now=now, approval=one.approval)
    return None


def _disable(one: VerbCall) -> VerbResult:
    return VerbResult(endpoints.disable(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _remove(one: VerbCall) -> VerbResult:
    return VerbResult(endpoints.remove(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _set_owner(one: VerbCall) -> VerbResult:
    return VerbResult(endpoints.set_owner(one.conn, one.subject_id, str(one.taken["owner_email"])))


def _ping(one: VerbCall) -> VerbResult:
    made = endpoints.ping(one.conn, one.subject_id, actor=one.actor, now=one.now)
    return VerbResult(show_endpoint(one.conn, one.subject_id).state, made)


def _replay(one: VerbCall) -> VerbResult:
    since, until = one.taken["since"], one.taken.get("until") or one.now
    told = endpoints.replay(one.conn, one.subject_id, since=since, until=until, reason=one.reason, actor=one.actor, now=one.now)
    return VerbResult(show_endpoint(one.conn, one.subject_id).state, str(told))


def _retry(one: VerbCall) -> VerbResult:
    return VerbResult(endpoints.retry(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _endpoint_refusals(conn: Connection[Any], endpoint_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    state = show_endpoint(conn, endpoint_id).state
    may = {name: None if state in ENDPOINT.before(name) else f"it is {state}" for name in ("enable", "disable", "remove")}
    return {**may, "set_owner": may["remove"], "ping": may["disable"], "replay": may["disable"]}


def _delivery_refusals(conn: Connection[Any], delivery_id: str, now: datetime) -> Mapping[str, str | None]:
    one = show_delivery(conn, delivery_id)
    if one.state == "due" and (one.next_at is None or one.next_at <= now):
        return {"retry": "it is due already"}
    if one.state not in ("due", *DELIVERY.before("retry")):
        return {"retry": f"it is {one.state}"}
    state = show_endpoint(conn, one.endpoint_id).state
    return {"retry": None if state in ENDPOINT.before("disable") else f"its endpoint is {state}"}


ENDPOINT_VERBS: Final = (
    Verb(
        "enable",
        ADMINISTER,
        "Enable",
        "It is told what happens from now on. What was kept for it stays kept until it is told again.",
        propose=proposed_step(ENDPOINT, "enable", _enable),
    ),
    Verb("disable", OPERATE, "Disable", "Nothing goes there from now on; what happens meanwhile is kept for it.", do=_disable),
    Verb("remove", ADMINISTER, "Remove", "For good. What waits and what was kept for it is never sent.", do=_remove),
    Verb(
        "set_owner",
        ADMINISTER,
        "Change its owner",
        "From now on this address is written to when the endpoint is disabled because it takes nothing.",
        do=_set_owner,
        done="{id} has its new owner; it is {state}.",
        takes=(Field("owner_email", "The e-mail address of whoever mends it.", example="hooks@partner.example"),),
    ),
    Verb(
        "ping",
        OPERATE,
        "Try it",
        "Send it an event that says who tried it, and nothing else.",
        do=_ping,
        done="A try goes to {id}: {made}.",
        reason=False,
    ),
    Verb(
        "replay",
        OPERATE,
        "Tell it again",
        "Send what was kept for it, what it never took, and what happened before it was there. What it took is not sent twice.",
        do=_replay,
        done="{id} is told again: {made} deliveries are due.",
        takes=(
            Field("since", "From when on.", "moment", example="2026-11-20T08:00:00Z"),
            Field("until", "Until before when; until now, if absent.", "moment", required=False, example="2026-11-20T12:00:00Z"),
        ),
    ),
)
DELIVERY_VERBS: Final = (
    Verb(
        "retry",
        OPERATE,
        "Send again",
        "It is tried now, and then after 1, 5, 15 and 60 minutes. The partner knows it by its id, also if it was taken before.",
        do=_retry,
        paths=("/admin/webhooks/{id}/retry",),
    ),
)
PAIRED: Final = (approvals.Paired(ENDPOINT.name, "enable", _enabled, approved_by=ADMINISTER),)
ENDPOINT_NOUN: Final = Noun(
    "endpoint",
    "endpoints",
    "whe",
    ENDPOINT,
    ENDPOINT_VERBS,
    show_endpoint,
    _endpoint_refusals,
    row=Endpoint,
    rows=list_endpoints,
    by_id=ENDPOINTS.by_id,
    sorts=(SortKey("created_at", datetime),),
    help="Where partners are told what happens.",
    columns=("id", "state", "url", "events", "min_level", "failures", "failing_since", "waiting", "kept", "failed", "delivered_at"),
    first=First("No partner is told anything.", "counterfoil webhooks create https://partner.example/hooks --owner-email …"),
    sought=(FoundBy("url", "at this address"),),
)
DELIVERY_NOUN: Final = Noun(
    "delivery",
    "deliveries",
    "whd",
    DELIVERY,
    DELIVERY_VERBS,
    show_delivery,
    _delivery_refusals,
    help="What partners' endpoints are told, and what came of it.",
    parts=(Part("attempts", Attempt, attempts_of),),
    listed=list_deliveries,
    by_id=DELIVERY_ROWS.by_id,
    sorts=(SortKey("created_at", datetime),),
    narrows=(Narrow("endpoint_id", "t.endpoint_id = %(endpoint_id)s", "Only to this endpoint, whe_….", flag="endpoint"),),
    columns=(
        "id",
        "state",
        "event",
        "endpoint_id",
        "url",
        "subject_id",
        "attempts",
        "status",
        "error",
        "next_at",
        "created_at",
        "event_id",
    ),
    waits=(
        WaitingForPerson(
            "delivery",
            "Deliveries that failed",
            "A partner was not told, and it is not tried any more: mend the endpoint, then send it again.",
            "t.state = 'failed'",
            'counterfoil webhooks retry {id} --reason "…"',
            "counterfoil webhooks deliveries --state failed",
            ("Send again", "See the deliveries"),
            "failed",
            whose="(select e.url from webhook_endpoint e where e.id = t.endpoint_id)",
            why="'not tried any more'",
        ),
    ),
    first=First("It comes when something happens that an endpoint wants to know."),
)

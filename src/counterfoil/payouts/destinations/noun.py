"""Destinations as a noun: its verbs, commands, forms and `allowed` follow from it. Setting one has its own route."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.by_two import paired_step, proposed_step
from counterfoil.operations.noun_pages import First, SortKey, WaitingForPerson, of_party
from counterfoil.operations.verbs import Do, Noun, Verb, VerbCall, VerbResult
from counterfoil.payouts.destinations import by_hand
from counterfoil.payouts.destinations.destinations import destinations_by_id, newest_destinations, shown_destination
from counterfoil.payouts.destinations.machine import DESTINATION


def _quarantine(one: VerbCall) -> VerbResult:
    return VerbResult(by_hand.quarantine_destination(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _ending(verb: str) -> Do:
    def do(one: VerbCall) -> VerbResult:
        more: dict[str, Any] = {"reason": one.reason, "actor": one.actor, "now": one.now, "approval": one.approval}
        return VerbResult(by_hand.end_quarantine(one.conn, one.subject_id, verb, **more))

    return do


def _refusals(conn: Connection[Any], destination_id: str, _: datetime) -> Mapping[str, str | None]:
    one = shown_destination(conn, destination_id)
    return by_hand.refusals_of(one.state, replaced=one.ended_at is not None)


_RELEASE, _CLEAR = _ending("release"), _ending("clear")
VERBS: Final = (
    Verb(
        "quarantine",
        OPERATE,
        "Quarantine",
        "Nothing is sent there while it lasts, nor for other payees to the same account: theirs are quarantined with it. What waits to be "
        "sent is taken back; what the provider was told already may be out.",
        do=_quarantine,
        done="Nothing is sent to {id} from now on.",
    ),
    Verb(
        "release",
        OPERATE,
        "Release",
        "It is paid at again, and payouts that waited for it are due.",
        propose=proposed_step(DESTINATION, "release", _RELEASE),
    ),
    Verb(
        "clear",
        OPERATE,
        "Clear",
        "Of a destination that was replaced while it was quarantined: its account may be set again.",
        propose=proposed_step(DESTINATION, "clear", _CLEAR),
    ),
)
PAIRED: Final = (paired_step(DESTINATION, "release", _RELEASE), paired_step(DESTINATION, "clear", _CLEAR))
DESTINATION_NOUN: Final = Noun(
    "destination",
    "destinations",
    "dst",
    DESTINATION,
    VERBS,
    shown_destination,
    _refusals,
    help="Where payees are paid, and were.",
    listed=newest_destinations,
    by_id=destinations_by_id,
    sorts=(SortKey("created_at", datetime), SortKey("payee_id", str)),
    narrows=of_party("payee"),
    waits=(
        WaitingForPerson(
            "destination",
            "Destinations in quarantine",
            "Nothing is sent there until two people release it, or clear one that was replaced.",
            "t.state = 'quarantined'",
            "counterfoil destinations show {id}",
            "counterfoil destinations list",
            ("Release or clear", "See the destinations"),
            "quarantined",
            why="'nothing is sent there'",
        ),
    ),
    first=First("Payees are paid nowhere before somebody says where.", "counterfoil destinations set PAYEE"),
)

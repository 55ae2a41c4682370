"""Sending: each endpoint in a lane of its own, each delivery signed and tried at once and after 1, 5, 15 and 60 minutes.

A status of 2xx is success, and nothing else is; a redirect is not followed. 410 says that the endpoint is gone: it is disabled. 429 and
503 with `Retry-After` leave the whole endpoint alone for so long. Where our own address filter refuses, nothing was sent, and no try is
used up. An endpoint that took nothing for 24 hours, five attempts or more, is disabled, and an event says so. A delivery may come more
than once: the partner knows it by its id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from psycopg import Connection

from counterfoil import __version__
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.machine import Move, take_steps
from counterfoil.base.text import cleaned
from counterfoil.operations.events.events import EventKind
from counterfoil.operations.providers.connection import NoAnswer, NotConnected, NotSent, OneRequest
from counterfoil.operations.webhooks_out.addresses import AddressRefused, Network, dial_allowed
from counterfoil.operations.webhooks_out.endpoints import disable, lock_endpoint, pairs_of, put_off
from counterfoil.operations.webhooks_out.model import DELIVERIES, DELIVERY, ENDPOINT
from counterfoil.operations.webhooks_out.signing import SigningPair, signature_headers
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.lanes import Lanes
from counterfoil.operations.work.outside import run_outside
from counterfoil.operations.work.runner import ATTEMPTS_MAX, LADDER_END, LEASE_MARGIN, Claim, Runner, Tally, give_back, put_back
from counterfoil.operations.work.station import Channel, Station, Stopped

ANSWER_BYTES: Final = 4_096
TIMEOUT: Final = timedelta(seconds=30)
SIDE_BY_SIDE: Final = 4  # deliveries to one endpoint at a time, in one process
FAILING_MAX: Final = timedelta(hours=24)
RETRY_AFTER_MAX: Final = timedelta(hours=24)
REFUSED: Final = "address_refused"
ACTOR: Final = "system:worker"


class Letter(NamedTuple):
    """A delivery with all that it takes to send it."""

    id: str
    endpoint_id: str
    url: str
    body: bytes
    pairs: Sequence[SigningPair]


class AttemptMade(NamedTuple):
    """What came of an attempt. `error`: empty when it was taken; `wait`: for how long the endpoint asked to be left alone."""

    at: datetime
    took_ms: int
    status: int | None
    error: str
    answer: str = ""
    wait: timedelta = timedelta()


class Attempting:
    """A connection that is open and unused, or why there is none."""

    def __init__(self, letter: Letter, networks: Sequence[Network], clock: Callable[[], datetime], limit: timedelta) -> None:
        """Connect, if our filter allows it."""
        self._letter, self._clock = letter, clock
        self._began_s, self._at = time.monotonic(), clock()
        self._failed: str | None = None
        self._line: OneRequest | None = None
        dial = dial_allowed(networks, public=letter.url.startswith("https:"))
        try:
            self._line = OneRequest(letter.url, limit_s=limit.total_seconds(), dial=dial)
        except AddressRefused as error:
            self._failed = f"{REFUSED}: {error}"
        except NotConnected as error:
            self._failed = str(error)

    def call(self) -> AttemptMade:
        """Send it, once."""
        if self._line is None:
            return self._sent(None, self._failed or "not connected")
        now = self._clock()
        headers = {
            "content-type": "application/json",
            "user-agent": f"counterfoil/{__version__}",
            **signature_headers(self._letter.body, self._letter.id, self._letter.pairs, now=now),
        }
        parts = urlsplit(self._letter.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            reply = self._line.tell(path, self._letter.body, headers, first=ANSWER_BYTES)
        except (NotSent, NoAnswer) as error:
            return self._sent(None, str(error))
        taken = 200 <= reply.status < 300
        answer = cleaned(reply.body.decode(errors="replace"))[:ANSWER_BYTES]
        wait = timedelta() if taken else retry_after(reply.status, reply.headers, now)
        return self._sent(reply.status, "" if taken else f"answered {reply.status}", answer, wait)

    def close(self) -> None:
        """Give it up."""
        if self._line is not None:
            self._line.close()

    def _sent(self, status: int | None, error: str, answer: str = "", wait: timedelta = timedelta()) -> AttemptMade:
        return AttemptMade(self._at, int((time.monotonic() - self._began_s) * 1000), status, error, answer, wait)


def retry_after(status: int, headers: Mapping[str, str], now: datetime) -> timedelta:
    """For how long it asks to be left alone: seconds, or a moment (RFC 9110, 10.2.3); at most 24 hours. Nothing unless it is 429 or 503."""
    told = headers.get("retry-after", "").strip()
    if status not in (429, 503) or not told:
        return timedelta()
    try:
        wait = timedelta(seconds=int(told)) if told.isdigit() else parsedate_to_datetime(told).astimezone(UTC) - now
    except (ValueError, OverflowError, TypeError):
        return timedelta()
    return min(max(wait, timedelta()), RETRY_AFTER_MAX)


class WebhookStation(Station[Letter, AttemptMade]):
    """Deliveries of one endpoint."""

    queue = DELIVERIES

    def __init__(self, networks: Sequence[Network], clock: Callable[[], datetime], limit: timedelta) -> None:
        """`networks` may be told although they are not public; `limit`: how long an answer is waited for."""
        self._networks, self._clock, self._limit = networks, clock, limit

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> Mapping[str, Letter]:
        """See Station."""
        rows = conn.execute(
            """select d.id, w.id, w.url, e.id, e.name, e.level, e.program_id, e.subject_id, e.at, e.payload
               from webhook_delivery d join webhook_endpoint w on w.id = d.endpoint_id join event e on e.id = d.event_id
               where d.id = any(%s)""",
            [[one.id for one in claims]],
        ).fetchall()
        pairs = pairs_of(conn, sorted({row[1] for row in rows}), now=now)
        return {row[0]: Letter(row[0], row[1], row[2], body_of(*row[3:]), pairs[row[1]]) for row in rows}

    def connect(self, item: Letter) -> Channel[AttemptMade]:
        """See Station. That there is no connection is what came of the attempt."""
        return Attempting(item, self._networks, self._clock, self._limit)

    def announce(self, conn: Connection[Any], one: Claim, item: Letter, now: datetime) -> None:
        """Not while the endpoint is disabled, nor before the moment until which it asked to be left alone."""
        row = conn.execute("select state, not_before from webhook_endpoint where id = %s", [item.endpoint_id]).fetchone()
        assert row is not None
        if row[0] not in ENDPOINT.before("disable"):
            give_back(conn, DELIVERIES, one, due_at=now, why=f"the endpoint is {row[0]}")
            verb = "cancel" if row[0] in ENDPOINT.final else "keep"
            state = _states(conn, [one.id])[one.id]
            if (state, verb) in DELIVERY.transitions:
                take_steps(conn, DELIVERY, [Move(one.id, state, verb)], actor=ACTOR, at=now)
            conn.execute("update webhook_delivery set due_at = null where id = %s", [one.id])
            raise Stopped("the endpoint is not enabled")
        if row[1] is not None and row[1] > now:
            give_back(conn, DELIVERIES, one, due_at=row[1], why="the endpoint asked to be left alone")
            raise Stopped("it asked to be left alone")

    def store(self, conn: Connection[Any], one: Claim, item: Letter, outcome: AttemptMade, now: datetime) -> None:  # noqa: ARG002
        """Every attempt is kept, whoever made it."""
        conn.execute(
            """insert into webhook_attempt (delivery_id, number, at, took_ms, status, error, answer)
               select %(id)s, coalesce(max(number), 0) + 1, %(at)s, %(took)s, %(status)s, %(error)s, %(answer)s
               from webhook_attempt where delivery_id = %(id)s""",
            {
                "id": one.id,
                "at": outcome.at,
                "took": outcome.took_ms,
                "status": outcome.status,
                "error": outcome.error,
                "answer": outcome.answer,
            },
        )

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, AttemptMade]], now: datetime) -> None:
        """Move each on, then note how its endpoint does. A delivery that was kept or cancelled meanwhile and was taken is delivered."""
        states = _states(conn, [one.id for one, _ in done])
        for one, sent in done:
            _move_on(conn, one, sent, states[one.id], now)
        by_endpoint: dict[str, list[AttemptMade]] = {}
        endpoints = conn.execute("select id, endpoint_id from webhook_delivery where id = any(%s)", [[one.id for one, _ in done]])
        where = dict(endpoints.fetchall())
        for one, sent in done:
            by_endpoint.setdefault(where[one.id], []).append(sent)
        for endpoint_id in sorted(by_endpoint):
            _note(conn, endpoint_id, by_endpoint[endpoint_id], now)


def _states(conn: Connection[Any], ids: Sequence[str]) -> dict[str, str]:
    return dict(conn.execute("select id, state from webhook_delivery where id = any(%s)", [list(ids)]).fetchall())


def _move_on(conn: Connection[Any], one: Claim, sent: AttemptMade, state: str, now: datetime) -> None:
    if not sent.error:
        if (state, "deliver") in DELIVERY.transitions:
            take_steps(conn, DELIVERY, [Move(one.id, state, "deliver")], actor=ACTOR, at=now)
        give_back(conn, DELIVERIES, one, due_at=now, why=None)
        conn.execute("update webhook_delivery set due_at = null, attempt = 0 where id = %s", [one.id])
    elif state not in DELIVERIES.states:
        give_back(conn, DELIVERIES, one, due_at=now, why=sent.error)
        conn.execute("update webhook_delivery set due_at = null where id = %s", [one.id])
    elif sent.error.startswith(REFUSED):
        give_back(conn, DELIVERIES, one, due_at=now + LADDER_END, why=sent.error)  # our setting refuses: no try of the partner's is used up
    elif not put_back(conn, DELIVERIES, one, error=sent.error, now=now, at_least=sent.wait):
        take_steps(conn, DELIVERY, [Move(one.id, state, "fail")], actor=ACTOR, at=now, cause=sent.error)


def _note(conn: Connection[Any], endpoint_id: str, sent: Sequence[AttemptMade], now: datetime) -> None:
    """How an endpoint does: since when it fails, for how long it wants to be left alone; and that it is disabled, where it must be."""
    counted = [one for one in sent if not one.error.startswith(REFUSED)]
    if not counted:
        return
    state = lock_endpoint(conn, endpoint_id)
    taken = [one for one in counted if not one.error]
    wait = max(one.wait for one in counted)
    row = conn.execute(
        """update webhook_endpoint set
               failures = case when %(taken)s then 0 else failures + %(failed)s end,
               failing_since = case when %(taken)s then null else coalesce(failing_since, %(first)s) end,
               delivered_at = case when %(taken)s then %(now)s else delivered_at end,
               not_before = case when %(wait)s > interval '0' then %(now)s + %(wait)s else not_before end
           where id = %(id)s returning failures, failing_since""",
        {
            "taken": bool(taken),
            "failed": len(counted),
            "first": min(one.at for one in counted),
            "now": now,
            "wait": wait,
            "id": endpoint_id,
        },
    ).fetchone()
    assert row is not None
    if state not in ENDPOINT.before("disable"):
        # Somebody disabled or removed it while these were out, and passed over what we hold locked.
        put_off(conn, endpoint_id, "cancel" if state in ENDPOINT.final else "keep", actor=ACTOR, now=now)
        return
    if any(one.status == 410 for one in counted):
        disable(conn, endpoint_id, reason="it answered 410: it is gone", actor=ACTOR, now=now, told=True)
    elif row[0] >= ATTEMPTS_MAX and row[1] is not None and now - row[1] >= FAILING_MAX:
        disable(conn, endpoint_id, reason=f"it took nothing for 24 hours, {row[0]} attempts in a row", actor=ACTOR, now=now, told=True)


def body_of(event_id: str, name: str, level: str, program_id: str, subject_id: str, at: datetime, payload: Mapping[str, Any]) -> bytes:
    """What a partner gets: what happened and when. How the thing stands by now they ask by its id: later events may be underway already."""
    told = {
        "id": event_id,
        "type": name,
        "level": level,
        "programId": program_id or None,
        "subjectId": subject_id,
        "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": payload,
    }
    return canonical_json(told).encode()


def schema_of(kind: EventKind) -> dict[str, Any]:
    """The JSON schema (2020-12) of what a partner gets of such an event. `data` holds its facts; new ones may be added to it."""
    text = {"type": "string"}
    told: dict[str, Any] = {
        "id": text,
        "type": {"const": kind.name},
        "level": {"const": kind.level},
        "programId": {"type": ["string", "null"]},
        "subjectId": text,
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.name,
        "description": kind.says,
        "type": "object",
        "properties": told,
        "required": list(told),
        "additionalProperties": False,
    }


def send_lane(context: JobContext, endpoint_id: str) -> Tally:
    """Send what is due to an endpoint, a few at a time, until nothing is or a whole run is done."""
    runner, station = _runner(context.runner), WebhookStation(context.webhook_networks, context.clock, _limit(context.runner))
    total = Tally()
    while total.handled < runner.rows_max:
        done = run_outside(runner, station, lane=endpoint_id)
        total = total.plus(done)
        if done.handled == 0:
            break
    return total


def _runner(runner: Runner) -> Runner:
    return replace(runner, call_limit=_limit(runner), callers_max=SIDE_BY_SIDE)


def _limit(runner: Runner) -> timedelta:
    """30 seconds, or what a shorter lease leaves."""
    return min(TIMEOUT, (runner.lease - LEASE_MARGIN) * 9 / 10)


_lanes: WeakKeyDictionary[Any, Lanes] = WeakKeyDictionary()  # by the database that they work on


def send_due(context: JobContext, *, to_the_end: bool) -> Tally:
    """One tick: a lane for each endpoint for which something is due."""
    database = context.runner.database
    lanes = _lanes.get(database)
    if lanes is None:
        lanes = _lanes.setdefault(database, Lanes(DELIVERIES))
    return lanes.run(context.runner, lambda lane: send_lane(context, lane), to_the_end=to_the_end)


JOBS: Final = (
    Job(
        "send-webhooks",
        DELIVERIES,
        lambda c, _: send_due(c, to_the_end=False),
        "Tells partners' endpoints what happened.",
        on_demand=lambda c, _: send_due(c, to_the_end=True),
    ),
)

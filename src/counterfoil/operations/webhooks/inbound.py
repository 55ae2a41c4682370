"""Webhooks in: verified, stored raw, answered; applied later, each in one transaction with its status. The order is never trusted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.confidential import Confidential, encrypt, opened
from counterfoil.base.encryption.keys import EncryptionKeyMissing, EnvelopeDoesNotOpen
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.machine import Machine, Move, record_birth, steps_taken, take_step, take_steps
from counterfoil.base.problems import InvalidInput, NotAuthenticated, NotFound, TooLarge
from counterfoil.base.secret import SigningSecret
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.due import ClaimStep
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.parts import run_in_parts
from counterfoil.operations.work.runner import Claim, Queue, Runner, Tally, wake

BODY_BYTES_MAX: Final = 262_144
AGE_MAX: Final = timedelta(seconds=300)
EVENT_ID_MAX: Final = 200
DELIVERY_COUNTS: Final = frozenset({"pending_webhooks"})

WEBHOOK_IN: Final = Machine(
    name="webhook_in",
    table="webhook_in",
    initial=("received",),
    transitions={
        ("received", "process"): "processed",
        ("received", "ignore"): "ignored",
        ("received", "park"): "parked",
        ("parked", "requeue"): "received",
        ("parked", "ignore_parked"): "ignored",
    },
    reasoned=frozenset({"requeue", "ignore_parked"}),
)
WEBHOOKS_IN: Final = Queue("webhooks", "webhook_in", ("received",), lane="provider")

CONFIDENTIAL: Final = Confidential("webhook_in", ("id",), ("body",), "received webhooks", raw=True, erased=("body_sha256",))
EVENT_KINDS: Final = declare(
    critical={
        "webhook_conflict": "A webhook came again under the same id with another body, or the stored one was changed.",
        "webhook_parked": "A received webhook failed five times and needs a person.",
    },
)


class SignatureRefused(NotAuthenticated):
    """The webhook's signature does not match its body."""

    todo = "Compare the webhook secret with the provider's; nothing of this webhook was stored."


class TooOld(NotAuthenticated):
    """The webhook's time is more than 300 seconds from ours."""

    todo = "Compare both clocks; the provider sends the webhook again."


class Received(NamedTuple):
    """A webhook that waits to be applied."""

    id: str
    provider: str
    event_id: str
    event_type: str
    body: bytes
    received_at: datetime


Apply = Callable[[Connection[Any], Sequence[Received], datetime], None]


class Applier(NamedTuple):
    """What applies webhooks, by set. `singly`: each in a transaction of its own, for what locks rows for one and then posts to accounts.
    `awaited`: a customer waits for it, so it goes before what nobody waits for."""

    apply: Apply
    singly: bool = False
    awaited: bool = False


def verify_standard(body: bytes, headers: Mapping[str, str], secret: SigningSecret | str, *, now: datetime) -> str:
    """The event's id, once the signature over `id.timestamp.body` holds (Standard Webhooks, `v1`).

    Raises TooLarge, InvalidInput, TooOld, SignatureRefused. Several signatures may be given, while a secret rotates. With a secret
    that can be guessed anybody can sign: raises WeakSecret before it looks at the signature.
    """
    known = secret if isinstance(secret, SigningSecret) else SigningSecret(secret, "webhook_secret")
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge(field="body", limit=f"{BODY_BYTES_MAX} bytes", got=len(body))
    event_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event_id or len(event_id) > EVENT_ID_MAX or not event_id.isprintable():
        raise InvalidInput("webhook-id", f"1 to {EVENT_ID_MAX} printable characters")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise InvalidInput("webhook-timestamp", "seconds since 1970")
    signed = f"{event_id}.{stamp}.".encode() + body
    ours = base64.b64encode(hmac.digest(known.key, signed, hashlib.sha256)).decode()
    given = [part[3:] for part in headers.get("webhook-signature", "").split(" ") if part.startswith("v1,")]
    if not any([hmac.compare_digest(ours.encode(), each.encode()) for each in given]):  # noqa: C419 - compare them all
        raise SignatureRefused(event_id=event_id)
    # After the signature: only who knows the secret learns that our clocks differ.
    refuse_other_times(int(stamp), now, event_id=event_id)
    return event_id


def refuse_other_times(stamp: int, now: datetime, *, event_id: str | None = None) -> None:
    """Raise TooOld where it was signed at another time than about now. `stamp`: seconds since 1970, also of a year that no calendar has."""
    age_s = abs(now.timestamp() - stamp)
    if age_s > AGE_MAX.total_seconds():
        raise TooOld(event_id=event_id, age_seconds=int(age_s), limit="300 seconds")


class NewWebhook(NamedTuple):
    """A verified webhook that came. `pulled`: we asked for it; then its being known already is how it should be, and is not counted."""

    id: str
    provider: str
    event_id: str
    event_type: str
    body: bytes
    received_at: datetime
    pulled: bool = False


def receive(
    conn: Connection[Any],
    webhook_id: str,
    *,
    provider: str,
    event_id: str,
    event_type: str,
    body: bytes,
    now: datetime,
    pulled: bool = False,
) -> bool:
    """`receive_all`, of one."""
    return receive_all(conn, [NewWebhook(webhook_id, provider, event_id, event_type, body, now, pulled)])[0]


def receive_all(conn: Connection[Any], came: Sequence[NewWebhook]) -> list[bool]:
    """Store verified webhooks once each, by set. False for a duplicate, which is counted; the same id with another body is an event."""
    new = sorted(came, key=lambda one: (one.provider, one.event_id))  # who store the same ones at once wait, and never block each other
    moments = [one.received_at for one in new]
    rows = conn.execute(
        """insert into webhook_in (id, provider, event_id, event_type, envelope, received_at, state, state_at, due_at)
           select w.id, w.provider, w.event_id, w.event_type, w.envelope, w.at, 'received', w.at, w.at
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[])
             as w (id, provider, event_id, event_type, envelope, at)
           on conflict on constraint webhook_in_is_received_once do nothing returning id, provider""",
        [
            [one.id for one in new],
            [one.provider for one in new],
            [one.event_id for one in new],
            [one.event_type for one in new],
            [encrypt(conn, CONFIDENTIAL, [one.id], [one.body]) for one in new],
            moments,
        ],
    ).fetchall()
    for provider in sorted({row[1] for row in rows}):
        ids = [row[0] for row in rows if row[1] == provider]
        record_birth(conn, WEBHOOK_IN, ids, "received", actor=f"provider:{provider}", at=max(moments))
    if rows:
        wake(conn, WEBHOOKS_IN)
    stored = {row[0] for row in rows}
    for one in came:
        if one.id not in stored:
            _came_again(conn, one)
    return [one.id in stored for one in came]


def _came_again(conn: Connection[Any], one: NewWebhook) -> None:
    differs = _differs(conn, one.provider, one.event_id, one.body)
    row = conn.execute(
        """update webhook_in set duplicates = duplicates + %s, conflicts = conflicts + %s::int
           where provider = %s and event_id = %s returning id, conflicts""",
        [0 if one.pulled else 1, differs, one.provider, one.event_id],
    ).fetchone()
    if row is not None and differs:
        told = NewEvent("webhook_conflict", "", row[0], {"eventId": one.event_id}, once=str(row[1]))
        emit(conn, [told], at=one.received_at)


def _differs(conn: Connection[Any], provider: str, event_id: str, body: bytes) -> bool:
    """Does the stored webhook say something else? Nobody can tell where its key is not here: it is a duplicate, and nothing fails by it.

    One that does not open with its key was changed past every rule, and is no longer what came.
    """
    row = conn.execute("select id, envelope, body from webhook_in where provider = %s and event_id = %s", [provider, event_id]).fetchone()
    return row is not None and _says_else(conn, row, body)


def _says_else(conn: Connection[Any], row: Sequence[Any], body: bytes) -> bool:
    try:
        (known,) = opened(conn, CONFIDENTIAL, row[:1], row[1], row[2:])
    except EncryptionKeyMissing:
        return False
    except EnvelopeDoesNotOpen:
        return True
    return _meant(bytes(known)) != _meant(body)


def known_as_said(conn: Connection[Any], provider: str, bodies: Mapping[str, bytes]) -> set[str]:
    """Which of these events, by their ids, are stored already and say the same: of them nothing is left to do."""
    rows = conn.execute(
        "select event_id, id, envelope, body from webhook_in where provider = %s and event_id = any(%s)", [provider, list(bodies)]
    ).fetchall()
    return {event_id for event_id, *row in rows if not _says_else(conn, row, bodies[event_id])}


def is_stored(conn: Connection[Any], provider: str, event_id: str) -> bool:
    """Is there a webhook with this id, whatever it says?"""
    return conn.execute("select from webhook_in where provider = %s and event_id = %s", [provider, event_id]).fetchone() is not None


def _meant(body: bytes) -> bytes:
    """What a body says, whatever its spaces and the order of its fields: a webhook and the pulled event are one.

    What a provider counts of its own deliveries beside it is no part of it.
    """
    try:
        said = json.loads(body)
        if isinstance(said, dict):
            said = {name: value for name, value in said.items() if name not in DELIVERY_COUNTS}
        return canonical_json(said, ascii_only=True).encode()
    except (ValueError, RecursionError):
        return body


def count_rejection(conn: Connection[Any], provider: str, reason: str, *, now: datetime) -> None:
    """Count a webhook that we did not believe; nobody's body is kept unsigned."""
    conn.execute(
        """insert into webhook_in_rejection as r (provider, day, reason, count, last_at) values (%s, %s, %s, 1, %s)
           on conflict (provider, day, reason) do update set count = r.count + 1, last_at = excluded.last_at""",
        [provider, now.date(), reason, now],
    )


def apply_received(runner: Runner, appliers: Mapping[tuple[str, str], Applier]) -> Tally:
    """One tick: apply stored webhooks, by set and applier, each set in one transaction with its new status."""
    verbs: dict[str, str] = {}

    def parts(conn: Connection[Any], ids: Sequence[str]) -> list[list[str]]:
        # By applier, not by type: "paid" and "failed" of one payout must be judged together, in the order of their time.
        groups: dict[Applier | None, list[str]] = {}
        rows = conn.execute(
            "select id, provider, event_type from webhook_in where id = any(%s) order by received_at, id", [list(ids)]
        ).fetchall()
        for one, provider, event_type in rows:
            applier = appliers.get((provider, event_type))
            groups.setdefault(applier, []).append(one)
            verbs[one] = "ignore" if applier is None else "process"
        return [
            part
            for applier, group in sorted(groups.items(), key=lambda one: one[0] is None or not one[0].awaited)
            for part in ([[one] for one in group] if applier is not None and applier.singly else [group])
        ]

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        found = received_by_id(conn, [one.id for one in claims])
        applier = appliers.get((found[0].provider, found[0].event_type))
        if applier is not None:
            applier.apply(conn, found, now)

    def park(conn: Connection[Any], one: Claim, said: str, now: datetime) -> None:
        take_steps(conn, WEBHOOK_IN, [Move(one.id, "received", "park")], actor="system:worker", at=now, cause=said)
        # By its step, which never comes twice: parked again after a person had it tried again, it is told again.
        once = f"step-{steps_taken(conn, WEBHOOK_IN, one.id)}"
        emit(conn, [NewEvent("webhook_parked", "", one.id, {"error": said}, once=once)], at=now)

    return run_in_parts(runner, WEBHOOKS_IN, parts, work, park=park, step=lambda ids: ClaimStep(WEBHOOK_IN, verbs[ids[0]]))


def requeue_webhook(conn: Connection[Any], webhook_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Have a parked webhook applied again, once its cause is mended. Raises NotFound, TransitionRefused, ReasonRequired."""
    state = _step_by_hand(conn, webhook_id, "requeue", reason=reason, actor=actor, now=now)
    conn.execute("update webhook_in set due_at = %s, attempt = 0, last_error = null where id = %s", [now, webhook_id])
    wake(conn, WEBHOOKS_IN)
    return state


def ignore_webhook(conn: Connection[Any], webhook_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Leave a parked webhook unapplied for good; it stays stored. Raises NotFound, TransitionRefused, ReasonRequired."""
    return _step_by_hand(conn, webhook_id, "ignore_parked", reason=reason, actor=actor, now=now)


def _step_by_hand(conn: Connection[Any], webhook_id: str, verb: str, *, reason: str, actor: str, now: datetime) -> str:
    row = conn.execute("select state from webhook_in where id = %s for update", [webhook_id]).fetchone()
    if row is None:
        raise NotFound(what="webhook", id=webhook_id)
    return take_step(conn, WEBHOOK_IN, webhook_id, row[0], verb, actor=actor, at=now, reason=reason)


def received_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Received]:
    """These webhooks, in the order they came. Raises EncryptionKeyMissing, EnvelopeDoesNotOpen."""
    rows = conn.execute(
        """select id, provider, event_id, event_type, received_at, envelope, body
           from webhook_in where id = any(%s) order by received_at, id""",
        [list(ids)],
    ).fetchall()
    return [Received(row[0], row[1], row[2], row[3], bytes(*opened(conn, CONFIDENTIAL, row[:1], row[5], row[6:])), row[4]) for row in rows]


JOBS: Final = (Job("webhooks", WEBHOOKS_IN, lambda c, _: apply_received(c.runner, c.appliers), "Applies received webhooks."),)

"""Making endpoints, their secrets, and what is done when they are enabled, disabled, removed, tried, or told again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.encryption.confidential import encrypt, opened
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Approval, Move, record_birth, take_step, take_steps
from counterfoil.base.problems import Busy, InvalidInput, NotFound, Problem
from counterfoil.base.text import email_address_of
from counterfoil.operations.events.events import Level, NewEvent, emit, event_kind
from counterfoil.operations.webhooks_out.addresses import Network, checked_url
from counterfoil.operations.webhooks_out.model import CONFIDENTIAL, DELIVERIES, DELIVERY, ENDPOINT, Endpoint, show_endpoint
from counterfoil.operations.webhooks_out.signing import SigningPair
from counterfoil.operations.work.runner import wake

NAMES_MAX: Final = 100
OVERLAP_DAYS_MAX: Final = 7
REPLAY_MAX: Final = 10_000
ABOUT_MAX: Final = 200
OWNER_FIELD: Final = "ownerEmail"


class EndpointNotEnabled(Problem):
    """Nothing is sent to this endpoint now: it is not enabled."""

    todo = "Enable it first; that takes two administrators."


class TooManyAtOnce(Problem):
    """So many deliveries are not told again at once."""

    todo = "Choose a shorter time, and tell the rest again after it."


def create_endpoint(
    conn: Connection[Any],
    endpoint_id: str,
    pair: SigningPair,
    *,
    url: str,
    program_id: str | None,
    events: Sequence[str],
    min_level: Level,
    owner_email: str,
    about: str,
    networks: Sequence[Network],
    make_id: MakeId,
    actor: str,
    now: datetime,
) -> Endpoint:
    """An endpoint as a draft: nothing goes there until two administrators have enabled it. Raises InvalidInput."""
    checked_url(url, networks)
    if program_id is not None and conn.execute("select from program where id = %s", [program_id]).fetchone() is None:
        raise InvalidInput("programId", "a program that there is", got=program_id)
    if len(set(events)) != len(events) or len(events) > NAMES_MAX:
        raise InvalidInput("events", f"at most {NAMES_MAX} names, each once", got=str(len(events)))
    for name in events:
        if event_kind(name) is None:
            raise InvalidInput("events", "names of events, as the list of event kinds has them", got=name[:60])
    owner_email = email_address_of(owner_email, OWNER_FIELD)
    conn.execute(
        """insert into webhook_endpoint
               (id, program_id, url, events, min_level, owner_email, about, created_by, created_at, state, state_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'draft', %s)""",
        [endpoint_id, program_id, url, list(events), min_level, owner_email, about, actor, now, now],
    )
    record_birth(conn, ENDPOINT, [endpoint_id], "draft", actor=actor, at=now)
    _add_secret(conn, make_id("whs"), endpoint_id, 1, pair, 0, actor, now)
    return show_endpoint(conn, endpoint_id)


def rotate_secret(
    conn: Connection[Any], endpoint_id: str, secret_id: str, pair: SigningPair, *, overlap_days: int, actor: str, now: datetime
) -> Endpoint:
    """Sign with a new pair from now on, and with the one before it, too, for so many days. Raises NotFound, InvalidInput."""
    if not 0 <= overlap_days <= OVERLAP_DAYS_MAX:
        raise InvalidInput("overlapDays", f"0 to {OVERLAP_DAYS_MAX}", got=str(overlap_days))
    one = lock_endpoint(conn, endpoint_id)
    if one in ENDPOINT.final:
        raise InvalidInput("id", "an endpoint that is not removed", got=endpoint_id)
    row = conn.execute("select coalesce(max(number), 0) + 1 from webhook_secret where endpoint_id = %s", [endpoint_id]).fetchone()
    assert row is not None
    _add_secret(conn, secret_id, endpoint_id, row[0], pair, overlap_days, actor, now)
    return show_endpoint(conn, endpoint_id)


def pairs_of(conn: Connection[Any], endpoint_ids: Sequence[str], *, now: datetime) -> dict[str, list[SigningPair]]:
    """With what each endpoint's webhooks are signed now: the newest, and the one before it while they overlap.

    Raises EncryptionKeyMissing, EnvelopeDoesNotOpen.
    """
    rows = conn.execute(
        """select id, endpoint_id, envelope, secret, seed from (
               select s.*, lead(created_at + make_interval(days => overlap_days)) over (partition by endpoint_id order by number) as ends_at
               from webhook_secret s where endpoint_id = any(%s)) s
           where ends_at is null or ends_at > %s order by endpoint_id, number desc""",
        [list(endpoint_ids), now],
    ).fetchall()
    found: dict[str, list[SigningPair]] = {}
    for secret_id, endpoint_id, envelope, *clear in rows:
        found.setdefault(endpoint_id, []).append(SigningPair(*opened(conn, CONFIDENTIAL, [secret_id], envelope, clear)))
    return found


def lock_endpoint(conn: Connection[Any], endpoint_id: str) -> str:
    """Its state, which nobody changes meanwhile; events that are emitted beside it do not wait for that. Raises NotFound."""
    row = conn.execute("select state from webhook_endpoint where id = %s for no key update", [endpoint_id]).fetchone()
    if row is None:
        raise NotFound(what="endpoint", id=endpoint_id)
    return str(row[0])


def enable(conn: Connection[Any], endpoint_id: str, *, reason: str, actor: str, now: datetime, approval: Approval | None) -> str:
    """It is told from now on. What was kept for it meanwhile stays kept until somebody tells it again."""
    state = lock_endpoint(conn, endpoint_id)
    state = take_step(conn, ENDPOINT, endpoint_id, state, "enable", actor=actor, at=now, reason=reason, approval=approval)
    conn.execute("update webhook_endpoint set failures = 0, failing_since = null, not_before = null where id = %s", [endpoint_id])
    return state


def disable(conn: Connection[Any], endpoint_id: str, *, reason: str, actor: str, now: datetime, told: bool = False) -> str:
    """Nothing goes there from now on; what waits, and what happens from now on, is kept for it. `told`: an event says so, too."""
    state = lock_endpoint(conn, endpoint_id)
    state = take_step(conn, ENDPOINT, endpoint_id, state, "disable", actor=actor, at=now, reason=reason)
    put_off(conn, endpoint_id, "keep", actor=actor, now=now)
    if told:
        emit(conn, [NewEvent("endpoint_disabled", "", endpoint_id, {"why": reason}, once=now.isoformat())], at=now)
    return state


def remove(conn: Connection[Any], endpoint_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """For good: what waits and what was kept for it is cancelled; what was told stays on record."""
    state = lock_endpoint(conn, endpoint_id)
    state = take_step(conn, ENDPOINT, endpoint_id, state, "remove", actor=actor, at=now, reason=reason)
    put_off(conn, endpoint_id, "cancel", actor=actor, now=now)
    return state


def set_owner(conn: Connection[Any], endpoint_id: str, owner_email: str) -> str:
    """Who is written to when it is disabled; what was written before stays with whom it went to. Raises InvalidInput, NotFound."""
    address = email_address_of(owner_email, OWNER_FIELD)
    state = lock_endpoint(conn, endpoint_id)
    if state in ENDPOINT.final:
        raise InvalidInput("id", "an endpoint that is not removed", got=endpoint_id)
    conn.execute("update webhook_endpoint set owner_email = %s where id = %s", [address, endpoint_id])
    return state


def put_off(conn: Connection[Any], endpoint_id: str, verb: str, *, actor: str, now: datetime) -> int:
    """Keep or cancel what waits for an endpoint. What somebody records just now is passed over, so that nobody waits for each other;
    whoever does so keeps or cancels it."""
    rows = conn.execute(
        "select id, state from webhook_delivery where endpoint_id = %s and state = any(%s) order by id for update skip locked",
        [endpoint_id, list(DELIVERY.before(verb))],
    ).fetchall()
    take_steps(conn, DELIVERY, [Move(row[0], row[1], verb) for row in rows], actor=actor, at=now)
    conn.execute("update webhook_delivery set due_at = null where id = any(%s)", [[row[0] for row in rows]])
    return len(rows)


def ping(conn: Connection[Any], endpoint_id: str, *, actor: str, now: datetime) -> str:
    """Tell this endpoint alone that somebody tries it. Returns the delivery's id. Raises EndpointNotEnabled."""
    state = lock_endpoint(conn, endpoint_id)
    if state not in ENDPOINT.before("disable"):
        raise EndpointNotEnabled(id=endpoint_id, state=state)
    told = NewEvent("endpoint_pinged", "", endpoint_id, {"by": actor}, once=now.isoformat())
    emit(conn, [told], at=now)
    (made,) = _deliver(conn, endpoint_id, "e.id = %(event)s", {"event": told.id()}, actor=actor, now=now)
    return made


def replay(conn: Connection[Any], endpoint_id: str, *, since: datetime, until: datetime, reason: str, actor: str, now: datetime) -> int:
    """Tell an endpoint again what happened from `since` until before `until`: what was kept for it, what it never took, and what happened
    before it was there. What it took is not told twice. Returns how many deliveries are due. Raises EndpointNotEnabled, InvalidInput,
    TooManyAtOnce.

    What waits for its next try is sent now: whoever mended the endpoint does not wait an hour for it."""
    if until <= since:
        raise InvalidInput("until", "later than since", got=until.isoformat())
    state = lock_endpoint(conn, endpoint_id)
    if state not in ENDPOINT.before("disable"):
        raise EndpointNotEnabled(id=endpoint_id, state=state)
    within = {"since": since, "until": until}
    missing = """e.at >= %(since)s and e.at < %(until)s
        and is_told(w.program_id, w.events, w.min_level, e.program_id, e.name, e.level, e.subject_id)
        and not exists (select from webhook_delivery d where d.endpoint_id = w.id and d.event_id = e.id)"""
    made = _deliver(conn, endpoint_id, missing, within, actor=actor, now=now)
    rows = conn.execute(
        """select d.id, d.state from webhook_delivery d join event e on e.id = d.event_id
           where d.endpoint_id = %(endpoint)s and e.at >= %(since)s and e.at < %(until)s
             and (d.state in ('kept', 'failed') or d.state = 'due' and d.due_at > %(now)s)
           order by d.id limit %(rows)s for update of d skip locked""",
        within | {"endpoint": endpoint_id, "rows": REPLAY_MAX + 1, "now": now},
    ).fetchall()
    if len(made) + len(rows) > REPLAY_MAX:
        raise TooManyAtOnce(limit=f"{REPLAY_MAX} deliveries", since=since.isoformat(), until=until.isoformat())
    _try_anew(conn, [(row[0], row[1]) for row in rows], reason=reason, actor=actor, now=now)
    return len(made) + len(rows)


def retry(conn: Connection[Any], delivery_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Tell one again, whether it was kept, failed, was taken before, or waits for its next try; the partner knows it by its id. Raises
    EndpointNotEnabled, Busy while it is being sent."""
    row = conn.execute(
        """select d.state, w.id, w.state, d.lease_until > %(now)s, d.due_at > %(now)s
           from webhook_delivery d join webhook_endpoint w on w.id = d.endpoint_id
           where d.id = %(id)s for update of d""",
        {"now": now, "id": delivery_id},
    ).fetchone()
    if row is None:
        raise NotFound(what="delivery", id=delivery_id)
    if row[2] not in ENDPOINT.before("disable"):
        raise EndpointNotEnabled(id=row[1], state=row[2])
    if row[3]:
        raise Busy(what=f"the delivery {delivery_id}", detail="a worker sends it just now")
    if not row[4]:  # what waits for its next try may go now; what is due now, or over, may not
        DELIVERY.next_state(row[0], "retry", reason=reason)
    _try_anew(conn, [(delivery_id, row[0])], reason=reason, actor=actor, now=now)
    return "due"


def _try_anew(conn: Connection[Any], rows: Sequence[tuple[str, str]], *, reason: str, actor: str, now: datetime) -> None:
    moves = [Move(one, state, "retry") for one, state in rows if state in DELIVERY.before("retry")]  # what is due stays so
    take_steps(conn, DELIVERY, moves, actor=actor, at=now, reason=reason)
    conn.execute(
        "update webhook_delivery set due_at = %s, attempt = 0, last_error = null where id = any(%s)", [now, [one for one, _ in rows]]
    )
    wake(conn, DELIVERIES)


def _deliver(conn: Connection[Any], endpoint_id: str, which: str, given: dict[str, Any], *, actor: str, now: datetime) -> list[str]:
    """Deliveries of events that have none yet, due now; at most one more than may be told at once."""
    rows = conn.execute(
        f"""insert into webhook_delivery (id, endpoint_id, event_id, program_id, created_at, state, state_at, due_at)
            select delivery_id(e.at, w.id, e.id), w.id, e.id, coalesce(w.program_id, ''), e.at, 'due', %(now)s, %(now)s
            from event e join webhook_endpoint w on w.id = %(endpoint)s where {which} order by e.at, e.id limit %(rows)s
            on conflict on constraint webhook_delivery_is_one do nothing returning id""",
        given | {"endpoint": endpoint_id, "now": now, "rows": REPLAY_MAX + 1},
    ).fetchall()
    made = [row[0] for row in rows]
    record_birth(conn, DELIVERY, made, "due", actor=actor, at=now)
    wake(conn, DELIVERIES)
    return made


def _add_secret(
    conn: Connection[Any], secret_id: str, endpoint_id: str, number: int, pair: SigningPair, overlap_days: int, actor: str, now: datetime
) -> None:
    envelope = encrypt(conn, CONFIDENTIAL, [secret_id], list(pair))
    conn.execute(
        """insert into webhook_secret (id, endpoint_id, number, overlap_days, public_key, envelope, created_by, created_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [secret_id, endpoint_id, number, overlap_days, pair.public_key, envelope, actor, now],
    )

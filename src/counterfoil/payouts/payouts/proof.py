"""What proves each hop of a payout: who approved its batch, every call to the provider, what came back, look-ups, webhooks, lines of
statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.keys import keys_of
from counterfoil.base.ids import ENTROPY_BYTES, new_id
from counterfoil.operations.webhooks.inbound import CONFIDENTIAL
from counterfoil.operations.work.calls import Call, calls_of
from counterfoil.payouts.payouts.verbs import ProviderPayout, provider_payouts_of

WEBHOOK_WAITS: Final = timedelta(days=1)  # a webhook is sought among those that came so long before it was applied
FOUND: Final = ("accept", "succeed", "fail", "return", "pay_late", "return_late")  # the steps of an attempt that a provider's word makes
BEGINNING: Final = bytes(ENTROPY_BYTES)
# Each of the two ways in which a difference names an attempt goes along an index of its own.
STATEMENT_LINES: Final = """
    select at, 'statement', 'line ' || record_id || ' of ' || source || ', found by ' || run_id, break_id, provider_payout_id
    from payout_evidence where provider_payout_id = any(%(ids)s)
    union all
    select b.opened_at, 'break', replace(b.kind || ' in ' || b.source || ': it is ' || b.state, '_', ' '), b.id, pp.id
    from provider_payout pp cross join lateral (
        select id, opened_at, kind, source, state from break
        where program_id = pp.program_id and reference = any(array[pp.id, pp.idempotency_key, pp.provider_ref])
        union
        select id, opened_at, kind, source, state from break
        where program_id = pp.program_id and record_id = any(array[pp.id, pp.provider_ref])) b
    where pp.id = any(%(ids)s)"""


class HopProof(NamedTuple):
    """One proof: when, of what kind (approval, call, answer, look-up, webhook, statement, break), what it says, and under which id it is
    kept; an approval is of its batch, and of no attempt."""

    at: datetime
    what: str
    said: str
    id: str
    attempt_id: str


def proof_of(conn: Connection[Any], payout_id: str, /, *, rows_max: int) -> list[HopProof]:
    """Every proof that is kept, the earliest first.

    Of webhooks those that moved an attempt or contradict it: each was applied at the very moment of that step. Of statements the
    lines that two people took as proof, and the differences that name an attempt: a line that agrees is counted by its run, not kept.
    """
    attempts = {one.id: one for one in provider_payouts_of(conn, payout_id)}
    calls = calls_of(conn, list(attempts))
    found = [
        *(hop for one in calls for hop in _of_call(one)),
        *_look_ups(conn, attempts, calls),
        *_webhooks(conn, attempts),
        *_statements(conn, attempts),
        *_approvals(conn, payout_id),
    ]
    return sorted(found, key=lambda one: (one.at, one.what != "call", one.id))[:rows_max]


def _approvals(conn: Connection[Any], payout_id: str) -> Iterator[HopProof]:
    """Who approved the batches that it stands or stood in, or that a rule did."""
    rows = conn.execute(
        """select a.at, 'approval', 'batch ' || b.id || ' is approved by ' || a.approver
                  || case when (a.round, a.sha256) = (b.round, b.sha256) then '' else '; it does not count any more' end, b.id, ''
           from payout_batch_line l join payout_batch b on b.id = l.batch_id join payout_batch_approval a on a.batch_id = b.id
           where l.payout_id = %(payout)s and l.removed_at is null
           union all
           select b.approved_at, 'approval', 'batch ' || b.id || ' is approved by rule', b.id, ''
           from payout_batch_line l join payout_batch b on b.id = l.batch_id
           where l.payout_id = %(payout)s and l.removed_at is null and b.by_rule and b.approved_at is not null""",
        {"payout": payout_id},
    ).fetchall()
    yield from (HopProof(*row) for row in rows)


def _of_call(one: Call) -> Iterator[HopProof]:
    asked = f"call {one.number}: {one.provider} is asked to pay, under key {one.key}"
    yield HopProof(one.announced_at, "call", asked, one.id, one.subject_id)
    if one.answered_at is not None:
        yield HopProof(one.answered_at, "answer", f"call {one.number} was {_answered(one)}", one.id, one.subject_id)
    elif one.closed_at == one.horizon_at:
        silent = f"call {one.number} has no answer; after this moment it can arrive no more"
        yield HopProof(one.horizon_at, "answer", silent, one.id, one.subject_id)


def _answered(one: Call) -> str:
    told = one.answer or {}
    if one.kind == "accepted":
        return f"accepted as {told.get('provider_ref')}: {told.get('status')}"
    words = {"later": "put off", "refused": "refused", "unclear": "answered unclearly"}
    return f"{words.get(one.kind or '', str(one.kind))}: {told.get('error') or 'no reason'}"


def _look_ups(conn: Connection[Any], attempts: Mapping[str, ProviderPayout], calls: Sequence[Call]) -> Iterator[HopProof]:
    """Each look-up whose answer moved an attempt, at the moment of that step; the last that found nothing is kept with the attempt."""
    found = conn.execute(
        """select s.at, s.to_state, s.subject_id from step s join provider_payout pp on pp.id = s.subject_id
           where s.subject_id = any(%s) and s.cause = 'pull' and s.verb = any(%s)
             and not (s.verb = 'fail' and coalesce(s.at - pp.not_there_at between interval '0' and interval '1 minute', false))
           order by s.at, s.step""",
        [list(attempts), list(FOUND)],
    ).fetchall()
    for at, state, attempt_id in found:
        yield HopProof(at, "look-up", f"{attempts[attempt_id].provider} was asked, and its word is: {state}", attempt_id, attempt_id)
    rows = conn.execute(
        "select id, not_there_at from provider_payout where id = any(%s) and not_there_at is not null", [list(attempts)]
    ).fetchall()
    for attempt_id, at in rows:
        closed = max((one.closed_at for one in calls if one.subject_id == attempt_id), default=None)
        proves = "after its last call was closed: nothing of it is there" if closed is None or at > closed else "a call may still arrive"
        yield HopProof(at, "look-up", f"{attempts[attempt_id].provider} does not know it; {proves}", attempt_id, attempt_id)


def _webhooks(conn: Connection[Any], attempts: Mapping[str, ProviderPayout]) -> Iterator[HopProof]:
    """Bodies are encrypted: those that were applied at the moment of a step are opened, and one that names the attempt is its webhook."""
    moved = conn.execute(
        """select subject_id, at from step where subject_id = any(%(ids)s) and cause = 'webhook'
           union select provider_payout_id, at from provider_conflict where provider_payout_id = any(%(ids)s) order by 2""",
        {"ids": list(attempts)},
    ).fetchall()
    keys = keys_of(conn)
    for attempt_id, at in moved:
        one = attempts[attempt_id]
        early, late = (new_id("whi", now=each, entropy=BEGINNING) for each in (at - WEBHOOK_WAITS, at + timedelta(seconds=1)))
        rows = conn.execute(
            """select id, envelope, body, received_at, event_type, event_id from webhook_in
               where provider = %s and id >= %s and id < %s and state_at = %s order by id""",
            [one.provider, early, late, at],
        ).fetchall()
        names = [f'"{name}"'.encode() for name in (one.idempotency_key, one.provider_ref) if name]
        for id_, envelope, body, received_at, event_type, event_id in rows:
            (known,) = CONFIDENTIAL.opened_unless_lost(keys, (id_,), envelope, (body,))
            if known is not None and any(name in bytes(known) for name in names):
                yield HopProof(received_at, "webhook", f"{event_type}, event {event_id}", id_, attempt_id)


def _statements(conn: Connection[Any], attempts: Mapping[str, ProviderPayout]) -> Iterator[HopProof]:
    rows = conn.execute(STATEMENT_LINES, {"ids": list(attempts)}).fetchall()
    yield from (HopProof(*row) for row in rows)

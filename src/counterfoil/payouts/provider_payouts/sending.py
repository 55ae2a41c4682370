"""Sending: the queued provider payouts go out, each at most once, and whatever is not certain becomes unknown, never failed.

The row says `sending` from the claim on. The connection is opened, then one short transaction looks at everything that may hold the
order back and writes the call down (see `operations.work.calls`); only then is anything written, on that very connection. What comes back
is stored before it is applied; who stored it applies it, or the job `answers` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Also, Move, take_steps
from counterfoil.operations.providers import (
    Accepted,
    Answer,
    FileProvider,
    Later,
    PayoutOrder,
    Provider,
    SendConnection,
    Unclear,
    WritingConnection,
    answer_of,
    capabilities_of,
    health_of,
    told_of,
)
from counterfoil.operations.work.calls import (
    ANSWERS,
    Call,
    CallAnswer,
    NewCall,
    announce_calls,
    calls_by_id,
    calls_of,
    mark_applied,
    store_answers,
)
from counterfoil.operations.work.circuit_rules import Health
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.outside import run_outside
from counterfoil.operations.work.runner import ATTEMPTS_MAX, Claim, Runner, Tally, delay_before, run_here, still_ours
from counterfoil.operations.work.station import OUTAGE_ATTEMPT_MAX, Channel, NotReady, Station, Stopped
from counterfoil.payouts.destinations.masking import masked_answer
from counterfoil.payouts.machines import PROVIDER_PAYOUT, REPAIRING, SEND_JOB, SENDING
from counterfoil.payouts.payment_files.filing import file_due
from counterfoil.payouts.provider_payouts.brakes import Brake, brakes_on
from counterfoil.payouts.provider_payouts.orders import orders_to_send
from counterfoil.payouts.provider_payouts.outcome_rules import (
    LockedProviderPayout,
    OutcomeDecision,
    decide_answer,
    decide_fact,
)
from counterfoil.payouts.provider_payouts.outcomes import ACTOR, carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id
from counterfoil.payouts.provider_payouts.unreserving import hold_back

BRAKE_WAIT: Final = timedelta(minutes=5)
APPLY_AFTER: Final = timedelta(seconds=5)  # who stored an answer applies it; from then on, anybody


class SendRequest(NamedTuple):
    """One order and the provider it goes to; `call_id` names the call that it will be."""

    provider: str
    order: PayoutOrder
    payload_sha256: bytes
    call_id: str


class _SendLine:
    """An open connection and what goes out on it."""

    def __init__(self, connection: SendConnection, order: PayoutOrder, ended: Callable[[], object] = lambda: None) -> None:
        self._connection, self._order, self._ended = connection, order, ended

    def call(self) -> Answer:
        """Send; what we do not understand is unclear, not refused."""
        try:
            return self._connection.send(self._order)
        except Exception as error:  # noqa: BLE001 - an adapter's mistake does not tell whether the money went
            return Unclear(f"our own mistake while sending: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Give the connection up."""
        self._ended()
        self._connection.close()


class Sending(Station[SendRequest, Answer]):
    """Send what is queued."""

    queue = SENDING
    company_s = 0.03  # the money is on its way: nobody waits for this, and each transaction costs as much for one as for sixty

    def __init__(self, runner: Runner, providers: Mapping[str, Provider], make_id: MakeId, *, silent_after: timedelta) -> None:
        """`silent_after`: how long an accepted payout may be silent before it is pulled."""
        self._runner = runner
        self._make_id = make_id
        self._providers = providers
        self._silent_after = silent_after
        self._writing: dict[str, WritingConnection] = {}  # by the id of the call: connections whose orders are written down first

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> Mapping[str, SendRequest]:
        """Mark the rows as sending, in the transaction of the claim; should we vanish, repair finds them after the lease."""
        ids = [one.id for one in claims]
        again = Also("due_at = %(due_at)s", {"due_at": now + self._runner.lease})
        take_steps(conn, PROVIDER_PAYOUT, [Move(one, "queued", "send") for one in ids], actor=ACTOR, at=now, also=again)
        found = orders_to_send(conn, ids)
        return {one: SendRequest(*found[one], self._make_id("call")) for one in ids}

    def connect(self, item: SendRequest) -> Channel[Answer]:
        """Open the connection that the order goes out on, if it may."""
        provider = self._providers.get(item.provider)
        if provider is None:
            raise NotReady(f"provider {item.provider} is not set up here")
        found = provider.connect()
        if isinstance(found, Later):
            raise _not_ready(found)
        if not isinstance(found, WritingConnection):
            return _SendLine(found, item.order)
        try:
            lacking = found.look(item.order)
        except BaseException:
            found.close()
            raise
        if lacking is not None:
            found.close()
            raise _not_ready(lacking)
        self._writing[item.call_id] = found
        return _SendLine(found, item.order, lambda: self._writing.pop(item.call_id, None))

    def announce_all(self, conn: Connection[Any], items: Sequence[tuple[Claim, SendRequest]], now: datetime) -> dict[str, Stopped]:
        """Everything that may hold the orders back, then the calls' rows. From this commit on, silence proves nothing."""
        standings = {each.id: each for each in lock_by_id(conn, [one.id for one, _ in items], now=now)}
        brakes = brakes_on(conn, list(standings.values()))
        stopped = {one.id: why for one, item in items if (why := self._why_not(conn, one, item, standings[one.id], brakes, now))}
        going = [(one, item) for one, item in items if one.id not in stopped]
        calls = [
            NewCall(item.call_id, one.id, item.provider, item.order.key, item.payload_sha256, self._runner.owner, one.fence)
            for one, item in going
        ]
        announce_calls(conn, calls, now=now, horizons={name: capabilities_of(one).horizon for name, one in self._providers.items()})
        # The lease, which began anew, says how long nobody else takes it: when it is due for repair may stay, and no index is written.
        conn.execute(
            """update provider_payout set request_sent_at = %s, due_at = case when due_at > %s then due_at else %s end
               where id = any(%s)""",
            [now, now, now + self._runner.lease, [one.id for one, _ in going]],
        )
        return {one: Stopped(why) for one, why in stopped.items()}

    def _why_not(
        self,
        conn: Connection[Any],
        one: Claim,
        item: SendRequest,
        standing: LockedProviderPayout,
        brakes: Mapping[str, Brake],
        now: datetime,
    ) -> str | None:
        """Why an order does not go, once what becomes of it is written; None when it goes, and is written down where orders are."""
        brake = brakes.get(one.id)
        if brake is not None:
            can = capabilities_of(self._providers[standing.provider])
            if not hold_back(conn, standing, brake, capabilities=can, now=now):
                self._back(conn, one, why=brake.why, again=BRAKE_WAIT, now=now)
            return brake.why
        doubt = self._too_late(standing, now)
        if doubt is not None:
            carry_out(conn, [OutcomeDecision(standing, ("lose",), again=timedelta(), error=doubt)], cause="sending", now=now)
            return doubt
        writing = self._writing.get(item.call_id)
        unwritten = writing.write(conn, item.order, now=now) if writing is not None else None
        if unwritten is not None:
            self._back(conn, one, why=unwritten.error, again=timedelta(seconds=unwritten.after_s), now=now)
            return unwritten.error
        return None

    def _too_late(self, standing: LockedProviderPayout, now: datetime) -> str | None:
        """Why an order that was announced before may not go out again under its key; None when it may."""
        if standing.first_call_at is None:
            return None
        can = capabilities_of(self._providers[standing.provider])
        if not can.remembers_keys:
            if standing.open_calls:
                return "an earlier call may still arrive, and the provider does not know keys again"
            if not can.looks_up and not standing.refused_each_time:
                return "an earlier call may have arrived, and the provider neither knows keys again nor can be asked"
            return None
        if now - standing.first_call_at >= can.key_memory:
            return "its first call is too old: the provider may have forgotten its key, and a second order would be made"
        return None

    def provider(self, item: SendRequest) -> str:
        """Whom it goes to."""
        return item.provider

    def health(self, outcome: Answer) -> Health | None:
        """Does the provider take orders?"""
        return health_of(outcome)

    def hold(
        self,
        conn: Connection[Any],
        one: Claim,
        item: SendRequest,  # noqa: ARG002
        now: datetime,
        *,
        why: str,
        again: timedelta,
    ) -> None:
        """Back into the queue; it did not fail."""
        self._back(conn, one, why=why, again=again, now=now)

    def not_ready(self, conn: Connection[Any], one: Claim, error: NotReady, now: datetime) -> None:
        """No connection was had: back into the queue, by the ladder. An outage uses up no try, however long it lasts."""
        again = max(error.again, delay_before(one.attempt + 1, one.id))
        self._carry_out(conn, one, ("requeue",), why=str(error), again=again, now=now)
        attempt = max(one.attempt, min(one.attempt + 1, OUTAGE_ATTEMPT_MAX))
        conn.execute("update provider_payout set attempt = %s where id = %s", [attempt, one.id])

    def store_all(self, conn: Connection[Any], came: Sequence[tuple[Claim, SendRequest, Answer]], now: datetime) -> None:
        """Keep what the provider answered, whoever the rows belong to by now."""
        told = [(item, *told_of(outcome)) for _, item, outcome in came]
        answers = [CallAnswer(item.call_id, kind, masked_answer(said, item.order.destination)) for item, kind, said in told]
        store_answers(conn, answers, now=now, due_at=now + APPLY_AFTER)

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, Answer]], now: datetime) -> None:
        """Apply what was stored, for rows that are still ours."""
        subjects = {one.id: one.fence for one, _ in done}
        mine = [call for call in calls_of(conn, list(subjects)) if call.fence == subjects[call.subject_id]]
        apply_answers(conn, mine, self._providers, self._silent_after, now)

    def late_all(self, conn: Connection[Any], came: Sequence[tuple[Claim, SendRequest, Answer]], now: datetime) -> None:
        """The leases were lost, mostly because the provider's webhook was quicker than we: each call is closed by its answer, and what was
        accepted is a fact like any other."""
        calls = calls_by_id(conn, [item.call_id for _, item, _ in came])
        apply_answers(conn, calls, self._providers, self._silent_after, now)

    def failed(self, runner: Runner, one: Claim, said: str) -> bool:
        """Our own step failed. Nothing announced: back by the ladder. Announced: unknown, and the provider is asked. False where the claim
        is another's."""
        with runner.database.transaction() as conn:
            if not still_ours(conn, SENDING, [one]):
                return False
            now = runner.clock(conn)
            if any(call.fence == one.fence for call in calls_of(conn, [one.id])):
                self._carry_out(conn, one, ("lose",), why=said, again=delay_before(1, one.id), now=now)
            else:
                again = delay_before(one.attempt + 1, one.id)
                self._carry_out(conn, one, ("requeue",), why=said, again=again, now=now)
            self._told(conn, one, said, now)
        return True

    def _back(self, conn: Connection[Any], one: Claim, *, why: str, again: timedelta, now: datetime) -> None:
        """Back into the queue without a step on the ladder: it is held back, it did not fail."""
        self._carry_out(conn, one, ("requeue",), why=why, again=again, now=now)
        conn.execute("update provider_payout set attempt = %s where id = %s", [one.attempt, one.id])

    def _carry_out(self, conn: Connection[Any], one: Claim, verbs: tuple[str, ...], *, why: str, again: timedelta, now: datetime) -> None:
        standings = lock_by_id(conn, [one.id], now=now)
        decisions = [OutcomeDecision(each, verbs, again=again, error=why, error_class="later") for each in standings]
        carry_out(conn, decisions, cause="sending", now=now)

    def _told(self, conn: Connection[Any], one: Claim, said: str, now: datetime) -> None:
        if one.attempt + 1 >= ATTEMPTS_MAX and self._runner.stuck is not None:
            self._runner.stuck(conn, SENDING, one, said, now)


def _not_ready(why: Later) -> NotReady:
    return NotReady(why.error, again=timedelta(seconds=why.after_s), down=why.down is True)


def apply_answers(
    conn: Connection[Any],
    calls: Sequence[Call],
    providers: Mapping[str, Provider],
    silent_after: timedelta,
    now: datetime,
) -> None:
    """Make of stored answers what they mean: under the fence of their call they decide; later, only what was accepted is a fact."""
    waiting = {call.subject_id: call for call in calls if call.kind is not None and call.applied_at is None}
    standings = lock_by_id(conn, sorted(waiting), now=now)
    fences = dict(conn.execute("select id, fence from provider_payout where id = any(%s)", [list(waiting)]).fetchall())
    decisions = []
    for one in standings:
        call = waiting[one.id]
        ours = one.state == "sending" and fences[one.id] == call.fence
        decision = _decide(one, call, ours, providers, silent_after)
        decisions += [decision] if decision is not None else []
    carry_out(conn, decisions, cause="sending", now=now)
    mark_applied(conn, [call.id for call in waiting.values()], now=now)


def _decide(
    one: LockedProviderPayout, call: Call, ours: bool, providers: Mapping[str, Provider], silent_after: timedelta
) -> OutcomeDecision | None:
    answer = answer_of(call.kind or "", call.answer or {})
    can = capabilities_of(providers.get(one.provider))
    if ours:
        tries_left = one.attempt + 1 < ATTEMPTS_MAX
        return decide_answer(one, answer, silent_after=silent_after, tries_left=tries_left, capabilities=can)
    if isinstance(answer, Accepted):
        return decide_fact(one, answer.fact, silent_after=silent_after, source="answer", capabilities=can)
    return None


def send_due(
    runner: Runner,
    providers: Mapping[str, Provider],
    make_id: MakeId,
    *,
    silent_after: timedelta,
    lane: str | None = None,
) -> Tally:
    """One tick: send queued provider payouts; of one provider when `lane` names it."""
    return run_outside(runner, Sending(runner, providers, make_id, silent_after=silent_after), lane=lane)


def repair_due(runner: Runner, providers: Mapping[str, Provider], *, silent_after: timedelta) -> Tally:
    """One tick: rows whose sender is gone. No call in its claim: queued again. A call: its stored answer, or unknown, and it is asked."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        ids = [one.id for one in claims]
        fences = {one.id: one.fence - 1 for one in claims}  # the sender's: our claim raised it
        mine = [call for call in calls_of(conn, ids) if call.fence == fences[call.subject_id]]
        answered = {call.subject_id: call for call in mine if call.kind is not None}
        decisions = []
        for one in lock_by_id(conn, ids, now=now):
            call = answered.get(one.id)
            decision = _decide_orphan(one) if call is None else _decide(one, call, True, providers, silent_after)
            decisions += [decision] if decision is not None else []
        carry_out(conn, decisions, cause="repair", now=now)
        mark_applied(conn, [call.id for call in answered.values()], now=now)

    return run_here(runner, REPAIRING, work)


def _decide_orphan(standing: LockedProviderPayout) -> OutcomeDecision:
    """A send whose worker is gone: before the call it is queued again; after it began, only a look-up may say."""
    if standing.request_sent_at is None:
        return OutcomeDecision(standing, ("requeue",), again=timedelta(), error="its worker was lost before it called")
    return OutcomeDecision(standing, ("lose",), again=timedelta(), error="its worker was lost during the call", error_class="unclear")


def apply_due(runner: Runner, providers: Mapping[str, Provider], *, silent_after: timedelta) -> Tally:
    """One tick: apply stored answers that nobody has applied, because their worker was lost or the ledger refused."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        for call in calls_by_id(conn, [one.id for one in claims]):
            apply_answers(conn, [call], providers, silent_after, now)

    return run_here(runner, ANSWERS, work)


def _outbox(context: JobContext, lane: str | None) -> Tally:
    """One tick for a provider: in files, where it takes files; else order by order."""
    provider = context.providers.get(lane or "")
    if isinstance(provider, FileProvider):
        return file_due(context.runner, provider, context.make_id, silent_after=context.silent_after)
    return send_due(context.runner_of(lane), context.of(lane), context.make_id, silent_after=context.silent_after, lane=lane)


JOBS: Final = (
    Job(
        SEND_JOB,
        SENDING,
        _outbox,
        "Sends the queued provider payouts. This moves money.",
        per_provider=True,
        gathers=True,
    ),
    Job(
        "answers",
        ANSWERS,
        lambda c, _: apply_due(c.runner, c.providers, silent_after=c.silent_after),
        "Applies providers' answers that are stored and had no effect yet.",
    ),
    Job(
        "repair",
        REPAIRING,
        lambda c, _: repair_due(c.runner, c.providers, silent_after=c.silent_after),
        "Takes up provider payouts whose worker was lost.",
    ),
)

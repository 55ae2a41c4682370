"""Carrying decisions out: provider payout, payout, journal and event move in one transaction, by set, whoever brought the word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import Connection, sql

from counterfoil.base.machine import Also, Approval, Move, take_steps
from counterfoil.base.problems import NotFound
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import RANK, PayoutFact
from counterfoil.operations.providers.capabilities import FULL, Capabilities
from counterfoil.operations.trial import trial
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.destinations.masking import masked
from counterfoil.payouts.destinations.tokens import readable_tokens
from counterfoil.payouts.disputes.standing import disputes_of
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT, PULLING, RESERVING
from counterfoil.payouts.payouts.payable import Purse, net, netted_away, payable_of, receivables_of
from counterfoil.payouts.payouts.payout_rules import EFFECTS, NOTHING, where_next
from counterfoil.payouts.payouts.reissuing import pay_what_came_meanwhile
from counterfoil.payouts.provider_payouts.booking import Booking, book, journal_lines
from counterfoil.payouts.provider_payouts.conflicts import open_conflicts, settle_conflicts
from counterfoil.payouts.provider_payouts.late import PAID_BESIDE, book_late, book_return, is_plain, stop_beside
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout, OutcomeDecision, Source, decide_fact
from counterfoil.payouts.provider_payouts.standings import lock_by_key, lock_settlements

ACTOR: Final = "system:worker"
EVENTS: Final = {
    "complete": "payout_completed",
    "fail": "payout_failed",
    "return": "payout_returned",
    "doubt": "payout_unknown",
    "unreserve": "payout_unreserved",
    "net_out": "payout_netted_out",
    "hold": "payout_held",
}
_ENDS_PAID: Final = ("complete", "back", "late")  # effects after which a payout may be over and paid
DUE_IN: Final = ("queued", *PULLING.states)  # states in which something may still be to be done


class PayoutNotOurs(NotFound):
    """The provider speaks of a payout that we did not ask for."""


def apply_facts(
    conn: Connection[Any],
    provider: str,
    facts: Sequence[PayoutFact],
    *,
    silent_after: timedelta,
    cause: str,
    now: datetime,
    source: Source = "webhook",
    capabilities: Capabilities = FULL,
) -> None:
    """Apply what the provider said, in whatever order it came. Raises PayoutNotOurs when a key is none of ours."""
    waiting = sorted(facts, key=lambda fact: (RANK[fact.status], fact.occurred_at, fact.key))
    while waiting:
        first: dict[str, PayoutFact] = {}
        for fact in waiting:  # one word for each payout in a round: the next is judged on what this one made of it
            first.setdefault(fact.key, fact)
        standings = lock_by_key(conn, provider, sorted(first), now=now)
        missing = sorted(set(first) - {one.key for one in standings})
        if missing:
            raise PayoutNotOurs(provider=provider, key=missing[0])
        decisions = [
            decide_fact(one, first[one.key], silent_after=silent_after, source=source, capabilities=capabilities) for one in standings
        ]
        carry_out(conn, decisions, cause=cause, now=now)
        waiting = [fact for fact in waiting if first[fact.key] is not fact]


def carry_out(
    conn: Connection[Any],
    decisions: Sequence[OutcomeDecision],
    *,
    cause: str,
    now: datetime,
    actor: str = ACTOR,
    reason: str | None = None,
    approval: Approval | None = None,
) -> None:
    """Write decisions whose rows are locked: rows, journals, steps and events, all or none. `reason`: why a person did it;
    `approval`: the second person's, for one decision with a verb that takes two. Raises ApprovalNeeded without it.
    """
    decisions = _without_accounts(conn, decisions)
    note(conn, [one for one in decisions if not one.verbs], now)
    learnt = learning([one for one in decisions if one.verbs], now)
    longest = max((len(one.verbs) for one in decisions), default=0)
    states = {one.standing.id: one.standing.state for one in decisions}
    payouts = {one.standing.payout_id: one.standing.payout_state for one in decisions}
    for place in range(longest):
        group = [(one, one.verbs[place]) for one in decisions if place < len(one.verbs)]
        moves = [Move(one.standing.id, states[one.standing.id], verb) for one, verb in group]
        if approval is None and any(verb in PROVIDER_PAYOUT.paired for _, verb in group):
            with trial(conn):  # refused now; whoever proposes it sees what its approval books
                _book(conn, group, actor, now)
        first = learnt if place == 0 else None
        take_steps(conn, PROVIDER_PAYOUT, moves, actor=actor, at=now, cause=cause, reason=reason, approval=approval, also=first)
        for move in moves:
            states[move.subject_id] = PROVIDER_PAYOUT.next_state(move.state, move.verb, reason=cause)
        _book(conn, group, actor, now)
        payout_moves = _payout_moves(conn, group, payouts, actor, now)
        take_steps(conn, PAYOUT, payout_moves, actor=actor, at=now, cause=cause, reason=reason)
        _tell(conn, group, payout_moves, now)
        payouts |= {move.subject_id: PAYOUT.next_state(move.state, move.verb, reason=cause) for move in payout_moves}
        for one, verb in group:
            if EFFECTS.get(verb, NOTHING).journal in ("pay_late", "return_late"):
                _book_late(conn, one, actor, now)
    open_conflicts(conn, decisions, now=now)
    settle_conflicts(conn, [one.standing.id for one in decisions if one.settled], actor=actor, now=now)
    _show_errors(conn, decisions, now)
    over = [one.standing for one in decisions if any(EFFECTS.get(verb, NOTHING).payout in _ENDS_PAID for verb in one.verbs)]
    if over:  # the id of one that is issued behind it is told by the attempt: asked again, it is the same
        ids = {one.payout_id: f"po_{one.id.partition('_')[2]}" for one in over}
        pay_what_came_meanwhile(conn, ids, actor=actor, now=now)


def _without_accounts(conn: Connection[Any], decisions: Sequence[OutcomeDecision]) -> Sequence[OutcomeDecision]:
    """What providers say of an order may name the account that it goes to; what we keep in clear does not."""
    wordy = [one.standing.id for one in decisions if one.error or (one.fact is not None and one.fact.failure)]
    if not wordy:
        return decisions
    of = dict(conn.execute("select id, destination_id from provider_payout where id = any(%s)", [wordy]).fetchall())
    tokens = readable_tokens(conn, [one for one in of.values() if one is not None])
    return [_without(one, tokens[of[one.standing.id]]) if of.get(one.standing.id) in tokens else one for one in decisions]


def _without(one: OutcomeDecision, token: str) -> OutcomeDecision:
    fact = one.fact
    if fact is not None and fact.failure:
        fact = fact._replace(failure=masked(fact.failure, token))
    return one._replace(fact=fact, error=masked(one.error, token) if one.error else one.error)


def _book_late(conn: Connection[Any], one: OutcomeDecision, actor: str, now: datetime) -> None:
    """What is still under way for the settlement is stopped first, as far as it can be: its money pays what is out already."""
    if one.verbs[-1] == "pay_late":
        beside = [
            each
            for each in lock_settlements(conn, [one.standing.settlement_id], now=now)
            if each.id != one.standing.id and each.state in PROVIDER_PAYOUT.open
        ]
        stops = [stop for each in beside if (stop := stop_beside(each)) is not None]
        if stops:
            carry_out(conn, stops, cause="late_paid", now=now, actor=actor, reason=PAID_BESIDE)
    book_late(conn, one, actor=actor, now=now)


def _show_errors(conn: Connection[Any], decisions: Sequence[OutcomeDecision], now: datetime) -> None:
    told = [(one.standing.payout_id, one.error, one.unreserved) for one in decisions if one.verbs]
    if not told:
        return
    conn.execute(
        """update payout p set last_error = t.error, due_at = case when t.again and p.state = 'pending' then %s else p.due_at end,
                  attempt = case when t.again then 0 else p.attempt end
           from unnest(%s::text[], %s::text[], %s::bool[]) as t (id, error, again)
           where p.id = t.id and (t.again or p.last_error is distinct from t.error)""",
        [now, *(list(column) for column in zip(*told, strict=True))],
    )
    if any(again for *_, again in told):
        wake(conn, RESERVING)


def _payout_moves(
    conn: Connection[Any],
    group: Sequence[tuple[OutcomeDecision, str]],
    states: dict[str, str],
    actor: str,
    now: datetime,
) -> list[Move]:
    """Where each payout goes. What came back first pays what the payee owes: only the rest is still to be paid out."""
    items = [(one, EFFECTS.get(verb, NOTHING).payout) for one, verb in group]
    ended = [one.standing for one, effect in items if effect in ("unpaid", "back")]
    owed, paid = _after_netting(conn, ended, actor, now)
    held = disputes_of(conn, [one.settlement_id for one in ended], now=now)
    moves = []
    for one, effect in items:
        if effect in ("", "late"):
            continue
        at = one.standing
        verb = where_next(
            states[at.payout_id],
            effect,
            paid_by_another=at.payout_id in paid,
            payable=owed.get(at.settlement_id, 0),
            unreserved=one.unreserved,
            disputed=at.settlement_id in held,
        )
        if verb is not None:
            moves.append(Move(at.payout_id, states[at.payout_id], verb))
    return moves


def _after_netting(
    conn: Connection[Any], ended: Sequence[LockedProviderPayout], actor: str, now: datetime
) -> tuple[dict[str, int], set[str]]:
    """What is owed for these attempts' settlements once debts are paid from it, and the payouts that another attempt has paid."""
    if not ended:
        return {}, set()
    settlements = [one.settlement_id for one in ended]
    owed = payable_of(conn, settlements)
    asked = [(one.payout_id, one.settlement_id, Purse(one.program_id, one.payee_id, one.asset)) for one in ended]
    debts = receivables_of(conn, [purse for *_, purse in asked])
    if debts:
        net(conn, netted_away(owed, debts, asked), actor=actor, now=now)
        owed = payable_of(conn, settlements)
    rows = conn.execute(
        "select distinct payout_id from provider_payout where payout_id = any(%s) and state = 'succeeded'",
        [[one.payout_id for one in ended]],
    ).fetchall()
    return owed, {row[0] for row in rows}


def _book(conn: Connection[Any], group: Sequence[tuple[OutcomeDecision, str]], actor: str, now: datetime) -> None:
    """The plain journals, by set; the others one by one. Money that was thought to be back is booked by `_book_late`."""
    plain = [
        (one, kind)
        for one, verb in group
        if (kind := EFFECTS.get(verb, NOTHING).journal) in ("finalize", "release", "return")
        and (kind != "return" or is_plain(one.standing))
    ]
    bookings = [
        Booking(
            one.standing,
            kind,
            journal_lines(kind, one.standing, one.fact.fee if one.fact else 0),
            one.fact.occurred_at if one.fact else None,
        )
        for one, kind in plain
    ]
    book(conn, bookings, actor=actor, now=now)
    for one, verb in group:
        if EFFECTS.get(verb, NOTHING).journal == "return" and not is_plain(one.standing):
            book_return(conn, one, actor=actor, now=now)


def note(conn: Connection[Any], decisions: Sequence[OutcomeDecision], now: datetime) -> None:
    """Write what was learnt of attempts that take no step by it; of others it is written with their step (`learning`)."""
    if decisions:
        also = learning(decisions, now)
        query = sql.SQL("update provider_payout t set {} from {} where t.id = n.id").format(sql.SQL(also.sets), sql.SQL(also.rows))
        conn.execute(query, {**also.given, "at": now})


def learning(decisions: Sequence[OutcomeDecision], now: datetime) -> Also:
    """What was learnt. The fence goes up: a sender that is still waiting for its answer can no longer write."""
    rows = [
        (
            one.standing.id,
            _reference(one),
            one.fact.fee if one.fact else None,
            now + one.again if one.again is not None and one.state in DUE_IN else None,
            one.error,
            one.error_class,
            "accept" in one.verbs,
            "requeue" in one.verbs,
            one.failed_by,
            one.unconfirmed,
            one.not_there_at,
            one.keeps,
            one.state == "unknown",
        )
        for one in decisions
    ]
    given = dict(zip((name for name, _ in _LEARNT), zip(*rows, strict=True), strict=True)) if rows else {}
    return Also(_LEARNS, {f"of_{name}": list(given.get(name, ())) for name, _ in _LEARNT}, rows=_LEARNT_ROWS)


_LEARNT: Final[tuple[tuple[LiteralString, LiteralString], ...]] = (
    ("id", "text"),
    ("provider_ref", "text"),
    ("fee", "bigint"),
    ("due_at", "timestamptz"),
    ("error", "text"),
    ("error_class", "text"),
    ("accepted", "bool"),
    ("requeued", "bool"),
    ("failed_by", "text"),
    ("unconfirmed", "text"),
    ("not_there_at", "timestamptz"),
    ("keeps", "bool"),
    ("unknown", "bool"),
)
_LEARNT_LISTS: Final[LiteralString] = ", ".join(f"%(of_{name})s::{kind}[]" for name, kind in _LEARNT)
_LEARNT_NAMES: Final[LiteralString] = ", ".join(name for name, _ in _LEARNT)
_LEARNT_ROWS: Final[LiteralString] = f"unnest({_LEARNT_LISTS}) as n ({_LEARNT_NAMES})"
_LEARNS: Final = """provider_ref = n.provider_ref, fee = coalesce(n.fee, t.fee),
    due_at = case when n.keeps then t.due_at else n.due_at end,
    last_error = case when n.keeps then t.last_error else n.error end,
    error_class = case when n.keeps then t.error_class else n.error_class end,
    fence = case when n.keeps then t.fence else t.fence + 1 end,
    lease_owner = case when n.keeps then t.lease_owner end,
    lease_until = case when n.keeps then t.lease_until end,
    unconfirmed = case when n.keeps then t.unconfirmed else n.unconfirmed end,
    failed_by = coalesce(n.failed_by, t.failed_by), not_there_at = coalesce(n.not_there_at, t.not_there_at),
    sent_at = case when n.accepted then coalesce(t.sent_at, %(at)s) else t.sent_at end,
    request_sent_at = case when n.requeued then null else t.request_sent_at end,
    attempt = case when n.requeued then t.attempt + 1 when n.unknown or n.keeps then t.attempt else 0 end"""


def _reference(one: OutcomeDecision) -> str | None:
    """The provider's id of our order: the first it told counts, another one is a conflict."""
    known = one.standing.provider_ref
    return known if known is not None or one.fact is None or one.conflict is not None else one.fact.provider_ref


def _tell(conn: Connection[Any], group: Sequence[tuple[OutcomeDecision, str]], moves: Sequence[Move], now: datetime) -> None:
    by_payout = {one.standing.payout_id: one for one, _ in group}
    told = []
    for move in moves:
        one = by_payout[move.subject_id]
        payload = {
            "providerPayoutId": one.standing.id,
            "amount": str(one.standing.amount),
            "asset": one.standing.asset,
            "error": one.error,
        }
        once = f"{one.standing.id}.{now.isoformat()}"
        told.append(NewEvent(EVENTS[move.verb], one.standing.program_id, move.subject_id, payload, once=once))
    emit(conn, told, at=now)

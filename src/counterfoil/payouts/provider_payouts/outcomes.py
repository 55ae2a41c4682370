"""Carrying decisions out: provider payout, payout, journal and event move in one transaction, by set, whoever brought the word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.machine import Move, take_steps
from counterfoil.base.problems import NotFound, Problem
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewJournal, post_journals
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import RANK, PayoutFact
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT
from counterfoil.payouts.provider_payouts.outcome_rules import EFFECTS, Decision, Standing, decide_fact, journal_lines

ACTOR: Final = "system:worker"
EVENTS: Final = {
    "complete": "payout_completed", "fail": "payout_failed", "return": "payout_returned", "doubt": "payout_unknown",
}  # fmt: skip
LIVE: Final = ("queued", "sent", "unknown")  # states in which something is still to be done


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
) -> None:
    """Apply what the provider said, in whatever order it came. Raises PayoutNotOurs when a key is none of ours."""
    waiting = sorted(facts, key=lambda fact: (RANK[fact.status], fact.occurred_at, fact.key))
    while waiting:
        first: dict[str, PayoutFact] = {}
        for fact in waiting:  # one word for each payout in a round: the next is judged on what this one made of it
            first.setdefault(fact.key, fact)
        standings = lock_by_key(conn, provider, sorted(first))
        missing = sorted(set(first) - {one.key for one in standings})
        if missing:
            raise PayoutNotOurs(provider=provider, key=missing[0])
        decisions = [decide_fact(one, first[one.key], silent_after=silent_after) for one in standings]
        carry_out(conn, decisions, cause=cause, now=now)
        waiting = [fact for fact in waiting if first[fact.key] is not fact]


def lock_by_key(conn: Connection[Any], provider: str, keys: Sequence[str]) -> list[Standing]:
    """The provider payouts with these keys and their payouts, locked in id order."""
    return _lock(conn, "pp.provider = %s and pp.idempotency_key = any(%s)", [provider, list(keys)])


def lock_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Standing]:
    """These provider payouts and their payouts, locked in id order."""
    return _lock(conn, "pp.id = any(%s)", [list(ids)])


def _lock(conn: Connection[Any], where: str, given: list[Any]) -> list[Standing]:
    with conn.cursor(row_factory=class_row(Standing)) as cur:
        return cur.execute(
            f"""select pp.id, pp.payout_id, pp.program_id, p.payee_id, pp.provider, pp.asset, pp.amount,
                       pp.idempotency_key as key, pp.state, p.state as payout_state, pp.provider_ref,
                       pp.request_sent_at, pp.sent_at, pp.attempt
                from provider_payout pp join payout p on p.id = pp.payout_id
                where {where} order by pp.id for update of pp, p""",
            given,
        ).fetchall()


def carry_out(conn: Connection[Any], decisions: Sequence[Decision], *, cause: str, now: datetime) -> None:
    """Write decisions whose rows are locked: rows, journals, steps and events, all or none."""
    _note(conn, decisions, now)
    longest = max((len(one.verbs) for one in decisions), default=0)
    states = {one.standing.id: (one.standing.state, one.standing.payout_state) for one in decisions}
    for place in range(longest):
        group = [(one, one.verbs[place]) for one in decisions if place < len(one.verbs)]
        moves = [Move(one.standing.id, states[one.standing.id][0], verb) for one, verb in group]
        take_steps(conn, PROVIDER_PAYOUT, moves, actor=ACTOR, at=now, cause=cause)
        _book(conn, group, now)
        payout_moves = [move for one, verb in group for move in _payout_move(one, verb, states)]
        take_steps(conn, PAYOUT, payout_moves, actor=ACTOR, at=now, cause=cause)
        _tell(conn, group, payout_moves, now)
        for one, verb in group:
            before, payout = states[one.standing.id]
            after = next((PAYOUT.next_state(m.state, m.verb) for m in _payout_move(one, verb, states)), payout)
            states[one.standing.id] = (PROVIDER_PAYOUT.next_state(before, verb), after)
    _record_conflicts(conn, decisions, now)
    told = [(one.standing.payout_id, one.error) for one in decisions if one.verbs]
    conn.execute(
        """update payout p set last_error = t.error from unnest(%s::text[], %s::text[]) as t (id, error) where p.id = t.id""",
        [[payout_id for payout_id, _ in told], [error for _, error in told]],
    )


def _payout_move(one: Decision, verb: str, states: dict[str, tuple[str, str]]) -> list[Move]:
    payout_verb = EFFECTS.get(verb, ("", ""))[0]
    state = states[one.standing.id][1]
    # A payout in doubt stays in doubt while its provider payout is lost and found again.
    known = payout_verb and not (payout_verb == "doubt" and state == "reconcile_required")
    return [Move(one.standing.payout_id, state, payout_verb)] if known else []


def _book(conn: Connection[Any], group: Sequence[tuple[Decision, str]], now: datetime) -> None:
    wanted = [(one, EFFECTS[verb][1]) for one, verb in group if EFFECTS.get(verb, ("", ""))[1]]
    for program_id, asset in sorted({(one.standing.program_id, one.standing.asset) for one, _ in wanted}):
        journals = [
            NewJournal(
                key=f"PAYOUT_{journal.upper()}:{one.standing.id}",  # one of a kind for each attempt, whoever posts it
                kind=f"payout_{journal}",
                lines=journal_lines(journal, one.standing, one.fact.fee if one.fact else 0),
                asset=asset,
                actor=ACTOR,
                effective_at=min(one.fact.occurred_at, now) if one.fact else now,
                source=("provider_payout", one.standing.id),
            )
            for one, journal in wanted
            if (one.standing.program_id, one.standing.asset) == (program_id, asset)
        ]
        names = sorted({name for journal in journals for line in journal.lines for name in line[:2]})
        open_accounts(conn, program_id, [str(name) for name in names], asset=asset, actor=ACTOR, now=now)
        for result in post_journals(conn, program_id, journals, now=now):
            if isinstance(result, Problem):
                raise result


def _note(conn: Connection[Any], decisions: Sequence[Decision], now: datetime) -> None:
    """Write what was learnt. The fence goes up: a sender that is still waiting for its answer can no longer write."""
    rows = [
        (
            one.standing.id,
            one.fact.provider_ref if one.fact else one.standing.provider_ref,
            one.fact.fee if one.fact else None,
            now + one.again if one.again is not None and one.state in LIVE else None,
            one.error,
            one.error_class,
            "accept" in one.verbs,
            "requeue" in one.verbs,
        )
        for one in decisions
    ]
    conn.execute(
        """update provider_payout t set provider_ref = n.provider_ref, fee = coalesce(n.fee, t.fee), due_at = n.due_at,
                  last_error = n.error, error_class = n.error_class, fence = t.fence + 1,
                  lease_owner = null, lease_until = null,
                  sent_at = case when n.accepted then coalesce(t.sent_at, %s) else t.sent_at end,
                  request_sent_at = case when n.requeued then null else t.request_sent_at end,
                  attempt = case when n.requeued then t.attempt + 1 else 0 end
           from unnest(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::bool[], %s::bool[])
             as n (id, provider_ref, fee, due_at, error, error_class, accepted, requeued)
           where t.id = n.id""",
        [now, *[list(column) for column in zip(*rows, strict=True)]] if rows else [now, *[[]] * 8],
    )


def _tell(conn: Connection[Any], group: Sequence[tuple[Decision, str]], moves: Sequence[Move], now: datetime) -> None:
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


def _record_conflicts(conn: Connection[Any], decisions: Sequence[Decision], now: datetime) -> None:
    for one in decisions:
        if one.conflict is None:
            continue
        fact = one.fact._asdict() | {"occurred_at": one.fact.occurred_at.isoformat()} if one.fact else {}
        new = conn.execute(
            """insert into provider_conflict (provider_payout_id, said, expected, fact, at) values (%s, %s, %s, %s, %s)
               on conflict do nothing""",
            [one.standing.id, one.conflict.said, one.conflict.expected, Jsonb(fact), now],
        ).rowcount
        if new:
            told = {"said": one.conflict.said, "expected": one.conflict.expected, "payoutId": one.standing.payout_id}
            event = NewEvent(
                "provider_status_conflict", one.standing.program_id, one.standing.id, told, one.conflict.said
            )
            emit(conn, [event], at=now)

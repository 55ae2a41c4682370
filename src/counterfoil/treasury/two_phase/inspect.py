"""Everything that is known of a transaction, in order of time, and what may safely be done with it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.machine import history_of
from counterfoil.treasury.two_phase.model import (
    TRANSACTION,
    Participant,
    ParticipantCheck,
    Transaction,
    checks_of,
    participants_of,
    show_transaction,
)
from counterfoil.treasury.two_phase.transactions import refuse_commit, refuse_force, theirs

VERBS_SHOWN: Final = ("prepare", "commit", "cancel", "force_commit", "force_rollback")


class TimelineEntry(NamedTuple):
    """One thing that happened to a transaction."""

    at: datetime
    what: str
    by: str | None


class Advice(NamedTuple):
    """One verb: whether it is safe now, and why or why not."""

    verb: str
    safe: bool
    why: str


class Inspection(NamedTuple):
    """A transaction with its votes, its decision, its timeline, and what is safe."""

    transaction: Transaction
    participants: list[Participant]
    checks: list[ParticipantCheck]
    timeline: list[TimelineEntry]
    advice: list[Advice]


def inspect_transaction(conn: Connection[Any], transaction_id: str, *, now: datetime) -> Inspection:
    """What there is to know before anything is forced. Raises NotFound."""
    one = show_transaction(conn, transaction_id)
    parts, checks = participants_of(conn, one.id), checks_of(conn, one.id)
    refused = refusals(one, now)
    advice = [Advice(verb, refused[verb] is None, refused[verb] or _why(one, parts, verb)) for verb in VERBS_SHOWN]
    return Inspection(one, parts, checks, _timeline(conn, one, parts, checks), advice)


def refusals(one: Transaction, now: datetime) -> Mapping[str, str | None]:
    """For each verb why it cannot be said now, or None where it can."""
    if one.coordinator is not None:
        return dict.fromkeys(VERBS_SHOWN, theirs(one))
    over = f"it is {one.state}"
    return {
        "prepare": None if one.state == "initiated" and now < one.expires_at else over if one.state != "initiated" else "its time was over",
        "commit": refuse_commit(one, now),
        "cancel": None if one.decision is None else refuse_force(one, "force_rollback"),
        "force_commit": refuse_force(one, "force_commit"),
        "force_rollback": refuse_force(one, "force_rollback"),
    }


def _why(one: Transaction, parts: list[Participant], verb: str) -> str:
    promised = sum(each.standing == "held" for each in parts)
    told = f"{promised} of {len(parts)} participants promised, nothing is decided, and nothing was applied"
    return {
        "prepare": "nobody was asked yet",
        "commit": f"{told}: all of it moves",
        "cancel": f"{told}: all of it is given back",
        "force_commit": f"{told}: all of it moves; two people, when no worker can go on by itself",
        "force_rollback": f"{told}: all of it is given back; two people, when no worker can go on by itself",
    }[verb] + (f" (it ends by itself at {one.expires_at.isoformat()})" if verb.startswith("force") else "")


def _timeline(conn: Connection[Any], one: Transaction, parts: list[Participant], checks: list[ParticipantCheck]) -> list[TimelineEntry]:
    found = [
        TimelineEntry(step.at, f"{TRANSACTION.name} is {step.to_state}", step.actor) for step in history_of(conn, one.id, rows_max=None)
    ]
    tell = tell_in(known_assets(conn))
    for each in parts:
        who = f"participant {each.number} ({each.who}, {each.side} of {tell(each.amount, each.asset)})"
        if each.voted_at is not None:
            found.append(
                TimelineEntry(each.voted_at, f"{who} promised" if each.vote == "yes" else f"{who} did not promise: {each.why}", None)
            )
        if each.outcome_at is not None:
            found.append(TimelineEntry(each.outcome_at, f"{who} {each.standing}", None))
    if one.decided_at is not None:
        forced = f", forced under {one.approval}" if one.forced else ""
        found.append(
            TimelineEntry(one.decided_at, f"{one.decision} was decided ({str(one.cause).replace('_', ' ')}{forced})", one.decided_by)
        )
    found += [TimelineEntry(each.at, f"{each.agent_id} verified: {'agrees' if each.agrees else each.found}", None) for each in checks]
    return sorted(found, key=lambda entry: entry.at)

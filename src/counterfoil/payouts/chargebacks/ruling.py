"""Ending a chargeback by hand: two people, when the provider's words about it exclude each other or its last word never comes. Otherwise
it would wait for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import ALPHABET, MakeId
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations import approvals
from counterfoil.operations.access.access import OPERATE, Caller
from counterfoil.operations.providers import ChargebackFact
from counterfoil.operations.trial import trial
from counterfoil.operations.verbs import Field, Verb, VerbCall
from counterfoil.payouts.chargebacks.chargebacks import end_chargeback, lock_chargeback
from counterfoil.payouts.chargebacks.machine import CHARGEBACK
from counterfoil.payouts.chargebacks.model import Chargeback, show_chargeback
from counterfoil.payouts.chargebacks.words import was_stopped

OUTCOMES: Final = CHARGEBACK.final
# After evidence could be sent; no card scheme takes longer for its word. CHARGEBACK_AGED asks the same.
SILENT_AFTER: Final = timedelta(days=90)


class ChargebackRefuses(Problem):
    """This cannot be done with the chargeback as it stands; `why` is the reason."""


def why_not_ruled(conn: Connection[Any], one: Chargeback, now: datetime) -> str | None:
    """Why it is not ended by hand; None when it may be."""
    if one.state != "open":
        return f"it is {one.state}"
    silent_from = (one.answer_by or one.opened_at) + SILENT_AFTER
    if now < silent_from and not was_stopped(conn, one.id):
        return f"its provider has said nothing that excludes what is known, and decides it; two people may from {silent_from:%Y-%m-%d} on"
    return None


def rule_chargeback(
    conn: Connection[Any], chargeback_id: str, outcome: str, *, reason: str, actor: str, make_id: MakeId, now: datetime
) -> str:
    """End it as if the provider had said so of the amounts that are known. Raises NotFound, ChargebackRefuses, InvalidInput."""
    if outcome not in OUTCOMES:
        raise InvalidInput("outcome", f"one of {', '.join(OUTCOMES)}", got=outcome[:40])
    one = lock_chargeback(conn, show_chargeback(conn, chargeback_id))
    if why := why_not_ruled(conn, one, now):
        raise ChargebackRefuses(chargeback=one.id, why=why)
    conn.execute(
        "insert into chargeback_ruling (chargeback_id, program_id, outcome, reason, actor, at) values (%s, %s, %s, %s, %s, %s)",
        [one.id, one.program_id, outcome, reason, actor, now],
    )
    fact = ChargebackFact(one.provider_ref, one.charge_id, one.amount, one.fee, one.asset, "won", one.cause, now)
    end_chargeback(conn, one, fact._replace(status="won" if outcome == "won" else "lost"), make_id=make_id, now=now)
    return outcome


def _propose(one: VerbCall) -> approvals.Proposal:
    """What would be refused then is refused now."""
    outcome = one.taken["outcome"]
    found = show_chargeback(one.conn, one.subject_id)
    if why := why_not_ruled(one.conn, found, one.now):
        raise ChargebackRefuses(chargeback=found.id, why=why)
    with trial(one.conn):
        rule_chargeback(one.conn, found.id, outcome, reason=one.reason, actor=one.actor, make_id=one.make_id, now=one.now)
    return approvals.propose(
        one.conn,
        one.make_id("prop"),
        machine=CHARGEBACK.name,
        subject_id=found.id,
        verb="rule",
        payload={"outcome": outcome},
        reason=one.reason,
        by=one.by,
        now=one.now,
        program_id=found.program_id,
    )


def _ruled(conn: Connection[Any], one: approvals.Proposal, by: Caller, now: datetime) -> str:
    return rule_chargeback(conn, one.subject_id, str(one.payload["outcome"]), reason=one.reason, actor=by.actor, make_id=_ids(one), now=now)


def _ids(one: approvals.Proposal) -> MakeId:
    """Ids of what an approval makes: derived from it, each of its own; at most 1024. Its last two letters are counted instead of drawn, so
    that each is as long as any other id and can be asked for."""
    stem, count = one.id.partition("_")[2][:-2], iter(range(len(ALPHABET) ** 2))

    def make(prefix: str) -> str:
        high, low = divmod(next(count), len(ALPHABET))
        return f"{prefix}_{stem}{ALPHABET[high]}{ALPHABET[low]}"

    return make


PAIRED: Final = (approvals.Paired(CHARGEBACK.name, "rule", _ruled),)
VERBS: Final = (
    Verb(
        "rule",
        OPERATE,
        "End by hand",
        "Its provider said what excludes what is known, so that no word of it takes effect, or has said nothing for 90 days. "
        "Two people look at the provider's own page and say how it ended; the amounts that are known are booked, and what differs is "
        "found against the statement.",
        propose=_propose,
        takes=(Field("outcome", "How it ended.", "choice", choices=OUTCOMES),),
    ),
)

"""The records of others that an attempt was paid: a webhook that was never applied, or a line of a statement that a run found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.database import name_refusals
from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.problems import InvalidInput, NotFound, Problem, Tell
from counterfoil.matching.findings.recorded import FindingDetail, RecordRead
from counterfoil.operations.providers import PayoutFact, Provider
from counterfoil.operations.webhooks.inbound import received_by_id
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout


def paid_by_webhook(conn: Connection[Any], webhook_id: str, providers: Mapping[str, Provider]) -> PayoutFact:
    """What a stored webhook, parked or not, says was paid. Raises NotFound, InvalidInput when it says something else."""
    found = received_by_id(conn, [webhook_id])
    if not found or found[0].provider not in providers:
        raise NotFound(what="webhook", id=webhook_id)
    (one,) = found
    provider = providers[one.provider]
    fact = provider.payout_of(one.body) if provider.tells.get(one.event_type) == "payout" else None
    if fact is None or fact.status != "paid":
        raise InvalidInput("record", "a webhook that says that a payout was paid", got=one.event_type[:80])
    return fact


class ProvingLine(NamedTuple):
    """A line of a statement, as a run found it and a break keeps it."""

    break_id: str
    run_id: str
    number: int
    source: str
    record_id: str


class LineUsed(Problem):
    """This line of a statement proves a payout already; one payment is not two."""

    todo = "Look at the payout that is named: the line is of that one, or that one was ended wrongly."


name_refusals(constraints={"payout_evidence_is_used_once": LineUsed})


def paid_by_statement(conn: Connection[Any], break_id: str, one: LockedProviderPayout) -> tuple[PayoutFact, ProvingLine]:
    """What the statement's line of a break says was paid, if it is this very attempt: its provider's own line that says paid, or a
    bank's line that names it; of its amount and asset. Raises NotFound, LineUsed, InvalidInput with what differs."""
    row = conn.execute(
        """select b.source, f.run_id, f.number, f.detail from break b
           join run_finding f on (f.run_id, f.number) = (b.last_run, b.last_number)
           where b.id = %s and b.program_id = %s""",
        [break_id, one.program_id],
    ).fetchone()
    if row is None:
        raise NotFound(what="break", id=break_id)
    source, run_id, number, kept = row
    lines = FindingDetail.read(kept).right
    if len(lines) != 1:
        raise InvalidInput("break_id", "a break with one line of a statement", got=f"{len(lines)} lines")
    (line,) = lines
    wrong = _not_this(source, line, one, tell_in(known_assets(conn)))
    if wrong:
        raise InvalidInput("break_id", f"a line that says that {one.id} was paid: {wrong}", got=break_id)
    told = ProvingLine(break_id, run_id, number, source, line.id)
    used = conn.execute(
        """select pp.payout_id, pp.id from payout_evidence e join provider_payout pp on pp.id = e.provider_payout_id
           where (e.program_id, e.source, e.record_id) = (%s, %s, %s)""",
        [one.program_id, source, line.id],
    ).fetchone()
    if used is not None:
        raise LineUsed(source=source, line=line.id, payout=used[0], attempt=used[1])
    ref = one.provider_ref or (line.batch if line.batch not in (None, line.reference) else line.id)
    if line.date is None:
        raise InvalidInput("break_id", "a line that says of which day it is", got=break_id)
    at = datetime.combine(date.fromisoformat(line.date), datetime.min.time(), UTC)
    return PayoutFact(ref or line.id, one.key, one.amount, 0, one.asset, "paid", None, at), told


def keep_evidence(conn: Connection[Any], attempt_id: str, program_id: str, line: ProvingLine, now: datetime) -> None:
    """The line is this attempt's from now on. Raises LineUsed."""
    conn.execute(
        """insert into payout_evidence (provider_payout_id, program_id, break_id, run_id, number, source, record_id, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [attempt_id, program_id, *line, now],
    )


def _not_this(source: str, line: RecordRead, one: LockedProviderPayout, tell: Tell) -> str | None:
    """Why a line is no proof of this attempt; None when it is."""
    if (-line.amount, line.asset) != (one.amount, one.asset):
        return f"it says {tell(-line.amount, line.asset)}, and {tell(one.amount, one.asset)} were ordered"
    names = {one.id, one.key, one.provider_ref} - {None}
    if source == f"{one.provider}:payouts":
        if line.status != "paid":
            return f"it says {line.status or 'nothing of its state'}"
        return None if {line.id, line.reference} & names else "it is of another payout"
    if source.startswith("bank:"):
        words = re.split(r"[^A-Za-z0-9_.-]+", " ".join(filter(None, (line.reference, line.memo, line.batch))))
        return None if names & set(words) else "it does not name this payout"
    return f"it is of {source}; {one.provider}:payouts and the bank say what became of a payout"

"""What takes two people: asked for twice by the same person and approved by another between, or a step of a machine that both agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection, sql

from counterfoil.base.machine import ApprovalNeeded, Machine
from counterfoil.base.problems import InvariantBroken, check
from counterfoil.operations import approvals
from counterfoil.operations.access.access import Caller
from counterfoil.operations.trial import trial
from counterfoil.operations.verbs import Do, Noun, Propose, VerbCall


class ProposedVerb(NamedTuple):
    """What two people agree on: the verb of a noun, of which thing, and exactly what."""

    machine: str
    verb: str
    subject_id: str
    payload: dict[str, Any]
    program_id: str | None = None


def done_or_proposed(
    conn: Connection[Any],
    said: ProposedVerb,
    act: Callable[[], str],
    *,
    proposal_id: Callable[[], str],
    reason: str,
    by: Caller,
    now: datetime,
) -> approvals.Proposal | None:
    """Do it, and return None, once another person has approved exactly `said`; else try it, take it back, and propose it.

    `act` returns the id of what it made or changed. Raises what it raises, and what `approvals.propose` raises.
    """
    machine, verb, subject_id, payload, program_id = said
    one = approvals.approved_of(conn, machine, subject_id, verb, payload, now=now, maker_id=by.principal_id)
    if one is not None:
        approvals.use(conn, one, now=now, result_id=act())
        return None
    with trial(conn):
        act()  # nobody approves what cannot be done
    return approvals.propose(
        conn,
        proposal_id(),
        machine=machine,
        subject_id=subject_id,
        verb=verb,
        payload=payload,
        reason=reason,
        by=by,
        now=now,
        program_id=program_id,
    )


def labels_by_permission(paired: Mapping[tuple[str, str], approvals.Paired], nouns: Iterable[Noun]) -> dict[str, list[str]]:
    """What takes two people, in the words of its buttons, by what whoever approves it needs."""
    verbs = {(noun.machine.name, verb.name): verb.label for noun in nouns for verb in noun.verbs}
    found: dict[str, list[str]] = {}
    for key, one in paired.items():
        found.setdefault(one.approved_by, []).append(one.label or verbs.get(key) or " ".join(reversed(key)).replace("_", " "))
    return found


def proposed_step(machine: Machine, name: str, do: Do) -> Propose:
    """Proposing a step of `machine` for which nothing but the reason is to be agreed. What would be refused then is refused now."""

    def propose(saying: VerbCall) -> approvals.Proposal:
        try:
            with saying.conn.transaction():
                do(saying._replace(approval=None))
            check(False, "what takes two people is not done by one", machine=machine.name, verb=name)
        except ApprovalNeeded:
            pass  # all its guards hold; what it did up to here is rolled back
        return saying.propose(machine, name, {"reason": saying.reason}, program_of(saying.conn, machine, saying.subject_id))

    return propose


def program_of(conn: Connection[Any], machine: Machine, subject_id: str) -> str | None:
    """Of which program a thing is, so that a proposal is seen by those who see the thing; None for a noun of no program."""
    query = sql.SQL("select to_jsonb(t) ->> 'program_id' from {table} t where id = %s")
    row = conn.execute(query.format(table=sql.Identifier(machine.table)), [subject_id]).fetchone()
    return None if row is None else row[0]


def paired_step(machine: Machine, name: str, do: Do) -> approvals.Paired:
    """What is done once both have agreed on a `proposed_step`."""

    def carry_out(conn: Connection[Any], one: approvals.Proposal, by: Caller, now: datetime) -> str | None:
        return do(VerbCall(conn, one.subject_id, by, now, _no_id, one.reason, {}, one.approval)).made

    return approvals.Paired(machine.name, name, carry_out)


def _no_id(prefix: str) -> str:
    raise InvariantBroken(f"what is done on an approval makes no id of its own: {prefix}")

"""From facts to a symptom, its cause, and the one safe thing to do about it. Source: the treasury's runbook, common causes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import Tell

BY: Final = "by "  # before the name of a peer that decides
PENDING_MAX: Final = timedelta(minutes=5)


class AgentFinding(NamedTuple):
    """What is wrong with an agent's money: `symptom`, `cause`, the facts that show it, and the one safe thing to do."""

    asset: str | None
    symptom: str
    cause: str
    evidence: str
    resolution: str
    command: str


class StrayMoney(NamedTuple):
    """Money on an agent's account, under the name of a transaction, that no record of a participant stands behind."""

    asset: str
    credited: bool
    amount: int
    journal_id: str
    transaction_id: str
    why: str


class LackingPart(NamedTuple):
    """A part of a transaction that was decided and applied elsewhere, or says that it was, and is not on the account."""

    asset: str
    side: str
    amount: int
    transaction_id: str
    number: int
    why: str


class Pending(NamedTuple):
    """A transaction that is neither committed nor aborted."""

    transaction_id: str
    state: str
    commits: str
    decision: str | None
    created_at: datetime
    expires_at: datetime
    last_error: str | None
    paused: bool


def of_stray(one: StrayMoney, tell: Tell) -> AgentFinding:
    """A credit too many is a duplicate; a debit too many is one whose credit has no record."""
    money = tell(one.amount, one.asset)
    evidence = f"journal {one.journal_id} moves {money} for {one.transaction_id}: {one.why}"
    reverse = f"counterfoil journal reverse {one.journal_id} --reason …"
    if one.credited:
        return AgentFinding(
            one.asset,
            "balance higher than its transactions",
            "duplicate credit",
            evidence,
            "Reverse that journal; it takes two people.",
            reverse,
        )
    return AgentFinding(
        one.asset, "balance lower than its transactions", "orphaned debit", evidence, "Reverse that journal; it takes two people.", reverse
    )


def of_lacking(one: LackingPart, tell: Tell) -> AgentFinding:
    """What is decided is applied by the worker; nothing else needs to be done, and nothing is booked by hand."""
    money = tell(one.amount, one.asset)
    evidence = f"participant {one.number} of {one.transaction_id} ({one.side} of {money}): {one.why}"
    symptom = "balance lower than its transactions" if one.side == "credit" else "balance higher than its transactions"
    cause = "orphaned debit" if one.side == "credit" else "missing debit"
    return AgentFinding(
        one.asset, symptom, cause, evidence, "Apply what is missing: the job takes the transaction on.", "counterfoil jobs run transactions"
    )


def of_figures(asset: str, unequal: str) -> AgentFinding:
    """Figures that should be the same are not, and no journal or part of a transaction explains it: a record was changed."""
    return AgentFinding(
        asset,
        "figures of one account that do not agree",
        "changed record",
        f"in {asset}: {unequal}",
        "Book nothing; find out which record was changed. The integrity checks name it.",
        "counterfoil invariants",
    )


def of_pending(one: Pending, now: datetime) -> AgentFinding | None:
    """Pending for more than five minutes; not while it only waits for who began it to commit, within its time."""
    age = now - one.created_at
    if age <= PENDING_MAX or (one.state == "prepared" and one.commits == "on_request" and now < one.expires_at):
        return None
    facts = [f"{one.transaction_id} is {one.state} for {counted(age // timedelta(minutes=1), 'minute')}"]
    facts.append(f"{one.decision} is decided" if one.decision else "nothing is decided")
    facts += [f"last error: {one.last_error}"] if one.last_error else []
    if one.paused:
        facts.append("the queue transactions is paused")
        resolution, command = "Resume the queue: nothing is forced while it only waits.", "counterfoil queue resume transactions --reason …"
    elif one.commits.startswith(BY) and not one.decision:
        resolution = f"See that {one.commits.removeprefix(BY)} goes on: it alone decides, and what was promised to it is kept."
        command = f"counterfoil transactions inspect --txn-id {one.transaction_id}"
    elif one.decision:
        resolution, command = "Have it follow its decision, which nobody can change.", "counterfoil jobs run transactions"
    else:
        resolution = "See that a worker runs; if none can, force the resolution that `inspect` calls safe."
        command = f"counterfoil transactions inspect --txn-id {one.transaction_id}"
    return AgentFinding(None, "pending for too long", "coordinator failure", "; ".join(facts), resolution, command)

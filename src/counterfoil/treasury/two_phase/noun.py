"""Transactions as a noun: what a person may do with one, declared once. Beginning, listing and inspecting have routes of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.text import reference_of
from counterfoil.operations import approvals
from counterfoil.operations.access.access import OPERATE, Caller
from counterfoil.operations.noun_pages import SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Field, Noun, Part, Propose, Verb, VerbCall, VerbResult, of_all
from counterfoil.treasury.two_phase import transactions
from counterfoil.treasury.two_phase.inspect import refusals
from counterfoil.treasury.two_phase.model import (
    TRANSACTION,
    Participant,
    ParticipantCheck,
    PeerWaiting,
    checks_of,
    participants_of,
    peers_waited_for,
    show_transaction,
    transactions_by_id,
)


def _prepare(one: VerbCall) -> VerbResult:
    return VerbResult(transactions.prepare_transaction(one.conn, one.subject_id, actor=one.actor, now=one.now))


def _commit(one: VerbCall) -> VerbResult:
    return VerbResult(transactions.commit_transaction(one.conn, one.subject_id, actor=one.actor, now=one.now))


def _cancel(one: VerbCall) -> VerbResult:
    return VerbResult(transactions.cancel_transaction(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _propose(verb: str) -> Propose:
    def propose(one: VerbCall) -> approvals.Proposal:
        found = show_transaction(one.conn, one.subject_id, lock=True)
        if why := transactions.refuse_force(found, verb):
            raise transactions.TransactionRefuses(transaction=found.id, verb=verb, why=why)
        return one.propose(TRANSACTION, verb, {"approval": reference_of(one.taken["approval"])}, found.program_id)

    return propose


def _forced(verb: str) -> Callable[[Connection[Any], approvals.Proposal, Caller, datetime], str | None]:
    def do(conn: Connection[Any], one: approvals.Proposal, by: Caller, now: datetime) -> str | None:
        how = transactions.Decided("forced", by.actor, one.reason, str(one.payload["approval"]), one.approval)
        transactions.force_transaction(conn, one.subject_id, verb, how=how, now=now)
        return None

    return do


def _refusals(conn: Connection[Any], transaction_id: str, now: datetime) -> Mapping[str, str | None]:
    return refusals(show_transaction(conn, transaction_id), now)


APPROVAL: Final = (Field("approval", "The reference under which this was approved, such as an incident.", example="INC-12345"),)
VERBS: Final = (
    Verb(
        "prepare",
        OPERATE,
        "Prepare",
        "Ask every participant now to promise its part; the job does it by itself. If one does not, abort is decided.",
        do=_prepare,
        reason=False,
    ),
    Verb(
        "commit",
        OPERATE,
        "Commit",
        "Decide that all of it moves, once every participant has promised. Nobody can change that afterwards.",
        do=_commit,
        reason=False,
    ),
    Verb("cancel", OPERATE, "Cancel", "Decide that nothing of it moves: what was promised is given back.", do=_cancel),
    Verb(
        "force_commit",
        OPERATE,
        "Force the commit",
        "Decide that all of it moves, when the coordinator does not go on: only when every participant has promised. It stays marked as "
        "forced, and its participants are verified after it.",
        propose=_propose("force_commit"),
        takes=APPROVAL,
    ),
    Verb(
        "force_rollback",
        OPERATE,
        "Force the rollback",
        "Decide that nothing of it moves, when the coordinator does not go on: only while nothing is decided and nothing was applied. It "
        "stays marked as forced, and its participants are verified after it.",
        propose=_propose("force_rollback"),
        takes=APPROVAL,
    ),
)
PAIRED: Final = tuple(approvals.Paired(TRANSACTION.name, verb, _forced(verb)) for verb in ("force_commit", "force_rollback"))
TRANSACTION_NOUN: Final = Noun(
    "transaction",
    "transactions",
    "txn",
    TRANSACTION,
    VERBS,
    show_transaction,
    _refusals,
    help="What moves between agents, wholly or not at all.",
    by_id=transactions_by_id,
    sorts=(SortKey("created_at", datetime), SortKey("reference", str)),
    parts=(
        Part("participants", Participant, of_all(participants_of)),
        Part("waiting", PeerWaiting, of_all(peers_waited_for)),
        Part("checks", ParticipantCheck, of_all(checks_of)),
    ),
    sought=(FoundBy("reference", "of this reference", recent=True), FoundBy("foreign_id", "its id at a peer", recent=True)),
)

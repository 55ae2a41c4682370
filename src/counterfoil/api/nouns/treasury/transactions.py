"""Beginning, listing and inspecting transactions between agents; what may be done with one is derived from their noun."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Amount, AssetCode, Clean, Minor, OneProgram, ProgramId, id_in_path
from counterfoil.api.http.history import WithVerbs, history
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.treasury.two_phase.ages import age_text, parse_age
from counterfoil.treasury.two_phase.inspect import Advice, TimelineEntry, inspect_transaction
from counterfoil.treasury.two_phase.model import (
    TRANSACTION,
    Participant,
    ParticipantCheck,
    PeerWaiting,
    Transaction,
    TransactionLine,
    WantedTransactions,
    peers_waited_for,
)
from counterfoil.treasury.two_phase.noun import TRANSACTION_NOUN
from counterfoil.treasury.two_phase.transactions import (
    PARTICIPANTS_MAX,
    TIME_OUT,
    TIME_OUT_MAX,
    NewParticipant,
    NewTransaction,
    begin_transaction,
)

router = routes("Transactions")
TransactionId = Annotated[str, id_in_path("txn")]
AgentIdText = Annotated[str, Field(pattern="^agent_[0-9A-HJKMNP-TV-Z]{26}$", examples=["agent_01KA0000000000000000000000"])]
PENDING = "pending"  # every state that is no end, in one word


class ParticipantRequest(RequestModel):
    """An agent that pays (debit) or gets (credit) an amount; one of a peer with the peer's name before it: `south/agent_01K…`."""

    agent: Annotated[
        str,
        Field(pattern="^([a-z0-9][a-z0-9_-]{0,39}/)?agent_[0-9A-HJKMNP-TV-Z]{26}$", examples=["agent_01KA0000000000000000000000"]),
    ]
    side: Literal["debit", "credit"]
    asset: AssetCode
    amount: Amount


class TransactionRequest(RequestModel):
    """Who pays and who gets what. In each asset as much is debited as credited."""

    program_id: ProgramId
    reference: Clean = Field(min_length=1, max_length=200, description="What it is for.", examples=["task 7"])
    participants: list[ParticipantRequest] = Field(min_length=2, max_length=PARTICIPANTS_MAX)
    commits: Literal["by_itself", "on_request"] = Field(
        "by_itself", description="by_itself once every participant promised; or on_request, by `commit`."
    )
    time_out_seconds: int = Field(
        TIME_OUT // timedelta(seconds=1),
        ge=1,
        le=TIME_OUT_MAX // timedelta(seconds=1),
        description="Without a decision within this, abort is decided.",
    )


@shows(Transaction)
class TransactionBegun(WriteResult):
    """It is written down who takes part. The job `transactions` takes it on from here."""

    state: str = Field(description="initiated.")


class MovedView(ViewModel):
    """What of one asset moves, from all who pay to all who get."""

    asset: str
    amount: Minor


class TransactionLineView(ViewModel):
    """A transaction in the list."""

    id: str
    program_id: str
    reference: str
    state: str
    age: str = Field(description="Since it was begun, in its largest whole unit.", examples=["12m"])
    age_seconds: int
    participants: list[str] = Field(description="The agents, in their order.")
    moved: list[MovedView]
    forced: bool = Field(description="Two people decided it.")
    last_error: str | None
    created_at: datetime


@shows(Participant)
class ParticipantView(ViewModel):
    """One agent's part."""

    standing: str = Field(description="none, held, applied or released.")


@shows(PeerWaiting)
class PeerWaitingView(ViewModel):
    """A peer that did not answer yet."""

    due_at: datetime = Field(description="When it is asked again.")


@shows(ParticipantCheck)
class ParticipantCheckView(ViewModel):
    """A participant as it was verified after a forced decision."""

    found: str = Field(description="What was compared, and what was wrong.")


@shows(TimelineEntry)
class TimelineView(ViewModel):
    """One thing that happened."""

    what: str = Field(description="In plain words.")


@shows(Advice)
class AdviceView(ViewModel):
    """Whether a verb is safe now."""

    why: str = Field(description="Why it is, or why not.")


@shows(Transaction)
class TransactionInFull(WithVerbs, ViewModel):
    """A transaction with its votes, its decision, its timeline, and what is safe and why."""

    state: str = Field(description=", ".join(TRANSACTION.states()) + ".")
    forced: bool = Field(description="Two people decided it. That mark lasts.")
    participants: list[ParticipantView]
    waiting: list[PeerWaitingView] = Field(description="Peers that did not answer yet.")
    checks: list[ParticipantCheckView] = Field(description="Participants verified after a forced decision took effect.")
    timeline: list[TimelineView]
    advice: list[AdviceView]


def _part(one: ParticipantRequest) -> NewParticipant:
    peer, _, agent = one.agent.rpartition("/")
    return NewParticipant(agent, one.side, one.asset, one.amount, peer or None)


def _line(one: TransactionLine, now: datetime) -> TransactionLineView:
    age = now - one.created_at
    return TransactionLineView(
        id=one.id,
        program_id=one.program_id,
        reference=one.reference,
        state=one.state,
        age=age_text(age),
        age_seconds=max(0, age // timedelta(seconds=1)),
        participants=one.agents,
        moved=[MovedView(asset=asset, amount=amount) for asset, amount in zip(one.assets, one.amounts, strict=True)],
        forced=one.forced,
        last_error=one.last_error,
        created_at=one.created_at,
    )


@router.post(
    "/transactions", status_code=201, response_model=TransactionBegun, operation_id="transaction_begin", summary="Begin a transaction"
)
def begin(body: TransactionRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """Between agents, in two phases: each promises its part, one decision is written, and all follow it. Any number pay and get, in several
    assets."""
    parts = [_part(one) for one in body.participants]
    peers = frozenset(call.services.wiring.peers)
    new = NewTransaction(body.program_id, body.reference, parts, body.commits, timedelta(seconds=body.time_out_seconds), peers)

    def act(conn: Connection[Any]) -> Done:
        made = begin_transaction(conn, call.make_id("txn"), new, actor=call.actor, now=call.now)
        return Done(made.id, TransactionBegun.of(made), 201)

    return call.write("transaction.begin", act, asked=body)


@router.get("/transactions", response_model=Paged[TransactionLineView], operation_id="transaction_list", summary="List transactions")
def listed(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(TRANSACTION_NOUN, state=False)],
    state: Annotated[str | None, Query(max_length=40, description="Only in this state, or pending: neither committed nor aborted.")] = None,
    age: Annotated[str | None, Query(max_length=20, description="Such as >5m or <2h, since it was begun.")] = None,
    agent_id: Annotated[AgentIdText | None, Query(alias="agentId", description="Only of this agent.")] = None,
    program_id: OneProgram = None,
) -> Response:
    """Newest first, unless another order is asked for."""
    known = {PENDING: TRANSACTION.open, **{one: (one,) for one in TRANSACTION.states()}}
    if state is not None and state.lower() not in known:
        raise InvalidInput("state", f"one of {', '.join(known)}", got=state[:40])
    span = parse_age(age) if age is not None else None
    wanted = WantedTransactions(call.now, known[state.lower()] if state else (), agent_id, program_id, *(span or (None, None)))
    which = asked._replace(also=(wanted.condition,))
    return answer_listed(call, page, TRANSACTION_NOUN, which, TransactionLineView, lambda one: _line(one, call.now))


@router.get("/transactions/{id}", response_model=TransactionInFull, operation_id="transaction_show", summary="Inspect a transaction")
def inspect(id: TransactionId, call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002
    """Its votes, its decision, its timeline, and what is safe and why."""
    with call.reading() as conn:
        found = inspect_transaction(conn, id, now=call.now)
        shown = TransactionInFull(
            **found.transaction._asdict(),
            forced=found.transaction.forced,
            participants=ParticipantView.each(found.participants),
            waiting=PeerWaitingView.each(peers_waited_for(conn, id)),
            checks=ParticipantCheckView.each(found.checks),
            timeline=TimelineView.each(found.timeline),
            advice=AdviceView.each(found.advice),
            allowed=TRANSACTION_NOUN.allowed(conn, id, now=call.now),
            **history(conn, id),
        )
    return answer(shown)

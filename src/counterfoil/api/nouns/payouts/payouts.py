"""Payouts: what is owed to a payee, each attempt to pay it, and every step of the way."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Minor, ProgramFilter, Reason, id_in_body, id_in_path
from counterfoil.api.http.history import CUT, SHOWN_MAX, WithHistory, cut_lists, history
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, StepView, ViewModel, WriteResult, answer, found_again, shows
from counterfoil.api.nouns.ledger.journals import JournalView
from counterfoil.api.nouns.settlement.settlements import SettlementView
from counterfoil.base.machine import history_of
from counterfoil.ledger.reads.listing import journals_of_sources
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.noun_pages import SafeNextAction
from counterfoil.payouts.next_action import next_action
from counterfoil.payouts.payouts.missing import execute_payout
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.payouts.payouts.proof import HopProof, proof_of
from counterfoil.payouts.payouts.verbs import Payout, ProviderPayout, provider_payouts_of, show_payout
from counterfoil.payouts.provider_payouts.conflicts import ConflictRow, conflicts_of
from counterfoil.settlement.settlements import payout_sources

router = routes("Payouts")
PayoutId = Annotated[str, id_in_path("po")]


@shows(Payout)
class PayoutView(ViewModel):
    """What is owed to a payee for one settlement. Amounts in minor units."""

    key: str = Field(description="`payout-{invoiceId}-{settlementId}`: asking again for the same returns the first.")
    state: str = Field(
        description="pending, processing, completed, failed, reconcile_required (nobody knows yet), cancelled, returned "
        "or refunded (nothing is left to pay)."
    )
    reissue: int = Field(description="0: the first payout of its settlement; a later one pays what is still owed.")


class ProviderPayoutView(ViewModel):
    """One attempt at a provider."""

    id: str
    number: int = Field(description="The payout's nth try.")
    provider: str
    idempotency_key: str = Field(description="What the provider knows this attempt by.")
    asset: str
    amount: Minor
    fee: Minor = Field(description="What the provider took for it, on top of the amount.")
    state: str
    state_at: datetime
    request_sent_at: datetime | None = Field(description="From then on only the provider knows whether it arrived.")
    sent_at: datetime | None
    provider_ref: str | None
    due_at: datetime | None = Field(description="When it is looked at next.")
    attempt: int
    last_error: str | None
    error_class: str | None
    paid: Minor | None = Field(description="What two people found paid, where it is not the amount.")
    beyond: Minor = Field(description="What of it was no longer owed when it turned out to be paid: the payee owes it.")
    steps: list[StepView]
    cut: list[str] = Field(description=CUT)


@shows(
    ConflictRow,
    hidden=(
        "number",
        "fact",
    ),
)
class ConflictView(ViewModel):
    """Two words about an attempt that exclude each other."""

    state: str = Field(description="open, settled (by the provider's present word), paid or not_paid (found by two people).")


@shows(SafeNextAction)
class NextActionView(ViewModel):
    """The one safe thing to do next."""

    need: str = Field(
        description="conflict, in_doubt, quarantined, failed, returned, waiting, owed, bank_file, held, paused, worker; none: nobody is."
    )
    why: str = Field(description="What it means, and why nothing is to be done where that is so.")
    command: str = Field(description="The command that moves it on; empty where nobody is needed, or while it would be refused.")


@shows(HopProof)
class ProofView(ViewModel):
    """What proves one hop of it."""

    what: str = Field(description="approval, call, answer, look-up, webhook, statement, or break.")
    id: str = Field(description="Of the batch, call, webhook or break that it is kept under; of a look-up the attempt.")


class PayoutInFull(WithHistory, PayoutView):
    """A payout with everything that belongs to it."""

    allowed: list[str] = Field(description="What a person may do now.")
    next_action: NextActionView
    breakdown: SettlementView = Field(description="Gross, fees, holdback and net, at the rates of that day.")
    provider_payouts: list[ProviderPayoutView]
    proof: list[ProofView] = Field(
        description="Approvals of its batch, calls and answers, look-ups, webhooks, lines of statements; the earliest first."
    )
    conflicts: list[ConflictView]
    journals: list[JournalView]


@router.get("/payouts", response_model=Paged[PayoutView], operation_id="payout_list", summary="List payouts")
def payouts(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(PAYOUT_NOUN)],
    program_id: ProgramFilter = None,
) -> Response:
    """Newest first, unless another order is asked for."""
    return answer_listed(call, page, PAYOUT_NOUN, asked._replace(program_id=program_id), PayoutView)


class ExecuteRequest(RequestModel):
    """Whose payout is missing, and why a person makes it."""

    invoice_id: str = id_in_body("inv")
    reason: Reason


class PayoutExecuted(WriteResult):
    """The payout of the invoice."""

    id: str
    key: str
    state: str
    amount: Minor
    asset: str
    existed: bool = Field(description="It was there before: nothing was made.")


@router.post(
    "/payouts/execute",
    response_model=PayoutExecuted,
    responses=found_again(PayoutExecuted),
    status_code=201,
    operation_id="payout_execute",
    summary="Make the payout that an invoice is missing",
)
def execute(body: ExecuteRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """Of an invoice that is settled. One that has a payout gets that one, and nothing is made. It is reserved and sent like any other."""

    def act(conn: Connection[Any]) -> Done:
        one, existed = execute_payout(conn, body.invoice_id, make_id=call.make_id, actor=call.actor, now=call.now)
        told = {name: getattr(one, name) for name in ("id", "key", "state", "amount", "asset")}
        return Done(one.id, PayoutExecuted(**told, existed=existed), 200 if existed else 201)

    return call.write("payout.execute", act, asked=body, reason=body.reason)


@router.get("/payouts/{payout_id}", response_model=PayoutInFull, operation_id="payout_show", summary="Show a payout")
def payout(payout_id: PayoutId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """With its fee breakdown, attempts, conflicts, steps, journals, and what was done to it by hand."""
    with call.reading() as conn:
        return answer(_in_full(conn, show_payout(conn, payout_id), call.now))


def _in_full(conn: Connection[Any], one: Payout, now: datetime) -> PayoutInFull:
    tries = provider_payouts_of(conn, one.id)
    sources = [("settlement", one.settlement_id), ("escrow_movement", one.settlement_id), *(("provider_payout", each.id) for each in tries)]
    conflicts, journals = conflicts_of(conn, one.id), journals_of_sources(conn, one.program_id, sources, rows_max=SHOWN_MAX + 1)
    proof = proof_of(conn, one.id, rows_max=SHOWN_MAX + 1)
    return PayoutInFull(
        **one._asdict(),
        allowed=PAYOUT_NOUN.allowed(conn, one.id, now=now),
        next_action=NextActionView.of(next_action(conn, one.id, now)),
        breakdown=SettlementView.of(payout_sources(conn, [one.settlement_id])[0]),
        provider_payouts=[_try(conn, each) for each in tries],
        conflicts=ConflictView.each(conflicts[:SHOWN_MAX]),
        proof=ProofView.each(proof[:SHOWN_MAX]),
        **history(conn, one.id, proof=proof, conflicts=conflicts, journals=journals),
        journals=JournalView.each(journals[:SHOWN_MAX]),
    )


def _try(conn: Connection[Any], one: ProviderPayout) -> ProviderPayoutView:
    steps = history_of(conn, one.id, rows_max=SHOWN_MAX + 1)
    return ProviderPayoutView(**one._asdict(), steps=StepView.each(steps[:SHOWN_MAX]), cut=cut_lists(steps=steps))

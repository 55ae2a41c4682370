"""Payout batches: gathering one, and the policy that says what takes people. Everything else of a batch follows from its noun."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.derived.acts import ActTold, add_act
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Amount, AssetCode, Clean, Instant, Minor, ProgramFilter, ProgramId
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, WriteResult
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.acts import ActCall, ActDone
from counterfoil.operations.listing import ListAsked
from counterfoil.payouts.batches.acts import SET_POLICY
from counterfoil.payouts.batches.gathering import Wanted, gather_batch
from counterfoil.payouts.batches.machine import LINES_MAX
from counterfoil.payouts.batches.policies import POLICY_LIST, Policy

router = routes("Batches")


class BatchRequest(RequestModel):
    """Which pending payouts go into a new batch; what is absent narrows nothing."""

    program_id: ProgramId
    asset: AssetCode
    payees: list[Annotated[Clean, Field(min_length=1, max_length=64)]] = Field(
        default_factory=list, max_length=LINES_MAX, description="Only to these.", examples=[["bolt"]]
    )
    provider: Clean | None = Field(None, max_length=40, description="Only through this one.")
    created_before: Instant | None = Field(None, description="Only what was owed before this moment.")
    amount_least: Amount | None = Field(None, description="Only of so much or more, in minor units.")
    amount_most: Amount | None = Field(None, description="Only of so much or less, in minor units.")


class SkippedView(ViewModel):
    """A payout that fits and is not in the batch."""

    payout_id: str
    why: str


class BatchGathered(WriteResult):
    """The draft, and what is not in it although it fits: at most 100 are named, all are counted."""

    id: str
    state: str
    lines: int
    skipped: list[SkippedView]
    skipped_total: int


class TierView(ViewModel):
    """A batch of more than `above` minor units takes so many people."""

    above: Minor
    approvers: int


class PolicyView(ViewModel):
    """What of a program's payouts in an asset takes people."""

    program_id: str
    asset: str
    by_rule_max: Minor
    tiers: list[TierView]
    cooling_hours: int
    version: int
    reason: str
    actor: str
    at: datetime


class PolicySet(WriteResult):
    """It holds from now on; payouts that wait are judged anew."""

    program_id: str
    asset: str


@router.post("/batches", status_code=201, response_model=BatchGathered, operation_id="batch_gather", summary="Gather a payout batch")
def gather(body: BatchRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """A draft of every pending payout that fits and may be paid, each at what is owed now. At most 1,000: nothing is cut short."""

    def act(conn: Connection[Any]) -> Done:
        show_program(conn, body.program_id)
        wanted = Wanted(**body.model_dump() | {"payees": tuple(body.payees)})
        made = gather_batch(conn, wanted, by=call.caller, make_id=call.make_id, now=call.now)
        shown = BatchGathered(
            id=made.batch_id,
            state="draft",
            lines=made.lines,
            skipped_total=made.skipped_total,
            skipped=[SkippedView(payout_id=one.payout_id, why=one.why) for one in made.skipped],
        )
        return Done(made.batch_id, shown, 201)

    return call.write("batch.gather", act, asked=body)


@router.get("/payout-policies", response_model=Paged[PolicyView], operation_id="payout_policy_list", summary="List payout policies")
def policies(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(POLICY_LIST)],
    program_id: ProgramFilter = None,
) -> Response:
    """Those that hold in a program, or in all of them, by program and asset unless sorted otherwise. Without one, payouts are paid when
    they are due, and a batch takes one second person."""
    return answer_listed(call, page, POLICY_LIST, asked._replace(program_id=program_id), PolicyView, _policy_shown, program_id=program_id)


def _policy_shown(one: Policy) -> PolicyView:
    return PolicyView(
        program_id=one.program_id,
        asset=one.asset,
        by_rule_max=one.by_rule_max,
        cooling_hours=one.cooling_hours,
        version=one.version,
        reason=one.reason,
        actor=one.actor,
        at=one.at,
        tiers=[TierView(above=above, approvers=needed) for above, needed in zip(one.tiers_above, one.tiers_approvers, strict=True)],
    )


def _policy_set(one: ActCall, _: ActDone) -> PolicySet:
    return PolicySet(program_id=one.taken["program_id"], asset=one.taken["asset"])


add_act(router, SET_POLICY, ActTold(PolicySet, _policy_set))

"""Payout batches: gathering one, and the policy that says what takes people. Everything else of a batch follows from its noun."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Amount, AssetCode, Clean, Instant, Minor, ProgramFilter, ProgramId
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Because, Paged, RequestModel, ViewModel, WriteResult, answer
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import ADMINISTER, OPERATE, READ
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.payouts.batches.gathering import Wanted, gather_batch
from counterfoil.payouts.batches.machine import LINES_MAX
from counterfoil.payouts.batches.policies import APPROVERS_MAX, COOLING_HOURS, HOURS_MAX, TIERS_MAX, Tier, policies_of, set_policy

router = routes("Batches")
_MINOR = "^[0-9]{1,19}$"


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


class TierShape(RequestModel):
    """A batch of more than `above` minor units takes so many people."""

    above: str = Field(pattern=_MINOR, description="Minor units.", examples=["1000000"])
    approvers: int = Field(ge=1, le=APPROVERS_MAX)


class PolicyRequest(Because):
    """What of a program's payouts in an asset takes people."""

    program_id: ProgramId
    asset: AssetCode
    by_rule_max: str = Field(
        pattern=_MINOR,
        description="What is paid by rule, in minor units: in batches within 24 hours, and to one payee outside of them. 0: nothing.",
        examples=["1000000"],
    )
    tiers: list[TierShape] = Field(
        default_factory=list,
        max_length=TIERS_MAX,
        description="How many people approve; one, where no tier is reached.",
    )
    cooling_hours: int = Field(
        COOLING_HOURS,
        ge=0,
        le=HOURS_MAX,
        description="For how long a destination is new, and a changed one is not paid.",
    )


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
    program_id: ProgramFilter = None,
) -> Response:
    """Those of a program, by asset. Without one, payouts are paid when they are due, and a batch takes one second person."""
    with call.reading() as conn:
        found = policies_of(conn, program_id or call.services.wiring.program_id)
    rows = [
        PolicyView(
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
        for one in found.values()
    ]
    return answer(Paged[PolicyView](data=rows, next_cursor=None))


@router.post(
    "/payout-policies", response_model=PolicySet, responses=BY_TWO, operation_id="payout_policy_set", summary="Set a payout policy"
)
def set_one(body: PolicyRequest, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """Takes two people. The newest counts; payouts that wait are judged by it at once."""
    tiers = [Tier(int(one.above), one.approvers) for one in body.tiers]

    def act(conn: Connection[Any]) -> Done:
        show_program(conn, body.program_id)
        set_policy(
            conn,
            body.program_id,
            body.asset,
            by_rule_max=int(body.by_rule_max),
            tiers=tiers,
            cooling_hours=body.cooling_hours,
            reason=body.reason,
            actor=call.actor,
            now=call.now,
        )
        return Done(body.program_id, PolicySet(program_id=body.program_id, asset=body.asset))

    payload = {
        "byRuleMax": body.by_rule_max,
        "coolingHours": body.cooling_hours,
        "tiers": [{"above": str(one.above), "approvers": one.approvers} for one in tiers],
    }
    said = ProposedVerb("payout_policy", "set", f"{body.program_id}:{body.asset}", payload, body.program_id)
    return call.by_two("payout_policy.set", act, said, asked=body, reason=body.reason)

"""Affiliates and commissions, where their nouns have no route: placing an affiliate, the contract, and working everything out again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import AssetCode, Clean, Instant, Minor, OneProgram, ProgramId, id_in_body, id_in_path
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.money import parse_minor
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import ADMINISTER, OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.settlement.affiliates.affiliates import Affiliate, set_affiliate
from counterfoil.settlement.affiliates.verifying import TreeFault, verify_tree
from counterfoil.settlement.commissions.moving import Payable, payable_of
from counterfoil.settlement.commissions.rates import TERMS_LIST, CommissionRate, set_terms
from counterfoil.settlement.commissions.rules import LEVELS_MAX, MATURE_DAYS_MAX, Base, CommissionTerms, Mode
from counterfoil.settlement.commissions.verifying import CommissionDifference, verify_commissions

router = routes("Affiliates")
commissions = routes("Commissions")


class AffiliateRequest(Because):
    """An affiliate by its name, and who stands above it."""

    program_id: ProgramId
    name: Clean = Field(min_length=1, max_length=100, description="One of its program.", examples=["ann"])
    parent_id: str | None = id_in_body("aff", None, description="Who stands above it; absent: nobody.")


@shows(Affiliate)
class AffiliatePlaced(WriteResult):
    """It stands there now. Its id is also the payee's, under which its commissions are paid: set a destination for it."""

    depth: int = Field(description="1 for one under nobody.")
    customers: int = Field(description="That it referred.")


@shows(TreeFault)
class TreeFaultView(ViewModel):
    """What is wrong with an affiliate's place."""

    fault: str = Field(description="cycle, orphan, depth, placement or self_referral.")


class TreeVerdictView(ViewModel):
    """Every affiliate was looked at. At most a thousand faults are shown, the others are counted."""

    affiliates: int
    faulty: int
    faults: list[TreeFaultView]


@shows(Payable)
class PayableCommissionsView(ViewModel):
    """Matured commissions in an asset that are not paid; minor units. What is less than the minimum carries over."""

    earned: Minor
    carried: Minor = Field(
        description="Taken back of commissions that were paid before; it is netted in the next payment. Below nothing: given again."
    )
    rate_version: int | None = Field(description="Whose minimum it is; null: none is in force.")
    minimum: Minor | None = Field(description="What a payment must reach; nothing of an affiliate that is inactive.")


class PayableCommissionsList(ViewModel):
    """By asset."""

    data: list[PayableCommissionsView]


class CommissionRateRequest(RequestModel):
    """The next version of what affiliates get of a sale in an asset."""

    asset: AssetCode
    base: Base = Field("gross", description="What the levels are rates of.")
    mode: Mode = Field("rates", description="rates: each level is rounded down. pool: all together are, and divided by largest remainder.")
    levels: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        min_length=1, max_length=LEVELS_MAX, description="Basis points; the first is of who referred the customer.", examples=[[1000, 200]]
    )
    cap_bps: int = Field(ge=1, le=10_000, description="All levels together are at most this.", examples=[2000])
    mature_days: int = Field(30, ge=0, le=MATURE_DAYS_MAX, description="How long a commission may still be reversed before it is payable.")
    minimum: str = Field("0", description="Minor units; less is not paid and carries over.", examples=["1000"])
    effective_at: Instant | None = Field(None, description="Sales from this moment on use it; absent: from now on.")


@shows(CommissionRate)
class CommissionRateView(WriteResult):
    """One version of the contract with affiliates, in hundredths of a percent."""

    minimum: Minor


@shows(CommissionDifference)
class CommissionDifferenceView(ViewModel):
    """What of a sale's commissions is not as it was worked out again; minor units."""

    level: int | None = Field(description="Null: of the whole sale.")
    what: str = Field(description="missing, amount, affiliate, taken_back, terms, sale, path, beyond_path, unreferred or ledger.")
    expected: Minor | None
    found: Minor | None


class CommissionVerdictView(ViewModel):
    """Sales that were referred, worked out again from what was frozen with them and the refunds since."""

    sales: int = Field(description="That were referred, in all.")
    looked_at: int
    waiting: int = Field(description="Of these, with an event still to be followed: they were not judged.")
    is_sample: bool = Field(description="Not all were looked at, and nothing is said of the others.")
    differing: int = Field(description="Sales that differ.")
    differences: list[CommissionDifferenceView] = Field(description="At most a thousand.")


@router.post(
    "/affiliates", status_code=201, response_model=AffiliatePlaced, operation_id="affiliate_set", summary="Add or move an affiliate"
)
def place(body: AffiliateRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """Adds it under its parent, or moves it there with all that are under it. What was sold before keeps the path of its time."""

    def act(conn: Connection[Any]) -> Done:
        given: dict[str, Any] = {"reason": body.reason, "make_id": call.make_id, "actor": call.actor, "now": call.now}
        made = set_affiliate(conn, body.program_id, body.name, body.parent_id, **given)
        return Done(made.id, AffiliatePlaced.of(made), 201)

    return call.write("affiliate.set", act, asked=body, reason=body.reason)


@router.get(
    "/affiliates/verification", response_model=TreeVerdictView, operation_id="affiliate_check", summary="Verify the trees of affiliates"
)
def tree(call: Annotated[ApiCall, may(READ)], program_id: OneProgram = None) -> Response:
    """Looks at every affiliate: no cycle, nobody under somebody who is not there, none too deep, none who refers itself."""
    with call.reading() as conn:
        if program_id is not None:
            show_program(conn, program_id)
        found = verify_tree(conn, program_id=program_id)
    return answer(TreeVerdictView(affiliates=found.affiliates, faulty=found.faulty, faults=TreeFaultView.each(found.faults)))


@router.get(
    "/affiliates/{id}/payable",
    response_model=PayableCommissionsList,
    operation_id="affiliate_list_payable",
    summary="Show what an affiliate is to be paid",
)
def payable(id: Annotated[str, id_in_path("aff")], call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002
    """What matured and is not paid, what of it is netted, and what it must reach."""
    with call.reading() as conn:
        found = payable_of(conn, id, now=call.now)
    return answer(PayableCommissionsList(data=PayableCommissionsView.each(found)))


@commissions.get(
    "/commissions/verification", response_model=CommissionVerdictView, operation_id="commission_check", summary="Verify commissions"
)
def verification(
    call: Annotated[ApiCall, may(READ)],
    program_id: OneProgram = None,
    sample: Annotated[int | None, Query(ge=1, le=1_000_000, description="So many referred sales, drawn anew; absent: all.")] = None,
) -> Response:
    """Works out again what affiliates earned, from frozen facts, and names each figure that differs. Changes nothing."""
    with call.reading() as conn:
        if program_id is not None:
            show_program(conn, program_id)
        found = verify_commissions(conn, program_id=program_id, sample=sample, seed=call.now)
    return answer(CommissionVerdictView(**found._asdict() | {"differences": CommissionDifferenceView.each(found.differences)}))


@commissions.post(
    "/programs/{program_id}/commission-rates",
    status_code=201,
    response_model=CommissionRateView,
    operation_id="commission_rates_set",
    summary="Set commission rates",
)
def add_terms(program_id: ProgramId, body: CommissionRateRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Adds a version: sales from its moment on use it, earlier ones keep theirs."""
    minimum = parse_minor(body.minimum, "minimum", least=0)
    terms = CommissionTerms(body.base, body.mode, tuple(body.levels), body.cap_bps, body.mature_days, minimum)

    def act(conn: Connection[Any]) -> Done:
        made = set_terms(conn, program_id, body.asset, terms, actor=call.actor, now=call.now, effective_at=body.effective_at)
        return Done(program_id, CommissionRateView.of(made), 201)

    return call.write("commission_rates.set", act, asked=body)


@commissions.get(
    "/programs/{program_id}/commission-rates",
    response_model=Paged[CommissionRateView],
    operation_id="commission_rates_list",
    summary="List versions of commission rates",
)
def terms_of(
    program_id: ProgramId, call: Annotated[ApiCall, may(READ)], page: PageWanted, asked: Annotated[ListAsked, list_query(TERMS_LIST)]
) -> Response:
    """The one that takes effect last first, unless sorted otherwise; one that is to come is among them."""
    with call.reading() as conn:
        show_program(conn, program_id)
    return answer_listed(call, page, TERMS_LIST, asked._replace(program_id=program_id), CommissionRateView)

"""Breaks: what does not agree, why, and what people do about it. Every step carries its reason; journals take two people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import EMPTY_ASKS_FOR_NONE, Day, ProgramFilter, id_in_path
from counterfoil.api.http.history import history
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Paged, answer
from counterfoil.api.nouns.reconciliation.break_schemas import (
    AgeView,
    BreakInFull,
    BreaksBulk,
    BreaksDone,
    BreakShownShort,
    FactView,
    FlowView,
    GroupView,
    LimitRequest,
    LimitSet,
    LimitView,
    Overview,
    ProposalView,
    RemarkView,
)
from counterfoil.base.money import parse_minor
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import ADMINISTER, READ
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.verbs import BulkLine, VerbCall, say_of_many
from counterfoil.reconciliation.breaks import adjusting
from counterfoil.reconciliation.breaks.limits import set_write_off_limit, write_off_limit
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN
from counterfoil.reconciliation.breaks.queries import (
    FLOW_DAYS_MAX,
    STATES,
    Filter,
    ages_of,
    detail_of,
    flow_of,
    groups_of,
    narrowed_by,
    recurrences_of,
    remarks_of,
    show_break,
)
from counterfoil.reconciliation.breaks.timeline import timeline_of
from counterfoil.reconciliation.breaks.work import Break

router = routes("Breaks")
BreakId = Annotated[str, id_in_path("break")]
Narrow = Annotated[str | None, Query(max_length=80)]
OfCause = Annotated[str | None, Query(max_length=80, description="Empty: those without a cause."), EMPTY_ASKS_FOR_NONE]
OfOwner = Annotated[str | None, Query(max_length=80, description="Empty: unassigned."), EMPTY_ASKS_FOR_NONE]


def filter_of(
    program_id: str | None,
    source: str | None,
    state: str | None,
    kind: str | None,
    cause: str | None,
    severity: str | None,
    owner: str | None,
    run_id: str | None,
) -> Filter:
    """What a list is narrowed to. Raises InvalidInput for a state that there is not."""
    if state is not None and state not in STATES:
        raise InvalidInput("state", f"one of {', '.join(STATES)}", got=state[:40])
    return Filter(program_id, source, state, kind, cause, severity, owner, run_id)


@router.get("/breaks", response_model=Paged[BreakShownShort], operation_id="break_list", summary="List breaks")
def breaks(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(BREAK_NOUN, state=False)],
    state: Annotated[str | None, Query(max_length=40, description="A state, `live` or `closed`.")] = None,
    kind: Narrow = None,
    cause: OfCause = None,
    severity: Narrow = None,
    owner: OfOwner = None,
    source: Narrow = None,
    program_id: ProgramFilter = None,
    run_id: Annotated[str | None, Query(alias="runId", max_length=64, description="Found by it, first or last.")] = None,
) -> Response:
    """Newest first, unless another order is asked for: each one lasting thing that runs found, as it stands now."""
    by = filter_of(program_id, source, state, kind, cause, severity, owner, run_id)
    return answer_listed(call, page, BREAK_NOUN, asked._replace(also=(narrowed_by(by),)), BreakShownShort)


@router.get("/breaks/overview", response_model=Overview, operation_id="break_show_overview", summary="Show breaks by cause, age and flow")
def overview(
    call: Annotated[ApiCall, may(READ)],
    program_id: ProgramFilter = None,
    source: Narrow = None,
    first: Annotated[Day | None, Query(alias="from", description="Of the flow; 30 days before its end.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="Of the flow, included; today.")] = None,
) -> Response:
    """Live breaks by kind, cause and asset, their ages, and what came and went on each day."""
    by = Filter(program_id=program_id, source=source)
    to = last or call.now.date()
    since = first or date.fromordinal(max(to.toordinal() - 29, 1))
    if not 0 <= (to - since).days < FLOW_DAYS_MAX:
        raise InvalidInput("from", f"a range of 1 to {FLOW_DAYS_MAX} days", got=f"{since} to {to}")
    with call.reading() as conn:
        groups, ages = groups_of(conn, by, now=call.now), ages_of(conn, by, now=call.now)
        flow = flow_of(conn, by, first=since, last=to)
    return answer(Overview(groups=GroupView.each(groups), ages=AgeView.each(ages), flow=FlowView.each(flow)))


@router.get("/breaks/limits", response_model=LimitView, operation_id="break_show_limit", summary="Show the write-off limit")
def limits(
    call: Annotated[ApiCall, may(READ)],
    asset: Annotated[str, Query(pattern=r"^[A-Z][A-Z0-9]{1,11}$")],
    program_id: ProgramFilter = None,
) -> Response:
    """Ten units of the asset, unless an administrator set another."""
    program = program_id or call.services.wiring.program_id
    with call.reading() as conn:
        minor = write_off_limit(conn, program, asset)
    return answer(LimitView(program_id=program, asset=asset, minor=minor))


@router.post("/breaks/limits", response_model=LimitSet, responses=BY_TWO, operation_id="break_set_limit", summary="Set the write-off limit")
def set_limit(body: LimitRequest, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """Takes two people. Holds for what is proposed from now on; 0 forbids write-offs."""

    minor = parse_minor(body.minor, "minor", least=0)

    def act(conn: Connection[Any]) -> Done:
        set_write_off_limit(conn, body.program_id, body.asset, minor=minor, reason=body.reason, actor=call.actor, now=call.now)
        return Done(body.program_id, LimitSet(program_id=body.program_id, asset=body.asset, minor=minor))

    said = ProposedVerb("write_off_limit", "set", f"{body.program_id}:{body.asset}", {"minor": str(minor)}, body.program_id)
    return call.by_two("break.limit", act, said, asked=body, reason=body.reason)


@router.post("/breaks/bulk", response_model=BreaksDone, operation_id="break_bulk", summary="Apply one verb to many breaks")
def bulk(body: BreaksBulk, call: Annotated[ApiCall, may(READ)]) -> Response:
    """Each line is done or refused by itself; one whose break is no longer in the state that you saw is refused. Whoever has roles of
    single programs needs one in the program of each break: if they may not with one of them, or do not see it, nothing is done."""

    def act(conn: Connection[Any]) -> Done:
        wanted = [BulkLine(one.id, one.expected_state) for one in body.rows]
        given = {"owner": body.owner, "duplicate_of": body.duplicate_of, "text": body.reason}
        saying = VerbCall(conn, "", call.caller, call.now, call.make_id, body.reason)
        done = say_of_many(BREAK_NOUN, body.verb, wanted, saying, given)
        return Done(body.verb, BreaksDone.of_lines(done))

    return call.write("break.bulk", act, asked=body, reason=body.reason)


@router.get("/breaks/{break_id}", response_model=BreakInFull, operation_id="break_show", summary="Show a break")
def show(break_id: BreakId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """Both records, what differs, hypotheses with their tests, the timeline, proposals, comments, and what may be done now."""
    with call.reading() as conn:
        return answer(_in_full(conn, show_break(conn, break_id), call.now))


def _in_full(conn: Connection[Any], case: Break, now: datetime) -> BreakInFull:
    detail = detail_of(conn, case)
    return BreakInFull(
        **case._asdict(),
        allowed=BREAK_NOUN.allowed(conn, case.id, now=now),
        detail=detail.written(),
        timeline=FactView.each(timeline_of(conn, case, detail)),
        remarks=RemarkView.each(remarks_of(conn, case.id)),
        proposals=ProposalView.each(adjusting.proposals_of(conn, case.id)),
        **history(conn, case.id),
        recurred_as=recurrences_of(conn, case.id),
    )

"""Carbon: energy in, the source asked, a day verified, credits bought and retired."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, Day, Instant, Minor, OneProgram, ProgramId, Reason
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.api.nouns.treasury.carbon_bills import BilledDayView
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE, POST_JOURNAL, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.treasury.carbon.credits import CREDIT_LIST, RETIREMENT_LIST, NewCredit, buy_credits, retire_credits
from counterfoil.treasury.carbon.energy import RECORDS_MAX, EnergyImport, NewEnergy, import_energy
from counterfoil.treasury.carbon.model import CarbonCredit, CarbonRetirement, CarbonSource, CarbonSync
from counterfoil.treasury.carbon.rules import IntensityPoint
from counterfoil.treasury.carbon.syncing import SYNC_LIST, CarbonNotSetUp, SyncWanted, sync_carbon
from counterfoil.treasury.carbon.verify import CarbonDay, CarbonLine, verify_day
from counterfoil.treasury.carbon.watttime import HORIZON_HOURS_MAX, GridRegion

router = routes("Carbon")
SERIAL_MAX: Final = 10**18
Region = Annotated[str, Field(pattern=r"^[A-Z0-9_]{2,40}$", examples=["CAISO_NORTH"])]
Serial = Annotated[int, Field(ge=1, le=SERIAL_MAX, examples=[1])]
AgentIn = Annotated[str, Field(pattern=r"^agent_[0-9A-HJKMNP-TV-Z]{26}$", examples=["agent_01KA0000000000000000000000"])]


class EnergyRecord(RequestModel):
    """Energy that an agent used evenly between two moments of one day of UTC."""

    reference: Clean = Field(min_length=1, max_length=100, description="Your own; each counts once.", examples=["meter-7/2026-11-20T06"])
    agent_id: AgentIn
    region: Region = Field(description="Of the grid, as the source names it.")
    starts_at: Instant
    ends_at: Instant
    watt_hours: int = Field(ge=1, le=10**12, examples=[1200])


class EnergyRequest(RequestModel):
    """What agents used: all of it is recorded, or nothing."""

    program_id: ProgramId
    records: list[EnergyRecord] = Field(min_length=1, max_length=RECORDS_MAX)


@shows(EnergyImport)
class EnergyImported(WriteResult):
    """What was recorded."""

    new: int = Field(description="Records that were not known yet.")


class SyncRequest(RequestModel):
    """Ask the source now."""

    force: bool = Field(False, description="Ask for all within the window, also for what was asked for lately.")
    date_: Day | None = Field(None, alias="date", description="Only for this day; forced, what differs after the window is posted, too.")
    reason: Reason | None = Field(None, description="Why; needed to force a day.")


@shows(CarbonSync, hidden=("left",))
class CarbonSyncView(ViewModel):
    """A time that the source was asked."""

    days: int = Field(description="Of a region, that were asked for.")
    failed: int = Field(description="Of these, without an answer; `error` says why.")
    points: int = Field(description="Intensities that were new, or other than before.")
    posted: int = Field(description="Agents' figures that were posted.")
    breaks: int = Field(description="Changes that came too late to be posted.")


@shows(CarbonSync)
class CarbonSynced(WriteResult):
    """What the source said, and what was posted of it."""

    left: int = Field(description="Days that wait for the next time.")


@shows(CarbonLine)
class CarbonLineView(ViewModel):
    """An agent's day in a region; grams."""

    uncovered: int = Field(description="Wh of which the source says nothing yet.")
    source: Minor = Field(description="By the source's figures.")
    ledger: Minor = Field(description="In the books.")
    difference: Minor = Field(description="ledger - source.")
    verdict: str = Field(description="AGREES, SYNC_LAG or BREAK.")


@shows(CarbonDay)
class CarbonDayView(ViewModel):
    """Whether a day's grams are what the source says."""

    verdict: str = Field(description="The worst of figures and bills: BREAK, SYNC_LAG, AGREES; NOTHING where no energy was recorded.")
    final: bool = Field(description="The source's time for changes is over, and it was heard since.")
    break_at: datetime = Field(description="From then on what differs is a break.")
    lines: list[CarbonLineView]
    billing: str = Field(description="AGREES, SYNC_LAG or BREAK against the source's bills; NOTHING where none speaks of the day.")
    bill_days: list[BilledDayView] = Field(description="What the bills say of the day.")


@shows(GridRegion)
class GridRegionView(ViewModel):
    """The grid region of a place."""


@shows(IntensityPoint, hidden=("period", "value"))
class IntensityView(ViewModel):
    """Marginal intensity."""

    pounds_per_mwh: str = Field(description="Pounds of CO2 that one more megawatt-hour emits, as the source says.", examples=["870.5"])


class ForecastView(ViewModel):
    """What is to come, and when it is least."""

    region: str
    generated_at: datetime | None
    cleanest_at: datetime | None = Field(description="When the least is emitted.")
    points: list[IntensityView]


class CreditRequest(Because):
    """Credits that were bought, by their serial numbers."""

    program_id: ProgramId
    registry: Clean = Field(min_length=1, max_length=60, examples=["Verra"])
    series: Clean = Field(min_length=1, max_length=100, description="Of the registry.", examples=["VCS-191-2025"])
    first_serial: Serial
    last_serial: Serial = Field(description="The last one, included.", examples=[100])
    grams_each: int = Field(1_000_000, ge=1, le=10**12, description="That one serial stands for; a tonne.")
    vintage: int = Field(ge=1990, le=2200, examples=[2025])
    reference: Clean = Field(min_length=1, max_length=200, examples=["order 81"])


@shows(CarbonCredit)
class CreditView(ViewModel):
    """Credits that were bought."""

    retired: int = Field(description="How many of its serials are retired.")


@shows(CarbonCredit)
class CreditBought(WriteResult):
    """They are booked."""


class RetireRequest(Because):
    """Serials to retire: they never move again."""

    credit_id: str = Field(pattern=r"^credit_[0-9A-HJKMNP-TV-Z]{26}$", examples=["credit_01KA0000000000000000000000"])
    first_serial: Serial
    last_serial: Serial = Field(description="The last one, included.", examples=[10])
    agent_id: AgentIn | None = Field(None, description="For whose emissions; absent: the house's.")


@shows(CarbonRetirement)
class RetirementView(ViewModel):
    """Serials that were retired."""

    grams: Minor


@shows(CarbonRetirement)
class CreditsRetired(WriteResult):
    """They never move again."""

    grams: Minor


@router.post("/carbon/energy", status_code=201, response_model=EnergyImported, operation_id="carbon_import_energy", summary="Record energy")
def energy(body: EnergyRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """What agents used, where and when. A reference that is known and says the same is left as it is; one that says something else is
    refused, and all of the request with it."""

    def act(conn: Connection[Any]) -> Done:
        records = [NewEnergy(**one.model_dump()) for one in body.records]
        made = import_energy(conn, body.program_id, records, make_id=call.make_id, actor=call.actor, now=call.now)
        return Done(body.program_id, EnergyImported.of(made), 201)

    return call.write("carbon.energy", act, asked=body)


@router.post("/carbon/syncs", status_code=201, response_model=CarbonSynced, operation_id="carbon_sync", summary="Ask the source of carbon")
def sync(body: SyncRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Asks what is due, and posts the grams. Nothing changes by itself once a day's window is over: what differs then is a break, and
    forcing that day, with a reason, has it posted."""
    if call.dry_run:
        raise InvalidInput("dryRun", "a sync asks another server: run it")
    if body.force and body.date_ is not None and not body.reason:
        raise InvalidInput("reason", "a reason: what is posted after the window changes a figure that was final")
    wiring = call.services.wiring
    wanted = SyncWanted(call.actor, body.force, body.date_, body.reason)

    def act() -> Done:
        made = sync_carbon(call.services.database, wiring.carbon, wanted, make_id=call.make_id, clock=wiring.clock)
        return Done(made.id, CarbonSynced.of(made), 201)

    return call.write_outside("carbon.sync", act, asked=body)


@router.get("/carbon/syncs", response_model=Paged[CarbonSyncView], operation_id="carbon_list_syncs", summary="List carbon syncs")
def syncs(call: Annotated[ApiCall, may(READ)], page: PageWanted, asked: Annotated[ListAsked, list_query(SYNC_LIST)]) -> Response:
    """When the source was asked, and what came of it; newest first, unless sorted otherwise."""
    return answer_listed(call, page, SYNC_LIST, asked, CarbonSyncView)


@router.get("/carbon/verify", response_model=CarbonDayView, operation_id="carbon_check", summary="Verify carbon of a day")
def verify(
    call: Annotated[ApiCall, may(READ)],
    on: Annotated[Day, Query(alias="date", description="The day, UTC.")],
    program_id: OneProgram = None,
) -> Response:
    """The grams in the books against the source's figures. Lag first, then a break; a day without energy is no green one."""
    with call.reading() as conn:
        found = verify_day(conn, call.services.wiring.carbon, on, now=call.now, program_id=program_id)
    return answer(CarbonDayView.of(found))


@router.get("/carbon/forecast", response_model=ForecastView, operation_id="carbon_show_forecast", summary="Show a region's forecast")
def forecast(
    call: Annotated[ApiCall, may(READ)],
    region: Annotated[str, Query(pattern=r"^[A-Z0-9_]{2,40}$", examples=["CAISO_NORTH"])],
    hours: Annotated[int, Query(ge=1, le=HORIZON_HOURS_MAX)] = 24,
) -> Response:
    """Marginal intensity to come, asked of the source now, and when it is least."""
    found = _source(call).forecast(region, hours=hours)
    least = min(found.points, key=lambda one: (one.value, one.at), default=None)
    points = [IntensityView(at=one.at, pounds_per_mwh=str(one.value)) for one in found.points]  # type: ignore[call-arg]
    shown = ForecastView(region=region, generated_at=found.generated_at, cleanest_at=least and least.at, points=points)
    return answer(shown)


@router.get("/carbon/region", response_model=GridRegionView, operation_id="carbon_show_region", summary="Show the region of a place")
def region(
    call: Annotated[ApiCall, may(READ)],
    latitude: Annotated[str, Query(pattern=r"^-?[0-9]{1,2}(\.[0-9]{1,8})?$", examples=["37.7749"])],
    longitude: Annotated[str, Query(pattern=r"^-?[0-9]{1,3}(\.[0-9]{1,8})?$", examples=["-122.4194"])],
) -> Response:
    """As the source draws its regions."""
    return answer(GridRegionView.of(_source(call).region(latitude, longitude)))


@router.post("/carbon/credits", status_code=201, response_model=CreditBought, operation_id="carbon_buy", summary="Record credits bought")
def buy(body: CreditRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """By their serials; each serial of a registry's series is bought once."""
    new = NewCredit(**body.model_dump(exclude={"program_id", "reason"}))

    def act(conn: Connection[Any]) -> Done:
        made = buy_credits(conn, call.make_id("credit"), body.program_id, new, reason=body.reason, actor=call.actor, now=call.now)
        return Done(made.id, CreditBought.of(made), 201)

    return call.write("carbon.buy", act, asked=body, reason=body.reason)


@router.get("/carbon/credits", response_model=Paged[CreditView], operation_id="carbon_list_credits", summary="List carbon credits")
def credits_(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(CREDIT_LIST)],
    program_id: OneProgram = None,
) -> Response:
    """What was bought, newest first unless sorted otherwise, and how much of it is retired."""
    return answer_listed(call, page, CREDIT_LIST, asked._replace(program_id=program_id), CreditView)


@router.post("/carbon/retirements", status_code=201, response_model=CreditsRetired, operation_id="carbon_retire", summary="Retire credits")
def retire(body: RetireRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """For the emissions of an agent, or of the house. A serial is retired once, and never moves again."""

    def act(conn: Connection[Any]) -> Done:
        given = body.model_dump()
        made = retire_credits(conn, call.make_id("retire"), given.pop("credit_id"), **given, actor=call.actor, now=call.now)
        return Done(made.id, CreditsRetired.of(made), 201)

    return call.write("carbon.retire", act, asked=body, reason=body.reason)


@router.get(
    "/carbon/retirements", response_model=Paged[RetirementView], operation_id="carbon_list_retirements", summary="List carbon retirements"
)
def retirements(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(RETIREMENT_LIST)],
    program_id: OneProgram = None,
) -> Response:
    """What was retired, newest first unless sorted otherwise."""
    return answer_listed(call, page, RETIREMENT_LIST, asked._replace(program_id=program_id), RetirementView)


def _source(call: ApiCall) -> CarbonSource:
    found = call.services.wiring.carbon.source
    if found is None:
        raise CarbonNotSetUp
    return found

"""Programs, their assets, their fee rates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import AssetCode, Clean, Instant, Minor, ProgramId
from counterfoil.api.http.lists import Listing, PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.money import RATE_MAX_BPS, Asset
from counterfoil.ledger.accounts.accounts import SCALE_MAX, open_program
from counterfoil.ledger.reads.listing import ListedProgram, list_programs, show_program
from counterfoil.operations.access.access import ADMINISTER, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.settlement.fees.fees import RATE_LIST, RateVersion, list_rates, set_rates, version_now
from counterfoil.settlement.fees.rules import FeeLimit

router = routes("Programs")
_MINOR = "^[0-9]{1,18}$"
Rate = Annotated[int, Field(ge=0, le=RATE_MAX_BPS, description="Hundredths of a percent.")]


class AssetIn(RequestModel):
    """What money is counted in; `scale` decimals make one major unit."""

    code: AssetCode
    scale: int = Field(ge=0, le=SCALE_MAX, examples=[2])


class AssetView(ViewModel):
    """An asset and its decimals."""

    code: str
    scale: int


class AssetsView(ViewModel):
    """Every asset that books are kept in."""

    data: list[AssetView]


class ProgramRequest(RequestModel):
    """A program to open. Opening one that is open adds the assets it does not have yet."""

    id: ProgramId
    name: Clean = Field(min_length=1, max_length=200, examples=["Main program"])
    assets: list[AssetIn] = Field(min_length=1, max_length=100)


@shows(ListedProgram)
class ProgramView(ViewModel):
    """A program and the assets it keeps books in."""

    assets: list[AssetView]


PROGRAMS = Listing("programs", ProgramView)


class ProgramOpened(ProgramView, WriteResult):
    """It is open."""


class FeeLimitShape(RequestModel):
    """What the platform's fee is besides its rate, in one asset: `fixed` is added, then it is at least `minimum` and at most `maximum`."""

    asset: AssetCode
    fixed: str = Field("0", pattern=_MINOR, description="Minor units.", examples=["30"])
    minimum: str = Field("0", pattern=_MINOR, description="Minor units.", examples=["50"])
    maximum: str | None = Field(None, pattern=_MINOR, description="Minor units; absent: none.", examples=["100000"])


@shows(FeeLimit)
class FeeLimitView(ViewModel):
    """What the platform's fee is besides its rate, in one asset."""

    fixed: Minor
    minimum: Minor
    maximum: Minor | None


class RatesRequest(RequestModel):
    """The next version of a program's rates; together at most 100 %."""

    platform_bps: Rate = Field(examples=[500])
    validator_bps: Rate = Field(examples=[100])
    holdback_bps: Rate = Field(0, examples=[0])
    holdback_days: int = Field(30, ge=0, le=3650, description="How long a holdback is kept.", examples=[30])
    effective_at: Instant | None = Field(None, description="Settlements from this moment on use it; absent: from now on.")
    limits: list[FeeLimitShape] = Field(default_factory=list, max_length=100)


@shows(RateVersion)
class RatesView(WriteResult):
    """One version of a program's rates, in hundredths of a percent."""

    holdback_days: int = Field(description="How long a holdback is kept.")
    effective_at: datetime = Field(description="Settlements from this moment on use it, until the next version's.")
    limits: list[FeeLimitView]


def _fields(one: ListedProgram) -> dict[str, Any]:
    return {**one._asdict(), "assets": [AssetView(code=code, scale=scale) for code, scale in one.assets]}


@router.post("/programs", status_code=201, response_model=ProgramOpened, operation_id="program_open", summary="Open a program")
def create(body: ProgramRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Opens a book for each asset. An asset's scale is fixed when it is first used."""
    assets = [Asset(one.code, one.scale) for one in body.assets]

    def act(conn: Connection[Any]) -> Done:
        open_program(conn, body.id, name=body.name, assets=assets, now=call.now)
        return Done(body.id, ProgramOpened(**_fields(show_program(conn, body.id))), 201)

    return call.write("program.open", act, asked=body)


@router.get("/programs", response_model=Paged[ProgramView], operation_id="program_list", summary="List programs")
def programs(call: Annotated[ApiCall, may(READ)], page: PageWanted) -> Response:
    """By id."""
    return PROGRAMS.answer(call, page, list_programs, lambda one: ProgramView(**_fields(one)))


@router.get("/assets", response_model=AssetsView, operation_id="asset_list", summary="List assets")
def assets(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Every asset that books are kept in, with the decimals that make one major unit, by code."""
    with call.reading() as conn:
        found = known_assets(conn)
    return answer(AssetsView(data=[AssetView(code=one.code, scale=one.scale) for one in found.values()]))


@router.post(
    "/programs/{program_id}/rates", status_code=201, response_model=RatesView, operation_id="fee_rates_set", summary="Set fee rates"
)
def add_rates(program_id: ProgramId, body: RatesRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Adds a version: settlements from its moment on use it, earlier ones keep theirs."""

    def act(conn: Connection[Any]) -> Done:
        made = set_rates(
            conn,
            program_id,
            platform_bps=body.platform_bps,
            validator_bps=body.validator_bps,
            holdback_bps=body.holdback_bps,
            holdback_days=body.holdback_days,
            limits=[_limit(one) for one in body.limits],
            effective_at=body.effective_at,
            actor=call.actor,
            now=call.now,
        )
        (shown,) = list_rates(conn, program_id, rows_max=1, before=made.version + 1)
        return Done(program_id, _rates_shown(shown), 201)

    return call.write("rates.set", act, asked=body)


@router.get("/programs/{program_id}/rates", response_model=RatesView, operation_id="fee_rates_show", summary="Show fee rates")
def rates(program_id: ProgramId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """The version that settlements use now."""
    with call.reading() as conn:
        return answer(_rates_shown(version_now(conn, program_id, now=call.now)))


@router.get(
    "/programs/{program_id}/rates/versions",
    response_model=Paged[RatesView],
    operation_id="fee_rates_list",
    summary="List versions of fee rates",
)
def rate_versions(
    program_id: ProgramId, call: Annotated[ApiCall, may(READ)], page: PageWanted, asked: Annotated[ListAsked, list_query(RATE_LIST)]
) -> Response:
    """The newest first unless sorted otherwise; one that is to come is among them. A program that is not there is none without rates."""
    with call.reading() as conn:
        show_program(conn, program_id)
    return answer_listed(call, page, RATE_LIST, asked._replace(program_id=program_id), RatesView, _rates_shown)


def _limit(one: FeeLimitShape) -> FeeLimit:
    return FeeLimit(one.asset, int(one.fixed), int(one.minimum), None if one.maximum is None else int(one.maximum))


def _rates_shown(one: RateVersion) -> RatesView:
    return RatesView(**one._asdict() | {"limits": FeeLimitView.each(one.limits)})

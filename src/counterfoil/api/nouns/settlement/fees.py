"""Fees recomputed: what each settlement of a range paid, beside what the rates that were in force say."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import Instant, Minor, ProgramId
from counterfoil.api.http.lists import LIMIT, Cursor, Limit
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.base.paging import Keyset
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import READ
from counterfoil.settlement.fees.recomputing import FeeRecomputed, FeeTotal, fee_totals, recompute_fees

router = routes("Fees")
FEES = Keyset("fees", (datetime, str))


@shows(FeeRecomputed)
class FeeRecomputedView(ViewModel):
    """A settlement's fees as they were taken, and as they are by the version that was in force; minor units."""

    gross: Minor
    rate_version: int = Field(description="That was used, and is kept with the settlement.")
    version_in_force: int | None = Field(description="When it was settled; null: none was.")
    platform_fee: Minor
    due_platform_fee: Minor | None
    validator_fee: Minor
    due_validator_fee: Minor | None
    holdback: Minor
    due_holdback: Minor | None
    net: Minor
    due_net: Minor | None
    differs: bool = Field(description="A figure or the version is another.")


@shows(FeeTotal)
class FeeTotalView(ViewModel):
    """All settlements of the range in one asset; minor units."""

    platform_fee: Minor
    due_platform_fee: Minor
    validator_fee: Minor
    due_validator_fee: Minor


class FeesRecomputedView(ViewModel):
    """What each settlement is by the rates that were in force, and with the first page the totals of the whole range."""

    start_time: datetime
    end_time: datetime
    totals: list[FeeTotalView] | None = Field(description="Null with every page but the first, and where they were not asked for.")
    data: list[FeeRecomputedView]
    next_cursor: str | None


@router.get("/fees/recomputed", response_model=FeesRecomputedView, operation_id="fee_list_recomputed", summary="Recompute fees")
def recomputed(
    call: Annotated[ApiCall, may(READ)],
    start_time: Annotated[Instant, Query(alias="startTime")],
    end_time: Annotated[Instant, Query(alias="endTime", description="Not included.")],
    program_id: Annotated[ProgramId | None, Query(alias="programId")] = None,
    differing: Annotated[bool, Query(description="Only settlements that differ; the totals are of all.")] = False,
    totals: Annotated[bool, Query(description="With the first page, the totals of the whole range.")] = True,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Of every settlement of a range, in the order of their time. Changes nothing."""
    if end_time <= start_time:
        raise InvalidInput("endTime", "later than startTime")
    at = FEES.after(cursor)
    after = (at[0], str(at[1])) if at and isinstance(at[0], datetime) else None
    with call.reading() as conn:
        rows = recompute_fees(
            conn, start=start_time, end=end_time, program_id=program_id, rows_max=limit + 1, after=after, differing_only=differing
        )
        summed = fee_totals(conn, start=start_time, end=end_time, program_id=program_id) if totals and cursor is None else None
    page = FEES.page(rows, limit, lambda row: (row.at, row.settlement_id))
    return answer(
        FeesRecomputedView(
            start_time=start_time,
            end_time=end_time,
            totals=None if summed is None else FeeTotalView.each(summed),
            data=FeeRecomputedView.each(page.rows),
            next_cursor=page.next_cursor,
        )
    )

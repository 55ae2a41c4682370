"""Service levels and trends."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.integrity.levels import Level, service_levels
from counterfoil.integrity.trends import DAYS, DAYS_MAX, PayoutDay, ProcessingDay, QueueHour, Trends, trends
from counterfoil.operations.access.access import READ

router = routes("Service levels")


@shows(Level)
class LevelView(ViewModel):
    """An objective, what was kept of it in the last 30 days, and how fast its budget is used up."""

    target: float = Field(description="The share of all that must be good.")
    verdict: str = Field(description="kept, missed, or not_measured.")
    kept: float | None = Field(description="The share that was good; null where nothing was measured.")
    budget_used: float | None = Field(description="Of the share that may be bad: 1 is all of it. Null without a budget, or unmeasured.")
    burn: dict[str, float | None] = Field(
        description="By window (5m, 30m, 1h, 6h, 3d): how many times faster than it lasts the budget is used; null where nothing happened."
    )
    burning: str | None = Field(description="The alert that follows: 14.4 times over 1h and 5m, 6 times over 6h and 30m, 1 over 3d and 6h.")


class LevelsView(ViewModel):
    """Every objective."""

    data: list[LevelView]


@shows(ProcessingDay)
class ProcessingDayView(ViewModel):
    """A day of intents, in seconds from the customer's payment to the completion."""


@shows(QueueHour)
class QueueHourView(ViewModel):
    """An hour of the day (UTC) and a queue, over the minutes that were measured."""

    minutes_measured: int = Field(description="Of 60 for each of the hours: the others nobody measured.")


@shows(PayoutDay)
class PayoutDayView(ViewModel):
    """A day of batches by their approval, in hours from approval to execution."""

    late: int = Field(description="Executed after more than 24 hours, or not yet.")


@shows(Trends)
class TrendsView(ViewModel):
    """What was measured in the span."""

    processing: list[ProcessingDayView]
    queues: list[QueueHourView]
    payouts: list[PayoutDayView]


@router.get("/admin/slo", response_model=LevelsView, operation_id="service_level_list", summary="List the service levels")
def levels(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Availability, intents, the ledger's accuracy, and payouts, over the last 30 days. What was not measured is not kept."""
    with call.reading() as conn:
        rows = service_levels(conn, now=call.now)
    return answer(LevelsView(data=LevelView.each(rows)))


@router.get("/admin/trends", response_model=TrendsView, operation_id="trend_list", summary="List the trends")
def show_trends(
    call: Annotated[ApiCall, may(READ)],
    days: Annotated[int, Query(ge=1, le=DAYS_MAX, description="How many days, today with them.")] = DAYS,
) -> Response:
    """How long intents took by day, how deep queues were by the hour of the day, and how late payouts went out by day."""
    with call.reading() as conn:
        found = trends(conn, days=days, now=call.now)
    return answer(TrendsView.of(found))

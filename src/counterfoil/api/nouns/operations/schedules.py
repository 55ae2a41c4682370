"""Schedules: when each is due, every moment of it that came, how its work ended, and those that nobody took."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, answer, shows
from counterfoil.api.nouns.reconciliation.run_schemas import ScheduleView
from counterfoil.operations.access.access import READ
from counterfoil.operations.listing import ListAsked
from counterfoil.reconciliation.runs.schedule import set_schedules
from counterfoil.reconciliation.runs.slot_ends import MOMENT_LIST, ScheduleRun, schedules

router = routes("Schedules")


class SchedulesView(ViewModel):
    """Every schedule that a worker wants."""

    data: list[ScheduleView]
    measured_at: datetime


@shows(ScheduleRun)
class ScheduleRunView(ViewModel):
    """A moment of a schedule, or `missed` ones in a row that nobody took."""

    at: datetime = Field(description="The moment; of missed ones the last.")
    first_at: datetime = Field(description="The same, and of missed ones the first.")
    missed: int = Field(description="How many moments passed with nobody there, counted up to 1,000; 0 for one that was taken.")
    taken_at: datetime = Field(description="When it was taken; of missed ones, when somebody noticed.")
    taken_by: str = Field(description="The worker that took it; of missed ones, the one that noticed.")
    ended_at: datetime | None = Field(description="null: its work has not ended.")


@router.get("/admin/ops/schedules", response_model=SchedulesView, operation_id="schedule_list", summary="List schedules")
def list_(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Each with its last moment, who took that, how its work ended, and when it is due next."""
    with call.reading() as conn:
        found = schedules(conn, set_schedules(conn), now=call.now)
    return answer(SchedulesView(data=ScheduleView.each(found), measured_at=call.now))


@router.get(
    "/admin/ops/schedules/runs",
    response_model=Paged[ScheduleRunView],
    operation_id="schedule_list_runs",
    summary="List the runs of schedules",
)
def runs(call: Annotated[ApiCall, may(READ)], page: PageWanted, asked: Annotated[ListAsked, list_query(MOMENT_LIST)]) -> Response:
    """Every moment that came, the newest first unless sorted otherwise: who took it and how its work ended, and each that nobody took."""
    return answer_listed(call, page, MOMENT_LIST, asked, ScheduleRunView)

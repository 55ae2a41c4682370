"""Asking for a drill, and how each stands; everything else of drills is derived from their noun."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Instant, id_in_body
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.drills.drills import Drill, ask_for_drill, refuse_impossible, standings
from counterfoil.operations.access.access import OPERATE, READ

router = routes("Drills")


class DrillRequest(RequestModel):
    """Which drill."""

    name: str = Field(max_length=40, examples=["restore"], description="`GET /api/drills/standing` names those that there are.")
    backup_id: str | None = id_in_body("bkp", None, description="Of `restore`: which backup; the newest, if absent.")
    recover_to: Instant | None = Field(None, description="Of `recovery`: the moment to go to; the last that can be reached, if absent.")


@shows(Drill)
class DrillAsked(WriteResult):
    """A drill that waits for a worker."""


class DrillStandingView(ViewModel):
    """A drill that there is: what it does, how it went last, and until when it must pass again."""

    name: str
    title: str
    says: str
    days: int = Field(description="It is due so many days after it passed.")
    last_id: str | None
    last_state: str | None
    last_finished_at: datetime | None
    last_error: str | None
    passed_at: datetime | None
    due_at: datetime | None
    overdue: bool


class DrillStandings(ViewModel):
    """Every drill."""

    data: list[DrillStandingView]


@router.post("/drills", status_code=202, response_model=DrillAsked, operation_id="drill_create", summary="Ask for a drill")
def ask(body: DrillRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """A worker runs it soon, on its own machine, never against a live provider. One of a kind at a time."""

    def act(conn: Connection[Any]) -> Done:
        made = ask_for_drill(
            conn,
            call.make_id("drl"),
            body.name,
            backup_id=body.backup_id,
            recover_to=body.recover_to,
            actor=call.actor,
            now=call.now,
        )
        refuse_impossible(conn, body.backup_id, body.recover_to, now=call.now)
        return Done(made.id, DrillAsked.model_validate(made._asdict()), 202)

    return call.write("drill.ask", act, asked=body)


@router.get("/drills/standing", response_model=DrillStandings, operation_id="drill_standing_list", summary="How each drill stands")
def standing(call: Annotated[ApiCall, may(READ)]) -> Response:
    """What each does, how it went last, and when it is due."""
    with call.reading() as conn:
        found = standings(conn)
    return answer(
        DrillStandings(
            data=[
                DrillStandingView(
                    **one.kind._asdict(),
                    last_id=one.last.id if one.last else None,
                    last_state=one.last.state if one.last else None,
                    last_finished_at=one.last.finished_at if one.last else None,
                    last_error=one.last.error if one.last else None,
                    passed_at=one.passed_at,
                    due_at=one.due_at,
                    overdue=one.due_at is not None and one.due_at < call.now,
                )
                for one in found
            ]
        )
    )

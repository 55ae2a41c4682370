"""The state of the installation: is it alive, do the books of every program agree, is work being done?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import Call, may, services_of
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Minor, Shown, answer
from counterfoil.api.nouns.operations.operations import QueueShown, WorkerShown, queues_shown, workers_shown
from counterfoil.api.nouns.settlement.intents import TimesShown, times_shown
from counterfoil.base.postgres.fitness import check_database
from counterfoil.ledger.reads.listing import book_totals
from counterfoil.operations.access.access import READ

router = routes("Operations")
alive = routes("Operations", prefix="")
BOOKS_MAX = 500


class BookShown(Shown):
    """One program's books in one asset: all debits, all credits, and their difference, which is 0 or something is very wrong."""

    program_id: str
    asset: str
    accounts: int
    debits: Minor
    credits: Minor
    difference: Minor
    balanced: bool


class StatusShown(Shown):
    """The whole picture, measured at one moment."""

    books: list[BookShown]
    workers: list[WorkerShown]
    queues: list[QueueShown]
    processing: TimesShown
    measured_at: datetime


class CheckShown(Shown):
    """One thing that was looked at: how it is (good, warning or bad), and what to do about it."""

    what: str
    how: str
    said: str
    do: str


class DatabaseShown(Shown):
    """Is the server's database fit to keep money?"""

    checks: list[CheckShown]
    measured_at: datetime


class Alive(Shown):
    """The server answers, and its database answers it."""

    status: str = Field(examples=["ok"])
    version: str


@router.get(
    "/admin/reconciliation/status", response_model=StatusShown, summary="Books, workers, queues, processing times"
)
def status(
    call: Annotated[Call, may(READ)],
    program_id: Annotated[str | None, Query(alias="programId", max_length=64)] = None,
) -> Response:
    """Every figure is read in one transaction, now."""
    now = call.now
    with call.reading() as conn:
        books = [
            BookShown(**one._asdict(), balanced=one.difference == 0)
            for one in book_totals(conn, rows_max=BOOKS_MAX, program_id=program_id)
        ]
        return answer(
            StatusShown(
                books=books,
                workers=workers_shown(conn, now),
                queues=queues_shown(conn, now),
                processing=times_shown(conn, now=now, stuck_after=call.services.stuck_after),
                measured_at=now,
            )
        )


@router.get("/admin/database", response_model=DatabaseShown, summary="Is the server's database fit to keep money?")
def database(call: Annotated[Call, may(READ)]) -> Response:
    """Version, durability, login, rights, migrations and clock, as this server's own connection sees them now."""
    with call.reading() as conn:
        checks = [CheckShown(**one._asdict()) for one in check_database(conn, now=call.now)]
        return answer(DatabaseShown(checks=checks, measured_at=call.now))


@alive.get("/healthz", response_model=Alive, summary="Is the server alive?")
def healthz(request: Request) -> Response:
    """200 when the database answers, 503 when it does not. Needs no key, and tells nothing else."""
    services = services_of(request)
    with services.database.transaction(read_only=True) as conn:
        conn.execute("select 1")
    return answer(Alive(status="ok", version=services.version))

"""The state of the installation: is it alive, do the books of every program agree, is work being done?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may, services_of
from counterfoil.api.http.fields import Minor, ProgramFilter
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.api.nouns.operations.operations import QueueView, WorkerView, queues_shown, workers_shown
from counterfoil.api.nouns.settlement.intents import TimesView, times_shown
from counterfoil.base.encryption.keys import keys_of
from counterfoil.base.encryption.standing import check_encryption
from counterfoil.base.postgres.fitness import Check, check_database
from counterfoil.ledger.reads.listing import book_totals
from counterfoil.operations.access.access import READ
from counterfoil.wiring import CONFIDENTIAL

router = routes("Operations")
alive = routes("Operations", prefix="")
BOOKS_MAX = 500


class BookView(ViewModel):
    """One program's books in one asset: all debits, all credits, and their difference, which is 0 or something is very wrong."""

    program_id: str
    asset: str
    accounts: int
    debits: Minor
    credits: Minor
    difference: Minor
    balanced: bool


class StatusView(ViewModel):
    """The whole picture, measured at one moment."""

    books: list[BookView]
    workers: list[WorkerView]
    queues: list[QueueView]
    processing: TimesView
    measured_at: datetime


@shows(Check)
class CheckView(ViewModel):
    """One thing that was looked at: how it is (good, warning or bad), and what to do about it."""

    how: str


class DatabaseView(ViewModel):
    """Is the server's database fit to keep money?"""

    checks: list[CheckView]
    measured_at: datetime


class Alive(ViewModel):
    """The server answers, and its database answers it."""

    status: str = Field(examples=["ok"])
    version: str


@router.get(
    "/admin/reconciliation/status",
    response_model=StatusView,
    operation_id="status_show",
    summary="Show books, workers, queues and processing times",
)
def status(
    call: Annotated[ApiCall, may(READ)],
    program_id: ProgramFilter = None,
) -> Response:
    """Every figure is read in one transaction, now."""
    now = call.now
    with call.reading() as conn:
        books = [
            BookView(**one._asdict(), balanced=one.difference == 0) for one in book_totals(conn, rows_max=BOOKS_MAX, program_id=program_id)
        ]
        return answer(
            StatusView(
                books=books,
                workers=workers_shown(conn, now),
                queues=queues_shown(conn, now),
                processing=times_shown(conn, now=now, stuck_after=call.services.stuck_after),
                measured_at=now,
            )
        )


@router.get("/admin/database", response_model=DatabaseView, operation_id="database_check", summary="Check the server's database")
def database(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Version, durability, login, rights, migrations and clock, as this server's own connection sees them now."""
    with call.reading() as conn:
        found = [*check_database(conn, now=call.now), check_encryption(conn, CONFIDENTIAL, keys_of(conn))]
        checks = [CheckView(**one._asdict()) for one in found]
        return answer(DatabaseView(checks=checks, measured_at=call.now))


@alive.get("/healthz", response_model=Alive, operation_id="health_ping", summary="Check that the server is alive")
def healthz(request: Request) -> Response:
    """200 when the database answers, 503 when it does not. Needs no key, and tells nothing else."""
    services = services_of(request)
    with services.database.transaction(read_only=True) as conn:
        conn.execute("select 1")
    return answer(Alive(status="ok", version=services.version))

"""Who came in and who did not: logins, failures, refusals; with address and key, for the auditor."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import Day
from counterfoil.api.http.lists import Listing, PageWanted
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, shows
from counterfoil.operations.access.access import AUDIT
from counterfoil.operations.access.audit_records import AuditFilter, AuditRecord, Happening, list_audit_records
from counterfoil.operations.access.records import AccessEvent, list_access

router = routes("People")


@shows(AccessEvent)
class AccessView(ViewModel):
    """Somebody came in, failed to, or was refused."""

    kind: Happening
    name: str = Field(description="As it was given; empty where only a key came.")
    address: str = Field(description="The peer's, or whom a trusted proxy named.")
    path: str = Field(description="The route, with the names of its parts.")
    needs: str | None = Field(description="The permission that was missing.")


@shows(AuditRecord)
class AuditRecordView(ViewModel):
    """An action, a login or a refusal."""

    actor: str = Field(description="Who it was, as every record names them; empty where nobody is known.")
    role: str = Field(description="The roles it was done with; empty at the door.")
    what: str = Field(description="The verb of an action, or what happened at the door.")
    subject: str = Field(description="The thing that an action was of, or the route that was asked for.")
    outcome: Literal["done", "failed", "refused"]
    address: str = Field(description="Where it came from; empty where that was not kept.")
    needs: str | None = Field(description="The permission that was missing.")


RECORDS = Listing("audit_records", AuditRecordView, lambda row: (row.at, row.id), (datetime, str))
EVENTS = Listing("access", AccessView, lambda row: (row.at, row.id), (datetime, str))


@router.get("/access", response_model=Paged[AccessView], operation_id="access_list", summary="List logins, failures and refusals")
def events(
    call: Annotated[ApiCall, may(AUDIT)],
    page: PageWanted,
    kind: Annotated[Happening | None, Query()] = None,
) -> Response:
    """Newest first. The same refusal of the same key is recorded once a minute and process."""
    return EVENTS.answer(call, page, partial(list_access, kind=kind))


@router.get("/audit/records", response_model=Paged[AuditRecordView], operation_id="audit_list", summary="List actions, logins and refusals")
def records(
    call: Annotated[ApiCall, may(AUDIT)],
    page: PageWanted,
    about: Annotated[Literal["actions", "logins", "refusals"] | None, Query()] = None,
    who: Annotated[str | None, Query(max_length=120, description="A name, or the id of a key.")] = None,
    subject: Annotated[str | None, Query(max_length=120, description="The id of the thing that actions were of.")] = None,
    since: Annotated[Day | None, Query(description="From this day on, in UTC.")] = None,
    until: Annotated[Day | None, Query(description="Until the end of this day, in UTC.")] = None,
) -> Response:
    """Everything that people and keys did, and what they were refused, newest first, with key, address and outcome."""
    return RECORDS.answer(call, page, partial(list_audit_records, narrowed=AuditFilter(about, who, subject, since, until)))

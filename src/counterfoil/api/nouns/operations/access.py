"""Who came in and who did not: logins, failures, refusals; with address and key, for the auditor."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, shows
from counterfoil.operations.access.access import AUDIT
from counterfoil.operations.access.audit_records import ACCESS_LIST, AUDIT_LIST, AuditRecord, Happening
from counterfoil.operations.access.records import AccessEvent
from counterfoil.operations.listing import ListAsked

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


@router.get("/access", response_model=Paged[AccessView], operation_id="access_list", summary="List logins, failures and refusals")
def events(
    call: Annotated[ApiCall, may(AUDIT)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(ACCESS_LIST)],
) -> Response:
    """What happened at the door. The same refusal of the same key is recorded once a minute and process."""
    return answer_listed(call, page, ACCESS_LIST, asked, AccessView)


@router.get("/audit/records", response_model=Paged[AuditRecordView], operation_id="audit_list", summary="List actions, logins and refusals")
def records(
    call: Annotated[ApiCall, may(AUDIT)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(AUDIT_LIST)],
) -> Response:
    """Everything that people and keys did, and what they were refused, with key, address and outcome."""
    return answer_listed(call, page, AUDIT_LIST, asked, AuditRecordView)

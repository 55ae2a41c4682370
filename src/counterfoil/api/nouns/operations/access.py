"""Who came in and who did not: logins, failures, refusals; with address and key, for the auditor."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.lists import Listing, PageWanted
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, shows
from counterfoil.operations.access.access import AUDIT
from counterfoil.operations.access.records import AccessEvent, list_access

router = routes("People")
Happening = Literal[
    "login",
    "login_failed",
    "login_limited",
    "logout",
    "key_refused",
    "refused",
    "password_changed",
    "password_reset",
    "factor_added",
    "factor_removed",
    "recovery_used",
    "session_ended",
]


@shows(AccessEvent)
class AccessView(ViewModel):
    """Somebody came in, failed to, or was refused."""

    kind: Happening
    name: str = Field(description="As it was given; empty where only a key came.")
    address: str = Field(description="The peer's, or whom a trusted proxy named.")
    path: str = Field(description="The route, with the names of its parts.")
    needs: str | None = Field(description="The permission that was missing.")


EVENTS = Listing("access", AccessView, lambda row: (row.at, row.id), (datetime, str))


@router.get("/access", response_model=Paged[AccessView], operation_id="access_list", summary="List logins, failures and refusals")
def events(
    call: Annotated[ApiCall, may(AUDIT)],
    page: PageWanted,
    kind: Annotated[Happening | None, Query()] = None,
) -> Response:
    """Newest first. The same refusal of the same key is recorded once a minute and process."""
    return EVENTS.answer(call, page, partial(list_access, kind=kind))

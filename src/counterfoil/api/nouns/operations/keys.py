"""API keys: made, listed, rotated, revoked. A secret is shown once and kept nowhere."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.derived.acts import ActTold, add_act
from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, WriteResult, shows
from counterfoil.operations.access.access import AUDIT, ApiKey
from counterfoil.operations.access.acts import CREATE_KEY, REVOKE_KEY, ROTATE_KEY
from counterfoil.operations.access.key_list import KEY_LIST
from counterfoil.operations.access.rotation import KeyRotated
from counterfoil.operations.listing import ListAsked

router = routes("Keys")


@shows(ApiKey)
class KeyView(ViewModel):
    """A key, never its secret; `hint` is its last four characters."""

    principal_id: str = Field(description="Whose it is.")
    program_id: str | None = Field(description="It sees this program only; null for every one.")
    scopes: list[str] | None = Field(description="What of its role it may; null for all of it.")
    before_until: datetime | None = Field(
        description="Until then the secret of before its last rotation opens, too; null where it was never rotated."
    )


class KeyMade(KeyView, WriteResult):
    """A new key. `secret` is in this answer alone: a repetition with the same Idempotency-Key does not have it."""

    secret: str | None = None


@shows(KeyRotated)
class KeyRotatedView(WriteResult):
    """A key with a new secret, whose last four characters are `hint`. `secret` is in this answer alone."""

    before_until: datetime = Field(description="From then on the secret of before opens nothing.")
    secret: str | None = None


class KeyRevoked(WriteResult):
    """It ended."""

    id: str


@router.get("/keys", response_model=Paged[KeyView], operation_id="key_list", summary="List API keys")
def keys(call: Annotated[ApiCall, may(AUDIT)], page: PageWanted, asked: Annotated[ListAsked, list_query(KEY_LIST)]) -> Response:
    """The newest first, unless sorted otherwise."""
    return answer_listed(call, page, KEY_LIST, asked, KeyView)


add_act(router, CREATE_KEY, ActTold(KeyMade, lambda _, done: KeyMade.of(done.made), 201, "secret"))
add_act(router, ROTATE_KEY, ActTold(KeyRotatedView, lambda _, done: KeyRotatedView.of(done.made), 200, "secret"))
add_act(router, REVOKE_KEY, ActTold(KeyRevoked, lambda _, done: KeyRevoked(id=done.subject_id)))

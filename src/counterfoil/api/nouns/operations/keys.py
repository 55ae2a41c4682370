"""API keys: made, listed, revoked. A secret is shown once and kept nowhere."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from fastapi import Request
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, Instant, ProgramId, id_in_path
from counterfoil.api.http.lists import Listing, PageWanted
from counterfoil.api.http.routing import routes, scopes_of
from counterfoil.api.http.schemas import BY_TWO, Because, Paged, RequestModel, ViewModel, WriteResult, shows
from counterfoil.base.edge import entropy
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import (
    ADMINISTER,
    AUDIT,
    SECRET_BYTES,
    ApiKey,
    create_key,
    list_keys,
    new_secret,
    revoke_key,
)
from counterfoil.operations.access.principals import NAME_MAX, find_principal, valid_name
from counterfoil.operations.access.scopes import SCOPE, SCOPES_MAX
from counterfoil.operations.by_two import ProposedVerb

router = routes("Keys")
Role = Literal["viewer", "operator", "approver", "controller", "auditor", "administrator"]


class KeyRequest(RequestModel):
    """A key to make."""

    name: Clean = Field(min_length=1, max_length=NAME_MAX, examples=["billing service"])
    role: Role = Field(examples=["operator"])
    expires_at: Instant | None = Field(None, description="Never, if absent.")
    principal_id: str | None = Field(
        None, pattern="^prn_[0-9A-HJKMNP-TV-Z]{26}$", description="Whose it is; a new service of this name, if absent."
    )
    program_id: ProgramId | None = Field(None, description="It sees this program only; every one, if absent.")
    scopes: list[Annotated[str, Field(max_length=80, pattern=f"^{SCOPE}$")]] | None = Field(
        None,
        min_length=1,
        max_length=SCOPES_MAX,
        description="What of its role it may: `x-scope` of each operation, and `pages:read` for the pages. All of it, if absent.",
        examples=[["payouts:read"]],
    )
    live: bool = Field(True, description="`cf_live_…` or `cf_test_…`: so that a key tells where it belongs.")


@shows(ApiKey)
class KeyView(ViewModel):
    """A key, never its secret; `hint` is its last four characters."""

    principal_id: str = Field(description="Whose it is.")
    program_id: str | None = Field(description="It sees this program only; null for every one.")
    scopes: list[str] | None = Field(description="What of its role it may; null for all of it.")


class KeyMade(KeyView, WriteResult):
    """A new key. `secret` is in this answer alone: a repetition with the same Idempotency-Key does not have it."""

    secret: str | None = None


class KeyRevoked(WriteResult):
    """It ended."""

    id: str


@router.post("/keys", status_code=201, response_model=KeyMade, responses=BY_TWO, operation_id="key_create", summary="Create an API key")
def create(body: KeyRequest, request: Request, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Takes two administrators. The secret is shown once, here, to whoever proposed the key, when it is approved."""
    if body.expires_at is not None and body.expires_at <= call.now:
        raise InvalidInput("expiresAt", "later than now", got=body.expires_at.isoformat())
    if unknown := sorted(set(body.scopes or ()) - (known := scopes_of(request.app.routes))):
        near = get_close_matches(unknown[0], sorted(known), n=5, cutoff=0)
        raise InvalidInput("scopes", f"scopes of the reference of the API, such as {', '.join(near)}", got=unknown[0])
    secret = new_secret(entropy(SECRET_BYTES), live=body.live)

    def act(conn: Connection[Any]) -> Done:
        key_id = call.make_id("key")
        made = create_key(
            conn,
            key_id,
            secret,
            name=body.name,
            role=body.role,
            by=call.actor,
            now=call.now,
            expires_at=body.expires_at,
            principal_id=body.principal_id,
            program_id=body.program_id,
            scopes=body.scopes,
        )
        return Done(key_id, KeyMade.of(made), 201, {} if call.dry_run else {"secret": secret})

    name, program_id = valid_name(body.name), _program_of(body, call)
    payload = {**body.model_dump(mode="json", by_alias=True), "name": name, "programId": program_id}
    payload["scopes"] = sorted(set(body.scopes)) if body.scopes else None
    said = ProposedVerb("api_key", "create", f"key:{name}", payload, program_id)
    return call.by_two("key.create", act, said, asked=body, reason=f"a key for {body.name}")


def _program_of(body: KeyRequest, call: ApiCall) -> str | None:
    """Which program the key will see: that of its person or service, if they see only one."""
    if body.principal_id is None:
        return body.program_id
    with call.reading() as conn:
        return find_principal(conn, body.principal_id).program_id or body.program_id


KEYS: Final = Listing("keys", KeyView)


@router.get("/keys", response_model=Paged[KeyView], operation_id="key_list", summary="List API keys")
def keys(call: Annotated[ApiCall, may(AUDIT)], page: PageWanted) -> Response:
    """The newest first."""
    return KEYS.answer(call, page, list_keys)


@router.post("/keys/{key_id}/revoke", response_model=KeyRevoked, operation_id="key_revoke", summary="Revoke an API key")
def revoke(key_id: Annotated[str, id_in_path("key")], body: Because, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """It ends at once on this process and within two seconds on every other."""

    def act(conn: Connection[Any]) -> Done:
        revoke_key(conn, key_id, now=call.now)
        return Done(key_id, KeyRevoked(id=key_id))

    done = call.write("key.revoke", act, asked=body, reason=body.reason)
    call.services.keys.forget()
    return done

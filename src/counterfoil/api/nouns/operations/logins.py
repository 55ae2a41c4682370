"""Logins: a person's name and password for a token of an hour. It goes where an API key goes, and it alone may approve."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field, SecretStr

from counterfoil.api.http.calls import ApiCall, Done, may, services_of
from counterfoil.api.http.doorman import address_in
from counterfoil.api.http.fields import Clean
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer
from counterfoil.base.edge import entropy
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import READ, SECRET_BYTES, close_session_of
from counterfoil.operations.access.logins import LOGIN_LIFE, SALT_BYTES, LoginRefused, check_login, log_in
from counterfoil.operations.access.principals import NAME_MAX

router = routes("Logins")


class LoginRequest(RequestModel):
    """Who logs in. A one-time secret is a password that only sets `newPassword`."""

    name: Clean = Field(min_length=1, max_length=NAME_MAX, examples=["mira"])
    password: SecretStr = Field(min_length=1, max_length=200)
    new_password: SecretStr | None = Field(None, min_length=1, max_length=200)


class LoggedIn(ViewModel):
    """A login. `token` is in this answer alone, and goes into `Authorization: Bearer …`."""

    name: str
    roles: list[str]
    program_id: str | None
    token: str
    expires_at: datetime


class LoginEnded(WriteResult):
    """It opens nothing any more."""

    id: str


@router.post("/logins", status_code=201, response_model=LoggedIn, operation_id="login_create", summary="Log in")
def create(body: LoginRequest, request: Request) -> Response:
    """A token for one hour. Every try is recorded; after some that failed, the name or the address waits."""
    services = services_of(request)
    now = services.wiring.clock()
    services.doorman.refuse_if_many(request, body.name)
    new = body.new_password.get_secret_value() if body.new_password else None
    try:
        with services.database.transaction() as conn:
            found = check_login(conn, body.name, body.password.get_secret_value(), now=now, new_password=new, salt=entropy(SALT_BYTES))
            caller, token = log_in(conn, services.wiring.make_id("ses"), entropy(SECRET_BYTES), found, now=now, address=address_in(request))
    except LoginRefused:
        services.doorman.login_failed(request, body.name)
        raise
    services.doorman.logged_in(request, caller)
    roles = [one for one in caller.role.split("+") if one]
    told = LoggedIn(name=caller.name, roles=roles, program_id=caller.program_id, token=token, expires_at=now + LOGIN_LIFE)
    return answer(told, 201)


@router.post("/logins/end", response_model=LoginEnded, operation_id="login_end", summary="Log out")
def end(request: Request, call: Annotated[ApiCall, may(READ)]) -> Response:
    """The login that this request came with ends now."""

    def act(conn: Connection[Any]) -> Done:
        session_id = call.caller.session_id
        if session_id is None:
            raise InvalidInput("authorization", "the token of a login; a key is revoked", got="an API key")
        close_session_of(conn, session_id, now=call.now)
        return Done(session_id, LoginEnded(id=session_id))

    done = call.write("login.end", act)
    call.services.doorman.logged_out(request, call.caller)
    call.services.keys.forget()
    return done

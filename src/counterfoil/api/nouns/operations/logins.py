"""Logins: a person's name and password for a token of an hour. It goes where an API key goes, and it alone may approve."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field, SecretStr

from counterfoil.api.http.calls import ApiCall, Done, may, services_of
from counterfoil.api.http.doorman import address_in, agent_in
from counterfoil.api.http.fields import Clean, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.edge import entropy
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import READ, SECRET_BYTES, Caller
from counterfoil.operations.access.logins import LOGIN_LIFE, log_in, new_login_token
from counterfoil.operations.access.passwords import SALT_BYTES
from counterfoil.operations.access.principals import NAME_MAX
from counterfoil.operations.access.sessions import OpenSession, close_session_of, end_session, open_sessions, renew_session

router = routes("Logins")
SessionId = Annotated[str, id_in_path("ses")]


class LoginRequest(RequestModel):
    """Who logs in. A one-time secret is a password that only sets `newPassword`. `code`: of who has a second factor."""

    name: Clean = Field(min_length=1, max_length=NAME_MAX, examples=["mira"])
    password: SecretStr = Field(min_length=1, max_length=200)
    new_password: SecretStr | None = Field(None, min_length=1, max_length=200)
    code: SecretStr | None = Field(None, min_length=1, max_length=40, description="A one-time code, or a recovery code.")


class CodeRequest(RequestModel):
    """The code of a second factor, once more."""

    code: SecretStr = Field(min_length=1, max_length=40, description="A one-time code, or a recovery code.")


@shows(OpenSession)
class SessionView(ViewModel):
    """A session that opens something now, never its token."""

    key_name: str | None = Field(description="The key that opened it; null for a person's own login.")
    agent: str = Field(description="The program that opened it, in its own words.")
    idle_ends_at: datetime | None = Field(description="When it ends if nobody uses it; null: as late as it ends at all.")
    factor_until: datetime | None = Field(description="Until then its second factor is fresh enough to approve.")


class SessionList(ViewModel):
    """Open sessions, the newest first; no more than 50 are shown."""

    data: list[SessionView]


class LoggedIn(ViewModel):
    """A login. `token` is in this answer alone, and goes into `Authorization: Bearer …`."""

    name: str
    roles: list[str]
    program_id: str | None
    program_roles: dict[str, list[str]] = Field(description="Roles in single programs, by program.")
    token: str
    expires_at: datetime


class LoginEnded(WriteResult):
    """It opens nothing any more."""

    id: str


@router.post("/logins", status_code=201, response_model=LoggedIn, operation_id="login_create", summary="Log in")
def create(body: LoginRequest, request: Request) -> Response:
    """A token for one hour. Every try is recorded; after some that failed, the name or the address waits, longer each time."""
    services = services_of(request)
    made: list[tuple[Caller, str, datetime]] = []

    def opens(conn: Connection[Any], found: Caller) -> None:
        session_id, now = services.wiring.make_id("ses"), services.wiring.clock()
        where: dict[str, Any] = {"address": address_in(request), "agent": agent_in(request), "now": now}
        made.append((*log_in(conn, session_id, entropy(SECRET_BYTES), found, rules=services.session_rules, **where), now + LOGIN_LIFE))

    given: dict[str, Any] = {"code": _plain(body.code), "new_password": _plain(body.new_password), "salt": entropy(SALT_BYTES)}
    services.doorman.person(request, body.name, body.password.get_secret_value(), **given, opens=opens)
    caller, token, ends = made[0]
    services.doorman.logged_in(request, caller)
    return answer(_logged_in(caller, token, ends), 201)


@router.post("/logins/confirm", response_model=LoggedIn, operation_id="login_confirm", summary="Give the second factor again")
def confirm(body: CodeRequest, request: Request, call: Annotated[ApiCall, may(READ, own=True)]) -> Response:
    """The same login under a new token, in which a second factor is fresh enough to approve; the old token opens nothing any more."""
    services = call.services
    if call.caller.session_id is None:
        raise InvalidInput("authorization", "the token of a login", got="an API key")
    found = services.doorman.code_again(request, call.caller, body.code.get_secret_value())
    token = new_login_token(entropy(SECRET_BYTES))
    with services.database.transaction() as conn:
        ends = renew_session(
            conn,
            found,
            call.make_id("ses"),
            token,
            None,
            now=call.now,
            rules=services.session_rules,
            address=address_in(request),
            agent=agent_in(request),
        )
    services.keys.forget()
    return answer(_logged_in(found, token, ends))


@router.get("/logins", response_model=SessionList, operation_id="login_list", summary="List one's own sessions")
def sessions(call: Annotated[ApiCall, may(READ, own=True)]) -> Response:
    """Those of whoever asks that open something now, of pages and of the command line."""
    with call.reading() as conn:
        found = open_sessions(conn, call.caller.principal_id, now=call.now)
    return answer(SessionList(data=[SessionView.of(one) for one in found]))


@router.post("/logins/end", response_model=LoginEnded, operation_id="login_end", summary="Log out")
def end(request: Request, call: Annotated[ApiCall, may(READ, own=True)]) -> Response:
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


@router.post("/logins/{session_id}/end", response_model=LoginEnded, operation_id="login_revoke", summary="End one of one's own sessions")
def revoke(session_id: SessionId, request: Request, call: Annotated[ApiCall, may(READ, own=True)]) -> Response:
    """It opens nothing from now on: at once in this process, within two seconds in every other."""

    def act(conn: Connection[Any]) -> Done:
        end_session(conn, call.caller.principal_id, session_id, now=call.now)
        return Done(session_id, LoginEnded(id=session_id))

    done = call.write("login.revoke", act)
    call.services.doorman.happened(request, "session_ended", call.caller)
    call.services.keys.forget()
    return done


def _logged_in(caller: Caller, token: str, ends: datetime) -> LoggedIn:
    roles = [one for one in caller.role.split("+") if one]
    of_programs = {program: held.split("+") for program, held in sorted(caller.programs.items())}
    return LoggedIn(name=caller.name, roles=roles, program_id=caller.program_id, program_roles=of_programs, token=token, expires_at=ends)


def _plain(given: SecretStr | None) -> str | None:
    return given.get_secret_value() if given else None

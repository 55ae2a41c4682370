"""People and services: who may act, and in which roles. What gives somebody power takes two administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.derived.acts import ActTold, add_act
from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import id_in_path
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, WriteResult, answer, shows
from counterfoil.api.nouns.operations.logins import SessionList, SessionView
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import AUDIT, READ
from counterfoil.operations.access.acts import (
    ADD_PERSON,
    END_LOGINS,
    END_PRINCIPAL,
    GRANT_ROLE,
    LINK_LOGIN,
    PERSON_ACTS,
    RESET_LOGIN,
    REVOKE_ROLE,
    STOP_SECOND,
    UNLINK_LOGIN,
)
from counterfoil.operations.access.administering.enough import CannotBeDone
from counterfoil.operations.access.administering.second import SecondAdministrator, announced
from counterfoil.operations.access.logins import RoleHeld
from counterfoil.operations.access.oidc.attempts import LoginSubject, subjects_of
from counterfoil.operations.access.principals import PRINCIPAL_LIST, Principal, find_principal
from counterfoil.operations.access.sessions import open_sessions
from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.listing import ListAsked
from counterfoil.wiring import cannot_be_done_now

router = routes("People")
PrincipalId = Annotated[str, id_in_path("prn")]


@shows(RoleHeld)
class RoleHeldView(ViewModel):
    """A role in one program."""

    program_id: str


class PrincipalView(ViewModel):
    """A person or a service; roles are a person's, a service's stand on its keys."""

    id: str
    kind: Literal["person", "service"]
    name: str
    program_id: str | None
    roles: list[str] = Field(description="In every program that they see.")
    program_roles: list[RoleHeldView] = Field(description="In single programs.")
    created_by: str
    created_at: datetime
    disabled_at: datetime | None


@shows(CannotBeDone)
class LackingView(ViewModel):
    """What nobody can do as things stand."""

    short: str = Field(description="In a few words.")
    said: str = Field(description="In full, with the first of what cannot be done.")
    do: str = Field(description="What changes it.")


class LackingList(ViewModel):
    """What nobody can do as things stand, the gravest first."""

    data: list[LackingView]


@shows(SecondAdministrator)
class SecondAdministratorView(ViewModel):
    """Somebody who was announced as an administrator at the server's machine, since one alone could agree with nobody."""

    state: Literal["announced", "due", "begun", "stopped", "lapsed"] = Field(description="announced and due may still be stopped.")
    begins_at: datetime = Field(description="From then on the same command makes them an administrator.")
    lapses_at: datetime = Field(description="And until then.")


class SecondAdministratorList(ViewModel):
    """Who was announced, the newest first, a hundred at most."""

    data: list[SecondAdministratorView]


class SecondAdministratorStopped(SecondAdministratorView, WriteResult):
    """They do not become an administrator by it."""


class PersonAdded(PrincipalView, WriteResult):
    """A new person. `once` is in this answer alone: with it they choose their password, within 72 hours."""

    once: str | None = None


class PersonReset(PrincipalView, WriteResult):
    """They choose a new password with `once`, which is in this answer alone, within 72 hours."""

    once: str | None = None


class PrincipalChanged(PrincipalView, WriteResult):
    """It is changed."""


@shows(LoginSubject)
class SubjectView(ViewModel):
    """Somebody at the provider who is a person here."""

    subject: str = Field(description="As the provider names them.")


class SubjectList(ViewModel):
    """A person's subjects, the newest first."""

    data: list[SubjectView]


class SubjectLinked(SubjectView, WriteResult):
    """It is linked."""


class SubjectUnlinked(WriteResult):
    """It opens nothing any more."""

    id: str


class SessionsEnded(WriteResult):
    """How many sessions ended."""

    id: str
    ended: int


def _fields(conn: Connection[Any], one: Principal) -> dict[str, Any]:
    held = logins.grants_of(conn, one.id)
    of_one = [RoleHeldView.of(each) for each in held if each.program_id is not None]
    return {**one._asdict(), "roles": [each.role for each in held if each.program_id is None], "program_roles": of_one}


@router.get("/people", response_model=Paged[PrincipalView], operation_id="person_list", summary="List people and services")
def people(call: Annotated[ApiCall, may(AUDIT)], page: PageWanted, asked: Annotated[ListAsked, list_query(PRINCIPAL_LIST)]) -> Response:
    """The newest first, unless sorted otherwise."""

    def with_roles(conn: Connection[Any], rows: Sequence[Principal]) -> list[PrincipalView]:
        return [PrincipalView(**_fields(conn, one)) for one in rows]

    return answer_listed(call, page, PRINCIPAL_LIST, asked, PrincipalView, beside=with_roles)


@router.get(
    "/people/lacking",
    response_model=LackingList,
    operation_id="person_lacking_list",
    summary="List what takes two people and lacks one",
)
def lacking(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Of all that takes two people by its declaration, and of the payout policies in force: what nobody can do as things stand, since too
    few people who may have a way to log in. Nothing, where there are enough."""
    issuer = call.services.wiring.login_issuer
    with call.reading() as conn:
        return answer(LackingList(data=[LackingView.of(one) for one in cannot_be_done_now(conn, call.now, issuer=issuer)]))


@router.get(
    "/people/seconds",
    response_model=SecondAdministratorList,
    operation_id="person_second_list",
    summary="List administrators who were announced",
)
def seconds(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Who was announced at the server's machine where one administrator was left alone, and what became of it: the newest hundred."""
    with call.reading() as conn:
        return answer(SecondAdministratorList(data=[SecondAdministratorView(**_second(one, call.now)) for one in announced(conn)]))


@router.get(
    "/people/{principal_id}/logins", response_model=SessionList, operation_id="person_login_list", summary="List a person's sessions"
)
def sessions(principal_id: PrincipalId, call: Annotated[ApiCall, may(AUDIT)]) -> Response:
    """Those that open something now, of pages and of the command line; no more than 50."""
    with call.reading() as conn:
        find_principal(conn, principal_id)
        found = open_sessions(conn, principal_id, now=call.now)
    return answer(SessionList(data=[SessionView.of(one) for one in found]))


@router.get(
    "/people/{principal_id}/subjects", response_model=SubjectList, operation_id="person_subject_list", summary="List a person's subjects"
)
def subjects(principal_id: PrincipalId, call: Annotated[ApiCall, may(AUDIT)]) -> Response:
    """Who they are at the provider that people log in by, also what has ended; the newest hundred."""
    with call.reading() as conn:
        find_principal(conn, principal_id)
        found = subjects_of(conn, principal_id)
    return answer(SubjectList(data=[SubjectView.of(one) for one in found]))


def _second(one: SecondAdministrator, now: datetime) -> dict[str, Any]:
    return {**one._asdict(), "state": one.state(now)}


def _added(one: ActCall, done: ActDone) -> PersonAdded:
    return PersonAdded(**_fields(one.conn, done.made))


def _reset(one: ActCall, _: ActDone) -> PersonReset:
    return PersonReset(**_fields(one.conn, find_principal(one.conn, one.subject_id)))


def _changed(one: ActCall, _: ActDone) -> PrincipalChanged:
    return PrincipalChanged(**_fields(one.conn, find_principal(one.conn, one.subject_id)))


TOLD: Final[Mapping[Act, ActTold]] = {
    ADD_PERSON: ActTold(PersonAdded, _added, 201, "once"),
    GRANT_ROLE: ActTold(PrincipalChanged, _changed),
    REVOKE_ROLE: ActTold(PrincipalChanged, _changed),
    END_LOGINS: ActTold(SessionsEnded, lambda one, done: SessionsEnded(id=one.subject_id, ended=done.made)),
    RESET_LOGIN: ActTold(PersonReset, _reset, 200, "once"),
    LINK_LOGIN: ActTold(SubjectLinked, lambda _, done: SubjectLinked.of(done.made), 201),
    UNLINK_LOGIN: ActTold(SubjectUnlinked, lambda one, _: SubjectUnlinked(id=one.taken["link_id"])),
    END_PRINCIPAL: ActTold(PrincipalChanged, _changed),
    STOP_SECOND: ActTold(SecondAdministratorStopped, lambda one, done: SecondAdministratorStopped(**_second(done.made, one.now))),
}
for _act in (ADD_PERSON, STOP_SECOND, *PERSON_ACTS):
    add_act(router, _act, TOLD[_act])

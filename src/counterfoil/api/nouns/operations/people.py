"""People and services: who may act, and in which roles. What gives somebody power takes two administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import Request
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, ProgramId, id_in_path
from counterfoil.api.http.lists import Listing, PageWanted
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Because, Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.api.nouns.operations.logins import SessionList, SessionView
from counterfoil.base.edge import entropy
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import ADMINISTER, AUDIT, SECRET_BYTES
from counterfoil.operations.access.logins import RoleHeld
from counterfoil.operations.access.oidc.attempts import LoginSubject, link_subject, subjects_of, unlink_subject
from counterfoil.operations.access.principals import NAME_MAX, Principal, end_principal, find_principal, list_principals
from counterfoil.operations.access.sessions import end_other_sessions, open_sessions
from counterfoil.operations.by_two import ProposedVerb

router = routes("People")
PrincipalId = Annotated[str, id_in_path("prn")]
OK: Final = 200
Role = Literal["viewer", "operator", "approver", "controller", "auditor", "administrator"]


class PersonRequest(Because):
    """A person to add, without a role."""

    name: Clean = Field(min_length=1, max_length=NAME_MAX, examples=["mira"])
    program_id: ProgramId | None = Field(None, description="They see this program only; every one, if absent.")


class RoleRequest(Because):
    """A role of a person."""

    role: Role
    program_id: ProgramId | None = Field(None, description="In this program only; in every one that they see, if absent.")


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


class PersonAdded(PrincipalView, WriteResult):
    """A new person. `once` is in this answer alone: with it they choose their password, within 72 hours."""

    once: str | None = None


class PersonReset(PrincipalView, WriteResult):
    """They choose a new password with `once`, which is in this answer alone, within 72 hours."""

    once: str | None = None


class PrincipalChanged(PrincipalView, WriteResult):
    """It is changed."""


class SubjectRequest(Because):
    """Who this person is at the provider: the `iss` and the `sub` of the tokens that it makes."""

    issuer: str = Field(min_length=1, max_length=255, pattern="^https?://", examples=["https://login.example"])
    subject: Clean = Field(min_length=1, max_length=255, examples=["248289761001"])


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


PEOPLE: Final = Listing("people", PrincipalView)


class PersonRow(NamedTuple):
    """A person or a service, with what is shown."""

    id: str
    fields: dict[str, Any]


def _fields(conn: Connection[Any], one: Principal) -> dict[str, Any]:
    held = logins.grants_of(conn, one.id)
    of_one = [RoleHeldView.of(each) for each in held if each.program_id is not None]
    return {**one._asdict(), "roles": [each.role for each in held if each.program_id is None], "program_roles": of_one}


@router.get("/people", response_model=Paged[PrincipalView], operation_id="person_list", summary="List people and services")
def people(call: Annotated[ApiCall, may(AUDIT)], page: PageWanted) -> Response:
    """The newest first."""

    def rows(conn: Connection[Any], rows_max: int, after: str | None) -> list[PersonRow]:
        return [PersonRow(one.id, _fields(conn, one)) for one in list_principals(conn, rows_max=rows_max, after=after)]

    return PEOPLE.answer(call, page, rows, lambda row: PrincipalView(**row.fields))


@router.post("/people", status_code=201, response_model=PersonAdded, operation_id="person_add", summary="Add a person")
def add(body: PersonRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Without a role they see nothing; a name like somebody else's is refused."""
    random = entropy(SECRET_BYTES)

    def act(conn: Connection[Any]) -> Done:
        made, once = logins.add_person(
            conn, call.make_id("prn"), random, name=body.name, by=call.actor, now=call.now, program_id=body.program_id
        )
        shown = PersonAdded(**_fields(conn, made))
        return Done(made.id, shown, 201, {} if call.dry_run else {"once": once})

    return call.write("person.add", act, asked=body, reason=body.reason)


@router.post(
    "/people/{principal_id}/roles",
    response_model=PrincipalChanged,
    responses=BY_TWO,
    operation_id="person_grant_role",
    summary="Grant a role",
)
def grant(principal_id: PrincipalId, body: RoleRequest, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """Takes two administrators. Never roles that nobody holds together, such as operator and approver."""

    def act(conn: Connection[Any]) -> Done:
        grant_id = call.make_id("grant")
        logins.grant_role(conn, grant_id, principal_id, body.role, by=call.actor, now=call.now, program_id=body.program_id)
        return Done(principal_id, _changed(conn, principal_id))

    said = ProposedVerb("principal", "grant", principal_id, {"role": body.role, "programId": body.program_id}, body.program_id)
    done = call.by_two("person.grant", act, said, asked=body, reason=body.reason)
    call.services.keys.forget()
    return done


@router.post(
    "/people/{principal_id}/roles/revoke", response_model=PrincipalChanged, operation_id="person_revoke_role", summary="Revoke a role"
)
def revoke(principal_id: PrincipalId, body: RoleRequest, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """It ends at once. The last administrator stays."""

    def act(conn: Connection[Any]) -> Done:
        logins.revoke_role(conn, principal_id, body.role, by=call.actor, now=call.now, program_id=body.program_id)
        return Done(principal_id, _changed(conn, principal_id))

    return _changing(call, "person.revoke", act, body)


@router.post("/people/{principal_id}/end", response_model=PrincipalChanged, operation_id="person_end", summary="End a person or a service")
def end(principal_id: PrincipalId, body: Because, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """None of its keys, logins and passwords opens anything from now on. The last administrator stays."""

    def act(conn: Connection[Any]) -> Done:
        end_principal(conn, principal_id, now=call.now)
        return Done(principal_id, _changed(conn, principal_id))

    return _changing(call, "person.end", act, body)


@router.post(
    "/people/{principal_id}/reset",
    response_model=PersonReset,
    responses=BY_TWO,
    operation_id="person_reset",
    summary="Reset a person's login",
)
def reset(principal_id: PrincipalId, body: Because, request: Request, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """For who lost their password or their second factor. Takes two administrators, for whoever has the secret is that person: password,
    second factor and sessions end, and a one-time secret lets them begin anew."""
    random = entropy(SECRET_BYTES)

    def act(conn: Connection[Any]) -> Done:
        once = logins.reset_person(conn, principal_id, random, now=call.now)
        shown = PersonReset(**_fields(conn, find_principal(conn, principal_id)))
        return Done(principal_id, shown, 200, {} if call.dry_run else {"once": once})

    said = ProposedVerb("principal", "reset", principal_id, {})
    done = call.by_two("person.reset", act, said, asked=body, reason=body.reason)
    if done.status_code == OK and not call.dry_run:
        call.services.doorman.happened(request, "password_reset", call.caller)
    call.services.keys.forget()
    return done


@router.get(
    "/people/{principal_id}/logins", response_model=SessionList, operation_id="person_login_list", summary="List a person's sessions"
)
def sessions(principal_id: PrincipalId, call: Annotated[ApiCall, may(AUDIT)]) -> Response:
    """Those that open something now, of pages and of the command line; no more than 50."""
    with call.reading() as conn:
        find_principal(conn, principal_id)
        found = open_sessions(conn, principal_id, now=call.now)
    return answer(SessionList(data=[SessionView.of(one) for one in found]))


@router.post(
    "/people/{principal_id}/logins/end", response_model=SessionsEnded, operation_id="person_end_logins", summary="End a person's sessions"
)
def end_logins(principal_id: PrincipalId, body: Because, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """All of them, now; they may log in again."""

    def act(conn: Connection[Any]) -> Done:
        find_principal(conn, principal_id)
        ended = end_other_sessions(conn, principal_id, but=None, now=call.now)
        return Done(principal_id, SessionsEnded(id=principal_id, ended=ended))

    return _changing(call, "person.end_logins", act, body)


@router.get(
    "/people/{principal_id}/subjects", response_model=SubjectList, operation_id="person_subject_list", summary="List a person's subjects"
)
def subjects(principal_id: PrincipalId, call: Annotated[ApiCall, may(AUDIT)]) -> Response:
    """Who they are at the provider that people log in by, also what has ended; the newest hundred."""
    with call.reading() as conn:
        find_principal(conn, principal_id)
        found = subjects_of(conn, principal_id)
    return answer(SubjectList(data=[SubjectView.of(one) for one in found]))


@router.post(
    "/people/{principal_id}/subjects",
    status_code=201,
    response_model=SubjectLinked,
    responses=BY_TWO,
    operation_id="person_link_subject",
    summary="Link a subject of the provider",
)
def link(principal_id: PrincipalId, body: SubjectRequest, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """From then on whoever is this subject at the provider logs in as this person. Takes two administrators."""

    def act(conn: Connection[Any]) -> Done:
        made = link_subject(conn, call.make_id("lnk"), principal_id, issuer=body.issuer, subject=body.subject, by=call.actor, now=call.now)
        return Done(made.id, SubjectLinked.of(made), 201)

    said = ProposedVerb("principal", "link", principal_id, {"issuer": body.issuer, "subject": body.subject})
    return call.by_two("person.link_subject", act, said, asked=body, reason=body.reason)


@router.post(
    "/people/{principal_id}/subjects/{link_id}/end",
    response_model=SubjectUnlinked,
    operation_id="person_unlink_subject",
    summary="Unlink a subject of the provider",
)
def unlink(
    principal_id: PrincipalId, link_id: Annotated[str, id_in_path("lnk")], body: Because, call: Annotated[ApiCall, may(ADMINISTER)]
) -> Response:
    """They log in by it no more, and every login of theirs ends."""

    def act(conn: Connection[Any]) -> Done:
        unlink_subject(conn, link_id, principal_id, now=call.now)
        end_other_sessions(conn, principal_id, but=None, now=call.now)
        return Done(principal_id, SubjectUnlinked(id=link_id))

    return _changing(call, "person.unlink_subject", act, body)


def _changed(conn: Connection[Any], principal_id: str) -> PrincipalChanged:
    return PrincipalChanged(**_fields(conn, find_principal(conn, principal_id)))


def _changing(call: ApiCall, verb: str, act: Any, body: RequestModel) -> Response:
    done = call.write(verb, act, asked=body, reason=getattr(body, "reason", None))
    call.services.keys.forget()
    return done

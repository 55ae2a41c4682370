"""People and services: who may act, and in which roles. What gives somebody power takes two administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, ProposedVerb, may
from counterfoil.api.http.fields import Clean, ProgramId, id_in_path
from counterfoil.api.http.lists import Listing, PageWanted
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Because, Paged, RequestModel, ViewModel, WriteResult
from counterfoil.base.edge import entropy
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import ADMINISTER, AUDIT, SECRET_BYTES
from counterfoil.operations.access.principals import NAME_MAX, Principal, end_principal, find_principal, list_principals

router = routes("People")
PrincipalId = Annotated[str, id_in_path("prn")]
Role = Literal["viewer", "operator", "approver", "controller", "auditor", "administrator"]


class PersonRequest(Because):
    """A person to add, without a role."""

    name: Clean = Field(min_length=1, max_length=NAME_MAX, examples=["mira"])
    program_id: ProgramId | None = Field(None, description="They see this program only; every one, if absent.")


class RoleRequest(Because):
    """A role of a person."""

    role: Role


class PrincipalView(ViewModel):
    """A person or a service; `roles` are a person's, a service's stand on its keys."""

    id: str
    kind: Literal["person", "service"]
    name: str
    program_id: str | None
    roles: list[str]
    created_by: str
    created_at: datetime
    disabled_at: datetime | None


class PersonAdded(PrincipalView, WriteResult):
    """A new person. `once` is in this answer alone: with it they choose their password, within 72 hours."""

    once: str | None = None


class PrincipalChanged(PrincipalView, WriteResult):
    """It is changed."""


PEOPLE: Final = Listing("people", PrincipalView)


class PersonRow(NamedTuple):
    """A person or a service, with what is shown."""

    id: str
    fields: dict[str, Any]


def _fields(conn: Connection[Any], one: Principal) -> dict[str, Any]:
    return {**one._asdict(), "roles": logins.roles_of(conn, one.id)}


@router.get("/people", response_model=Paged[PrincipalView], operation_id="person_list", summary="List people and services")
def people(call: Annotated[ApiCall, may(AUDIT)], page: PageWanted) -> Response:
    """The newest first."""

    def rows(conn: Connection[Any], rows_max: int, after: str | None) -> list[PersonRow]:
        return [PersonRow(one.id, _fields(conn, one)) for one in list_principals(conn, rows_max=rows_max, after=after)]

    return PEOPLE.answer(call, page, rows, lambda row: PrincipalView(**row.fields))


@router.post("/people", status_code=201, response_model=PersonAdded, operation_id="person_add", summary="Add a person")
def add(body: PersonRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Without a role they see nothing; a name like somebody else's is refused."""
    random = entropy(SECRET_BYTES + logins.SALT_BYTES)

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
        logins.grant_role(conn, call.make_id("grant"), principal_id, body.role, by=call.actor, now=call.now)
        return Done(principal_id, _changed(conn, principal_id))

    said = ProposedVerb("principal", "grant", principal_id, {"role": body.role})
    done = call.by_two("person.grant", act, said, asked=body, reason=body.reason)
    call.services.keys.forget()
    return done


@router.post(
    "/people/{principal_id}/roles/revoke", response_model=PrincipalChanged, operation_id="person_revoke_role", summary="Revoke a role"
)
def revoke(principal_id: PrincipalId, body: RoleRequest, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """It ends at once. The last administrator stays."""

    def act(conn: Connection[Any]) -> Done:
        logins.revoke_role(conn, principal_id, body.role, by=call.actor, now=call.now)
        return Done(principal_id, _changed(conn, principal_id))

    return _changing(call, "person.revoke", act, body)


@router.post("/people/{principal_id}/end", response_model=PrincipalChanged, operation_id="person_end", summary="End a person or a service")
def end(principal_id: PrincipalId, body: Because, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """None of its keys, logins and passwords opens anything from now on. The last administrator stays."""

    def act(conn: Connection[Any]) -> Done:
        end_principal(conn, principal_id, now=call.now)
        return Done(principal_id, _changed(conn, principal_id))

    return _changing(call, "person.end", act, body)


def _changed(conn: Connection[Any], principal_id: str) -> PrincipalChanged:
    return PrincipalChanged(**_fields(conn, find_principal(conn, principal_id)))


def _changing(call: ApiCall, verb: str, act: Any, body: RequestModel) -> Response:
    done = call.write(verb, act, asked=body, reason=getattr(body, "reason", None))
    call.services.keys.forget()
    return done

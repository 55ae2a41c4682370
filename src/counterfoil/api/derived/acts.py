"""The route of an act, derived from its declaration; and what two people agree on, whichever way it is proposed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import Connection
from pydantic import BaseModel, Field, create_model

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Reason, id_in_path
from counterfoil.api.http.routing import scopes_of
from counterfoil.api.http.schemas import BY_TWO, RequestModel, WriteResult
from counterfoil.api.http.verbs import field_in_body, taken_of
from counterfoil.base.edge import entropy
from counterfoil.base.text import camel
from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.verbs import Field as ActField

PROPOSED: Final = 202
WHY: Final = "Kept in the action log."


class ActTold(NamedTuple):
    """What a route tells of an act: the shape of its answer, how it is made, and the field of what is told once."""

    shape: type[WriteResult]
    show: Callable[[ActCall, ActDone], WriteResult]
    status: int = 200
    secret: str = ""


def add_act(router: APIRouter, act: Act, told: ActTold) -> None:
    """The route of an act."""
    router.post(
        act.path,
        response_model=told.shape,
        status_code=told.status,
        responses=BY_TWO if act.two else None,
        summary=act.label,
        description=act.says,
        operation_id=act.action.replace(".", "_"),
    )(_route(act, told))


def agreed(act: Act, call: ActCall) -> ProposedVerb:
    """What two people agree on: each field of it, as it is settled. Raises InvalidInput."""
    settled, two = act.settled(call), act.two
    taken = settled.taken
    assert two is not None
    ids = {act.subject.name: call.subject_id} if act.subject else {}
    payload = dict(two.agrees(settled)) if two.agrees else {camel(name): value for name, value in written(act, taken).items()}
    return ProposedVerb(two.machine, two.verb, two.about.format(**taken, **ids), payload, taken.get("program_id"))


def written(act: Act, taken: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an act as they are kept: in the action log, in a proposal."""
    return {one.name: _written(one, taken[one.name]) for one in act.takes if one.name not in act.confidential}


def _written(one: ActField, value: Any) -> Any:
    if value is None:
        return [] if one.kind == "tiers" else None  # none of them, which is what is written down, and what two people agree on
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if one.kind == "amount":
        return str(value)
    if one.kind == "tiers":
        return [{"above": str(above), "approvers": approvers} for above, approvers in value]
    return sorted(set(value)) if one.kind == "words" else value


def _route(act: Act, told: ActTold) -> Callable[..., Response]:
    def route(request: Request, body: Any, call: ApiCall, **ids: str) -> Response:
        taken = {one.name: ids[one.name] if act.in_path(one) else taken_of(getattr(body, one.name)) for one in act.takes}
        reason = body.reason or act.because.format(**taken)
        subject_id = ids[act.subject.name] if act.subject else ""
        asked = partial(
            ActCall,
            subject_id=subject_id,
            by=call.caller,
            now=call.now,
            make_id=call.make_id,
            entropy=entropy,
            reason=reason,
            taken=taken,
            scopes=scopes_of(request.app.routes),
            proof_folder=call.services.wiring.proof_folder,
            login_issuer=call.services.wiring.login_issuer,
        )

        def work(conn: Connection[Any]) -> Done:
            one = act.settled(asked(conn))
            done = act.do(one)
            once = {told.secret: done.secret} if done.secret and not call.dry_run else {}
            return Done(done.subject_id, told.show(one, done), told.status, once)

        kept = written(act, taken) | {"reason": reason}
        if act.two is None:
            said = call.write(act.action, work, asked=kept, reason=reason)
        else:
            said = call.by_two(act.action, work, lambda conn: agreed(act, asked(conn)), asked=kept, reason=reason)
        if act.happened and said.status_code != PROPOSED and not call.dry_run:
            call.services.doorman.happened(request, act.happened, call.caller)
        call.services.keys.forget()
        return said

    plain = inspect.Parameter.KEYWORD_ONLY
    ids = [one for one in (*((act.subject,) if act.subject else ()), *act.takes) if act.in_path(one)]
    kinds = {"request": Request, **{one.name: Annotated[str, id_in_path(one.prefix)] for one in ids}, "body": body_of(act)}
    kinds["call"] = Annotated[ApiCall, may(act.permission, key=act.keyed)]
    parameters = [inspect.Parameter(name, plain, annotation=kind) for name, kind in kinds.items()]
    route.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    route.__annotations__ = kinds
    route.of_all = act.whole  # type: ignore[attr-defined]
    return route


def body_of(act: Act) -> type[BaseModel]:
    """The body of an act's request: what of its fields does not stand in the address, and why it is done."""
    fields: dict[str, Any] = {one.name: field_in_body(one) for one in act.takes if not act.in_path(one)}
    why: Any = (Reason, Field(description=WHY)) if not act.because else (Reason | None, Field(None, description=WHY))
    name = camel(f"{act.action.replace('.', '_')}_asked")
    return create_model(name[0].upper() + name[1:], __base__=RequestModel, __doc__=act.effect, **fields, reason=why)

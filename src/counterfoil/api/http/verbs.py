"""Routes of a noun, derived from its declaration: `POST /{plural}/{id}/{verb}` with a body of the verb's own fields; list and show."""

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any, Literal, get_type_hints

from fastapi import APIRouter, Body, Depends
from fastapi.responses import Response
from psycopg import Connection
from pydantic import BaseModel, Field, StringConstraints, create_model

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import (
    Amount,
    AmountFromZero,
    AssetCode,
    Instant,
    LongReason,
    ProgramFilter,
    ProgramId,
    Reason,
    Text,
    id_in_path,
    id_of,
    prose_type,
)
from counterfoil.api.http.history import CUT, history
from counterfoil.api.http.lists import Listing, PageWanted, answer_listed, list_query
from counterfoil.api.http.program_scope import BY_PREFIX
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import (
    ActionView,
    LineRequest,
    Paged,
    RequestModel,
    StepView,
    TierRequest,
    ViewModel,
    WriteResult,
    answer,
    over_the_wire,
)
from counterfoil.base.text import camel
from counterfoil.operations import verbs
from counterfoil.operations.access.access import READ
from counterfoil.operations.listing import ListAsked


class VerbSaid(WriteResult):
    """What came of it."""

    id: str
    state: str = Field(description="After it.")
    made: str | None = Field(None, description="The id of what was made, if anything was.")
    told: str | None = Field(default=None, description="What else came of it, in a sentence.")


class VerbProposed(WriteResult):
    """It waits for a second person: `POST /approvals/{proposal}/approve` with this hash, within 24 hours."""

    id: str
    proposal: str
    payload_sha256: str
    expires_at: datetime


class _Said(RequestModel):
    """What every verb takes."""

    expected_state: Annotated[str | None, Field(max_length=40, description="Refused when it is in another state by now.")] = None


def add_verbs(router: APIRouter, noun: verbs.Noun) -> None:
    """A route for each verb, and for each further address of it."""
    for verb in noun.verbs:
        route = _route(noun, verb)
        for number, path in enumerate((f"/{noun.plural}/{{id}}/{verb.word}", *verb.paths)):
            router.post(
                path,
                response_model=VerbProposed if verb.paired else VerbSaid,
                status_code=202 if verb.paired else 200,
                summary=verb.label,
                description=verb.effect + (" Another person approves it within 24 hours." if verb.paired else ""),
                operation_id=f"{noun.name}_{verb.name}" + ("_alias" * number),
            )(route)


@cache
def noun_routes(noun: verbs.Noun) -> APIRouter:
    """Everything of a noun that has no routes of its own: its list, the thing itself, its verbs. Made once, as the other routes are."""
    router = routes(noun.plural.replace("_", " ").replace("-", " ").capitalize())
    if noun.rows is not None and noun.row is not None:
        _add_reads(router, noun, noun.rows, shape_of(noun.name, noun.row))
    add_verbs(router, noun)
    return router


async def _chosen(program_id: ProgramFilter = None) -> str | None:
    return program_id


async def _of_all() -> str | None:
    return None


def _add_reads(router: APIRouter, noun: verbs.Noun, rows_of: verbs.Rows, shape: type[ViewModel]) -> None:
    plain = Listing(noun.plural, shape)
    parts = [(part, shape_of(part.row.__name__, part.row)) for part in noun.parts]
    more: dict[str, Any] = {part.name: (_list_of(view), ...) for part, view in parts}
    full: Any = create_model(
        f"{shape.__name__}InFull",
        __base__=shape,
        __doc__=f"A {noun.name} with what may be done and what was done.",
        allowed=(list[str], Field(description="What may be done now.")),
        steps=(list[StepView], ...),
        actions=(list[ActionView], ...),
        **more,
        cut=(list[str], Field(description=CUT)),
    )

    listing: Any = Paged[shape]  # type: ignore[valid-type]
    program: Any = Annotated[str | None, Depends(_chosen if noun.prefix in BY_PREFIX else _of_all)]
    asked_query: Any = Annotated[ListAsked, list_query(noun)]

    @router.get(
        f"/{noun.plural}", response_model=listing, summary=f"List {noun.plural.replace('-', ' ')}", operation_id=f"{noun.name}_list"
    )
    def listed(
        call: Annotated[ApiCall, may(READ)],
        page: PageWanted,
        program_id: program,
        asked: asked_query,
    ) -> Response:
        """Newest first, unless another order is asked for."""
        if asked.is_plain:
            return plain.answer(call, page, partial(rows_of, state=asked.state), program_id=program_id)
        return answer_listed(call, page, noun, asked, shape, program_id=program_id)

    @router.get(f"/{noun.plural}/{{id}}", response_model=full, summary=f"Show {a_or_an(noun.name)}", operation_id=f"{noun.name}_show")
    def one(id: Annotated[str, id_in_path(noun.prefix)], call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002
        """With what may be done with it, its steps, and what was done by hand."""
        with call.reading() as conn:
            row = noun.show(conn, id)
            read = [(part.name, view, *part.read(conn, id)) for part, view in parts]
            done = history(conn, id)
            done["cut"] = [camel(name) for name, _, _, is_cut in read if is_cut] + done["cut"]
            return answer(
                full(
                    **row._asdict(),
                    allowed=noun.allowed(conn, id, now=call.now),
                    **done,
                    **{name: [view(**each._asdict()) for each in rows] for name, view, rows, _ in read},
                )
            )


def a_or_an(name: str) -> str:
    """A noun as a sentence names one of it."""
    words = name.replace("_", " ")
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _list_of(shape: Any) -> Any:
    return list[shape]


def shape_of(name: str, row: type[Any]) -> type[ViewModel]:
    """A row type as it goes over the wire: its own fields, amounts as strings of minor units."""
    hints = get_type_hints(row)
    fields: dict[str, Any] = {one: (over_the_wire(one, kind), ...) for one, kind in hints.items()}
    doc = (row.__doc__ or name).split("\n")[0]
    return create_model(f"{name.replace('_', ' ').title().replace(' ', '')}View", __base__=ViewModel, __doc__=doc, **fields)


def _route(noun: verbs.Noun, verb: verbs.Verb) -> Callable[..., Response]:
    shape = body_of(noun, verb)
    given = Body(default_factory=shape) if not any(one.is_required() for one in shape.model_fields.values()) else Body()

    def route(id: str, body: Any, call: ApiCall) -> Response:  # noqa: A002 - the name in the address
        reason = str(getattr(body, "reason", None) or "")
        taken = {one.name: taken_of(getattr(body, one.name)) for one in verb.takes}

        def act(conn: Connection[Any]) -> Done:
            saying = verbs.VerbCall(
                conn,
                id,
                call.caller,
                call.now,
                call.make_id,
                reason,
                taken,
                None,
                call.services.wiring.providers,
                body.expected_state,
            )
            said = verbs.say(noun, verb, saying)
            if isinstance(said, verbs.VerbResult):
                return Done(id, VerbSaid(id=id, state=said.state, made=said.made, told=said.told or None))
            waits = VerbProposed(id=id, proposal=said.id, payload_sha256=said.payload_sha256, expires_at=said.expires_at)
            return Done(id, waits, 202)

        return call.write(f"{noun.name}.{verb.name}", act, asked=body, reason=reason or None)

    route.__annotations__ = {
        "id": Annotated[str, id_in_path(noun.prefix)],
        "body": Annotated[shape, given],
        "call": Annotated[ApiCall, may(verb.permission)],
        "return": Response,
    }
    return route


def taken_of(given: Any) -> Any:
    """A value as a verb or an act takes it: lines as movements, tiers as pairs, a list of nothing as nothing, all else as it is."""
    if not isinstance(given, list):
        return given
    return tuple(_part_taken(one) for one in given) or None


def _part_taken(one: Any) -> Any:
    if isinstance(one, LineRequest):
        return verbs.VerbLine(one.debit, one.credit, one.amount)
    return (one.above, one.approvers) if isinstance(one, TierRequest) else one


def body_of(noun: verbs.Noun, verb: verbs.Verb) -> type[BaseModel]:
    """The body of a verb's request: its fields, its reason, the state in which the thing was seen."""
    fields: dict[str, Any] = {one.name: field_in_body(one) for one in verb.takes}
    if verb.reason:
        fields["reason"] = (LongReason if verb.long_reason else Reason, Field(description="Why. Kept in the action log."))
    name = camel(f"{noun.name}_{verb.name}_asked")
    return create_model(name[0].upper() + name[1:], __base__=_Said, __doc__=verb.effect, **fields)


def field_in_body(one: verbs.Field) -> tuple[Any, Any]:
    """A field as it stands in a request's body: its type with its limits, and what is said of it."""
    examples = [one.example] if one.example and one.kind in ("text", "choice", "prose") else None
    told = f"{one.help} Its lines are kept." if one.kind == "prose" else one.help
    if one.default is not None:
        return _kind(one), Field(one.default, description=told)
    if one.required:
        return _kind(one), Field(description=told, examples=examples)
    return _kind(one) | None, Field(None, description=told, examples=examples)


def _kind(one: verbs.Field) -> Any:
    text = StringConstraints(max_length=one.length_max, pattern=one.pattern or None)
    kinds: dict[str, Any] = {
        "text": Annotated[Text, text],
        "choice": Literal[one.choices or ("",)],
        "moment": Instant,
        "amount": Amount if one.least is None else AmountFromZero,
        "lines": Annotated[list[LineRequest], Field(min_length=1, max_length=verbs.LINES_MAX)],
        "flag": bool,
        "number": Annotated[int, Field(ge=one.least, le=one.most)],
        "words": Annotated[list[Annotated[str, text]], Field(min_length=1, max_length=one.most, examples=[one.example.split()])],
        "id": id_of(one.prefix),
        "program": ProgramId,
        "asset": AssetCode,
        "tiers": Annotated[list[TierRequest], Field(max_length=one.most)],
        "prose": prose_type(one.length_max),
    }
    return kinds[one.kind]

"""What goes over the wire: camelCase names, amounts as strings of whole minor units, nothing unknown accepted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, Self, TypeVar, cast, get_type_hints

from fastapi.responses import Response
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic_core import PydanticCustomError

from counterfoil.api.http.fields import PROBLEM_IN, AccountName, Amount, AmountFromZero, Minor, Reason, limit_of_lines
from counterfoil.audit.actions import Action
from counterfoil.base.machine import Step
from counterfoil.base.problems import check
from counterfoil.base.text import camel
from counterfoil.operations.verbs import AMOUNTS
from counterfoil.payouts.batches.policies import APPROVERS_MAX


class RequestModel(BaseModel):
    """A request's body: what it may hold and nothing else, in camelCase or snake_case."""

    model_config = ConfigDict(alias_generator=camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _text_is_clean(cls, given: Any, about: ValidationInfo) -> Any:
        """The edge of the API: whatever a field is called, no text in it commands a terminal or breaks a record."""
        for text in given if isinstance(given, list) else (given,):
            if isinstance(text, str) and not text.isprintable():
                limit = limit_of_lines(cls.model_fields.get(about.field_name or ""), text)
                if limit is not None:
                    raise PydanticCustomError(PROBLEM_IN, "{limit}", {"limit": limit})
        return given


class ViewModel(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(
        alias_generator=camel,
        validate_by_name=True,
        validate_by_alias=True,
        from_attributes=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
        defer_build=True,  # each when it is first shown: hundreds at the start of every server are a fifth of it
    )

    @classmethod
    def of(cls, row: object) -> Self:
        """From a row of the domain: attributes by their names."""
        return cls.model_validate(row)

    @classmethod
    def each(cls, rows: Iterable[object]) -> list[Self]:
        """From several rows."""
        return [cls.model_validate(row) for row in rows]


View = TypeVar("View", bound=ViewModel)


def over_the_wire(name: str, kind: Any) -> Any:
    """The type of a row's field in an answer: an amount, or none where there may be none, is a string of minor units."""
    if name not in AMOUNTS:
        return kind
    return Minor if kind is int else Minor | None if kind == int | None else kind


def shows(row: type[Any], *, hidden: Collection[str] = ()) -> Callable[[type[View]], type[View]]:
    """A view of a row: its fields in their order, except those `hidden`. The class declares only what is described, computed, or goes
    over the wire in another form (amounts of other names than `AMOUNTS`); all else follows from the row."""

    def derive(view: type[View]) -> type[View]:
        own = {name: (one.annotation, one) for name, one in view.model_fields.items() if name in view.__annotations__}
        kinds = get_type_hints(row, include_extras=True)
        check(set(hidden) <= set(kinds), "what is hidden is a field of the row", view=view.__name__)
        fields: dict[str, Any] = {
            name: own.get(name, (over_the_wire(name, kind), ...)) for name, kind in kinds.items() if name not in hidden
        }
        made: Any = create_model(view.__name__, __base__=view.__bases__, __module__=view.__module__, __doc__=view.__doc__, **fields | own)
        return cast(type[View], made)

    return derive


class WriteResult(ViewModel):
    """The answer to something that wrote. `dryRun`: nothing was written, this is what would have been."""

    dry_run: bool = False


class Proposed(WriteResult):
    """It takes two people and waits for the second: once another person has approved it, ask for the same again."""

    proposal_id: str
    machine: str
    verb: str
    payload_sha256: str = Field(description="What the second person approves.")
    expires_at: datetime
    state: str = Field("proposed", examples=["proposed"])
    told: str | None = Field(default=None, description="What it would lead to, in a sentence.")


class Because(RequestModel):
    """Why a person overrides the machine."""

    reason: Reason = Field(description="Kept in the action log.")


class LineRequest(RequestModel):
    """Move `amount` from the right of one account to the left of another: debit one, credit the other."""

    debit: AccountName
    credit: AccountName
    amount: Amount


class TierRequest(RequestModel):
    """More than `above` minor units takes the approval of so many people."""

    above: AmountFromZero
    approvers: int = Field(ge=1, le=APPROVERS_MAX)


@shows(Step)
class StepView(ViewModel):
    """One step in the history of a thing."""

    from_state: str = Field(description="Empty before the first.")


@shows(Action)
class ActionView(ViewModel):
    """Something a person or a key did by hand."""


BY_TWO: dict[int | str, dict[str, Any]] = {202: {"model": Proposed, "description": "Proposed; it waits for a second person"}}


def found_again(model: type[ViewModel]) -> dict[int | str, dict[str, Any]]:
    """The other answer of a call that makes something: it was there before."""
    return {200: {"model": model, "description": "It was there before: nothing was made"}}


Item = TypeVar("Item", bound=ViewModel)


class Paged(ViewModel, Generic[Item]):
    """A page of a list. `nextCursor` is what to pass as `cursor` for the following page; null on the last."""

    data: Sequence[Item]
    next_cursor: str | None


def answer(shown: ViewModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The shape as JSON; FastAPI does not validate it a second time."""
    body = shown.model_dump_json(by_alias=True)
    return Response(body, status, headers=headers, media_type="application/json")

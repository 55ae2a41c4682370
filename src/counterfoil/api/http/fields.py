"""What stands in bodies, in addresses and in queries: amounts, names, ids, moments; each with its limits and its example."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from counterfoil.base.money import MINOR_MAX, parse_minor
from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import CLEAN, CLEAN_LINES, NO_PLACEHOLDER, is_clean, is_placeholder, prose_of

PROBLEM_IN: Final = "limit_broken"  # the pydantic error that carries an InvalidInput of ours
_AMOUNT: Final = {"type": "string", "format": "minor-units", "pattern": "^[1-9][0-9]{0,18}$", "examples": ["1250"]}
_FROM_ZERO: Final = {"type": "string", "format": "minor-units", "pattern": "^[0-9]{1,19}$", "examples": ["1000000"]}
_DIFFERENCE: Final = {"type": "string", "format": "minor-units", "pattern": "^-?[0-9]{1,19}$", "examples": ["-1250"]}
When = TypeVar("When", date, datetime)
_ID: Final = "[0-9A-HJKMNP-TV-Z]{26}"


def _amount(given: Any) -> int:
    try:
        return parse_minor(given, "amount", most=MINOR_MAX)
    except InvalidInput as problem:
        raise PydanticCustomError(PROBLEM_IN, "{limit}", {"limit": problem.facts["limit"]}) from None


def _amount_or_nothing(given: Any) -> int:
    try:
        return parse_minor(given, "amount", least=0, most=MINOR_MAX)
    except InvalidInput as problem:
        raise PydanticCustomError(PROBLEM_IN, "{limit}", {"limit": problem.facts["limit"]}) from None


def _clean(given: str) -> str:
    if not is_clean(given):
        raise PydanticCustomError(PROBLEM_IN, "{limit}", {"limit": CLEAN})
    return given


def _prose(given: Any) -> Any:
    """Its lines end in one way; that they are clean is looked at where everything is, by what stands in the type."""
    return prose_of(given) if isinstance(given, str) else given


def _no_placeholder(given: str) -> str:
    if is_placeholder(given):
        raise PydanticCustomError(PROBLEM_IN, "{limit}", {"limit": NO_PLACEHOLDER})
    return given


def _instant(given: datetime) -> datetime:
    return _reckoned(given)


def _day(given: date) -> date:
    return _reckoned(given)


def _reckoned(given: When) -> When:
    """Far enough from the ends of the calendar that days can be added and taken off."""
    if not 1900 <= given.year <= 9000:
        raise PydanticCustomError(PROBLEM_IN, "{limit}", {"limit": "a year from 1900 to 9000"})
    return given


Amount = Annotated[int, BeforeValidator(_amount), WithJsonSchema(_AMOUNT)]
AmountFromZero = Annotated[int, BeforeValidator(_amount_or_nothing), WithJsonSchema(_FROM_ZERO)]
Minor = Annotated[int, PlainSerializer(str, return_type=str), WithJsonSchema(_DIFFERENCE)]
Clean = Annotated[str, AfterValidator(_clean)]
Reason = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, strip_whitespace=True),
    AfterValidator(_clean),
    Field(examples=["the bank asked"]),
]
# What people copy out of a bank's page comes with spaces around it; they are taken off here, once, and what is kept, looked up and
# agreed on by two people is the same.
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True), AfterValidator(_clean)]
# Of paragraphs: ends of lines are welcome, and counted after they have become one character each.
TAKES_LINES: Final = "takes lines"
LONG_REASON_MAX: Final = 2_000


def prose_type(most: int) -> Any:
    """The type of a text of paragraphs of so many characters at most."""
    return Annotated[str, StringConstraints(min_length=1, max_length=most), TAKES_LINES, BeforeValidator(_prose)]


if TYPE_CHECKING:
    LongReason = str
else:
    LongReason = Annotated[prose_type(LONG_REASON_MAX), Field(examples=["the bank asked"])]
Reference = Annotated[Text, StringConstraints(max_length=200), AfterValidator(_no_placeholder)]
ProgramId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"), Field(examples=["main"])]
AssetCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,11}$"), Field(examples=["EUR"])]
AccountName = Annotated[Clean, StringConstraints(min_length=1, max_length=200), Field(examples=["payable:payee:acme"])]
Key = Annotated[Clean, StringConstraints(min_length=1, max_length=255)]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,63}$"), Field(examples=["adjustment"])]
Narrative = Annotated[Clean, StringConstraints(max_length=2000)]
Day = Annotated[date, AfterValidator(_day)]
Instant = Annotated[AwareDatetime, AfterValidator(_instant), Field(examples=["2026-11-20T12:00:00Z"])]

EMPTY_ASKS_FOR_NONE: Final = "empty asks for those that have none"  # said beside a parameter; empty, every other one is refused
OneProgram = Annotated[ProgramId | None, Query(alias="programId")]
ProgramFilter = Annotated[str | None, Query(alias="programId", max_length=64)]
StartTime = Annotated[Instant, Query(alias="startTime")]
EndTime = Annotated[Instant, Query(alias="endTime", description="Not included.")]
FileName = Annotated[str, Query(alias="fileName", min_length=1, max_length=200)]


def takes_lines(field: FieldInfo) -> bool:
    """May a text in this field have several lines, as its type says?"""
    parts = [field.metadata, *(getattr(one, "__metadata__", ()) for one in get_args(field.annotation))]
    return any(TAKES_LINES in part for part in parts)


def limit_of_lines(field: FieldInfo | None, text: str) -> str | None:
    """What an unclean text breaks in this field; None of one that is clean there."""
    if field is not None and takes_lines(field):
        return None if is_clean(text, lines=True) else CLEAN_LINES
    return None if is_clean(text) else CLEAN


def id_in_path(prefix: str) -> Any:
    """The path parameter that holds an id of that prefix; anything else is refused before a query runs."""
    return Path(pattern=f"^{prefix}_{_ID}$", examples=[f"{prefix}_01KA0000000000000000000000"])


def id_of(prefix: str) -> Any:
    """The type of an id of that prefix."""
    return Annotated[str, StringConstraints(pattern=f"^{prefix}_{_ID}$"), Field(examples=[f"{prefix}_01KA0000000000000000000000"])]


def id_in_body(prefix: str, default: Any = ..., **more: Any) -> Any:
    """The field of a request that holds an id of that prefix; with a `default` it may be absent."""
    return Field(default, pattern=f"^{prefix}_{_ID}$", examples=[f"{prefix}_01KA0000000000000000000000"], **more)


def refuse_backwards(start_time: datetime, end_time: datetime) -> None:
    """A range ends after it begins. Raises InvalidInput."""
    if end_time <= start_time:
        raise InvalidInput("endTime", "later than startTime")

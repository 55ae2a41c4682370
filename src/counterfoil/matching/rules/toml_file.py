"""Rule sets as TOML files: read with the line of every error, and written back canonically for a run's hash."""

from __future__ import annotations

import hashlib
import re
import tomllib
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.formats.toml_text import parse_toml
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.rules.model import ASSET, Pass, RuleSet
from counterfoil.matching.rules.names import OWN_NAME

_TABLE: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\"'-]+)\s*\]\]?")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")
_AT_LINE: Final = re.compile(r"\(at line (\d+), column (\d+)\)")

FORMS: Final = {
    r"^[a-z][a-z0-9-]{0,39}$": "small letters, digits and hyphens, beginning with a letter, at most 40",
    OWN_NAME: "small letters, digits and underscores, beginning with a letter, at most 40",
    ASSET: "a code in capitals, such as EUR",
}

THEIRS: Final = frozenset(get_args(ErrorType)) - {"value_error"}  # kinds of errors that are told in words of the library

Place = tuple[str | int, ...]


def load_rules(source: Path | str) -> RuleSet:
    """A rule set from a TOML file (a Path) or text (a str). Raises InvalidInput with field, limit and line."""
    name, text = (str(source), _text_of(source)) if isinstance(source, Path) else ("rules", source)
    try:
        given = parse_toml(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line, column = (int(found[1]), int(found[2])) if found else (None, None)
        raise InvalidInput(name, f"valid TOML: {_AT_LINE.sub('', str(error)).strip()}", line=line, column=column) from error
    try:
        return RuleSet.model_validate(given)
    except ValidationError as error:
        raise _first(name, error, lines_of(text)) from error


def _text_of(path: Path) -> str:
    """Raises InvalidInput where there is no such file, or no text in it."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("rules", "a TOML file in UTF-8", file=path.name, byte=error.start) from error
    except OSError as error:
        raise InvalidInput("rules", "a TOML file that can be read", file=str(path), reason=error.strerror or "") from error


def rules_digest(rules: RuleSet) -> str:
    """SHA-256 of what the rules mean: comments, order of keys and defaults left out do not change it."""
    plain = rules.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(canonical_json(plain, ascii_only=True).encode()).hexdigest()


def lines_of(text: str) -> dict[Place, int]:
    """The line of every table and key in a TOML text, by its path; arrays of tables are counted from 0."""
    lines: dict[Place, int] = {}
    count: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := _TABLE.match(line):
            table = _plain(head[2])
            if head[1] == "[[":
                count[table] = count.get(table, -1) + 1
            table = _counted(table, count)
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_plain(key[1])), number)
    return lines


def _plain(dotted: str) -> Place:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _counted(table: Place, count: dict[Place, int]) -> Place:
    """`pass.x` inside the second `[[pass]]` is pass, 1, x."""
    for length in range(len(table), 0, -1):
        if table[:length] in count:
            return (*table[:length], count[table[:length]], *table[length:])
    return table


def _first(name: str, error: ValidationError, lines: dict[Place, int]) -> InvalidInput:
    """The first thing that is wrong, by line; how many more there are is told too."""
    found = [(_line(_place(e["loc"], lines), lines), _place(e["loc"], lines), _in_plain_words(e)) for e in _own(error.errors())]
    line, place, message = min(found, key=lambda each: each[0] or 10**9)
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    field = ".".join(str(part) for part in place) or name
    return InvalidInput(field, message + more, file=name, line=line)


def _own(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without what only follows from another: a list whose one item is wrong is not too short besides."""
    return [e for e in errors if e["type"] != "too_short" or not any(o is not e and o["loc"][: len(e["loc"])] == e["loc"] for o in errors)]


def _in_plain_words(error: ErrorDetails) -> str:
    """What would be right there, without the words of the library that found it."""
    facts, given = error.get("ctx", {}), error["input"]
    match error["type"]:
        case "extra_forbidden":
            known = _names_beside(error["loc"])
            near = get_close_matches(str(error["loc"][-1]), known, 1)
            meant = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}" if known else "no such name"
            return f"a name that is known here; {meant}"
        case "missing":
            return "a value: it is required and not there"
        case "literal_error" | "union_tag_invalid":
            allowed = str(facts.get("expected") or facts.get("expected_tags"))
            return f"one of {allowed.replace(' or ', ', ')}; not {_shown(given.get('kind') if isinstance(given, dict) else given)}"
        case "union_tag_not_found":
            return "`kind`: key, embedded, reversal, group, subset, amount or text"
        case "greater_than_equal":
            return f"{facts['ge']} or more; not {_shown(given)}"
        case "less_than_equal":
            return f"{facts['le']} or less; not {_shown(given)}"
        case "greater_than":
            return f"more than {facts['gt']}; not {_shown(given)}"
        case "less_than":
            return f"less than {facts['lt']}; not {_shown(given)}"
        case "too_short":
            return f"{facts['min_length']} or more of them"
        case "too_long":
            return f"at most {facts['max_length']:,} of them; not {facts['actual_length']:,}"
        case "string_too_short":
            return f"a text of {facts['min_length']} or more characters; not {_shown(given)}"
        case "string_too_long":
            return f"a text of at most {facts['max_length']} characters; not {_shown(given)}"
        case "string_type":
            return f"a text between quotes; not {_shown(given)}"
        case "tuple_type":
            return f"a list, between [ and ]; not {_shown(given)}"
        case "bool_type" | "bool_parsing":
            return f"true or false; not {_shown(given)}"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return f"a whole number; not {_shown(given)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"a table of its own; not {_shown(given)}"
        case "string_pattern_mismatch":
            return f"{FORMS.get(str(facts['pattern']), 'a text of the form ' + str(facts['pattern']))}; not {_shown(given)}"
        case kind if kind.startswith(("date_", "decimal_")) and error["loc"][-1] in ("decimal", "date"):  # either would do
            return f"a figure such as 12.50 or a day such as 2026-03-01; not {_shown(given)}"
        case kind if kind.startswith("date_"):
            return f"a day such as 2026-03-01; not {_shown(given)}"
        case kind if kind in THEIRS:
            return f"another value; not {_shown(given)}"
        case _:  # our own words
            return error["msg"].removeprefix("Value error, ")


def _shown(given: object) -> str:
    return repr(given)[:40]


def _names_beside(loc: tuple[int | str, ...]) -> list[str]:
    """The names that could stand where an unknown one does: those of the table around it."""
    model: type[BaseModel] = RuleSet
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        kinds = {get_args(each.model_fields["kind"].annotation)[0]: each for each in get_args(get_args(Pass)[0])}
        field = next((each for name, each in model.model_fields.items() if part in (name, each.alias)), None)
        inner = kinds.get(part) if field is None else field.annotation
        found = next((each for each in (inner, *get_args(inner)) if isinstance(each, type) and issubclass(each, BaseModel)), None)
        model = found or model
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _place(loc: tuple[int | str, ...], lines: dict[Place, int]) -> Place:
    """pydantic's path without the tags of the union, which stand in no file."""
    if len(loc) > 2 and loc[0] == "pass" and isinstance(loc[1], int) and loc[:3] not in lines:
        return (*loc[:2], *loc[3:])
    return tuple(loc)


def _line(place: Place, lines: dict[Place, int]) -> int | None:
    """The line of the key, or of the nearest table around it."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None

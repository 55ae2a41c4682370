"""Rule sets as TOML files: read with the line of every error, and written back canonically for a run's hash."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.rules.model import RuleSet

_TABLE: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\"'-]+)\s*\]\]?")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")
_AT_LINE: Final = re.compile(r"\(at line (\d+), column (\d+)\)")

Place = tuple[str | int, ...]


def load_rules(source: Path | str) -> RuleSet:
    """A rule set from a TOML file (a Path) or text (a str). Raises InvalidInput with field, limit and line."""
    name, text = (str(source), _text_of(source)) if isinstance(source, Path) else ("rules", source)
    try:
        given = tomllib.loads(text)
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
    found = [(_line(_place(e["loc"], lines), lines), _place(e["loc"], lines), e["msg"]) for e in error.errors()]
    line, place, message = min(found, key=lambda each: each[0] or 10**9)
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    field = ".".join(str(part) for part in place) or name
    return InvalidInput(field, message.removeprefix("Value error, ") + more, file=name, line=line)


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

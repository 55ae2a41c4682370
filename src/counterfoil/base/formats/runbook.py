"""The files that runbooks are written in: TOML, one runbook each, every step with its type. What is wrong is named with its line."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from counterfoil.base.formats.toml_text import parse_toml
from counterfoil.base.problems import InvalidInput

Kind = Literal["checklist", "playbook"]
Type = Literal["check", "query", "action", "wait", "approval", "note"]
Span = Literal["day", "week", "month"]
Owner = Literal["on_call", "treasury_lead", "engineering", "security", "legal"]
FILE_MAX: Final = 100_000
STEPS_MAX: Final = 50
TEXT_MAX: Final = 2_000
QUERY_MAX: Final = 5_000
MINUTES_MAX: Final = 24 * 60
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
ACTION: Final = re.compile(r"[a-z_]+\.[a-z_]+")
GIVEN: Final = ("now", "from", "to", "program", "subject", "started", "alert", "code", "things", "journals")  # what a query may ask for
ALERTS_OWN: Final = "{code}"  # among the codes of a step: the check of the alert that the run answers
PLACES: Final = ("subject", "program", "alert", "code")  # what stands in braces where a step names a thing or a command
OF: Final = "of"  # in braces in a command: what `of` names
OWNERS: Final[Sequence[str]] = get_args(Owner)
_HEAD: Final = ("name", "title", "kind", "about", "owner", "covers", "ordered", "step")
_OF_STEP: Final = ("type", "title", "help", "optional")
# What each type of step takes beside its title; one of the first line of each is needed.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "check": ("checks", "sql", "report", "command", "applies"),
    "query": ("checks", "sql", "report", "applies"),
    "action": ("action", "of", "command", "applies"),
    "wait": ("minutes", "until", "command", "applies"),
    "approval": ("applies",),
    "note": ("command", "applies"),
}
REPORTS: Final = ("reconciliation",)
_TABLE: Final = re.compile(r"\s*\[\[\s*step\s*\]\]")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_AT_LINE: Final = re.compile(r"\(at line (\d+), column (\d+)\)")
_PLACE: Final = re.compile(r"%\((\w*)\)s|%%|%")
_BRACED: Final = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step as it is written. `checks`: codes that must find nothing, of a query those whose findings are shown; `sql`: of a check, a
    query that must find nothing, of a query what is shown; `applies`: a query that finds something where the step is about anything;
    `report`: what is drawn up and kept, and of a check must be reconciled; `action`: the verb that a person says, as the action log has it,
    `of` what: a thing, or a query that finds the things; `command`: how it is typed; `minutes`: at least so many after the step before;
    `until`: a query that finds something once the waiting is over. An `optional` step may be skipped, with a reason. `things`: of a step of
    a run, what `of` found when the run began; None where it narrows nothing."""

    type: Type
    title: str
    help: str = ""
    optional: bool = False
    checks: tuple[str, ...] = ()
    sql: str = ""
    applies: str = ""
    report: str = ""
    action: str = ""
    of: str = ""
    command: str = ""
    minutes: int = 0
    until: str = ""
    things: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook. `owner`: who is asked first; `covers`: the span of time that a run of it is about, the last whole one; `ordered`: a step
    waits for those before it. `sha256` is of the file as it was read, in hex."""

    name: str
    title: str
    kind: Kind
    about: str
    owner: Owner | None
    covers: Span | None
    ordered: bool
    steps: tuple[StepSpec, ...]
    sha256: str


class _File:
    """Where each key stands in a file: of the head under 0, of the n-th step under n."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self._lines = name, dict[tuple[int, str], int]()
        step, inside = 0, ""
        for number, line in enumerate(text.splitlines(), start=1):
            if inside:
                inside = "" if inside in line else inside
                continue
            if _TABLE.match(line):
                step += 1
                self._lines[step, ""] = number
            elif found := _KEY.match(line):
                self._lines.setdefault((step, found[1]), number)
                rest = line[found.end() :]
                inside = next((mark for mark in ('"""', "'''") if rest.count(mark) % 2), "")

    def wrong(self, step: int, key: str, limit: str, got: object = None) -> InvalidInput:
        line = self._lines.get((step, key)) or self._lines.get((step, "")) or 1
        told = {} if got is None else {"got": str(got)[:60]}
        return InvalidInput(key or "step", limit, file=self.name, line=line, **told)


def parse_runbook(text: str, *, file: str, checks: Collection[str] = ()) -> Runbook:
    """The runbook in the text of a file. `checks`: the codes that it may name; none: they are not compared.

    Raises InvalidInput with the file's name, the line, the field and the limit.
    """
    if len(text.encode()) > FILE_MAX:
        raise InvalidInput("file", f"at most {FILE_MAX} bytes", file=file)
    try:
        told = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        said = _AT_LINE.sub("", str(error)).strip()
        raise InvalidInput("file", "TOML", file=file, line=int(at[1]) if at else 1, detail=said) from None
    place = _File(file, text)
    for key in told:
        if key not in _HEAD:
            raise place.wrong(0, key, f"one of {', '.join(_HEAD)}")
    name = _text(place, told, 0, "name", needed=True)
    if not NAME.fullmatch(name):
        raise place.wrong(0, "name", "letters, digits and hyphens, at most 40", name)
    given = told.get("step")
    if not isinstance(given, list) or not 0 < len(given) <= STEPS_MAX or not all(isinstance(one, dict) for one in given):
        raise place.wrong(0, "step", f"1 to {STEPS_MAX} tables [[step]]")
    return Runbook(
        name=name,
        title=_text(place, told, 0, "title", needed=True),
        kind=_choice(place, told, 0, "kind", ("checklist", "playbook")),
        about=_text(place, told, 0, "about"),
        owner=_choice(place, told, 0, "owner", OWNERS) if "owner" in told else None,
        covers=_choice(place, told, 0, "covers", ("day", "week", "month")) if "covers" in told else None,
        ordered=_flag(place, told, 0, "ordered", told.get("kind") == "playbook"),
        steps=tuple(_step(place, number, one, checks) for number, one in enumerate(given, start=1)),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _step(place: _File, number: int, told: Mapping[str, Any], checks: Collection[str]) -> StepSpec:
    kind = _choice(place, told, number, "type", tuple(FIELDS))
    for key in told:
        if key not in (*_OF_STEP, *FIELDS[kind]):
            raise place.wrong(number, key, f"of a step of type {kind}, one of {', '.join((*_OF_STEP, *FIELDS[kind]))}")
    made = StepSpec(
        type=kind,
        title=_text(place, told, number, "title", needed=True),
        help=_text(place, told, number, "help"),
        optional=_flag(place, told, number, "optional", False),
        checks=_codes(place, told, number, checks),
        sql=_query(place, told, number, "sql"),
        applies=_query(place, told, number, "applies"),
        report=_choice(place, told, number, "report", REPORTS) if "report" in told else "",
        action=_text(place, told, number, "action"),
        of=_of(place, told, number),
        command=_braced(place, told, number, "command", (*PLACES, OF) if "of" in told else PLACES),
        minutes=_minutes(place, told, number) if "minutes" in told else 0,
        until=_query(place, told, number, "until"),
    )
    _refuse_unanswerable(place, number, made)
    return made


def _refuse_unanswerable(place: _File, number: int, one: StepSpec) -> None:
    if one.type == "check" and sum(map(bool, (one.checks, one.sql, one.report))) != 1:
        raise place.wrong(number, "checks", "of a check, one of checks, sql and report")
    if one.type == "query" and sum(map(bool, (one.checks, one.sql, one.report))) != 1:
        raise place.wrong(number, "sql", "of a query, one of checks, sql and report")
    if one.type == "wait" and bool(one.minutes) == bool(one.until):
        raise place.wrong(number, "minutes", "of a wait, either minutes or until")
    if one.type == "action" and not one.action:
        raise place.wrong(number, "action", "of an action, its verb as the action log has it, such as payout.retry")
    if one.action and not ACTION.fullmatch(one.action):
        raise place.wrong(number, "action", "a verb as the action log has it, such as payout.retry", one.action)


def _text(place: _File, told: Mapping[str, Any], step: int, key: str, *, needed: bool = False, most: int = TEXT_MAX) -> str:
    value = told.get(key, "")
    if not isinstance(value, str) or len(value) > most or (needed and not value.strip()):
        raise place.wrong(step, key, f"text of {int(needed)} to {most} characters")
    return value.strip()


def _flag(place: _File, told: Mapping[str, Any], step: int, key: str, otherwise: bool) -> bool:
    value = told.get(key, otherwise)
    if not isinstance(value, bool):
        raise place.wrong(step, key, "true or false", value)
    return value


def _choice(place: _File, told: Mapping[str, Any], step: int, key: str, choices: Sequence[str]) -> Any:
    value = told.get(key)
    if value not in choices:
        raise place.wrong(step, key, f"one of {', '.join(choices)}", value)
    return value


def _minutes(place: _File, told: Mapping[str, Any], step: int) -> int:
    value = told.get("minutes")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MINUTES_MAX:
        raise place.wrong(step, "minutes", f"a whole number from 1 to {MINUTES_MAX}", value)
    return value


def _codes(place: _File, told: Mapping[str, Any], step: int, checks: Collection[str]) -> tuple[str, ...]:
    value = told.get("checks", [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or ("checks" in told and not value):
        raise place.wrong(step, "checks", 'a list of codes, such as ["TREASURY_TIE"]', value)
    for code in value:
        if checks and code not in checks and code != ALERTS_OWN:
            raise place.wrong(step, "checks", "codes of checks, as `counterfoil sentinel checks` lists them", code)
    return tuple(value)


def _of(place: _File, told: Mapping[str, Any], step: int) -> str:
    """A thing, or the query that finds it."""
    said = _text(place, told, step, "of", most=QUERY_MAX)
    return _query(place, told, step, "of") if is_query(said) else _braced(place, told, step, "of", PLACES)


def is_query(said: str) -> bool:
    """Is it one query, and not a name?"""
    return said.split(None, 1)[:1] in (["select"], ["with"])


def _braced(place: _File, told: Mapping[str, Any], step: int, key: str, known: Sequence[str]) -> str:
    said = _text(place, told, step, key)
    for found in _BRACED.finditer(said):
        if found[1] not in known:
            raise place.wrong(step, key, f"in braces, one of {', '.join(known)}", found[0])
    return said


def filled(said: str, facts: Mapping[str, str]) -> str:
    """`said` with what stands in braces put in; what is not known stays as it is."""
    return _BRACED.sub(lambda found: facts.get(found[1]) or found[0], said)


def _query(place: _File, told: Mapping[str, Any], step: int, key: str) -> str:
    query = _text(place, told, step, key, most=QUERY_MAX).rstrip(";").rstrip()
    if query and query.split(None, 1)[0].lower() not in ("select", "with"):
        raise place.wrong(step, key, "one query, beginning with select or with", query)
    for found in _PLACE.finditer(query):
        if found[0] == "%" or (found[1] is not None and found[1] not in GIVEN):
            known = ", ".join(f"%({one})s" for one in GIVEN)
            raise place.wrong(step, key, f"of parameters, {known}; and %% for a per cent sign", found[0])
    return query


def read_folder(folder: Path, checks: Collection[str] = (), *, refused: Callable[[InvalidInput], None] | None = None) -> list[Runbook]:
    """Every runbook of a folder's *.toml, by the names of the files. One that is wrong raises InvalidInput; with `refused` it is told
    there, and the others are read."""
    found = []
    for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
        try:
            found.append(parse_runbook(path.read_text(encoding="utf-8"), file=path.name, checks=checks))
        except (UnicodeDecodeError, OSError) as error:
            limit = "UTF-8" if isinstance(error, UnicodeDecodeError) else f"readable: {error.strerror or error}"
            problem = InvalidInput("file", limit, file=path.name)
            if refused is None:
                raise problem from None
            refused(problem)
        except InvalidInput as problem:
            if refused is None:
                raise
            refused(problem)
    return found

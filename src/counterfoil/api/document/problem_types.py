"""Every type of problem as a page shows it: what `/problems/{type}` serves, derived from the classes themselves."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from counterfoil.api.http.problems import STATUS, STATUS_OF, UNEXPECTED_TITLE, UNEXPECTED_TO_DO
from counterfoil.base.problems import Problem, all_problems
from counterfoil.base.text import camel

PATH: Final = "/problems"
FACTS_FILE: Final = "problem_facts.json"  # beside this file; `make reference` records it from the calls that raise
# What the facts mean that many problems carry; the others are named after what they hold.
MEANINGS: Final = {
    "account": "The account it is about.",
    "allowed": "What is allowed instead.",
    "asset": "The asset of the amounts.",
    "constraint": "The rule of the database that refused.",
    "detail": "More of the cause, for whoever looks into it.",
    "field": "The field of the request that breaks a limit.",
    "got": "What was sent, shortened.",
    "hold": "The hold it is about.",
    "id": "The id of what it is about.",
    "key": "The idempotency key.",
    "limit": "The limit that was broken.",
    "line": "The line of the request or file, counted from 1.",
    "machine": "Whose states they are: payout, break, and so on.",
    "minor": "The amount that was asked for.",
    "payout": "The payout it is about.",
    "program": "The program it is about.",
    "proposal": "The id of the proposal.",
    "provider": "The provider it is about.",
    "state": "The state in which it is.",
    "verb": "What was to be done.",
    "wait_seconds": "How many seconds to wait.",
    "what": "What it is about.",
}
IN_MINOR_UNITS: Final = "In minor units of `asset`."


class Member(NamedTuple):
    """A member of a problem beside the common ones: its name in JSON, and what it means where that needs words."""

    name: str
    meaning: str


class ProblemType(NamedTuple):
    """One type: its page."""

    name: str
    title: str
    more: str  # what its documentation says beyond the title
    status: int
    kind: str
    what_to_do: str
    members: tuple[Member, ...]

    @property
    def uri(self) -> str:
        """What stands in `type`."""
        return f"{PATH}/{self.name}"


def problem_types() -> list[ProblemType]:
    """Every type that this process can answer with, by name."""
    ours = [one for one in all_problems() if one.__module__.startswith("counterfoil.")]
    unexpected = ProblemType("Unexpected", UNEXPECTED_TITLE, "", 500, "", UNEXPECTED_TO_DO, ())
    return sorted([*map(_type_of, ours), unexpected])


def _type_of(kind: type[Problem]) -> ProblemType:
    name = kind.__name__
    _, _, more = (kind.__doc__ or "").strip().partition("\n")
    status = STATUS_OF.get(name) or STATUS[kind.kind]
    members = tuple(Member(camel(fact), _meaning(kind, fact)) for fact in _facts().get(name, ()))
    return ProblemType(name, kind.title(), " ".join(more.split()), status, kind.kind, kind.what_to_do(), members)


def _meaning(kind: type[Problem], fact: str) -> str:
    said = MEANINGS.get(fact, "")
    return " ".join(filter(None, (said, IN_MINOR_UNITS))) if fact in kind.amounts else said


@cache
def _facts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((files("counterfoil.api.document") / FACTS_FILE).read_text("utf-8"))
    return found

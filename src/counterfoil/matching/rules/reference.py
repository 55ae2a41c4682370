"""The reference page of the rule set, out of the models that read it: what is not here cannot be written in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from counterfoil.matching.rules.model import Amount, Calendar, Csv, Dates, Pass, RuleSet, Severity, Source, Where

TABLES: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("The file itself", RuleSet),
    ("`[left]`, `[right]`", Source),
    ("`[left.amount]`", Amount),
    ("`[left.dates]`", Dates),
    ("`[left.csv]`", Csv),
    ("`[[left.where]]`", Where),
    ("`[calendar]`", Calendar),
    ("`[severity]`", Severity),
)
INTRODUCTION: Final = """A rule set is a TOML file. A mistake in it is refused with field and line.
`counterfoil reconcile files LEFT RIGHT --guess --out DIR` proposes one from two files and says why.
Passes run in the order of the file; a record that one pass has matched is out of reach for the next."""


def rule_set_page() -> str:
    """The body of the page, in Markdown."""
    parts = [INTRODUCTION, *(f"## {title}\n\n{_about(model)}\n\n{_rows(model)}" for title, model in TABLES)]
    parts.append("## `[[pass]]`\n\nOne table for each pass; `kind` says which.")
    for model in get_args(get_args(Pass)[0]):
        kind = get_args(model.model_fields["kind"].annotation)[0]
        parts.append(f'### `kind = "{kind}"`\n\n{_about(model)}\n\n{_rows(model)}')
    return "\n\n".join(parts)


def _about(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()


def _rows(model: type[BaseModel]) -> str:
    return "\n".join(["| name | default | what |", "|---|---|---|", *_fields(model)])


def _fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        shown = field.alias or name
        if shown == "kind":
            continue
        yield f"| `{shown}` | {_default(field.default)} | {field.description or ''} |"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "its own table"
    if value is None or value == () or value == "":
        return ""
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"

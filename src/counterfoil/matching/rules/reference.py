"""The reference page of the rule set, out of the models that read it: what is not here cannot be written in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from counterfoil.matching.rules.model import COMPARED, NORMAL, Amount, Calendar, Csv, Dates, Pass, RuleSet, Severity, Source, Where
from counterfoil.matching.rules.names import FIELDS

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
_COLUMNS: Final = """What stands before the `=` in `[left.columns]`. Of a pass, `left` and `right` take `id`, `reference`, `counterparty`,
`memo`, `batch` and every name of `key_fields`, any number of them.

`key_fields = ["invoice", "terminal"]` at the top of the file declares names of your own; `invoice = "Invoice No"` in `[left.columns]` and
in `[right.columns]` says which columns they are. A pass of the kind key or group takes them as it takes the reference, alone or together
(`left = ["invoice", "terminal"]`), `[[left.where]]` by `field = "terminal"`, and reports show them: `left_invoice` and `right_invoice` in
`breaks.csv` and the workbook, what differs in them among the differences, and who says the same in them among the candidates. They are
texts; a side whose columns have no such name cannot be asked for it."""
WORDS: Final[tuple[tuple[str, str, Mapping[Any, str]], ...]] = (
    ("Names of columns", _COLUMNS, FIELDS),
    ("Values of `compare`", "What must agree before a match is confirmed; what differs is a break.", COMPARED),
    (
        "Values of `normalise`",
        "What is taken off both keys before they are compared; `extract` comes first, then these in this order.",
        NORMAL,
    ),
)
WINDOWS: Final = """The window of a pass says how far apart two records may lie in time: right less left, from `-before_days` to
`after_days`. With `after_days = 3` and `before_days = 0` the right record lies on the day of the left one or up to three days later. Days
are those of `dates.compare`; `[calendar]` makes them business days. A pass of the kinds key and embedded takes records outside its window
all the same, and they are a break of the kind `DATE_MISMATCH` where `date` is compared; the other kinds take none of them."""
INTRODUCTION: Final = """A rule set is a TOML file. A mistake in it is refused with field and line.
`counterfoil reconcile files LEFT RIGHT --guess --out DIR` proposes one from two files and says why.
Passes run in the order of the file; a record that one pass has matched is out of reach for the next."""


def rule_set_page() -> str:
    """The body of the page, in Markdown."""
    parts = [INTRODUCTION, *(f"## {title}\n\n{_about(model)}\n\n{_rows(model)}" for title, model in TABLES)]
    parts += [f"## {title}\n\n{about}\n\n{_meanings(words)}" for title, about, words in WORDS]
    parts.append(f"## Windows\n\n{WINDOWS}")
    parts.append("## `[[pass]]`\n\nOne table for each pass; `kind` says which.")
    for model in get_args(get_args(Pass)[0]):
        kind = get_args(model.model_fields["kind"].annotation)[0]
        parts.append(f'### `kind = "{kind}"`\n\n{_about(model)}\n\n{_rows(model)}')
    return "\n\n".join(parts)


def _meanings(words: Mapping[Any, str]) -> str:
    return "\n".join(["| name | what |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in words.items())])


def _about(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()


def _rows(model: type[BaseModel]) -> str:
    return "\n".join(["| name | default | what |", "|---|---|---|", *_fields(model)])


def _fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        shown = field.alias or name
        if shown == "kind":
            continue
        yield f"| `{shown}` | {_default(field.default, required=field.is_required())} | {field.description or _about_part(field)} |"


def _about_part(field: FieldInfo) -> str:
    """Of a table within this one: what it is for, by its first sentence."""
    part = next(
        (each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type) and issubclass(each, BaseModel)), None
    )
    return _about(part).partition("\n")[0] if part else ""


def _default(value: Any, *, required: bool) -> str:
    if value is PydanticUndefined:
        return "required" if required else ""
    if isinstance(value, BaseModel):
        return "its own table"
    if value is None or value == () or value == "":
        return ""
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"

"""Commands of acts, derived from their declaration: `counterfoil people grant WHO --role … --reason …`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from counterfoil.base.text import camel
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Format, Json, Output, Reason, waits
from counterfoil.cli.core.verbs import NEED, option_of
from counterfoil.client.client import Client
from counterfoil.operations.acts import Act
from counterfoil.operations.verbs import Field

IN_MAIN: Final = "main"
MaybeReason = Annotated[str | None, typer.Option("--reason", help="Why. Kept in the action log.")]


def add_act(
    app: typer.Typer,
    act: Act,
    show: Callable[[Json, Format], None],
    *,
    subject: Callable[[Client, str], str] | None = None,
    instead: Callable[[Json], bool] | None = None,
) -> None:
    """The command of an act: `show` says what came of it. `subject`: the id behind what a person is called; `instead`: asked first with all
    that was given, nothing of which is then needed, it may answer by itself."""

    def command(**given: Any) -> None:
        if instead is not None and instead(given):
            return
        dry_run, output = given.pop("dry_run"), given.pop("output")
        with asked(NEED[act.permission]) as client:
            ids = {one.name: given[one.name] for one in act.takes if act.in_path(one)}
            if act.subject is not None:
                ids[act.subject.name] = subject(client, given[act.subject.name]) if subject else given[act.subject.name]
            done = client.post(f"/api{act.path.format(**ids)}", _body(act, given), dry_run=dry_run)
        if not waits(done, output):
            show(done, output)

    found = _parameters(act, free=instead is not None)
    command.__signature__ = inspect.Signature(found)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in found}
    command.__name__ = act.name.replace("-", "_")
    app.command(act.name, help=act.says)(command)


def _parameters(act: Act, *, free: bool) -> list[inspect.Parameter]:
    fields = [*([act.subject] if act.subject else ()), *act.takes]
    fields.sort(key=lambda one: not one.bare)
    plain = inspect.Parameter.KEYWORD_ONLY
    reason = inspect.Parameter("reason", plain, annotation=MaybeReason if free or act.because else Reason)
    last = (("dry_run", DryRun, False), ("output", Output, TABLE))
    return [
        *(option_of(_as_asked(one, free)) for one in fields),
        reason.replace(default=None) if free or act.because else reason,
        *(inspect.Parameter(name, plain, annotation=kind, default=default) for name, kind, default in last),
    ]


def _as_asked(one: Field, free: bool) -> Field:
    """Of the program that everybody has, where one is needed and none is named."""
    if one.kind == "program" and one.required:
        return one._replace(default=IN_MAIN)
    return one._replace(required=False) if free else one


def _body(act: Act, given: Json) -> Json:
    """What is sent: what was given, as it goes over the wire."""
    asset = str(given.get("asset") or "")
    takes = [one for one in act.takes if not act.in_path(one)]
    body = {camel(one.name): _sent(one, given[one.name], asset) for one in takes if given[one.name] not in (None, "", [])}
    return body | ({"reason": given["reason"]} if given["reason"] is not None else {})


def _sent(one: Field, value: Any, asset: str) -> Any:
    if one.kind == "flag":
        return bool(one.default) is not value  # the option takes it from its default
    if one.kind == "amount":
        return to_minor(value, asset, one.name)
    if one.kind == "tiers":
        return [_tier(each, asset) for each in value]
    return value.value if isinstance(value, StrEnum) else value


def _tier(given: str, asset: str) -> Json:
    above, _, people = given.partition("=")
    if not people.isdigit():
        raise typer.BadParameter("a tier is ABOVE=PEOPLE, such as 50000.00=2", param_hint="--tier")
    return {"above": to_minor(above, asset, "tier"), "approvers": int(people)}

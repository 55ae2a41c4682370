"""Commands that follow from what they ask the API: a list with what narrows it, and a write with what it takes."""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, NamedTuple

import typer

from counterfoil.base.text import camel
from counterfoil.cli.core.connection import Need, asked
from counterfoil.cli.core.money import to_minor
from counterfoil.cli.core.output import (
    ROWS,
    TABLE,
    DryRun,
    Json,
    ListFormat,
    ListOutput,
    Output,
    Reason,
    Rows,
    listed,
    say_done,
    show_rows,
)
from counterfoil.cli.core.prose import prose_given, prose_options
from counterfoil.client.transport import part_of_path
from counterfoil.operations.listing import Listed

_PLAIN = inspect.Parameter.KEYWORD_ONLY


class Only(NamedTuple):
    """An option that narrows a list, such as `--invoice-id`; the API calls it by `name`, or by its flag in camelCase."""

    flag: str
    help: str
    name: str = ""
    default: str | None = None
    is_amount: bool = False
    switched: str = ""  # what is meant where a flag without a value is given

    @property
    def word(self) -> str:
        """The flag as a name of Python."""
        return self.flag.removeprefix("--").replace("-", "_")


class Given(NamedTuple):
    """What a write takes: an option `--name`, or `bare` an argument. It stands in the path where the path names it, else in the body."""

    name: str
    help: str
    bare: bool = False
    metavar: str | None = None
    flag: str | None = None


IN_STATE: Final = Only("--state", "Only in this state.")
OF_PROGRAM: Final = Only("--program", "Only of this program.", "programId")


def of_noun(noun: Listed) -> tuple[Only, ...]:
    """What a list may be narrowed to and sorted by, as it is declared."""
    found = [
        Only(f"--{(one.flag or one.name).replace('_', '-')}", one.help, camel(one.name), is_amount=one.kind == "amount")
        for one in noun.narrows
    ]
    if noun.sorts:
        found.append(Only("--sort", sort_help(noun)))
    return tuple(found)


def sort_help(noun: Listed) -> str:
    """By what a list may be sorted."""
    words = ", ".join(camel(one.name) for one in noun.sorts)
    return f"By {'one of ' if len(noun.sorts) > 1 else ''}{words}; with - in front from the greatest or the latest down."


def print_list(
    path: str,
    columns: Sequence[str],
    limit: int,
    output: ListFormat,
    *,
    empty: str,
    need: Need = "read",
    told: Callable[[Json], Json] | None = None,
    **params: Any,
) -> None:
    """Ask for a list and show it; `told` says parts of a row in words, wherever it is not shown as JSON."""
    with asked(need) as client:
        rows = listed(client, path, limit, **params)
        if told is not None and output is not ListFormat.JSON:
            rows[:] = [one | told(one) for one in rows]
    show_rows(rows, columns, output, empty=empty)


def add_list(
    app: typer.Typer,
    path: str,
    columns: Sequence[str],
    help: str,  # noqa: A002 - as Typer calls it
    empty: str,
    *only: Only,
    need: Need = "read",
    word: str = "list",
    of: Given | None = None,
    told: Callable[[Json], Json] | None = None,
) -> None:
    """`list`, or another word: the rows of `path`, narrowed by these options, as many as `--limit` says. `of`: an argument that stands in
    the path; `told`: parts of a row in words."""

    def command(**given: Any) -> None:
        limit, output = given.pop("limit"), given.pop("output")
        where = path.format(**{of.name: part_of_path(given.pop(of.name))}) if of is not None else path
        narrowed = {one.name or camel(one.word): _narrowed(one, given) for one in only}
        print_list(where, columns, limit, output, empty=empty, need=need, told=told, **narrowed)

    options = [inspect.Parameter(one.name, _PLAIN, annotation=_taken(one)) for one in (of,) if one is not None]
    options += [_option(one) for one in only]
    shown = [_last("limit", Rows, ROWS), _last("output", ListOutput, ListFormat.TABLE)]
    app.command(word, help=help)(_signed(command, "list_", [*options, *shown]))


def _option(one: Only) -> inspect.Parameter:
    kind: Any = bool if one.switched else str | None
    default = False if one.switched else one.default
    return inspect.Parameter(one.word, _PLAIN, annotation=Annotated[kind, typer.Option(one.flag, help=one.help)], default=default)


def _narrowed(one: Only, given: Json) -> Any:
    """The value of an option; an amount is typed in major units of the asset that is named."""
    value = given[one.word]
    if one.switched:
        return one.switched if value else one.default
    if not one.is_amount or value is None:
        return value
    if not given.get("asset"):
        raise typer.BadParameter("give --asset, too: amounts of two assets are not compared", param_hint=one.flag)
    return to_minor(value, given["asset"], one.word)


def add_write(
    app: typer.Typer,
    word: str,
    need: Need,
    path: str | Callable[[Json], str],
    help: str,  # noqa: A002 - as Typer calls it
    said: str | Callable[[Json], str],
    *takes: Given,
    long_reason: bool = False,
) -> None:
    """A command that posts what it takes and a reason to `path`, and says by its answer what came of it. `long_reason`: a text of
    paragraphs, which a file may hold."""

    def command(**given: Any) -> None:
        if long_reason:
            prose_given(given, "reason")
        dry_run, output = given.pop("dry_run"), given.pop("output")
        where = path.format(**given) if isinstance(path, str) else path(given)
        body = {camel(name): value for name, value in given.items() if not _in(path, name)}
        with asked(need) as client:
            done = client.post(where, body, dry_run=dry_run)
        say_done(done, output, said.format(**done) if isinstance(said, str) else said(done))

    found = [inspect.Parameter(one.name, _PLAIN, annotation=_taken(one)) for one in takes]
    reason = inspect.Parameter("reason", _PLAIN, annotation=Reason)
    found += prose_options(reason) if long_reason else [reason]
    found += [_last("dry_run", DryRun, False), _last("output", Output, TABLE)]
    app.command(word, help=help)(_signed(command, word, found))


def _in(path: str | Callable[[Json], str], name: str) -> bool:
    """Does it stand in the path? A path that is worked out holds everything but the reason."""
    return f"{{{name}}}" in path if isinstance(path, str) else name != "reason"


def _taken(one: Given) -> Any:
    if one.bare:
        return Annotated[str, typer.Argument(metavar=one.metavar, help=one.help)]
    return Annotated[str, typer.Option(one.flag or f"--{one.name.replace('_', '-')}", help=one.help)]


def _last(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, _PLAIN, annotation=kind, default=default)


def _signed(command: Callable[..., None], name: str, parameters: list[inspect.Parameter]) -> Callable[..., None]:
    """The command with these parameters, as Typer reads them."""
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__name__ = name
    return command

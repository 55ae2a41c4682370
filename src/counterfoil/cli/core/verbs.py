"""Commands of a noun's verbs, derived from their declaration: `counterfoil payouts retry ID --reason …`."""

import inspect
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from counterfoil.api.http.names import camel
from counterfoil.cli.core.connection import Need, asked
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Reason, Rows, listed, say_done, show_one, show_rows
from counterfoil.operations.access import access
from counterfoil.operations.verbs import Field, Noun, Verb

NEED: Final[Mapping[str, Need]] = {
    access.READ: "read", access.AUDIT: "audit", access.OPERATE: "operate", access.WORK_BREAKS: "work", access.ACCEPT_BREAK: "accept",
    access.APPROVE: "approve", access.POST_JOURNAL: "post", access.ADMINISTER: "administer",
}  # fmt: skip
PARTS: Final = (
    ("steps", ("step", "at", "fromState", "verb", "toState", "actor", "reason")),
    ("actions", ("at", "actor", "verb", "reason")),
)
State = Annotated[str | None, typer.Option("--state", help="Only in this state.")]


def add_verbs(app: typer.Typer, noun: Noun) -> None:
    """A command for each verb: the id, its own fields as options, a reason where it needs one, `--dry-run`."""
    for verb in noun.verbs:
        paired = " Another person approves it within 24 hours." if verb.paired else ""
        app.command(verb.word, help=f"{verb.effect}{paired}")(_command(noun, verb))


def noun_app(noun: Noun) -> typer.Typer:
    """All commands of a noun that has none of its own: list, show, and its verbs."""
    app = typer.Typer(no_args_is_help=True, help=noun.help)
    columns = tuple(camel(one) for one in (noun.row._fields if noun.row is not None else ("id", "state")))

    @app.command("list", help=f"{noun.plural.capitalize()}, newest first.")
    def list_(state: State = None, limit: Rows = ROWS, output: Output = TABLE) -> None:
        with asked("read") as client:
            rows = listed(client, f"/api/{noun.plural}", limit, state=state)
        show_rows(rows, columns, output, empty=f"No such {noun.plural}.")

    @app.command("show", help=f"One {noun.name}, what may be done with it, and what was done.")
    def show(id: Annotated[str, typer.Argument(metavar="ID")], output: Output = TABLE) -> None:  # noqa: A002
        with asked("read") as client:
            show_one(client.get(f"/api/{noun.plural}/{id}"), output, parts=PARTS)

    add_verbs(app, noun)
    return app


def _command(noun: Noun, verb: Verb) -> Callable[..., None]:
    def command(**given: Any) -> None:
        subject, dry_run, output = given.pop("id"), given.pop("dry_run"), given.pop("output")
        body = {
            name: value.value if isinstance(value, StrEnum) else value
            for name, value in given.items()
            if value is not None
        }
        with asked(NEED[verb.permission]) as client:
            done = client.post(f"/api/{noun.plural}/{subject}/{verb.word}", body, dry_run=dry_run)
        say_done(done, output, said_of(verb, done))

    command.__signature__ = inspect.Signature(_parameters(noun, verb))  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in _parameters(noun, verb)}
    command.__name__ = verb.name
    return command


def said_of(verb: Verb, done: Mapping[str, Any]) -> str:
    """What is said after it: the verb's own sentence, or how a second person approves it."""
    if verb.paired:
        command = f"counterfoil approvals approve {done['proposal']} --sha256 {done['payloadSha256']} --reason …"
        return f"Proposed; it waits for a second person until {done['expiresAt']}:\n{command}"
    return verb.done.format(id=done["id"], state=str(done["state"]).replace("_", " "), made=done.get("made"))


def _parameters(noun: Noun, verb: Verb) -> list[inspect.Parameter]:
    named = {"id": Annotated[str, typer.Argument(metavar="ID", help=f"The {noun.name}'s id, {noun.prefix}_….")]}
    plain = inspect.Parameter.KEYWORD_ONLY
    found = [inspect.Parameter("id", plain, annotation=named["id"])]
    found += [_option(one) for one in verb.takes]
    if verb.reason:
        found.append(inspect.Parameter("reason", plain, annotation=Reason))
    seen = Annotated[str | None, typer.Option("--expected-state", help="Refuse it when it is no longer in this state.")]
    return [
        *found,
        inspect.Parameter("expected_state", plain, annotation=seen, default=None),
        inspect.Parameter("dry_run", plain, annotation=DryRun, default=False),
        inspect.Parameter("output", plain, annotation=Output, default=TABLE),
    ]


def _option(one: Field) -> inspect.Parameter:
    kind: Any = StrEnum(one.name, {word: word for word in one.choices}) if one.choices else str
    option = typer.Option(f"--{one.name.replace('_', '-')}", help=one.help)
    wanted: Any = kind if one.required else kind | None
    annotation = Annotated[wanted, option]
    default = inspect.Parameter.empty if one.required else None
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)

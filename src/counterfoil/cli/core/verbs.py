"""Commands of a noun's verbs, derived from their declaration: `counterfoil payouts retry ID --reason …`."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from counterfoil.base.text import camel
from counterfoil.cli.core.connection import Need, asked
from counterfoil.cli.core.derived import IN_STATE, OF_PROGRAM, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Format, Json, Output, Reason, say_done, show_one
from counterfoil.cli.core.prose import prose_given, prose_options, text_of
from counterfoil.client.client import Client
from counterfoil.operations.access import access
from counterfoil.operations.verbs import Field, Noun, Verb

NEED: Final[Mapping[str, Need]] = {
    access.READ: "read",
    access.AUDIT: "audit",
    access.OPERATE: "operate",
    access.WORK_BREAKS: "work",
    access.ACCEPT_BREAK: "accept",
    access.APPROVE: "approve",
    access.POST_JOURNAL: "post",
    access.ADMINISTER: "administer",
}
PARTS: Final = (
    ("steps", ("step", "at", "fromState", "verb", "toState", "actor", "reason")),
    ("actions", ("at", "actor", "verb", "reason")),
)
MONEY: Final = ("amount", "lines", "tiers")
SEVERAL: Final = ("words", "tiers")
METAVARS: Final = {"tiers": "ABOVE=PEOPLE"}
# How a verb that begins a long work is followed: the client, the id, the output, and for how many seconds at most.
Followed = Callable[[Client, str, Format, int], None]
WaitS = Annotated[
    int | None,
    typer.Option(
        "--wait-s", min=1, max=86_400, help="Follow it for so many seconds at most, and end with 1 unless all of it was done by then."
    ),
]
LINE_HELP: Final = "One movement, such as provider_fee,clearing:simulator,12.00; repeat it."
FILE_HELP: Final = 'JSON: {"lines": [{"debit", "credit", "amount"}]}; - reads standard input.'


def add_verbs(app: typer.Typer, noun: Noun, followed: Mapping[str, Followed] | None = None) -> None:
    """A command for each verb: the id, its own fields as options, a reason where it needs one, `--dry-run`; `--wait-s` where what it
    began can be `followed`."""
    for verb in noun.verbs:
        paired = " Another person approves it within 24 hours." if verb.paired else ""
        app.command(verb.word, help=f"{verb.effect}{paired}")(_command(noun, verb, (followed or {}).get(verb.name)))


def noun_app(noun: Noun, followed: Mapping[str, Followed] | None = None, *, shown: Callable[[Json], None] | None = None) -> typer.Typer:
    """All commands of a noun that has none of its own: list, show, and its verbs. `shown` says of one, to people, what no field says."""
    app = command_group(noun.help)
    fields = noun.columns or fields_of_row(noun)
    columns = tuple(camel(one) for one in fields)

    add_list(
        app,
        f"/api/{noun.plural}",
        columns,
        f"{noun.plural.capitalize()}, newest first{' unless sorted otherwise' if noun.sorts else ''}.",
        f"No such {noun.plural}.",
        IN_STATE,
        *((OF_PROGRAM,) if "program_id" in fields_of_row(noun) else ()),
        *of_noun(noun),
    )

    @app.command("show", help=f"One {noun.name}, what may be done with it, and what was done.")
    def show(id: Annotated[str, typer.Argument(metavar="ID")], output: Output = TABLE) -> None:  # noqa: A002
        with asked("read") as client:
            found = client.get(f"/api/{noun.plural}/{id}")
        show_one(found, output, parts=(*_parts(noun), *PARTS))
        if shown is not None and output is TABLE:
            shown(found)

    add_verbs(app, noun, followed)
    return app


def fields_of_row(noun: Noun) -> tuple[str, ...]:
    """What a row of its list tells."""
    return noun.row._fields if noun.row is not None else ("id", "state")


def _parts(noun: Noun) -> Sequence[tuple[str, tuple[str, ...]]]:
    return [(camel(one.name), tuple(camel(name) for name in one.columns or one.row._fields)) for one in noun.parts]


def _command(noun: Noun, verb: Verb, follow: Followed | None) -> Callable[..., None]:
    def command(**given: Any) -> None:
        subject, dry_run, output = given.pop("id"), given.pop("dry_run"), given.pop("output")
        wait_s = given.pop("wait_s", None)
        if from_file := _from_file(verb):
            prose_given(given, from_file[0], required=from_file[1])
        with asked(NEED[verb.permission]) as client:
            asset = ""
            if any(one.kind in MONEY for one in verb.takes):
                asset = given["asset"] if "asset" in given else _asset_of(client, noun, subject)
            body = _body(verb, given, asset)
            done = client.post(f"/api/{noun.plural}/{subject}/{verb.word}", body, dry_run=dry_run)
            if follow is not None and wait_s is not None and not dry_run:
                follow(client, subject, output, wait_s)
                return
        say_done(done, output, said_of(verb, done))

    command.__signature__ = inspect.Signature(parameters := _parameters(noun, verb, follow is not None))  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__name__ = verb.name
    return command


def _from_file(verb: Verb) -> tuple[str, bool] | None:
    """What of it a file may hold, as its text of paragraphs, and whether it is needed."""
    found = [(one.name, one.required) for one in verb.takes if one.kind == "prose"]
    return next(iter(found), ("reason", True) if verb.long_reason else None)


def _asset_of(client: Client, noun: Noun, subject_id: str) -> str:
    """Amounts are typed in major units of the thing's own asset."""
    return str(client.get(f"/api/{noun.plural}/{subject_id}")["asset"])


def _body(verb: Verb, given: dict[str, Any], asset: str) -> dict[str, Any]:
    kinds = {one.name: one.kind for one in verb.takes}
    body: dict[str, Any] = {}
    for name, value in given.items():
        if kinds.get(name) == "lines":
            body[name] = [_line(one, asset) for one in value or ()]
        elif name == "file" and "lines" in kinds.values():
            body |= {} if value is None else {next(one for one in kinds if kinds[one] == "lines"): _lines_of(value)}
        elif value is not None and value != "":
            plain = value.value if isinstance(value, StrEnum) else value
            body[name] = to_minor(plain, asset, name) if kinds.get(name) == "amount" else plain
    return body


def _line(given: str, asset: str) -> dict[str, str]:
    parts = [part.strip() for part in given.split(",")]
    if len(parts) != 3:
        raise typer.BadParameter("a line is DEBIT,CREDIT,AMOUNT", param_hint="--line")
    debit, credit, amount = parts
    return {"debit": debit, "credit": credit, "amount": to_minor(amount, asset, "amount")}


def _lines_of(file: Path) -> list[Any]:
    try:
        found = json.loads(text_of(file))
        return list(found["lines"] if isinstance(found, dict) else found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise typer.BadParameter(f'{file} holds no {{"lines": […]}}: {error}', param_hint="--file") from error


def need_of(noun: Noun, name: str) -> Need:
    """What a verb needs, to choose the login; of one that there is not the least: the server refuses it by name."""
    return next((NEED[one.permission] for one in noun.verbs if one.name == name), "read")


def said_of(verb: Verb, done: Mapping[str, Any]) -> str:
    """What is said after it: the verb's own sentence, or how a second person approves it."""
    if verb.paired:
        command = f"counterfoil approvals approve {done['proposal']} --sha256 {done['payloadSha256']} --reason …"
        return f"Proposed; it waits for a second person until {done['expiresAt']}:\n{command}"
    return verb.said(done["id"], str(done["state"]), done.get("made"), done.get("told") or "")


def _reason(verb: Verb) -> Any:
    if not verb.reason_also:
        return Reason
    return Annotated[str, typer.Option("--reason", f"--{verb.reason_also}", help="Why. Kept in the action log.")]


def _parameters(noun: Noun, verb: Verb, followed: bool) -> list[inspect.Parameter]:
    named = {"id": Annotated[str, typer.Argument(metavar="ID", help=f"The {noun.name}'s id, {noun.prefix}_….")]}
    plain = inspect.Parameter.KEYWORD_ONLY
    found = [inspect.Parameter("id", plain, annotation=named["id"])]
    found += [option for one in verb.takes for option in _options(one)]
    if verb.reason:
        found.append(inspect.Parameter("reason", plain, annotation=_reason(verb)))
    if from_file := _from_file(verb):
        at = next(number for number, one in enumerate(found) if one.name == from_file[0])
        found[at : at + 1] = prose_options(found[at])
    if followed:
        found.append(inspect.Parameter("wait_s", plain, annotation=WaitS, default=None))
    seen = Annotated[str | None, typer.Option("--expected-state", help="Refuse it when it is no longer in this state.")]
    return [
        *found,
        inspect.Parameter("expected_state", plain, annotation=seen, default=None),
        inspect.Parameter("dry_run", plain, annotation=DryRun, default=False),
        inspect.Parameter("output", plain, annotation=Output, default=TABLE),
    ]


def _options(one: Field) -> Sequence[inspect.Parameter]:
    """The flags of one field; of lines `--line`, as often as there are, or a file."""
    if one.kind != "lines":
        return [option_of(one)]
    named = {
        "lines": Annotated[list[str] | None, typer.Option("--line", metavar="DEBIT,CREDIT,AMOUNT", help=LINE_HELP)],
        "file": Annotated[Path | None, typer.Option("--file", help=FILE_HELP)],
    }
    plain = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, plain, annotation=kind, default=None) for name, kind in named.items()]


def option_of(one: Field) -> inspect.Parameter:
    """A field as an option, or as an argument where it stands without its name."""
    flag = f"--{(one.short or one.name).replace('_', '-')}"
    if one.bare:
        option: Any = typer.Argument(metavar=(one.short or one.name).upper(), help=one.help)
    elif one.kind == "number":
        option = typer.Option(flag, help=one.help, min=one.least, max=one.most)
    else:
        option = typer.Option(flag, help=one.help, metavar=METAVARS.get(one.kind))
    given = one.required or one.default is not None
    kind = _kind(one)
    wanted: Any = kind if given and one.kind not in SEVERAL else kind | None
    default = one.default if one.default is not None else inspect.Parameter.empty if one.required else None
    if one.kind == "flag":
        default = False
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[wanted, option], default=default)


def _kind(one: Field) -> Any:
    if one.choices:
        return StrEnum(one.name, {word: word for word in one.choices})
    plain: dict[str, Any] = {"flag": bool, "number": int, **dict.fromkeys(SEVERAL, list[str])}
    return plain.get(one.kind, str)

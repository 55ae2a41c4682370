"""`counterfoil setup`: the first program, its fee rates and the payment provider, asked for or given as options, shown, then written."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import typer

from counterfoil.base.edge import make_id, now
from counterfoil.base.encryption.key_file import FILE
from counterfoil.base.problems import Problem
from counterfoil.base.settings import Settings, variable_of
from counterfoil.cli.core.exit_codes import USAGE
from counterfoil.cli.core.output import DryRun, say
from counterfoil.cli.local.installation import has_keys, keys_here, local_database, refuse_to_replace_keys, settings_now
from counterfoil.cli.local.setting_up import first_program as first
from counterfoil.cli.local.setting_up.env_file import add_lines, is_set, lacking_lines

app = typer.Typer()
T = TypeVar("T")
SIMULATOR_URL: Final = "http://127.0.0.1:8090"
KEYS: Final = variable_of("encryption_keys")
NEXT: Final = (
    ("counterfoil people first NAME OTHER", "two administrators, once; then each logs in: counterfoil login NAME"),
    ("counterfoil simulator run", "the provider, for trying out: no money moves"),
    ("counterfoil up", "server and worker in one process; what runs already is started again"),
    ("counterfoil doctor", "is anything still missing?"),
)
BPS: Final = "in hundredths of a percent: 500 is 5 %."


@app.command("setup")
def setup(
    program: Annotated[str | None, typer.Option("--program", help="The program's id, such as main.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Your platform's name, for people.")] = None,
    asset: Annotated[list[str] | None, typer.Option("--asset", help="Code and decimals, such as EUR:2; once for each asset.")] = None,
    platform_bps: Annotated[int | None, typer.Option("--platform-bps", help=f"The platform's fee, {BPS}")] = None,
    validator_bps: Annotated[int | None, typer.Option("--validator-bps", help=f"The validator's fee, {BPS}")] = None,
    holdback_bps: Annotated[int | None, typer.Option("--holdback-bps", help=f"What is held back of each settlement, {BPS}")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="simulator, or none: nothing is paid then.")] = None,
    provider_url: Annotated[str | None, typer.Option("--provider-url", help="Where the provider answers.")] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="Where the provider reaches this server with its webhooks.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking once more.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Set up the first program on this machine: what is not given is asked for, and everything is shown before it is written.

    The program and its rates go to the database, the provider's address and secrets to the file .env. The same again changes nothing;
    what is set up otherwise is never changed, but refused by name.
    """
    settings = settings_now()
    given = {
        "--program": program,
        "--name": name,
        "--asset": asset or None,
        "--platform-bps": platform_bps,
        "--validator-bps": validator_bps,
        "--holdback-bps": holdback_bps,
        "--provider": provider,
        "--provider-url": provider_url,
        "--public-url": public_url,
    }
    answers = _answers(given, settings)
    lines = _lines(answers, settings)
    with local_database(settings) as database:
        with database.transaction(read_only=True) as conn:
            todo = first.to_do(conn, answers)
            refuse_to_replace_keys(conn, settings)
        makes_file = settings.database_url is None and not has_keys(settings)
        if not todo and not lines and not makes_file:
            typer.echo("Nothing to do: all of it is set up.")
            return
        _show(todo, lines)
        if makes_file:
            say(f"  {settings.data_folder / FILE}  (a new key)")
        if dry_run:
            typer.echo("(dry run, nothing was changed)")
            return
        _confirm(yes)
        with database.transaction() as conn:
            first.write(conn, answers, make_id=make_id, actor=f"local:{getpass.getuser()}", now=now())
            add_lines(lines)  # before the commit: a file that cannot be written leaves the database as it was
            if makes_file:
                keys_here(settings)
    if makes_file or KEYS in lines:
        say(f"Keep a copy of the encryption key elsewhere: {settings.data_folder / FILE if makes_file else f'{KEYS} in .env'}.")
    _say_next(answers)


def _answers(given: dict[str, Any], settings: Settings) -> first.Answers:
    """What was given, and of the rest what is asked for now. Without a terminal, everything that lacks is named at once."""
    needed = [one for one in ("--name", "--asset", "--platform-bps", "--validator-bps", "--provider") if given[one] is None]
    if needed and not sys.stdin.isatty():
        raise typer.BadParameter(f"{', '.join(needed)}: give {'them' if len(needed) > 1 else 'it'}, or run it in a terminal to be asked")
    ask = sys.stdin.isatty() and bool(needed)

    def answer(option: str, question: str, default: str | None, read: Callable[[str], T]) -> T:
        value = given[option]
        if value is None and ask:
            asked: T = typer.prompt(question, default=default, value_proc=_told(read))
            return asked
        try:
            return read(" ".join(value) if isinstance(value, list) else str(default if value is None else value))
        except Problem as problem:
            raise typer.BadParameter(_words(problem), param_hint=option) from problem

    here = settings.public_url or f"http://{settings.host}:{settings.port or 8080}"
    found = first.Answers(
        program=answer("--program", "Id of the program (letters, digits, - and _)", settings.program, first.program_id),
        name=answer("--name", "Name of your platform, for people", None, first.name),
        assets=answer("--asset", "Assets with their decimals, such as EUR:2 JPY:0", "EUR:2", first.assets),
        platform_bps=answer("--platform-bps", "Fee of the platform, in hundredths of a percent (500 is 5 %)", "500", first.bps),
        validator_bps=answer("--validator-bps", "Fee of the validator, in hundredths of a percent", "0", first.bps),
        holdback_bps=answer("--holdback-bps", "Held back from each settlement, in hundredths of a percent", "0", first.bps),
        provider=answer("--provider", "Payment provider (simulator, or none)", "simulator", first.provider),
        provider_url=None,
        public_url=answer(
            "--public-url",
            "Where the provider reaches this server",
            here,
            first.address,
        ),
    )
    first.refuse_rates(found)
    if found.provider == first.NONE:
        if given["--provider-url"] is not None:
            raise typer.BadParameter("is of no use with --provider none", param_hint="--provider-url")
        if settings.provider_url is not None:
            limit = f"not none: {variable_of('provider_url')} is {settings.provider_url}"
            raise typer.BadParameter(limit, param_hint="--provider")
        return found
    return found._replace(
        provider_url=answer("--provider-url", "Where the provider answers", settings.provider_url or SIMULATOR_URL, first.address)
    )


def _lines(answers: first.Answers, settings: Settings) -> dict[str, str]:
    """The lines that .env lacks; a secret is made where there is none. Raises SettingDiffers."""
    wanted = first.lines_of(answers)
    if settings.database_url is not None:  # a private database keeps its keys in its own folder
        wanted[KEYS] = None
    made = {name: first.made_secret(name) for name, value in wanted.items() if value is None and not is_set(name)}
    return lacking_lines({name: value for name, value in wanted.items() if value is not None}) | made


def _told(read: Callable[[str], T]) -> Callable[[str], T]:
    """As `read`, where what is wrong is said and the question asked again."""

    def proc(text: str) -> T:
        try:
            return read(text)
        except Problem as problem:
            raise typer.BadParameter(_words(problem)) from problem

    return proc


def _words(problem: Problem) -> str:
    got = f", not {problem.facts['got']}" if "got" in problem.facts else ""
    return f"{problem.facts.get('limit', problem.headline())}{got}"


def _show(todo: list[str], lines: dict[str, str]) -> None:
    typer.echo("This is written:")
    for one in todo:
        say(f"  database  {one}")
    for name, value in lines.items():
        say(f"  .env      {name}={first.shown(name, value)}")


def _confirm(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        typer.echo("Nothing was written. Say --yes to write it.", err=True)
        raise typer.Exit(USAGE)
    if not typer.confirm("Write it?"):
        typer.echo("Nothing was written.")
        raise typer.Exit(0)


def _say_next(answers: first.Answers) -> None:
    say(f"{answers.program} is set up. Next:")
    for command, why in NEXT:
        if answers.provider == first.NONE and "simulator" in command:
            continue
        say(f"  {command:38} {why}")

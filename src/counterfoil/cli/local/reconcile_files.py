"""`counterfoil reconcile files LEFT RIGHT`: two files in, one verdict out; no server and no database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.matching.engines.spark import ClusterSettings
from counterfoil.matching.guess.balances import TRIED_BYTES_MAX
from counterfoil.matching.guess.columns import paths_of
from counterfoil.matching.guess.page import ROLES, ColumnTold, Said, corrected, how_to_correct, page, said_of
from counterfoil.matching.guess.rule_set import guess as guess_rule_set
from counterfoil.matching.output.summary import summary
from counterfoil.matching.passes.pipeline import Progress
from counterfoil.matching.rules.model import RuleSet
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files

BROKEN = 2  # the run did not foot, or a source or rule set cannot be used
SHOWN_AFTER_SECONDS = 2
KEEP = "A folder for what a later run over the same bytes need not compute again, up to 4 GiB. Guard it as the files."

app = typer.Typer(no_args_is_help=True)


class EngineName(StrEnum):
    """Where the matching runs."""

    DUCKDB = "duckdb"
    SPARK = "spark"


@app.callback()
def reconcile() -> None:
    """Hold one side's records against the other's."""


@app.command("files")
def files(
    left: Annotated[str, typer.Argument(help="Our side: a file, or a folder of files of one kind; for Spark also s3a:// or hdfs://.")],
    right: Annotated[str, typer.Argument(help="Their side: a file, or a folder of files of one kind; for Spark also s3a:// or hdfs://.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the report, the breaks and the matches.")],
    rules: Annotated[Path | None, typer.Option("--rules", help="A rule set (TOML). Without one, one is guessed.")] = None,
    guess: Annotated[bool, typer.Option("--guess", help="Propose a rule set from the two files, say why, and stop.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="With --guess: ask for each column what it is, then try again.")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="What a column is, such as left.reference='Order no'; the rest is guessed. Repeatable."),
    ] = None,
    engine: Annotated[EngineName, typer.Option("--engine", help="duckdb on this machine, spark on a cluster.")] = EngineName.DUCKDB,
    memory: Annotated[str | None, typer.Option("--memory", help="Most memory to use, such as 512MB; the rest is spilled.")] = None,
    keep: Annotated[Path | None, typer.Option("--keep", help=KEEP)] = None,
    master: Annotated[str, typer.Option("--master", help="Where Spark runs: local[2], spark://host:7077, yarn …")] = "local[2]",
    driver_host: Annotated[
        str | None, typer.Option("--driver-host", help="The address at which Spark's executors reach this machine; found out otherwise.")
    ] = None,
    spark: Annotated[
        list[str] | None,
        typer.Option("--spark", help="One of Spark's own settings, such as spark.eventLog.enabled=true. Repeatable."),
    ] = None,
    one_file: Annotated[
        bool,
        typer.Option(
            "--one-file", help="On Spark: matches.parquet as one sorted file, which this machine writes; a folder of parts otherwise."
        ),
    ] = False,
    matches: Annotated[
        str | None,
        typer.Option("--matches", help="On Spark: where its executors write the matches, such as s3a://bucket/run; --out otherwise."),
    ] = None,
    shared_out: Annotated[
        bool, typer.Option("--shared-out", help="On Spark: executors on other machines see the folder of --out, such as a share.")
    ] = False,
) -> None:
    """Reconcile two files. No money moves.

    Ends with 0 when all agrees, 1 when something does not or not all was checked, 2 when nothing can be concluded.
    """
    console = Console(stderr=True)
    try:
        said = said_of(column or [])
        if guess or ask:
            _propose(_local(left), _local(right), out, said, ask=ask)
            raise typer.Exit(0)
        with _told(console) as progress:
            found = _rules(left, right, rules, out, console, said)
            conf = _spark_settings(spark or [])
            cluster = ClusterSettings(master, driver_host, conf, one_file=one_file, matches=matches, shared_out=shared_out)
            run = partial(reconcile_files, out=out, engine=engine.value, memory=memory, cluster=cluster, keep=keep, progress=progress)
            outcome = run(left, right, found)
    except Problem as problem:
        sentence = Text.assemble(("Not reconciled: nothing can be concluded.", "bold red"), f" {problem.sentence()}")
        console.print(sentence, highlight=False)  # names of files and columns may look like markup, and are text
        if problem.todo:
            console.print(problem.todo, style="dim", markup=False, highlight=False)
        raise typer.Exit(BROKEN) from problem
    typer.echo(summary(outcome))
    raise typer.Exit(outcome.exit_code)


def _local(given: str) -> Path:
    """A path of this machine. Raises InvalidInput for an address of a store: what is guessed is guessed from a file here."""
    if "://" in given:
        raise InvalidInput("rules", "a rule set (--rules): columns are guessed from files of this machine only", got=given[:80])
    return Path(given)


def _spark_settings(given: list[str]) -> dict[str, str]:
    """Spark's own settings by name. Raises InvalidInput."""
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.startswith("spark."):
            raise InvalidInput("spark", "a setting of Spark, such as spark.eventLog.enabled=true", got=each[:80])
        found[name] = value
    return found


def _propose(left: Path, right: Path, out: Path, said: Said, *, ask: bool) -> None:
    """The rule set, why it is so, and what it makes of these files. One that cannot be used is shown with the reason, and not written."""
    found = guess_rule_set(left, right, said)
    if ask:
        answers = corrected(found.columns, {(each.side, each.name): _asked(each) for each in found.columns})
        found = guess_rule_set(left, right, {side: {**said[side], **answers[side]} for side in answers})
    told = [page(found.columns, found.reasons), ""]
    try:
        tried = _tried(left, right, found.text)
    except Problem as problem:
        refused = f"It was tried on these files, and cannot be used as it is: {problem.sentence()}"
        typer.echo("\n".join([*told, refused, "", how_to_correct(found.columns)]))
        raise typer.Exit(BROKEN) from problem
    _write_rules(out, found.text)
    typer.echo("\n".join([f"Wrote {out / 'rules.toml'}.", "", *told, *tried, "", how_to_correct(found.columns)]))
    typer.echo(f"Or correct {out / 'rules.toml'} itself, then reconcile with --rules {out / 'rules.toml'}.")


def _asked(each: ColumnTold) -> str:
    """What a person says that a column is; an empty answer keeps the guess."""
    shown = ", ".join(each.values) or "empty"
    while True:
        answer = typer.prompt(f"{each.side}, column {each.name} ({shown})", default=each.taken_for).strip()
        if answer == each.taken_for or answer in ROLES:
            return str(answer)
        typer.echo(f"One of {', '.join(ROLES)}.")


def _tried(left: Path, right: Path, text: str) -> list[str]:
    """What the rule set makes of these files; of large ones only that it can be loaded. Raises Problem where it cannot be used."""
    rules = load_rules(text)
    if sum(path.stat().st_size for given in (left, right) for path in paths_of(given)) > TRIED_BYTES_MAX:
        return [f"It was not tried: the files are larger than {TRIED_BYTES_MAX >> 20} MiB. What the files hold may still refuse it."]
    with tempfile.TemporaryDirectory(prefix="counterfoil-tried-") as folder:
        tried = reconcile_files(left, right, rules, out=Path(folder))
    return ["Tried on these files:", "", summary(tried, files=False)]


def _write_rules(out: Path, text: str) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "rules.toml").write_text(text, "utf-8")
    except OSError as error:
        raise InvalidInput("out", "a folder that can be written to", got=str(out)[:200], reason=error.strerror or "") from error


def _rules(left: str, right: str, rules: Path | None, out: Path, console: Console, said: Said) -> RuleSet:
    """The rule set given, or one that is guessed, kept in the output folder and said to be a guess."""
    if rules is not None:
        if any(said.values()):
            raise InvalidInput("column", "a run without --rules: a rule set says itself which column is what", got="--rules")
        return load_rules(rules)
    text, reasons, _ = guess_rule_set(_local(left), _local(right), said, is_proposal=False)
    found = load_rules(text)
    _write_rules(out, text)
    told = f"No rule set given; guessed one into {out / 'rules.toml'}. Check it before you rely on the result:"
    for line in (told, *(f"  - {reason}" for reason in reasons)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return found


@contextmanager
def _told(console: Console) -> Iterator[Progress]:
    """Progress on a terminal, shown once the run has taken longer than two seconds."""
    status = console.status("Reconciling", spinner="dots")
    timer = Timer(SHOWN_AFTER_SECONDS, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda what: status.update(what)
    finally:
        timer.cancel()
        status.stop()

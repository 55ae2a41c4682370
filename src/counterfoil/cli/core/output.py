"""How answers are shown: a table for people, JSON as it came, CSV for spreadsheets."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from threading import Timer
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

SHOWN_AFTER_S: Final = 2.0
ABSENT: Final = "–"
Json = dict[str, Any]


class Format(StrEnum):
    """How an answer is shown."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Output = Annotated[Format, typer.Option("--output", "-o", help="A table for people, JSON or CSV for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do it, show what would change, and roll it back.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. Kept in the action log.")]
Rows = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Rows at most.")]
ROWS: Final = 50
TABLE: Final = Format.TABLE


def show_rows(rows: Sequence[Json], columns: Sequence[str], output: Format, *, empty: str = "Nothing.") -> None:
    """A list. `columns` are names in the rows, `a.b` for one within another."""
    if output is Format.JSON:
        typer.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[_csv_cell(_at(row, name)) for name in columns] for row in rows])
    elif not rows:
        typer.echo(empty)
    else:
        _print(_table(rows, columns))


def show_one(thing: Json, output: Format, *, parts: Sequence[tuple[str, Sequence[str]]] = ()) -> None:
    """One thing: its plain fields, then its `parts`, each a name and the columns of a list."""
    if output is Format.JSON:
        typer.echo(json.dumps(thing, indent=2, ensure_ascii=False))
        return
    plain = [(name, value) for name, value in thing.items() if not isinstance(value, list | dict)]
    if output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([name for name, _ in plain])
        writer.writerow([_csv_cell(value) for _, value in plain])
        return
    grid = Table.grid(padding=(0, 2))
    for name, value in plain:
        if not (name == "dryRun" and value is False):
            grid.add_row(Text(name, style="dim"), _text(value))
    _print(grid)
    for name, columns in parts:
        value = thing.get(name)
        rows = value if isinstance(value, list) else [value] if value else []
        if rows:
            typer.echo(f"\n{name}")
            _print(_table(rows, columns))


def say_done(done: Json, output: Format, said: str) -> None:
    """The answer to a write, in one line for people; a dry run says that it was one."""
    if output is not Format.TABLE:
        show_one(done, output)
        return
    typer.echo(f"(dry run, nothing was changed) {said}" if done.get("dryRun") else said)


@contextmanager
def patience(what: str) -> Iterator[None]:
    """Shows that something is under way, once it takes more than two seconds."""
    console = Console(stderr=True)
    status = console.status(Text(f"{what} …"))
    timer = Timer(SHOWN_AFTER_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        status.stop()


def _table(rows: Sequence[Json], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numbers = all(_is_number(_at(row, name)) for row in rows)
        table.add_column(name.rpartition(".")[2], justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_text(_at(row, name)) for name in columns])
    return table


def _print(shown: Table) -> None:
    console = Console()
    if not console.is_terminal:  # a pipe has no width: nothing is folded away
        console = Console(width=400)
    console.print(shown, markup=False, highlight=False)


def _at(row: Json, name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.removeprefix("-").isdigit())


def _text(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _csv_cell(value: Any) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    text = (
        "" if value is None else json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    )
    risky = text[:1] in ("=", "+", "@", "\t", "\r") or (text[:1] == "-" and not _is_number(text))
    return f"'{text}" if risky else text

"""How answers are shown: a table for people, JSON as it came, CSV for spreadsheets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import islice
from pathlib import Path
from threading import Timer
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.formats.workbook import workbook
from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import printable
from counterfoil.cli.core.money import figure, is_amount, major
from counterfoil.cli.core.tables import TableColumn, print_fields, print_table
from counterfoil.client.client import Client

SHOWN_AFTER_S: Final = 2.0
COUNTED_MAX: Final = 5_000  # a longer list is not counted to its end
ROWS_MAX: Final = 10_000
ABSENT: Final = "–"
Json = dict[str, Any]


class Format(StrEnum):
    """How an answer is shown."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class ListFormat(StrEnum):
    """How a list is shown: as any answer, or as a workbook."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


ListOutput = Annotated[
    ListFormat, typer.Option("--output", "-o", help="A table for people, JSON or CSV for programs, xlsx for a spreadsheet: `> list.xlsx`.")
]
Output = Annotated[Format, typer.Option("--output", "-o", help="A table for people, JSON or CSV for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do it, show what would change, and roll it back.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. Kept in the action log.")]
Rows = Annotated[int, typer.Option("--limit", min=1, max=ROWS_MAX, help="Rows at most.")]
ROWS: Final = 50
TABLE: Final = Format.TABLE


def say(text: str, *, end: str = "\n") -> None:
    """Text for a terminal or a file; what would command the terminal is taken out of it."""
    typer.echo(printable(text) + end, nl=False)


def write_file(file: Path, body: bytes) -> None:
    """Into this file, in the place of what was there. Raises InvalidInput where that cannot be."""
    try:
        file.write_bytes(body)
    except OSError as error:
        raise InvalidInput("file", "a file that can be written", got=str(file)[:200], reason=error.strerror or "") from error


def give_text(body: bytes, file: Path | None) -> None:
    """A text into this file; to the terminal without one."""
    if file is None:
        typer.echo(body.decode(), nl=False)
    else:
        write_file(file, body)
        say(f"{file}: {len(body)} bytes.")


def show_rows(rows: Sequence[Json], columns: Sequence[str], output: Format | ListFormat, *, empty: str = "Nothing.") -> None:
    """A list. `columns` are names in the rows, `a.b` for one within another."""
    if output is ListFormat.XLSX:
        give_workbook(rows, columns)
        return
    output = Format(output)
    if output is Format.JSON:
        typer.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
    elif output is Format.CSV:
        say(csv_text(columns, ([_cell(_plain(row, name)) for name in columns] for row in rows)), end="")
    elif not rows:
        typer.echo(empty)
    else:
        _print_table(rows, columns)
    if isinstance(rows, ListedRows) and rows.more:
        typer.echo(rows.more, err=output is not Format.TABLE)  # a file of rows must not look like all of them


def give_workbook(rows: Sequence[Json], columns: Sequence[str]) -> None:
    """A list as .xlsx on standard output, amounts in major units as numbers. Raises BadParameter at a terminal, which it would spoil."""
    if sys.stdout.isatty():
        raise typer.BadParameter("a workbook goes into a file: add `> list.xlsx`", param_hint="--output")
    lines = [[_in_workbook(row, name) for name in columns] for row in rows]
    sys.stdout.buffer.write(workbook(columns, lines))
    sys.stdout.buffer.flush()
    if isinstance(rows, ListedRows) and rows.more:
        typer.echo(rows.more, err=True)  # a file of rows must not look like all of them


def _in_workbook(row: Json, name: str) -> Any:
    """A cell of a workbook. An amount whose asset stands in the row is a number, unless its decimals are not known."""
    value, told = _at(row, name), _cell(_plain(row, name))
    if is_amount(name, value) and row.get("asset"):
        try:
            return Decimal(told)
        except InvalidOperation:
            return told
    return None if told is None else str(told)


def show_one(thing: Json, output: Format, *, parts: Sequence[tuple[str, Sequence[str]]] = ()) -> None:
    """One thing: its plain fields, then its `parts`, each a name and the columns of a list."""
    if output is Format.JSON:
        typer.echo(json.dumps(thing, indent=2, ensure_ascii=False))
        return
    plain = [name for name, value in thing.items() if not isinstance(value, list | dict) or _is_figure(value)]
    if output is Format.CSV:
        say(csv_text(plain, [[_cell(_plain(thing, name)) for name in plain]]), end="")
        return
    told = [name for name in thing if name in plain or _are_words(name, thing[name])]
    print_fields([(name, _shown(thing, name)) for name in told if not (name == "dryRun" and thing[name] is False)])
    for name, columns in parts:
        value = thing.get(name)
        rows = value if isinstance(value, list) else [value] if value else []
        if rows:
            typer.echo(f"\n{name}")
            _print_table([{**one, "asset": one.get("asset") or thing.get("asset")} for one in rows], columns)
            if name in (thing.get("cut") or ()):
                typer.echo(f"Only the first {len(rows)} are shown; there are more.")


def _are_words(name: str, value: Any) -> bool:
    """A list of plain words, such as an endpoint's events; `cut` names lists, and is said below them."""
    return name != "cut" and isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def waits(done: Json, output: Format) -> bool:
    """Does this wait for a second person? Then it is said what they do, and what to do afterwards."""
    if "proposalId" not in done:
        return False
    sha256 = done["payloadSha256"]
    said = (
        f"It takes two people. Another person looks (`counterfoil approvals show {done['proposalId']}`) and approves:\n"
        f"  counterfoil approvals approve {done['proposalId']} --sha256 {sha256} --reason …\n"
        f"Then say the same again. It expires at {done['expiresAt']}."
    )
    if done.get("told"):
        said = f"{done['told']}\n{said}"
    say_done(done, output, said)
    return True


def say_done(done: Json, output: Format, said: str) -> None:
    """The answer to a write, in one line for people; a dry run says that it was one."""
    if output is not Format.TABLE:
        show_one(done, output)
        return
    say(f"(dry run, nothing was changed) {said}" if done.get("dryRun") else said)


class ListedRows(list[Json]):
    """The rows of a list as far as they were asked for, and how many more there are."""

    more: str = ""


def listed(client: Client, path: str, limit: int, **params: Any) -> ListedRows:
    """The first `limit` rows of a list; of a longer one also how long it is, counted up to 5,000."""
    most = max(limit, COUNTED_MAX)
    every = client.every(path, rows_max=most + 1, **params)
    rows = ListedRows(islice(every, limit))
    total = len(rows) + sum(1 for _ in every)
    if total > limit:
        told = f"more than {most:,}" if total > most else f"{total:,}"
        rows.more = f"{limit:,} of {told}; --limit {min(total, ROWS_MAX)} shows more."
    return rows


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


def _print_table(rows: Sequence[Json], columns: Sequence[str]) -> None:
    shown = [TableColumn(name.rpartition(".")[2], all(_is_number(_at(row, name)) for row in rows)) for name in columns]
    print_table(shown, [[_shown(row, name, beside="asset" in columns) for name in columns] for row in rows])


def _at(row: Json, name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.removeprefix("-").isdigit())


def _is_figure(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"minor", "asset"} and value["minor"] is not None


def _shown(row: Json, name: str, *, beside: bool = False) -> str:
    """A cell for people; amounts in major units, with their asset unless it stands `beside` in a column of its own."""
    value = _at(row, name)
    if _is_figure(value):
        return figure(value["minor"], value["asset"])
    if is_amount(name, value):
        asset = row.get("asset")
        return major(value, asset) if beside or not asset else figure(value, asset)
    return _text(value)


def _plain(row: Json, name: str) -> Any:
    """A cell of a spreadsheet: amounts in major units without separators of thousands."""
    value = _at(row, name)
    if _is_figure(value):
        return figure(value["minor"], value["asset"]).replace(",", "")
    return major(value, row.get("asset")).replace(",", "") if is_amount(name, value) and row.get("asset") else value


def _text(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return printable(", ".join(value)) or ABSENT
    return printable(str(_cell(value)))  # a payee's name must not command the operator's terminal


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value

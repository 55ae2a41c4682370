"""`counterfoil journal import` and `journal check`: a file of movements into the books, on the machine where the database can be reached.

It does not go through the API: a file may have millions of rows, and an import goes on where it was broken off, which only the
database knows. Whoever may run it holds the database's address; the action log says who it was.
"""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from counterfoil.audit.actions import record_action
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.problems import InvalidInput
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, show_one, show_rows
from counterfoil.cli.core.progress import taken_in
from counterfoil.cli.local.installation import local_database, settings_now
from counterfoil.ledger.importing.check import BalanceCheck, check_balances
from counterfoil.ledger.importing.files import rows_of
from counterfoil.ledger.importing.imports import Imported, import_file
from counterfoil.ledger.importing.map import ImportMap, journal_of, load_map
from counterfoil.ledger.reads.listing import show_program

BREAKS_SHOWN: Final = 20
BREAK_COLUMNS: Final = ("account", "day", "ours", "theirs", "difference", "reason")

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, NDJSON or Parquet.")]
Map = Annotated[Path, typer.Option("--map", exists=True, dir_okay=False, help="How its rows become journals: a small TOML file.")]
Program = Annotated[str, typer.Option("--program", help="Into whose books.")]
CheckBalances = Annotated[
    bool, typer.Option("--check", help="Then hold our balances against those in the file; end with 1 when some differ.")
]


def import_(
    file: File,
    map_: Map,
    program: Program = "main",
    check: CheckBalances = False,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Post every row of a file as a journal, on this machine, against COUNTERFOIL_DATABASE_URL or the private database.

    Every row is read and understood before the first is written. Broken off, it goes on where it stopped; the same file again
    changes nothing. With --dry-run the rows are read and understood, and nothing is written.
    """
    mapped = load_map(map_.read_text("utf-8"))
    with local_database(settings_now()) as database, taken_in(file.name) as progress:
        if dry_run:
            rows = _understood(database, program, file, mapped)
            told: dict[str, Any] = {"dryRun": True, "rows": rows, "file": file.name}
        else:
            made = import_file(database.transaction, program, file, mapped, actor=_actor(), clock=now, progress=progress)
            _record(database, program, file, made)
            told = {"rows": made.rows, "posted": made.posted, "existed": made.existed, "resumedAt": made.resumed_at}
        checked = check_balances(database.transaction, program, file, mapped) if check and not dry_run else None
    if checked is None:
        show_one(told, output)
        return
    _show_check(checked, told, output)


def check(file: File, map_: Map, program: Program = "main", output: Output = TABLE) -> None:
    """Hold our balances against those that a file brings along, day by day. Ends with 1 when some differ; writes nothing."""
    mapped = load_map(map_.read_text("utf-8"))
    with local_database(settings_now()) as database:
        _show_check(check_balances(database.transaction, program, file, mapped), {}, output)


def _show_check(found: BalanceCheck, told: dict[str, Any], output: Format) -> None:
    breaks = [{**one._asdict(), "day": one.day.isoformat()} for one in found.breaks]
    if output is Format.JSON:
        shown = {**told, "days": found.days, "tied": found.tied, "byReason": found.by_reason(), "breaks": breaks}
        typer.echo(json.dumps(shown, indent=2))
    elif output is Format.CSV:
        show_rows(breaks, BREAK_COLUMNS, output)
    else:
        show_one({**told, "accountDays": found.days, "tied": found.tied, **found.by_reason()}, output)
        if breaks:
            show_rows(breaks[:BREAKS_SHOWN], BREAK_COLUMNS, output)
            typer.echo(f"{len(breaks)} account-days do not tie; --output csv lists all of them.")
    if breaks:
        raise typer.Exit(NOT_GREEN)


def _understood(database: Database, program: str, file: Path, mapped: ImportMap) -> int:
    with database.transaction(read_only=True) as conn:
        scales = dict(show_program(conn, program).assets)
    count = 0
    for row in rows_of(file, mapped):
        journal_of(row.values, mapped, scales, actor=_actor(), line=row.line)
        count += 1
    if count == 0:
        raise InvalidInput("file", "at least one row")
    return count


def _record(database: Database, program: str, file: Path, made: Imported) -> None:
    with database.transaction() as conn:
        record_action(
            conn,
            make_id("act"),
            actor=_actor(),
            role="local",
            verb="journal.import",
            subject_id=made.import_id.hex(),
            reason=None,
            request_id=make_id("req"),
            payload={"programId": program, "file": file.name, "rows": made.rows, "posted": made.posted},
            at=now(),
        )


def _actor() -> str:
    return f"local:{getpass.getuser()}"

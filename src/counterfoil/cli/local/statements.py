"""`counterfoil statements`: look at bank files without a server and without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console

from counterfoil import statements as sources
from counterfoil.base.formats.counting import counted
from counterfoil.base.money import format_major
from counterfoil.base.problems import Problem
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.tables import TableColumn, console_for_people, print_table
from counterfoil.cli.nouns.reconciliation.statements_import import import_
from counterfoil.reconciliation.bank_statements import BANK_FILE_LIST
from counterfoil.statements import FolderRead, SequenceGap, SourceRead, StatementInfo

app = command_group("Look at bank statements: do they add up, do they follow on?")
app.command("import")(import_)
add_list(
    app,
    "/api/reconciliation/statements",
    ("id", "at", "account", "fileName", "format", "records", "new", "known", "actor"),
    "Statement files that a server was given, newest first unless sorted otherwise.",
    "None was imported: not checked.",
    Only("--account", "cash:bank:client or cash:bank:own."),
    Only("--program", "The program; the installation's own when absent.", "programId"),
    *of_noun(BANK_FILE_LIST),
)

COLUMNS: Final = (
    TableColumn("account"),
    TableColumn("statements", numbers=True),
    TableColumn("from"),
    TableColumn("to"),
    TableColumn("entries", numbers=True),
    TableColumn("asset"),
    TableColumn("opens with", numbers=True),
    TableColumn("closes with", numbers=True),
    TableColumn("adds up"),
)

Output = Annotated[Literal["table", "json"], typer.Option("--output", help="A table for people, JSON for programs.")]
FormatOption = Annotated[str | None, typer.Option("--format", help="The format, where the content does not tell it.")]
AssetOption = Annotated[str | None, typer.Option("--asset", help="The currency, where the file does not name it.")]


@app.command("check")
def check_folder(
    folder: Annotated[Path, typer.Argument(help="A folder of statements, or one file.")],
    output: Output = "table",
    format: FormatOption = None,  # noqa: A002 - the option's name
    asset: AssetOption = None,
) -> None:
    """Show that every statement adds up and follows on; name a day that is missing. Moves no money, changes nothing.

    Ends with 0 when nothing is wrong, 1 when a statement is missing, doubled, does not add up or does not follow on, or a row was
    rejected, 2 when a file is broken. What cannot be shown, for want of a balance, is said.
    """
    try:
        found = _load(folder, format, asset)
    except Problem as problem:
        Console(stderr=True).print(problem.sentence(), style="red", markup=False)
        raise typer.Exit(2) from None
    if output == "json":
        typer.echo(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    else:
        _show(console_for_people(), found)
    raise typer.Exit(2 if found.refused or not found.reads else 0 if found.is_whole else 1)


def as_json(found: FolderRead) -> dict[str, Any]:
    """The same facts as the table, for programs; amounts are minor units as strings."""
    return {
        "whole": found.is_whole,
        "shown": found.is_shown,
        "files": len(found.reads),
        "statements": [_info_json(one, info) for one in found.reads for info in one.statements],
        "gaps": [_gap_json(gap) for gap in found.gaps],
        "duplicates": [{"file": file, "same_as": other} for file, other in found.duplicates],
        "refused": [{"file": each.file, "line": each.line, "column": each.column, "reason": each.reason} for each in found.refused],
        "rejected": [row._asdict() for one in found.reads for row in one.rejected],
        "notes": [{"file": one.file, "note": note} for one in found.reads for note in one.notes],
    }


def _load(folder: Path, format: str | None, asset: str | None) -> FolderRead:  # noqa: A002
    if not folder.is_file():
        return sources.load_folder(folder, format=format, asset=asset)
    try:
        one = sources.read(folder, format=format, asset=asset)
    except sources.SourceBroken as fault:
        return FolderRead([], [fault], [], [])
    return FolderRead([one], [], sources.follow_on([one]), [])


def _info_json(one: SourceRead, info: StatementInfo) -> dict[str, Any]:
    return {
        "file": one.file,
        "line": info.line,
        "format": one.format,
        "account": info.account,
        "statement_id": info.statement_id,
        "sequence": info.sequence,
        "asset": info.asset,
        "opening": None if info.opening is None else str(info.opening),
        "closing": None if info.closing is None else str(info.closing),
        "opening_on": info.opening_on.isoformat() if info.opening_on else None,
        "closing_on": info.closing_on.isoformat() if info.closing_on else None,
        "entries": info.entries,
        "total": str(info.total),
        "carries": info.carries,
    }


def _gap_json(gap: SequenceGap) -> dict[str, Any]:
    return {
        "kind": gap.kind,
        "account": gap.account,
        "asset": gap.asset,
        "file": gap.file,
        "line": gap.line,
        "days": [day.isoformat() for day in gap.days],
        "difference": None if gap.difference is None else str(gap.difference),
        "proven": gap.proven,
        "reason": gap.reason,
    }


def _show(console: Console, found: FolderRead) -> None:
    """One row per account, then everything that is wrong, each with its reason."""
    if found.statements:
        print_table(COLUMNS, [_account_row(infos) for infos in _by_account(found).values()], ruled=False)
    for fault in found.refused:
        where = f"{fault.file}:{fault.line}" if fault.line else fault.file
        console.print(f"broken   {where}: {fault.reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    for gap in found.gaps:
        told = f"{gap.kind:8} {gap.account} {gap.file}:{gap.line}: {gap.reason}"
        console.print(told, style="red" if gap.proven else "yellow", markup=False, highlight=False, soft_wrap=True)
    for file, other in found.duplicates:
        console.print(
            f"doubled  {file} has the same bytes as {other}",
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for one in found.reads:
        for row in one.rejected:
            told = f"rejected {row.file}:{row.line}: {row.column or ''} {row.reason}"
            console.print(told, style="yellow", markup=False, highlight=False, soft_wrap=True)
        for note in one.notes:
            console.print(f"note     {one.file}: {note}", style="dim", markup=False, highlight=False, soft_wrap=True)
    verdict = "bold green" if found.is_shown else "bold"
    console.print(_verdict(found), style=verdict, markup=False, highlight=False, soft_wrap=True)


def _by_account(found: FolderRead) -> dict[tuple[str, str], list[StatementInfo]]:
    accounts: dict[tuple[str, str], list[StatementInfo]] = {}
    for info in found.statements:
        accounts.setdefault((info.account or "", info.asset or ""), []).append(info)
    return {
        key: sorted(accounts[key], key=lambda info: (str(info.closing_on or ""), info.sequence or 0, info.page or 0))
        for key in sorted(accounts)
    }


def _account_row(infos: list[StatementInfo]) -> list[str]:
    first, last = infos[0], infos[-1]
    shown = [each for each in infos if each.carries is not None]
    adds_up = "yes" if shown and len(shown) == len(infos) and all(each.carries for each in shown) else "not shown"
    return [
        first.account or "–",
        str(len(infos)),
        str(first.closing_on or "–"),
        str(last.closing_on or "–"),
        str(sum(each.entries for each in infos)),
        first.asset or "–",
        _money(first.opening, first.asset),
        _money(last.closing, last.asset),
        "no" if any(each.carries is False for each in infos) else adds_up,
    ]


def _money(minor: int | None, asset: str | None) -> str:
    scale = sources.scale_of(asset) if asset else None
    return "–" if minor is None else format_major(minor, scale) if scale is not None else str(minor)


def _verdict(found: FolderRead) -> str:
    """Of a statement without an opening or a closing balance nothing is shown, and that is said."""
    read = f"{counted(len(found.reads), 'file')}, {counted(len(found.statements), 'statement')}"
    not_shown = sum(info.carries is None for info in found.statements)
    if found.is_whole and not not_shown:
        return f"{read}: every one adds up and follows on."
    if found.is_whole:
        shown = f"{len(found.statements) - not_shown} add up" if not_shown < len(found.statements) else "none is shown to add up"
        none = counted(not_shown, "gives no opening or closing balance", "give no opening or closing balance")
        return f"{read}: {shown}; {none} to show it by. Nothing contradicts what they say."
    wrong = {
        "broken": len(found.refused),
        "not adding up": sum(info.carries is False for info in found.statements),
        "not following on": len(found.gaps),
        "doubled files": len(found.duplicates),
        "rejected rows": found.rejected,
    }
    told = ", ".join(f"{number} {what}" for what, number in wrong.items() if number)
    return f"{read}: {told or 'nothing to check'}."

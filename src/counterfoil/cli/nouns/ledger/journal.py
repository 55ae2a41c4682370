"""`counterfoil journal …`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done, show_one, waits
from counterfoil.cli.core.prose import text_of
from counterfoil.cli.local.journal_import import check, import_
from counterfoil.cli.nouns.ledger.journal_batch import app as batch
from counterfoil.ledger.reads.listing import JOURNAL_LIST

app = command_group("Post, import, show and reverse journals.")
LINES = ("line", "debit", "credit", "amount", "debitBalance", "creditBalance", "reversedBy")
Journal = Annotated[str, typer.Argument(help="The journal's id.")]


@app.command("post")
def post(
    file: Annotated[
        Path,
        typer.Argument(help="A JSON object as `POST /api/finance/journal` takes it; - reads standard input."),
    ],
    reason: Annotated[str | None, typer.Option("--reason", help="Why. Over the file's own.")] = None,
    incident: Annotated[str | None, typer.Option("--incident", help="The incident that it corrects, inc_…. Over the file's own.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Post one journal: all its lines or none. Its key makes it happen once, however often you run this."""
    body = _read(file) | ({"reason": reason} if reason else {}) | ({"incidentId": incident} if incident else {})
    with asked("post") as client:
        done = client.post_journal(body, dry_run=dry_run)  # the journal's own key makes it happen once
    if waits(done, output):
        return
    said = "was posted before" if done["existed"] else "is posted"
    say_done(done, output, f"Journal {done['id']} {said}.")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(text_of(file, "FILE"))
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise typer.BadParameter(f"{file} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file} holds no journal: a JSON object is needed")
    return found


add_list(
    app,
    "/api/journals",
    ("recordedAt", "kind", "key", "asset", "lineCount", "actor", "id"),
    "Journals, newest first unless sorted otherwise.",
    "No such journals.",
    Only("--program", "Whose books.", "programId", "main"),
    *of_noun(JOURNAL_LIST),
)


@app.command("show")
def show(journal_id: Journal, output: Output = TABLE) -> None:
    """One journal with its lines."""
    with asked("read") as client:
        show_one(client.journal(journal_id), output, parts=(("lines", LINES),))


@app.command("reverse")
def reverse(
    journal_id: Journal,
    reason: Reason,
    line: Annotated[int | None, typer.Option("--line", min=1, help="Only this line.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Move everything back that a journal moved, or one line of it, by a new journal. Once; nothing is ever erased."""
    with asked("post") as client:
        done = client.reverse_journal(journal_id, reason=reason, line=line, dry_run=dry_run)
    if waits(done, output):
        return
    say_done(done, output, f"Journal {journal_id} is reversed by {done['id']}.")


app.add_typer(batch, name="batch")
app.command("import")(import_)
app.command("check")(check)

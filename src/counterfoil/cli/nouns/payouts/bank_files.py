"""`counterfoil bank-files …`"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, patience, say, say_done, show_one
from counterfoil.payouts.payment_files.files import PAYMENT_FILE_LIST

app = command_group("Files of payments for the bank, and what the bank reported on them.")
FileId = Annotated[str, typer.Argument(help="The file, pf_…")]


add_list(
    app,
    "/api/bank-files",
    ("id", "state", "programId", "orders", "amount", "asset", "ordersPaid", "ordersFailed", "ordersOpen", "executeOn", "downloadedAt"),
    "Files, the newest first. One that is `made` waits for somebody to bring it to the bank.",
    "There is no such file.",
    Only("--state", "made, downloaded, reported or cancelled."),
    OF_PROGRAM,
    *of_noun(PAYMENT_FILE_LIST),
)


@app.command("make")
def make(output: Output = TABLE) -> None:
    """Make files now of all that is queued for the bank, without waiting until more has gathered."""
    with asked("operate") as client:
        done = client.post("/api/bank-files", {})
    said = f"{counted(done['handled'], 'payout was', 'payouts were')} taken up; `counterfoil bank-files list --state made` shows the files."
    say_done(
        done,
        output,
        said if done["handled"] else "Nothing was taken up: nothing is queued for the bank, or its queue is paused.",
    )


@app.command("show")
def show(file_id: FileId, output: Output = TABLE) -> None:
    """One file with its orders, and where each stands."""
    with asked("read") as client:
        found = client.get(f"/api/bank-files/{file_id}")
    show_one(
        found,
        output,
        parts=[("lines", ("number", "providerPayoutId", "payoutId", "amount", "asset", "state", "error"))],
    )


@app.command("download")
def download(
    file_id: FileId,
    to: Annotated[Path | None, typer.Option("--to", help="Where to write it; <id>.xml here, if absent. Never over a file.")] = None,
) -> None:
    """Write a file as it was made. From the first time on the bank may have it, and it cannot be cancelled."""
    path = to or Path(f"{file_id}.xml")
    if path.exists():
        raise typer.BadParameter(f"{path} is there already", param_hint="--to")
    with asked("operate") as client:
        wanted = str(client.get(f"/api/bank-files/{file_id}")["sha256"])
        body = client.fetch(f"/api/bank-files/{file_id}/download")
    if hashlib.sha256(body).hexdigest() != wanted:
        raise typer.BadParameter("what came is not the file that was made: its hash differs; nothing was written")
    with path.open("xb") as file:
        file.write(body)
    say(f"{path}: {len(body)} bytes, SHA-256 {wanted}. Bring it to the bank; import what the bank reports.")


@app.command("cancel")
def cancel(file_id: FileId, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Give up a file that nobody has downloaded. Its orders fail, and their money is owed to the payees again."""
    with asked("operate") as client:
        done = client.post(f"/api/bank-files/{file_id}/cancel", {"reason": reason}, dry_run=dry_run)
    say_done(done, output, f"{file_id} is cancelled; {counted(len(done['ended']), 'payout is', 'payouts are')} owed again.")


@app.command("import-status")
def import_status(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="pain.002, camt.053 or camt.054.")],
    program: Annotated[str | None, typer.Option(help="Only orders of this program.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Book what the bank reports on our orders: taken, paid, refused, come back. The same report again changes nothing."""
    with asked("operate") as client, patience(f"sending {file.name}"):
        done = client.post(
            "/api/bank-files/reports",
            content=file.read_bytes(),
            content_type="application/octet-stream",
            dry_run=dry_run,
            fileName=file.name,
            programId=program,
        )
    said = ", ".join(f"{number} {status}" for status, number in sorted(done["said"].items())) or "nothing of our orders"
    before = " It was taken before; nothing was done." if done["existed"] else ""
    say_done(done, output, f"{file.name} ({done['format']}) says: {said}.{before}")
    if output is TABLE:
        if done["silent"]:
            silent = counted(done["silent"], "order is not spoken of; it stays as it is", "orders are not spoken of; they stay as they are")
            say(f"Of {done['fileId']} {silent}.")
        if done["unknown"]:
            say(f"none of ours: {', '.join(done['unknown'][:10])}{' …' if len(done['unknown']) > 10 else ''}")

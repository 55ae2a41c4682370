"""`counterfoil approvals …`"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Reason, Rows, listed, say_done, show_one, show_rows

app = typer.Typer(no_args_is_help=True, help="What one person proposed and another decides.")
ProposalId = Annotated[str, typer.Argument(help="The proposal's id, prop_….")]
COLUMNS = ("id", "state", "machine", "verb", "subjectId", "maker", "reason", "expiresAt", "payloadSha256")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also what is decided or over.")] = False,
    machine: Annotated[str | None, typer.Option("--machine", help="Of this noun only, such as break.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """What waits for a second person, newest first."""
    with asked("read") as client:
        state = "all" if every else "waiting"
        rows = listed(client, "/api/approvals", limit, state=state, machine=machine)
    show_rows(rows, COLUMNS, output, empty="Nothing waits for a second person.")


@app.command("show")
def show(proposal_id: ProposalId, output: Output = TABLE) -> None:
    """A proposal with its payload and the hash that is approved."""
    with asked("read") as client:
        found = client.get(f"/api/approvals/{proposal_id}")
    flat = {
        f"payload.{name}": json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        for name, value in found["payload"].items()
    }
    show_one({**{name: value for name, value in found.items() if name != "payload"}, **flat}, output)


@app.command("approve")
def approve(
    proposal_id: ProposalId,
    sha256: Annotated[str, typer.Option("--sha256", help="The payloadSha256 that you looked at: exactly this is approved.")],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Approve what another person proposed. It takes your own login (`counterfoil login NAME`); keys never approve."""
    with asked("approve") as client:
        done = client.post(f"/api/approvals/{proposal_id}/approve", {"payloadSha256": sha256, "reason": reason}, dry_run=dry_run)
    made = f", which made {done['resultId']}" if done.get("resultId") else ""
    say_done(done, output, f"{proposal_id} is {done['state']}{made}.")


@app.command("reject")
def reject(proposal_id: ProposalId, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Turn a proposal down, or take back your own. Nothing is done."""
    with asked("approve") as client:
        done = client.post(f"/api/approvals/{proposal_id}/reject", {"reason": reason}, dry_run=dry_run)
    say_done(done, output, f"{proposal_id} is {done['state']}.")

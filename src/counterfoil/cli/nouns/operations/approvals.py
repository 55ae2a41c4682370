"""`counterfoil approvals …`"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, Only, add_list, add_write, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, Output, show_one
from counterfoil.operations.approval_inbox import PROPOSAL_LIST

app = command_group("What one person proposed and another decides.")
PROPOSAL_ID = Given("proposal_id", "The proposal's id, prop_….", bare=True)
COLUMNS = ("id", "state", "machine", "verb", "subjectId", "maker", "reason", "expiresAt", "payloadSha256")


add_list(
    app,
    "/api/approvals",
    COLUMNS,
    "What waits for a second person, newest first unless sorted otherwise.",
    "Nothing waits for a second person.",
    Only("--all", "Also what is decided or over.", "state", "waiting", switched="all"),
    *of_noun(PROPOSAL_LIST),
)


@app.command("show")
def show(proposal_id: Annotated[str, typer.Argument(help=PROPOSAL_ID.help)], output: Output = TABLE) -> None:
    """A proposal with its payload and the hash that is approved."""
    with asked("read") as client:
        found = client.get(f"/api/approvals/{proposal_id}")
    flat = {
        f"payload.{name}": json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        for name, value in found["payload"].items()
    }
    show_one({**{name: value for name, value in found.items() if name != "payload"}, **flat}, output)


def _approved(done: dict[str, Any]) -> str:
    result = done.get("resultId") or ""
    made = f", which made {result}" if result and not result.isdecimal() else ""  # a turn of a switch has a number, and is nothing made
    return f"{done['id']} is {done['state']}{made}."


add_write(
    app,
    "approve",
    "approve",
    "/api/approvals/{proposal_id}/approve",
    "Approve what another person proposed. It takes your own login (`counterfoil login NAME`); keys never approve.",
    _approved,
    PROPOSAL_ID,
    Given("payload_sha256", "The payloadSha256 that you looked at: exactly this is approved.", flag="--sha256"),
)


add_write(
    app,
    "reject",
    "approve",
    "/api/approvals/{proposal_id}/reject",
    "Turn a proposal down, or take back your own. Nothing is done.",
    "{id} is {state}.",
    PROPOSAL_ID,
)

"""`counterfoil parked …`: what failed five times and waits for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, DryRun, Format, ListedRows, Output, Reason, say_done, show_one, show_rows

EACH_MAX = 500  # that the server tells
app = typer.Typer(no_args_is_help=True, help="What failed five times and waits for a person.")
COLUMNS = ("kind", "id", "what", "since", "error")
Parked = Annotated[str, typer.Argument(help="Its id: a webhook's (whi_…) or an event's.")]


@app.command("list")
def list_(output: Output = TABLE) -> None:
    """Webhooks and events that are parked, the oldest first. Nothing was booked for them."""
    with asked("read") as client:
        found = client.get("/api/admin/parked")
    if output is Format.JSON:
        show_one(found, output)
        return
    rows = [{"kind": kind, **row} for kind in ("webhook", "event") for row in found[f"{kind}s"]]
    cut = [kind for kind in ("webhooks", "events") if len(found[kind]) >= EACH_MAX]
    shown = ListedRows(rows)
    if cut:
        shown.more = f"The oldest {EACH_MAX} {' and '.join(cut)}; there may be more, and they follow when these are done."
    show_rows(shown, COLUMNS, output, empty="Nothing is parked.")


@app.command("requeue")
def requeue(parked_id: Parked, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Try it again, once its cause is mended."""
    path = f"/api/admin/{'webhooks-in' if parked_id.startswith('whi_') else 'events'}/{parked_id}/requeue"
    with asked("operate") as client:
        done = client.post(path, {"reason": reason}, dry_run=dry_run)
    say_done(done, output, f"{parked_id} is {done['state']} and will be tried again.")


@app.command("ignore")
def ignore(
    webhook_id: Annotated[str, typer.Argument(help="The webhook's id, whi_….")],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Leave a parked webhook unapplied for good. It stays stored; nothing is booked for it."""
    with asked("operate") as client:
        done = client.post(f"/api/admin/webhooks-in/{webhook_id}/ignore", {"reason": reason}, dry_run=dry_run)
    say_done(done, output, f"{webhook_id} is {done['state']}.")

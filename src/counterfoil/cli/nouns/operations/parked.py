"""`counterfoil parked …`: what failed five times and waits for a person."""

from __future__ import annotations

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, add_write
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import Format, ListedRows, ListFormat, ListOutput, show_one, show_rows

EACH_MAX = 500  # that the server tells
app = command_group("What failed five times and waits for a person.")
COLUMNS = ("kind", "id", "what", "since", "error")


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """Webhooks and events that are parked, the oldest first. Nothing was booked for them."""
    with asked("read") as client:
        found = client.get("/api/admin/parked")
    if output is ListFormat.JSON:
        show_one(found, Format.JSON)
        return
    rows = [{"kind": kind, **row} for kind in ("webhook", "event") for row in found[f"{kind}s"]]
    cut = [kind for kind in ("webhooks", "events") if len(found[kind]) >= EACH_MAX]
    shown = ListedRows(rows)
    if cut:
        shown.more = f"The oldest {EACH_MAX} {' and '.join(cut)}; there may be more, and they follow when these are done."
    show_rows(shown, COLUMNS, output, empty="Nothing is parked.")


add_write(
    app,
    "requeue",
    "operate",
    lambda given: f"/api/admin/{'webhooks-in' if given['parked_id'].startswith('whi_') else 'events'}/{given['parked_id']}/requeue",
    "Try it again, once its cause is mended.",
    "{id} is {state} and will be tried again.",
    Given("parked_id", "Its id: a webhook's (whi_…) or an event's.", bare=True),
)


add_write(
    app,
    "ignore",
    "operate",
    "/api/admin/webhooks-in/{webhook_id}/ignore",
    "Leave a parked webhook unapplied for good. It stays stored; nothing is booked for it.",
    "{id} is {state}.",
    Given("webhook_id", "The webhook's id, whi_….", bare=True),
)

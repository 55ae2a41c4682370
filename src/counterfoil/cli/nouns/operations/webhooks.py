"""`counterfoil webhooks …`: endpoints of partners, and what they are told."""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, show_one, show_rows, waits
from counterfoil.cli.core.verbs import PARTS, add_verbs
from counterfoil.operations.webhooks_out.noun import DELIVERY_NOUN, ENDPOINT_NOUN

app = command_group("Partners' endpoints, and what they are told.")
ATTEMPTS = (("attemptsMade", ("number", "at", "tookMs", "status", "error", "answer")),)

add_list(
    app,
    "/api/endpoints",
    ("id", "state", "url", "events", "minLevel", "failures", "failingSince", "waiting", "kept", "failed", "deliveredAt"),
    "Endpoints, newest first unless sorted otherwise.",
    "No endpoints.",
    Only("--state", "draft, enabled, disabled or removed."),
    *of_noun(ENDPOINT_NOUN),
    word="endpoints",
)
add_list(
    app,
    "/api/deliveries",
    ("id", "state", "event", "endpointId", "url", "attempts", "status", "error", "nextAt"),
    "What endpoints are told, newest first unless sorted otherwise: the event, the attempts, the last error, the next attempt.",
    "No such deliveries.",
    Only("--state", "due, delivered, failed, kept or cancelled; or failing: the last attempt failed."),
    *of_noun(DELIVERY_NOUN),
    word="deliveries",
)


@app.command("kinds")
def kinds(output: Output = TABLE) -> None:
    """The kinds of events that an endpoint may be told; as JSON with the schema of each."""
    with asked("read") as client:
        show_rows(client.get("/api/event-kinds")["data"], ("name", "level", "says"), output)


@app.command("endpoint")
def endpoint(id: Annotated[str, typer.Argument(metavar="ID", help="whe_….")], output: Output = TABLE) -> None:  # noqa: A002
    """One endpoint, what may be done with it, and what was done."""
    with asked("read") as client:
        show_one(client.get(f"/api/endpoints/{id}"), output, parts=PARTS)


@app.command("delivery")
def delivery(id: Annotated[str, typer.Argument(metavar="ID", help="whd_….")], output: Output = TABLE) -> None:  # noqa: A002
    """One delivery with every attempt: status, error, and what came back."""
    with asked("read") as client:
        show_one(client.get(f"/api/deliveries/{id}"), output, parts=(*ATTEMPTS, *PARTS))


@app.command("create")
def create(
    url: Annotated[str, typer.Argument(help="Such as https://partner.example/hooks.")],
    owner: Annotated[str, typer.Option("--owner-email", help="Who mends it.")],
    event: Annotated[list[str] | None, typer.Option("--event", help="Only of this name; repeat it. All, if absent.")] = None,
    min_level: Annotated[str, typer.Option("--min-level", help="debug, info, warning or critical.")] = "info",
    program: Annotated[str | None, typer.Option("--program", help="Only of this program.")] = None,
    about: Annotated[str, typer.Option("--about", help="What it is for.")] = "",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Make an endpoint, as a draft. Its secret is shown once, now; two administrators enable it."""
    body = {"url": url, "ownerEmail": owner, "events": event or [], "minLevel": min_level, "programId": program, "about": about}
    with asked("administer") as client:
        show_one(client.post("/api/endpoints", body, dry_run=dry_run), output)


@app.command("rotate")
def rotate(
    id: Annotated[str, typer.Argument(metavar="ID", help="whe_….")],  # noqa: A002
    reason: Annotated[str, typer.Option("--reason", help="Why. Kept in the action log.")],
    overlap_days: Annotated[int, typer.Option("--overlap-days", help="For so many days, 0 to 7, the old secret signs, too.")] = 1,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Sign with a new secret. Two administrators: ask, have it approved, and ask again; then the secret is shown, once."""
    with asked("administer") as client:
        done = client.post(f"/api/endpoints/{id}/rotate", {"overlapDays": overlap_days, "reason": reason}, dry_run=dry_run)
    if not waits(done, output):
        show_one(done, output)


add_verbs(app, ENDPOINT_NOUN)
add_verbs(app, DELIVERY_NOUN)

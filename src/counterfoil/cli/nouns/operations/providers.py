"""`counterfoil providers …`"""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, Format, ListFormat, ListOutput, Output, say, show_rows

app = command_group("Payment providers: what each can do, how it does, whether its adapter is right.")


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """The providers that are set up at the server, and what each can do: sending, look-ups and retries obey it."""
    with asked("read") as client:
        rows = client.get("/api/providers")["data"]
    flat = [{"id": one["id"], **one["capabilities"], "looksUpBy": ", ".join(one["capabilities"]["looksUpBy"])} for one in rows]
    columns = ("id", "keyMemoryS", "looksUpBy", "absentAfterS", "settlesWithinS", "horizonS", "feeAsset", "ordersMax", "callsAtOnce")
    show_rows(flat, columns, output, empty="No provider is set up at the server.")


@app.command("stats")
def stats(hours: Annotated[int, typer.Option(min=1, max=744, help="How far back is measured.")] = 24, output: Output = TABLE) -> None:
    """Latency, availability and last success of each provider, from the calls of the last hours."""
    with asked("read") as client:
        found = client.get("/api/providers", hours=hours)
    span = {"measuredFrom": found["measuredFrom"], "measuredUntil": found["measuredUntil"]}
    rows = [{"id": one["id"], "circuit": _circuit(one), **_percent(one["stats"]), **span} for one in found["data"]]
    columns = (
        "id",
        "circuit",
        "calls",
        "accepted",
        "refused",
        "later",
        "unclear",
        "noAnswer",
        "open",
        "availability",
        "latencyP50Ms",
        "latencyP95Ms",
        "latencyP99Ms",
        "lastSuccessAt",
        "lastFailureAt",
    )
    show_rows(rows, columns, output, empty="No provider is set up at the server.")
    if output is Format.TABLE:
        say(f"Calls announced from {span['measuredFrom']} until {span['measuredUntil']}.")


def _circuit(one: dict[str, Any]) -> str:
    """`closed`, or which queues leave it alone and since when."""
    away = [f"{each['queue']} {each['state']} since {each['stateAt']}" for each in one["circuits"] if each["state"] != "closed"]
    return "; ".join(away) or "closed"


def _percent(told: dict[str, Any]) -> dict[str, Any]:
    bps = told["availabilityBps"]
    return {**told, "availability": None if bps is None else f"{bps // 100}.{bps % 100:02d} %"}


@app.command("check")
def check(
    name: Annotated[
        str,
        typer.Argument(help="A provider of ours (simulator, stripe, sepa, chain), or module:function that gives a sandbox."),
    ],
    destination: Annotated[
        str | None,
        typer.Option(help="Pay out to this destination, at the account that is set up; its key must be one of a test mode."),
    ] = None,
    refused: Annotated[str | None, typer.Option(help="With --destination: one that is refused for certain.")] = None,
    asset: Annotated[str, typer.Option(help="With --destination: in this asset.")] = "EUR",
    output: Output = TABLE,
) -> None:
    """Ask an adapter everything that it must do, at a sandbox: without --destination at a simulator or node of its own.

    Ends with 0 when every check passed that applies, with 1 when one failed or could not be made.
    """
    from counterfoil.base.edge import now
    from counterfoil.cli.local.installation import settings_now
    from counterfoil.cli.local.sandboxes import sandbox_of
    from counterfoil.operations.providers.conformance.file_checks import FileSandbox
    from counterfoil.operations.providers.conformance.sandbox import CannotCheck, Verdict
    from counterfoil.operations.providers.conformance.suite import run_file_suite, run_suite

    results = []
    try:
        with sandbox_of(name, settings_now(), destination=destination, refused=refused, asset=asset) as sandbox:
            found = run_file_suite(sandbox) if isinstance(sandbox, FileSandbox) else run_suite(sandbox, now=now)
            for one in found:
                results.append(one)
                if output is Format.TABLE:
                    say(f"{one.verdict:<14}  {one.check}{': ' + one.said if one.said else ''}")
    except CannotCheck as why:
        typer.echo(f"Nothing was checked: {why}.", err=True)
        raise typer.Exit(NOT_GREEN) from None
    rows = [one._asdict() for one in results]
    counted = {verdict: sum(one.verdict == verdict for one in results) for verdict in get_args(Verdict)}
    if output is Format.TABLE:
        say(", ".join(f"{number} {verdict}" for verdict, number in counted.items()) + f", at {sandbox.url}")
    else:
        show_rows(rows, ("check", "says", "verdict", "said"), output)
    if counted["failed"] or counted["not checked"] or not counted["passed"]:
        raise typer.Exit(NOT_GREEN)

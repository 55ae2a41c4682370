"""`counterfoil demo`: a private PostgreSQL, a payment provider with faults, server and worker, and a day of real work."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx2
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from counterfoil.base.edge import now
from counterfoil.base.formats.counting import counted
from counterfoil.base.postgres.launcher import is_owned
from counterfoil.base.problems import Problem
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import Format
from counterfoil.cli.local.demo import day
from counterfoil.cli.local.local_stack import ASSET, PROGRAM, World, free_port
from counterfoil.cli.nouns.reconciliation.reconcile import show_run_in_full
from counterfoil.client.client import Client
from counterfoil.payouts.machines import RESERVED

PORT: Final = 8080
QUIET_S: Final = 120
CALLERS: Final = 8
SETTINGS: Final = {  # a day in a minute: nobody waits ten minutes for a silent payout here
    "COUNTERFOIL_PROVIDER_SILENT_S": "3",
    "COUNTERFOIL_PROVIDER_TIMEOUT_MS": "2000",
    "COUNTERFOIL_WORKER_LEASE_S": "10",
}
SIMULATOR: Final = {"settle_ms": 200, "payout_fee": 25, "charge_fee": 30, "charge_fee_ppm": 9_000}

app = typer.Typer()


class DemoRuns(Problem):
    """A demo runs in this folder, and nothing is moved away from under it."""

    todo = "Stop it (Ctrl+C where it runs), or name another folder: `counterfoil demo --folder OTHER`."


@app.command("demo")
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where everything lies; empty or a demo's.")] = Path(".counterfoil"),
    port: Annotated[int, typer.Option("--port", help="Port of the dashboard; another is taken when it is in use.")] = PORT,
    once: Annotated[bool, typer.Option("--once", envvar="DEMO_ONCE", help="End after the report.")] = False,
) -> None:
    """Play a day of 500 invoices with some trouble, reconcile it, and leave the dashboard open. Nothing leaves this machine."""
    console = Console()
    began = time.monotonic()
    at = _fresh(folder)
    os.environ["COUNTERFOIL_DATA_FOLDER"] = str(at)  # whoever shows an amount here asks this demo for its decimals
    world = world_of(at, port=_port(port))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NOT_GREEN))  # as Ctrl+C: whatever was started is stopped
    try:
        with console.status("Starting PostgreSQL, the payment provider, the server and the worker …"):
            world.start()
        console.print(f"Everything runs, after {time.monotonic() - began:.1f} s: {world.url}")
        found_all = _play(world, console)
        console.print(f"\nThe day took {time.monotonic() - began:.0f} s.")
        if not once:
            _leave_open(world, console)
    finally:
        world.stop()
    raise typer.Exit(0 if found_all else NOT_GREEN)


def world_of(folder: Path, *, port: int = 0) -> World:
    """What the demo's day is played in; nothing of it runs yet."""
    return World(folder, settings=SETTINGS, simulator=SIMULATOR, port=port, destinations=day.destinations(), by_batch=day.DOLLARS)


def _fresh(folder: Path) -> Path:
    """A demo begins with empty books: what an earlier one left is moved aside, never deleted. Raises DemoRuns."""
    if is_owned(folder):
        raise DemoRuns(folder=str(folder))
    if (folder / "postgres").exists():
        kept = folder.with_name(f"{folder.name}-{now():%Y%m%dT%H%M%S}")
        folder.rename(kept)
        typer.echo(f"The earlier demo is kept in {kept}.")
    return folder


def _port(wanted: int) -> int:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
    return wanted


def _play(world: World, console: Console) -> bool:
    with (
        Client(world.url, world.keys["operator"]) as operator,
        httpx2.Client(base_url=world.simulator.url, headers=world.simulator.headers, timeout=30, trust_env=False) as provider,
    ):
        usage = day.usage(now()).encode()
        operator.import_usage(PROGRAM, usage, file_name="demo-day.csv", key="demo-usage")
        issued = operator.issue_invoices(PROGRAM, key="demo-issue")["invoiceIds"]
        console.print(f"{counted(len(issued), 'invoice')} issued from {day.INVOICES + day.BY_BATCH} usage records.\n\nTrouble on the way:")
        for trouble in day.troubles():
            _ask(provider, "/v1/faults", trouble.fault)
            console.print(f"  • {trouble.says}")
        planted = day.planted(issued)
        for wrong in planted:
            _ask(provider, "/v1/faults", wrong.fault)
        console.print("\nPlanted in the provider's statement, to be found:")
        for wrong in planted:
            console.print(f"  • {wrong.says}")
        with _progress(console) as progress:
            _customers_pay(provider, operator, issued, progress)
            _until_quiet(operator, progress, len(issued) - day.UNPAID - day.PARTLY)
        console.print("\nLeft to people:")
        for one in day.work_for_people(operator, PROGRAM):
            console.print(f"  • {one}")
        started = world.started_at or now()
        return _reconcile(operator, planted, started, console)


def _customers_pay(provider: httpx2.Client, operator: Client, issued: list[str], progress: Progress) -> None:
    task = progress.add_task("Customers pay", total=len(issued))
    rows = operator.every("/api/invoices", rows_max=len(issued), programId=PROGRAM)
    totals = {row["id"]: (int(row["total"]), row["asset"]) for row in rows}

    def pay(place_and_id: tuple[int, str]) -> None:
        place, invoice_id = place_and_id
        total, asset = totals[invoice_id]
        amount = day.payment(place, total)
        if amount:
            body = {"reference": invoice_id, "amount": str(amount), "asset": asset}
            _ask(provider, "/v1/charges", body, key=f"demo-pay-{invoice_id}")
        progress.advance(task)

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(pay, enumerate(issued)))
    stray = {"reference": "a transfer without a reference", "amount": "4711", "asset": ASSET.code}
    _ask(provider, "/v1/charges", stray, key="demo-stray")


def _until_quiet(operator: Client, progress: Progress, expected: int) -> None:
    """Wait until every payout is final or waits for a person; on a busy machine for as long as one after the other becomes it."""
    task = progress.add_task("Payouts become final", total=expected)
    payouts: list[dict[str, Any]] = []
    best, end = -1, time.monotonic() + QUIET_S
    while time.monotonic() < end:
        payouts = list(operator.every("/api/payouts", programId=PROGRAM))
        settled = [one for one in payouts if one["state"] not in RESERVED and not _moving(one)]
        progress.update(task, completed=len(settled))
        if len(payouts) >= expected and len(settled) == len(payouts):
            return
        if len(settled) > best:
            best, end = len(settled), time.monotonic() + QUIET_S
        time.sleep(0.5)
    raise day.DemoFailed(
        f"for {QUIET_S} s no other payout became final: {best} are, of {len(payouts)} that there are, of {expected} that are to come; "
        "see `counterfoil queue status`"
    )


def _moving(payout: dict[str, Any]) -> bool:
    return payout["state"] == "pending" and payout["lastError"] is None


def _reconcile(operator: Client, planted: list[day.Planted], started: datetime, console: Console) -> bool:
    body = {"source": "simulator", "from": started.date().isoformat(), "to": now().date().isoformat()}
    run = operator.post("/api/reconciliation/runs", body)
    console.rule("Reconciliation: our books against the provider's statement")
    show_run_in_full(run, Format.TABLE)
    wanted = sorted(wrong.kind for wrong in planted)
    found = sorted(one["kind"] for one in run["found"])
    asked = operator.invariants()
    broken = [one["code"] for one in asked["data"] if not one["holds"]]
    if found == wanted and not broken:
        console.print("[green]✓[/] Exactly the planted breaks were found, and every invariant holds.")
        return True
    console.print(f"[red]✗[/] Planted {wanted}, found {found}; broken invariants: {broken}")
    return False


def _leave_open(world: World, console: Console) -> None:
    console.print(f"\nDashboard  {world.url}/admin/reconciliation")
    typer.echo(f"Log in     {world.keys['viewer']}   (a viewer's key; more in {world.folder / 'client.json'})")
    console.print("\nTry, in another terminal:")
    for command, why in _commands():
        typer.echo(f"  {command:64} {why}")
    console.print("\nCtrl+C stops everything. The books stay in the folder.")
    try:
        while world.server.alive() and world.worker.alive():
            time.sleep(1)
        console.print("[red]A process ended; see its log in the folder.[/]")
    except KeyboardInterrupt:
        console.print("\nStopping.")


def _commands() -> list[tuple[str, str]]:
    here = _command()
    return [
        (f"{here} payouts list --state failed", "whose bank refused"),
        (f"{here} payouts list --state pending", "who has not said where to be paid"),
        (f"{here} batches list", "what waits for a second person"),
        (f"{here} disputes list", "what a customer complains of"),
        (f"{here} payouts list --state returned", "what the bank sent back"),
        (f"{here} unidentified-payments list", "money that names no invoice"),
        (f"{here} reconcile list", "the run, and its breaks with `reconcile show`"),
        (f"{here} invariants", "the integrity checks"),
    ]


def _command() -> str:
    """How this installation's command is called from this folder."""
    beside = Path(sys.executable).with_name("counterfoil")
    if shutil.which("counterfoil") or not beside.exists():
        return "counterfoil"
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)


def _progress(console: Console) -> Progress:
    return Progress(TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)


def _ask(provider: httpx2.Client, path: str, body: dict[str, Any], *, key: str | None = None) -> None:
    response = provider.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
    if response.status_code not in (200, 201):
        raise day.DemoFailed(f"the provider refuses {path}: {response.text[:500]}")

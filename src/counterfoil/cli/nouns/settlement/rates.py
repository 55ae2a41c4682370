"""`counterfoil rates …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, DryRun, Output, say_done, show_one

app = typer.Typer(no_args_is_help=True, help="A program's fee rates.")
Program = Annotated[str, typer.Argument(help="The program.")]


@app.command("set")
def set_(
    program: Program,
    platform_bps: Annotated[int, typer.Option("--platform-bps", help="Hundredths of a percent: 500 is 5 %.")],
    validator_bps: Annotated[int, typer.Option("--validator-bps", help="Hundredths of a percent.")],
    holdback_bps: Annotated[int, typer.Option("--holdback-bps", help="Hundredths of a percent.")] = 0,
    holdback_days: Annotated[int, typer.Option("--holdback-days", help="How long a holdback is kept.")] = 30,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Add the next version of the rates. Settlements from now on use it; earlier ones keep theirs."""
    body = {
        "platformBps": platform_bps,
        "validatorBps": validator_bps,
        "holdbackBps": holdback_bps,
        "holdbackDays": holdback_days,
    }
    with asked("administer") as client:
        done = client.post(f"/api/programs/{program}/rates", body, dry_run=dry_run)
    say_done(done, output, f"{program} has version {done['version']} of its rates.")


@app.command("show")
def show(program: Program, output: Output = TABLE) -> None:
    """The rates that settlements use now."""
    with asked("read") as client:
        show_one(client.get(f"/api/programs/{program}/rates"), output)

"""`counterfoil rates …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import to_minor
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Rows, listed, say_done, show_one, show_rows

app = typer.Typer(no_args_is_help=True, help="A program's fee rates.")
Program = Annotated[str, typer.Argument(help="The program.")]
LIMITS = ("asset", "fixed", "minimum", "maximum")
PER_ASSET = "ASSET=AMOUNT"


@app.command("set")
def set_(
    program: Program,
    platform_bps: Annotated[int, typer.Option("--platform-bps", help="Hundredths of a percent: 500 is 5 %.")],
    validator_bps: Annotated[int, typer.Option("--validator-bps", help="Hundredths of a percent.")],
    holdback_bps: Annotated[int, typer.Option("--holdback-bps", help="Hundredths of a percent.")] = 0,
    holdback_days: Annotated[int, typer.Option("--holdback-days", help="How long a holdback is kept.")] = 30,
    fixed: Annotated[list[str] | None, typer.Option("--fixed", metavar=PER_ASSET, help="Added to the platform's fee; repeat it.")] = None,
    minimum: Annotated[list[str] | None, typer.Option("--minimum", metavar=PER_ASSET, help="The platform's fee at least.")] = None,
    maximum: Annotated[list[str] | None, typer.Option("--maximum", metavar=PER_ASSET, help="The platform's fee at most.")] = None,
    effective_at: Annotated[str | None, typer.Option("--effective-at", help="From when it is in force; from now, if absent.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Add the next version of the rates. Settlements from its moment on use it; earlier ones keep theirs."""
    body: dict[str, Any] = {
        "platformBps": platform_bps,
        "validatorBps": validator_bps,
        "holdbackBps": holdback_bps,
        "holdbackDays": holdback_days,
        **({"effectiveAt": effective_at} if effective_at else {}),
    }
    with asked("administer") as client:
        limits: dict[str, dict[str, str]] = {}
        for name, given in (("fixed", fixed), ("minimum", minimum), ("maximum", maximum)):
            for one in given or ():
                asset, _, amount = one.partition("=")
                limits.setdefault(asset, {"asset": asset})[name] = to_minor(amount, asset, name)
        done = client.post(f"/api/programs/{program}/rates", {**body, "limits": list(limits.values())}, dry_run=dry_run)
    say_done(done, output, f"{program} has version {done['version']} of its rates, in force from {done['effectiveAt']}.")


@app.command("show")
def show(program: Program, output: Output = TABLE) -> None:
    """The rates that settlements use now."""
    with asked("read") as client:
        show_one(client.get(f"/api/programs/{program}/rates"), output, parts=(("limits", LIMITS),))


@app.command("list")
def list_(program: Program, limit: Rows = ROWS, output: Output = TABLE) -> None:
    """Every version of the rates, the newest first; one that is to come is among them."""
    with asked("read") as client:
        rows = listed(client, f"/api/programs/{program}/rates/versions", limit)
    show_rows(rows, ("version", "effectiveAt", "platformBps", "validatorBps", "holdbackBps", "holdbackDays", "actor"), output)

"""`counterfoil commissions …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, say, say_done, show_one, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.settlement.commissions.noun import COMMISSION_NOUN
from counterfoil.settlement.commissions.rates import TERMS_LIST

app = noun_app(COMMISSION_NOUN)
rates = command_group("What affiliates get of a sale: the versions of the contract.")
app.add_typer(rates, name="rates")
Program = Annotated[str, typer.Argument(help="The program.")]
DIFFERENCE = ("saleId", "level", "what", "asset", "expected", "found")
RATE = ("asset", "version", "base", "mode", "levels", "capBps", "matureDays", "minimum", "effectiveAt", "actor")


@app.command("verify")
def verify(
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="Only so many sales, drawn anew; all, if absent.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="Only of this program.")] = None,
    output: Output = TABLE,
) -> None:
    """Work out commissions again from what was frozen with each sale. Ends with 1 when one differs, or when not all could be judged."""
    with asked("read") as client:
        found = client.get("/api/commissions/verification", sample=sample, programId=program)
    if output is Format.JSON:
        show_one(found, output)
    else:
        show_rows(found["differences"], DIFFERENCE, output, empty="No differences.")
    if output is Format.TABLE:
        say(_said(found))
    if found["differing"] or found["waiting"]:
        raise typer.Exit(NOT_GREEN)


def _said(found: dict[str, Any]) -> str:
    if not found["sales"]:
        return "No sale was referred: there was nothing to work out."
    extent = f"a sample of {found['lookedAt']} of {found['sales']}" if found["isSample"] else f"all {found['sales']}"
    judged = found["lookedAt"] - found["waiting"]
    waiting = f" {found['waiting']} wait for an event to be followed, and were not judged: ask again." if found["waiting"] else ""
    others = " Nothing is said of the others." if found["isSample"] else ""
    return f"Of {extent} referred sales {judged} were worked out again; {found['differing']} differ.{waiting}{others}"


@rates.command("set")
def set_(
    program: Program,
    asset: Annotated[str, typer.Option("--asset", help="Of sales in which asset.")],
    level: Annotated[list[int], typer.Option("--level-bps", help="Hundredths of a percent; the first is of who referred; repeat it.")],
    cap: Annotated[int, typer.Option("--cap-bps", help="All levels together are at most this.")],
    base: Annotated[str, typer.Option("--base", help="Of what: gross, net_of_platform or platform_fee.")] = "gross",
    mode: Annotated[str, typer.Option("--mode", help="rates: each level is rounded down; pool: all together.")] = "rates",
    mature_days: Annotated[int, typer.Option("--mature-days", help="How long a commission may still be reversed.")] = 30,
    minimum: Annotated[str, typer.Option("--minimum", help="Less is not paid and carries over, such as 10.00.")] = "10.00",
    effective_at: Annotated[str | None, typer.Option("--effective-at", help="From when it is in force; from now, if absent.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Add the next version. Sales from its moment on use it; earlier ones keep theirs."""
    body: dict[str, Any] = {"asset": asset, "base": base, "mode": mode, "levels": level, "capBps": cap, "matureDays": mature_days}
    body |= {"effectiveAt": effective_at} if effective_at else {}
    with asked("administer") as client:
        body["minimum"] = to_minor(minimum, asset, "minimum")
        done = client.post(f"/api/programs/{program}/commission-rates", body, dry_run=dry_run)
    say_done(done, output, f"{program} has version {done['version']} of its terms in {done['asset']}, in force from {done['effectiveAt']}.")


add_list(
    rates,
    "/api/programs/{program}/commission-rates",
    RATE,
    "Every version, the one that takes effect last first unless sorted otherwise; one that is to come is among them.",
    "No commission rates were ever set.",
    *of_noun(TERMS_LIST),
    of=Given("program", "The program.", bare=True),
)

"""`counterfoil batches …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import major, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Output, say_done, show_rows, waits
from counterfoil.cli.core.verbs import noun_app
from counterfoil.payouts.batches.noun import BATCH_NOUN

app = noun_app(BATCH_NOUN)
AssetName = Annotated[str, typer.Option("--asset", help="In which asset.")]
Program = Annotated[str, typer.Option("--program", help="In which program.")]


@app.command("gather")
def gather(
    asset: AssetName,
    program: Program = "main",
    payee: Annotated[list[str] | None, typer.Option("--payee", help="Only to this payee; repeat it.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only through this provider.")] = None,
    before: Annotated[str | None, typer.Option("--before", help="Only what was owed before, such as 2026-11-26T00:00:00Z.")] = None,
    least: Annotated[str | None, typer.Option("--least", help="Only of so much or more, such as 10.00.")] = None,
    most: Annotated[str | None, typer.Option("--most", help="Only of so much or less.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Make a draft of every pending payout that fits and may be paid."""
    body: dict[str, Any] = {"programId": program, "asset": asset, "payees": payee or []}
    body |= {name: given for name, given in (("provider", provider), ("createdBefore", before)) if given}
    with asked("operate") as client:
        for name, given in (("amountLeast", least), ("amountMost", most)):
            if given:
                body[name] = to_minor(given, asset, name)
        done = client.post("/api/batches", body, dry_run=dry_run)
    say_done(
        done,
        output,
        f"{done['id']} is a draft of {done['lines']} payouts; {done['skippedTotal']} that fit are not in it.",
    )
    if done["skipped"] and output is TABLE:
        show_rows(done["skipped"], ("payoutId", "why"), output)


@app.command("policy")
def policy(
    asset: Annotated[str | None, typer.Argument(help="Of which asset; absent: show all.")] = None,
    by_rule: Annotated[str | None, typer.Option("--by-rule", help="Up to what is paid by rule, such as 10000.00; 0 for nothing.")] = None,
    tier: Annotated[
        list[str] | None,
        typer.Option("--tier", metavar="ABOVE=PEOPLE", help="Above this, so many people, such as 50000.00=2; repeat it."),
    ] = None,
    cooling_hours: Annotated[int, typer.Option("--cooling-hours", help="For how long a destination is new.", min=0, max=8_760)] = 72,
    program: Program = "main",
    reason: Annotated[str | None, typer.Option("--reason", help="Why. Kept in the action log.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Show what takes people, or set it: what is paid by rule, and how many people approve a batch. Setting it takes two people."""
    if by_rule is None or asset is None:
        with asked("read") as client:
            rows = client.get("/api/payout-policies", programId=program)["data"]
        shown = [
            one | {"tiers": ", ".join(f"above {major(t['above'], one['asset'])}: {t['approvers']}" for t in one["tiers"])} for one in rows
        ]
        columns = ("asset", "byRuleMax", "tiers", "coolingHours", "version", "actor", "at", "reason")
        show_rows(
            rows if output.value == "json" else shown,
            columns,
            output,
            empty="No policy: every payout is paid when it is due.",
        )
        return
    if reason is None:
        raise typer.BadParameter("a reason is needed", param_hint="--reason")
    with asked("administer") as client:
        body = {
            "programId": program,
            "asset": asset,
            "byRuleMax": to_minor(by_rule, asset, "by_rule"),
            "coolingHours": cooling_hours,
            "tiers": [_tier(one, asset) for one in tier or ()],
            "reason": reason,
        }
        done = client.post("/api/payout-policies", body, dry_run=dry_run)
    if not waits(done, output):
        say_done(done, output, f"Payouts in {asset} follow the new policy.")


def _tier(given: str, asset: str) -> dict[str, Any]:
    above, _, people = given.partition("=")
    if not people.isdigit():
        raise typer.BadParameter("a tier is ABOVE=PEOPLE, such as 50000.00=2", param_hint="--tier")
    return {"above": to_minor(above, asset, "tier"), "approvers": int(people)}

"""`counterfoil batches …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.acts import add_act
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import major, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Format, Json, Output, say_done, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.payouts.batches.acts import SET_POLICY
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


def _tier_said(one: Json, asset: str) -> str:
    return f"above {major(one['above'], asset)}: {one['approvers']}"


def _policies(given: Json) -> bool:
    """Without an amount, what holds is shown."""
    if given["by_rule_max"] is None or given["asset"] is None:
        output = given["output"]
        with asked("read") as client:
            rows = client.get("/api/payout-policies", programId=given["program_id"])["data"]
        shown = [one | {"tiers": ", ".join(_tier_said(each, one["asset"]) for each in one["tiers"])} for one in rows]
        columns = ("asset", "byRuleMax", "tiers", "coolingHours", "version", "actor", "at", "reason")
        show_rows(rows if output is Format.JSON else shown, columns, output, empty="No policy: every payout is paid when it is due.")
        return True
    if given["reason"] is None:
        raise typer.BadParameter("a reason is needed", param_hint="--reason")
    return False


def _policy_set(done: Json, output: Format) -> None:
    say_done(done, output, f"Payouts in {done['asset']} follow the new policy.")


add_act(app, SET_POLICY, _policy_set, instead=_policies)

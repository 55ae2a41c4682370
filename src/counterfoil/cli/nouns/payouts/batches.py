"""`counterfoil batches …`"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from counterfoil.cli.core.acts import add_act
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.money import major, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Format, Json, Output, say_done, show_one, show_rows
from counterfoil.cli.core.progress import follow
from counterfoil.cli.core.verbs import noun_app
from counterfoil.client.client import Client
from counterfoil.payouts.batches.acts import SET_POLICY
from counterfoil.payouts.batches.noun import BATCH_NOUN

NOT_PAID = ("number", "payoutId", "payeeId", "asset", "amount", "status", "why")
FOLLOWED_S = 3_600


def _how_far(one: Json) -> str:
    """How many lines are in which state, those that are paid first."""
    counted = Counter(each["status"] for each in one["payouts"] if each["status"] != "paid")
    rest = "".join(f", {number} {status.replace('_', ' ')}" for status, number in sorted(counted.items()))
    return f"{one['id']} is {one['state'].replace('_', ' ')}: {one['linesPaid']} of {one['lines']} paid{rest}"


def _follow(client: Client, batch_id: str, output: Format, wait_s: int) -> None:
    """Says how far a batch is until its execution has ended. Ends with 1 unless every line was paid by then."""
    done = follow(lambda: client.get(f"/api/batches/{batch_id}"), _how_far, lambda one: one["state"] != "executing", wait_s=wait_s)
    if output is not TABLE:
        show_one(done, output)
    elif done["state"] != "executed":
        show_rows([each for each in done["payouts"] if each["status"] != "paid"], NOT_PAID, output, empty="Every line is paid.")
        if done["state"] == "executing":
            typer.echo(f"It goes on by itself: counterfoil batches watch {batch_id}")
    if done["state"] != "executed":
        raise typer.Exit(NOT_GREEN)


app = noun_app(BATCH_NOUN, {"execute": _follow})
AssetName = Annotated[str, typer.Option("--asset", help="In which asset.")]
Program = Annotated[str, typer.Option("--program", help="In which program.")]


@app.command("watch")
def watch(
    id: Annotated[str, typer.Argument(metavar="ID", help="The batch's id, bat_….")],  # noqa: A002
    wait_s: Annotated[int, typer.Option("--wait-s", min=1, max=86_400, help="Look for so many seconds at most.")] = FOLLOWED_S,
    output: Output = TABLE,
) -> None:
    """Follow a batch that is being executed, whoever began it, and say how far it is. To stop looking stops nothing.

    Ends with 1 unless every line was paid by then, and names the lines that are not.
    """
    with asked("read") as client:
        _follow(client, id, output, wait_s)


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

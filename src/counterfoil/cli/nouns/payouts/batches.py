"""`counterfoil batches …`"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.acts import add_act
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.money import major, to_minor
from counterfoil.cli.core.output import ROWS_MAX, TABLE, DryRun, Format, Json, Output, listed, say_done, show_one, show_rows
from counterfoil.cli.core.progress import follow
from counterfoil.cli.core.verbs import noun_app
from counterfoil.client.client import Client
from counterfoil.payouts.batches.acts import SET_POLICY
from counterfoil.payouts.batches.noun import BATCH_NOUN
from counterfoil.payouts.batches.policies import POLICY_LIST

NOT_PAID = ("number", "payoutId", "payeeId", "asset", "amount", "status", "why")
POLICY = ("asset", "byRuleMax", "tiers", "coolingHours", "version", "actor", "at", "reason")
FOLLOWED_S = 3_600
PAID = ("paid", "completed")
STANDS_STILL = "Nothing has changed for a minute. Who is at work: counterfoil workers list; what is held up: counterfoil queue status"


def _how_far(one: Json) -> str:
    """How many lines are paid, and how many of the others are in which state. What has arrived is noted as paid a few seconds later."""
    counted = Counter(each["status"] for each in one["payouts"] if each["status"] not in PAID)
    rest = "".join(f", {number} {status.replace('_', ' ')}" for status, number in sorted(counted.items()))
    paid = sum(each["status"] in PAID for each in one["payouts"])
    return f"{one['id']} is {one['state'].replace('_', ' ')}: {paid} of {one['lines']} paid{rest}"


def _follow(client: Client, batch_id: str, output: Format, wait_s: int) -> None:
    """Says how far a batch is until its execution has ended. Ends with 1 unless every line was paid by then."""
    done = follow(
        lambda: client.get(f"/api/batches/{batch_id}"), _how_far, lambda one: one["state"] != "executing", wait_s=wait_s, still=STANDS_STILL
    )
    if output is not TABLE:
        show_one(done, output)
    elif done["state"] != "executed":
        left = done["stopped"]
        if left:
            show_rows(left, NOT_PAID, output)
            typer.echo("What is safe for one of them: counterfoil payouts show ID --timeline")
        if done["state"] == "executing":
            typer.echo(f"The others are paid, or go on by themselves: counterfoil batches watch {batch_id}")
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
    left = f"; {done['skippedTotal']} that fit are not in it" if done["skippedTotal"] else ""
    say_done(
        done, output, f"{done['id']} is a draft of {counted(done['lines'], 'payout')}{left}. Next: counterfoil batches submit {done['id']}"
    )
    if done["skipped"] and output is TABLE:
        show_rows(done["skipped"], ("payoutId", "why"), output)


def _tiers(one: Json) -> Json:
    """How many people approve above which totals, in words."""
    return {"tiers": ", ".join(f"above {major(each['above'], one['asset'])}: {each['approvers']}" for each in one["tiers"])}


def _policies(given: Json) -> bool:
    """Without an amount, what holds is shown."""
    if given["by_rule_max"] is None or given["asset"] is None:
        output = given["output"]
        with asked("read") as client:
            rows = listed(client, "/api/payout-policies", ROWS_MAX, programId=given["program_id"])
            if output is not Format.JSON:
                rows[:] = [one | _tiers(one) for one in rows]
        show_rows(rows, POLICY, output, empty="No policy: every payout is paid when it is due.")
        return True
    if given["reason"] is None:
        raise typer.BadParameter("a reason is needed", param_hint="--reason")
    return False


def _policy_set(done: Json, output: Format) -> None:
    say_done(done, output, f"Payouts in {done['asset']} follow the new policy.")


add_act(app, SET_POLICY, _policy_set, instead=_policies)
add_list(
    app,
    "/api/payout-policies",
    ("programId", *POLICY),
    "What of payouts takes people, by program and asset unless sorted otherwise.",
    "No policy: every payout is paid when it is due.",
    OF_PROGRAM,
    *of_noun(POLICY_LIST),
    word="policies",
    told=_tiers,
)

"""`counterfoil treasury …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, Reason, say, say_done, show_one, show_rows, waits
from counterfoil.settlement.treasury.treasury import MOVEMENT_LIST

app = command_group("Fees: what came in, was distributed, was withdrawn, and is held.")
OURS = ("asset", "opening", "feesIn", "givenBack", "withdrawn", "held")
THEIRS = ("asset", "validatorOpening", "validatorIn", "validatorGivenBack", "distributed", "validatorHeld")
Program = Annotated[str, typer.Option("--program", help="In which program.")]
Asset = Annotated[str, typer.Option("--asset", help="In which asset.")]
Amount = Annotated[str, typer.Option("--amount", help="Such as 100.00.")]
Reference = Annotated[str, typer.Option("--reference", help="The bank's reference; each counts once.")]


@app.command("summary")
def summary(
    start_time: Annotated[str, typer.Option("--start-time", help="From this moment on, such as 2026-11-01T00:00:00Z.")],
    end_time: Annotated[str, typer.Option("--end-time", help="And before this one.")],
    program: Program = "main",
    output: Output = TABLE,
) -> None:
    """Fees of a range, from the postings of the books. Ends with 1 when they do not add up to the accounts' balances."""
    with asked("read") as client:
        found = client.get("/api/treasury/summary", startTime=start_time, endTime=end_time, programId=program)
    if output is Format.JSON:
        show_one(found, output)
    elif output is Format.CSV:
        show_rows(found["assets"], (*OURS, *THEIRS[1:], "addsUp"), output)
    else:
        show_rows(found["assets"], OURS, output, empty="No fees were ever taken here.")
        if found["assets"]:
            say("Owed to validators:")
            show_rows(found["assets"], THEIRS, output)
    if wrong := [one["asset"] for one in found["assets"] if not one["addsUp"]]:
        say(f"The postings do not add up to the accounts' balances in {', '.join(wrong)}: see `counterfoil accounts explain fee:platform`.")
        raise typer.Exit(NOT_GREEN)


add_list(
    app,
    "/api/treasury/movements",
    ("id", "at", "kind", "amount", "asset", "reference", "actor", "reason"),
    "What was distributed and withdrawn, newest first.",
    "No movements of the treasury.",
    OF_PROGRAM,
    *of_noun(MOVEMENT_LIST),
)


def _add_move(word: str, path: str, help: str, said: str) -> None:  # noqa: A002 - as Typer calls it
    def command(
        asset: Asset,
        amount: Amount,
        reference: Reference,
        reason: Reason,
        program: Program = "main",
        dry_run: DryRun = False,
        output: Output = TABLE,
    ) -> None:
        with asked("post") as client:
            body = {
                "programId": program,
                "asset": asset,
                "amount": to_minor(amount, asset, "amount"),
                "reference": reference,
                "reason": reason,
            }
            done = client.post(path, body, dry_run=dry_run)
        if not waits(done, output):
            say_done(done, output, f"{done['id']}: {said.format(figure(done['amount'], done['asset']))}. {done['told']}")

    app.command(word, help=help)(command)


_add_move(
    "distribute",
    "/api/treasury/distributions",
    "Record that validators have this much of what is owed to them.",
    "validators have {}",
)
_add_move(
    "withdraw",
    "/api/treasury/withdrawals",
    "Withdraw fees that were earned, from the client money account to the house's own. Takes two people.",
    "{} were withdrawn",
)

"""`counterfoil accounts …`"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import typer

from counterfoil.base.edge import now
from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import (
    ROWS_MAX,
    TABLE,
    DryRun,
    Format,
    Output,
    Reason,
    Rows,
    listed,
    patience,
    say_done,
    show_one,
    show_rows,
)
from counterfoil.ledger.reads.listing import ACCOUNT_LIST

app = command_group("Balances, statements, and whether they are right.")
Name = Annotated[str, typer.Argument(help="The account's name, such as payable:payee:bolt.")]
Program = Annotated[str, typer.Option("--program", help="Whose books.")]
Asset = Annotated[str | None, typer.Option("--asset", help="In which asset; the program's only one, if absent.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="A moment, such as 2026-11-20T12:00:00Z; now, if absent.")]
Clock = Annotated[str, typer.Option("--clock", help="recorded: written by then; effective: happened by then.")]
MAIN = "main"
DAYS_SHOWN = timedelta(days=30)
RECORDED = "recorded"
START = typer.Option("--start-time", help="The first moment, such as 2026-11-01T00:00:00Z.")
END = typer.Option("--end-time", help="The first moment that is too late.")
MaybeStart = Annotated[str | None, START]
MaybeEnd = Annotated[str | None, END]
STATEMENT = ("recordedAt", "effectiveAt", "occurredAt", "kind", "other", "debit", "credit", "balance", "key")
FAULTS = (
    ("gaps", ("recordedAt", "journalId", "line", "expected", "found")),
    ("missing", ("journalId", "line", "kind", "key")),
    ("stray", ("journalId", "line", "amount")),
    ("suspects", ("sourceType", "sourceId", "kind", "amount", "keys")),
)
COLUMNS = ("asset", "name", "normal", "balance", "held", "debits", "credits", "frozen", "closed")


add_list(
    app,
    "/api/accounts",
    COLUMNS,
    "Accounts as they stand now, by asset and name unless sorted otherwise; each amount on the account's normal side.",
    "No such accounts.",
    Only("--program", "Whose books.", "programId", MAIN),
    *of_noun(ACCOUNT_LIST),
)


@app.command("balance")
def balance(
    name: Name,
    program: Program = MAIN,
    asset: Asset = None,
    as_of: AsOf = None,
    clock: Clock = RECORDED,
    output: Output = TABLE,
) -> None:
    """What an account holds, now or as of any moment, by when it was written or by when it happened."""
    with asked("read") as client:
        show_one(client.balance(program, name, asset=asset, asOf=as_of, clock=clock), output)


@app.command("statement")
def statement(
    name: Name,
    start: MaybeStart = None,
    end: MaybeEnd = None,
    program: Program = MAIN,
    asset: Asset = None,
    clock: Clock = RECORDED,
    limit: Rows = 1_000,
    output: Output = TABLE,
) -> None:
    """What an account had, what moved, what it has: the last 30 days, unless you say which. Opening plus all lines is closing."""
    start, end = start or (now() - DAYS_SHOWN).isoformat(), end or now().isoformat()
    span: dict[str, Any] = {"start": start, "end": end, "asset": asset, "clock": clock}
    with asked("read") as client:
        page = client.statement(program, name, **span, limit=min(limit, 500))
        lines, more = page["data"], page["nextCursor"]
        while more and len(lines) < limit:
            following = client.statement(program, name, **span, limit=min(limit - len(lines), 500), cursor=more)
            lines, more = [*lines, *following["data"]], following["nextCursor"]
    page["data"], page["nextCursor"] = lines, more
    if output is Format.CSV:
        show_rows(lines, STATEMENT, output)
    else:
        show_one(page, output, parts=(("data", STATEMENT),))
    if more and output is not Format.JSON:
        typer.echo(f"The first {limit:,} lines; there are more. --limit shows up to {ROWS_MAX}.", err=output is Format.CSV)


@app.command("explain")
def explain(
    name: Name,
    start: MaybeStart = None,
    end: MaybeEnd = None,
    program: Program = MAIN,
    asset: Asset = None,
    output: Output = TABLE,
) -> None:
    """Recompute an account from its postings and name what is missing or double. Ends with 1 when it is not sound."""
    with asked("read") as client, patience(f"recomputing {name}"):
        found = client.explain(program, name, asset=asset, startTime=start, endTime=end)
    show_one(found, output, parts=FAULTS)
    if not found["sound"]:
        raise typer.Exit(NOT_GREEN)


@app.command("trial")
def trial(
    program: Program = MAIN,
    asset: Asset = None,
    as_of: AsOf = None,
    clock: Clock = RECORDED,
    limit: Rows = 1_000,
    output: Output = TABLE,
) -> None:
    """The trial balance: every account that is not at nothing, and two totals that must be equal. Ends with 1 when they are not."""
    path = f"/api/programs/{program}/trial-balance"
    with asked("read") as client:
        totals = client.get(path, asset=asset, asOf=as_of, clock=clock, limit=1)
        rows = listed(client, path, limit, asset=asset, asOf=as_of, clock=clock)
    if output is Format.TABLE:
        for row in rows:
            row["asset"] = totals["asset"]
        total = {"account": "total", "debit": totals["totalDebit"], "credit": totals["totalCredit"]}
        rows.append({**total, "asset": totals["asset"]})
    show_rows(rows, ("account", "debit", "credit"), output, empty="Every account is at nothing.")
    if not totals["balanced"]:
        raise typer.Exit(NOT_GREEN)


@app.command("open")
def open_(
    names: Annotated[list[str], typer.Argument(help="Names; those of the chart of accounts bring their own rules.")],
    program: Program = MAIN,
    asset: Annotated[str, typer.Option("--asset", help="In which asset.")] = "EUR",
    normal: Annotated[str | None, typer.Option("--normal", help="debit or credit, for names outside the chart.")] = None,
    no_overdraft: Annotated[bool | None, typer.Option(help="Whether it must never fall below nothing.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Open accounts. Those that are open stay as they are."""
    body = {"programId": program, "asset": asset, "names": names, "normal": normal, "noOverdraft": no_overdraft}
    with asked("post") as client:
        done = client.post("/api/accounts", body, dry_run=dry_run)
    say_done(done, output, f"{counted(len(done['names']), 'account is', 'accounts are')} open in {program}, {asset}.")


def _flag(verb: str, said: str) -> Callable[..., None]:
    def command(
        name: Name,
        reason: Reason,
        program: Program = MAIN,
        asset: Annotated[str, typer.Option("--asset", help="In which asset.")] = "EUR",
        dry_run: DryRun = False,
        output: Output = TABLE,
    ) -> None:
        body = {"programId": program, "asset": asset, "account": name, "reason": reason}
        with asked("post") as client:
            done = client.post(f"/api/accounts/{verb}", body, dry_run=dry_run)
        say_done(done, output, f"{name} is {said}.")

    return command


for verb, said, effect in (
    (
        "freeze",
        "frozen",
        "No decision lowers the account any more; money may still come in, and what has happened already is booked.",
    ),
    ("unfreeze", "no longer frozen", "End a freeze."),
    (
        "close",
        "closed",
        "Nothing is posted to the account any more. Only with a balance of nothing, and no money on its way.",
    ),
    ("reopen", "open again", "End a close."),
):
    app.command(verb, help=effect)(_flag(verb, said))

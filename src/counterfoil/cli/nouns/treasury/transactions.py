"""`counterfoil transactions …`"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import sort_help
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import (
    ROWS,
    TABLE,
    DryRun,
    Format,
    ListedRows,
    ListFormat,
    ListOutput,
    Output,
    Rows,
    listed,
    say_done,
    show_one,
    show_rows,
)
from counterfoil.cli.core.verbs import add_verbs, said_of
from counterfoil.treasury.two_phase.noun import TRANSACTION_NOUN

app = command_group(TRANSACTION_NOUN.help)
COLUMNS: Final = ("TXN_ID", "STATE", "AGE", "PARTICIPANTS", "AMOUNT")
PARTS: Final = (
    ("participants", ("number", "agentId", "peer", "peerAgent", "side", "amount", "standing", "vote", "why", "votedAt", "outcomeAt")),
    ("waiting", ("peer", "dueAt", "attempt", "lastError")),
    ("advice", ("verb", "safe", "why")),
    ("timeline", ("at", "what", "by")),
    ("checks", ("agentId", "agrees", "found", "at")),
    ("actions", ("at", "actor", "verb", "reason")),
)
TxnId = Annotated[str, typer.Option("--txn-id", help="The transaction's id, txn_….")]
Because = Annotated[str | None, typer.Option("--reason", help="Why; without it, that it was approved under that reference.")]
Approved = Annotated[str, typer.Option("--approval", help="The reference under which this was approved, such as INC-12345.")]


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option("--state", help="Only in this state, or pending: neither committed nor aborted.")] = None,
    age: Annotated[str | None, typer.Option("--age", help="Since it was begun, such as >5m or <2h (in quotes).")] = None,
    agent: Annotated[str | None, typer.Option("--agent-id", help="Only of this agent.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="Only of this program.")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help=sort_help(TRANSACTION_NOUN))] = None,
    limit: Rows = ROWS,
    output: ListOutput = ListFormat.TABLE,
) -> None:
    """Transactions, newest first unless sorted otherwise."""
    with asked("read") as client:
        rows = listed(client, "/api/transactions", limit, state=state, age=age, agentId=agent, programId=program, sort=sort)
        if output is not ListFormat.JSON:
            shown = ListedRows(_line(one) for one in rows)
            shown.more = rows.more
            rows = shown
    show_rows(rows, COLUMNS, output, empty="No such transactions.")


def _line(one: dict[str, Any]) -> dict[str, str]:
    """In the columns of the runbook."""
    cells = (
        one["id"],
        one["state"].upper(),
        one["age"],
        ",".join(one["participants"]),
        " + ".join(figure(each["amount"], each["asset"]) for each in one["moved"]),
    )
    return dict(zip(COLUMNS, cells, strict=True))


@app.command("begin")
def begin(
    reference: Annotated[str, typer.Option("--reference", help="What it is for.")],
    pays: Annotated[
        list[str],
        typer.Option("--from", metavar="AGENT,AMOUNT,ASSET", help="Who pays how much; repeat it."),
    ],
    gets: Annotated[list[str], typer.Option("--to", metavar="AGENT,AMOUNT,ASSET", help="Who gets how much; repeat it.")],
    on_request: Annotated[bool, typer.Option("--on-request", help="Do not commit by itself; wait for `transactions commit`.")] = False,
    time_out: Annotated[int | None, typer.Option("--time-out", metavar="SECONDS", help="Abort without a decision by then; 300.")] = None,
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Begin a transaction between agents, those of peers as PEER/AGENT. In each asset as much is paid as is got; all moves, or nothing."""
    with asked("operate") as client:
        parts = [_part("debit", one, "--from") for one in pays] + [_part("credit", one, "--to") for one in gets]
        body: dict[str, Any] = {"programId": program, "reference": reference, "participants": parts}
        body |= {"commits": "on_request"} if on_request else {}
        body |= {"timeOutSeconds": time_out} if time_out is not None else {}
        done = client.post("/api/transactions", body, dry_run=dry_run)
    say_done(done, output, f"{done['id']} is {done['state']}.")


def _part(side: str, given: str, option: str) -> dict[str, str]:
    words = [word.strip() for word in given.split(",")]
    if len(words) != 3:
        raise typer.BadParameter("it is AGENT,AMOUNT,ASSET, such as agent_01K…,10.00,EUR", param_hint=option)
    agent, amount, asset = words
    return {"agent": agent, "side": side, "asset": asset, "amount": to_minor(amount, asset, "amount")}


@app.command("inspect")
def inspect(txn_id: TxnId, output: Output = TABLE) -> None:
    """One transaction: its votes, its decision, its timeline, and what is safe and why."""
    with asked("read") as client:
        found = client.get(f"/api/transactions/{txn_id}")
    show_one(found, output, parts=PARTS)


@app.command("force-commit")
def force_commit(txn_id: TxnId, approval: Approved, reason: Because = None, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Propose to decide that all of it moves, when the coordinator does not go on: only when every participant has promised."""
    _force("force_commit", txn_id, approval, reason, dry_run, output)


@app.command("force-rollback")
def force_rollback(txn_id: TxnId, approval: Approved, reason: Because = None, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Propose to decide that nothing of it moves: only while nothing is decided and nothing was applied."""
    _force("force_rollback", txn_id, approval, reason, dry_run, output)


def _force(name: str, txn_id: str, approval: str, reason: str | None, dry_run: bool, output: Format) -> None:
    verb = TRANSACTION_NOUN.verb(name)
    with asked("operate") as client:
        body = {"approval": approval, "reason": reason or f"approved under {approval}"}
        done = client.post(f"/api/transactions/{txn_id}/{verb.word}", body, dry_run=dry_run)
    say_done(done, output, said_of(verb, done))


add_verbs(app, replace(TRANSACTION_NOUN, verbs=[one for one in TRANSACTION_NOUN.verbs if not one.paired]))

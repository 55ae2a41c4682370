"""`counterfoil agents …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, say, say_done, show_one, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.treasury.agents.noun import AGENT_NOUN

app = noun_app(AGENT_NOUN)
FIGURES = ("agentId", "asset", "balance", "fromPostings", "received", "sent", "other", "expected", "promised", "agrees")
FINDINGS = ("agentId", "symptom", "cause", "evidence", "resolution", "command")


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="What it is called; no other agent of the program is.")],
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Create an agent with an account in each asset of its program. It spends nothing until it has a mandate."""
    with asked("operate") as client:
        done = client.post("/api/agents", {"programId": program, "name": name}, dry_run=dry_run)
    say_done(done, output, f"{done['id']} is {done['state']}; grant it a mandate with `counterfoil agents grant {done['id']} …`.")


@app.command("verify")
def verify(
    agent: Annotated[list[str], typer.Option("--agent-id", help="The agent; repeat it for more than one.")],
    output: Output = TABLE,
) -> None:
    """Hold agents' balances against postings, transactions and promises. Ends with 1 when one does not agree or waits for too long."""
    with asked("read") as client:
        found = [client.get(f"/api/agents/{one}/verify") for one in dict.fromkeys(agent)]
    if output is Format.JSON:
        show_rows(found, (), output)
    else:
        show_rows([{"agentId": one["agentId"], **each} for one in found for each in one["assets"]], FIGURES, output, empty="No accounts.")
        if output is Format.TABLE:
            _show_findings(found)
    if not all(one["agrees"] and not one["findings"] for one in found):
        raise typer.Exit(NOT_GREEN)


def _show_findings(found: list[dict[str, Any]]) -> None:
    rows = [{"agentId": one["agentId"], **each} for one in found for each in one["findings"]]
    if rows:
        show_rows(rows, FINDINGS, TABLE)
    wrong = [one["agentId"] for one in found if not one["agrees"] or one["findings"]]
    say(f"Not in order: {', '.join(wrong)}." if wrong else "All agree.")


@app.command("explain")
def explain(agent: Annotated[str, typer.Argument(metavar="ID", help="The agent's id, agent_….")], output: Output = TABLE) -> None:
    """What is wrong with an agent's money: symptom, cause, evidence, and the one safe thing to do. Ends with 1 when something is."""
    with asked("read") as client:
        found = client.get(f"/api/agents/{agent}/explain")
    rows = [{"agentId": agent, **each} for each in found["findings"]]
    if output is Format.JSON:
        show_one(found, output)
    else:
        show_rows(rows, FINDINGS, output, empty=f"Nothing is wrong in what was looked at: {', '.join(found['lookedAt'])}.")
        if output is Format.TABLE and found["notLookedAt"]:
            say(f"Not looked at: {'; '.join(found['notLookedAt'])}.")
    if rows:
        raise typer.Exit(NOT_GREEN)

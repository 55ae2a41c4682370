"""`counterfoil escrow …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Output, say_done
from counterfoil.cli.core.verbs import noun_app
from counterfoil.settlement.escrow.noun import ESCROW_NOUN

app = noun_app(ESCROW_NOUN)


@app.command("open")
def open_(
    customer: Annotated[str, typer.Option("--customer-id", help="Whose money it will be.")],
    payee: Annotated[str, typer.Option("--payee-id", help="Who earns it.")],
    asset: Annotated[str, typer.Option("--asset", help="In which asset.")],
    amount: Annotated[str, typer.Option("--amount", help="How much, such as 100.00.")],
    reference: Annotated[str, typer.Option("--reference", help="What it is for, such as your order's number.")],
    expires_at: Annotated[str, typer.Option("--expires-at", help="When it goes back by itself, such as 2026-12-31T00:00:00Z.")],
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    not_before: Annotated[str | None, typer.Option("--not-before", help="Condition: no release before this moment.")] = None,
    signed_by: Annotated[
        list[str] | None, typer.Option("--signed-by", help="Condition: signed by person:NAME or key:NAME; repeat it.")
    ] = None,
    signed_by_of: Annotated[
        list[str] | None,
        typer.Option("--signed-by-of", metavar="M=WHO,WHO,…", help="Condition: signed by M of these; repeat it."),
    ] = None,
    used: Annotated[str | None, typer.Option("--used", help="Condition: used at least so much of the payee since it began.")] = None,
    scored: Annotated[str | None, typer.Option("--scored", help="Condition: a score of at least so much.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Open an escrow that waits for its money. Every condition has to hold before anything of it is released."""
    body: dict[str, Any] = {
        "programId": program,
        "customerId": customer,
        "payeeId": payee,
        "asset": asset,
        "reference": reference,
        "expiresAt": expires_at,
    }
    conditions: list[dict[str, Any]] = [{"kind": "time", "notBefore": not_before}] if not_before else []
    conditions += [{"kind": "signature", "signers": [one]} for one in signed_by or ()]
    conditions += [_some_of(one) for one in signed_by_of or ()]
    conditions += [{"kind": kind, "least": given} for kind, given in (("usage", used), ("score", scored)) if given]
    with asked("operate") as client:
        body |= {"amount": to_minor(amount, asset, "amount"), "conditions": conditions}
        done = client.post("/api/escrows", body, dry_run=dry_run)
    say_done(done, output, f"{done['id']} waits for {figure(done['amount'], done['asset'])}.")


def _some_of(given: str) -> dict[str, Any]:
    needed, _, signers = given.partition("=")
    if not needed.isdigit() or not signers:
        raise typer.BadParameter("it is M=WHO,WHO,…, such as 2=person:anna,person:ben,key:portal", param_hint="--signed-by-of")
    return {"kind": "m_of_n", "needed": int(needed), "signers": signers.split(",")}

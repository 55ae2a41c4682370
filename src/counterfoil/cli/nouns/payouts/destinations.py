"""`counterfoil destinations …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import IN_STATE, OF_PROGRAM, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, say_done, show_one, waits
from counterfoil.cli.core.secrets_asked import asked_unseen
from counterfoil.cli.core.verbs import PARTS, add_verbs
from counterfoil.payouts.destinations.noun import DESTINATION_NOUN

app = command_group("Where payees are paid.")


@app.command("set")
def set_(
    payee: Annotated[str, typer.Argument(help="The payee's id.")],
    token: Annotated[str | None, typer.Option("--token", help="The provider's name of the account; asked for if none is given.")] = None,
    holder: Annotated[str | None, typer.Option("--holder", help="Of a bank account: whose it is, as the bank knows it.")] = None,
    iban: Annotated[str | None, typer.Option("--iban", help="The bank account's IBAN.")] = None,
    bic: Annotated[str | None, typer.Option("--bic", help="The bank's BIC, where it wants to see it.")] = None,
    country: Annotated[str | None, typer.Option("--country", help="Without an IBAN: the bank's country, such as GB.")] = None,
    bank_code: Annotated[str | None, typer.Option("--bank-code", help="The bank's code there.")] = None,
    branch_code: Annotated[str | None, typer.Option("--branch-code", help="The branch's, such as a sort code.")] = None,
    account_code: Annotated[str | None, typer.Option("--account-code", help="The number of the account there.")] = None,
    chain_address: Annotated[str | None, typer.Option("--chain-address", help="An address on a chain, with its checksum.")] = None,
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    provider: Annotated[str | None, typer.Option("--provider", help="Which provider; the only one, if absent.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Pay this payee there from now on. Payouts that waited for it are sent; those under way keep theirs."""
    bank = {
        "holder": holder,
        "iban": iban,
        "bic": bic,
        "country": country,
        "bankCode": bank_code,
        "branchCode": branch_code,
        "accountCode": account_code,
    }
    given = {name: said for name, said in bank.items() if said is not None}
    if not given and token is None and chain_address is None:
        token = asked_unseen("Token", instead="--token", how="give it or the parts of a bank account")
    account = {"token": token, "bankAccount": given or None, "chainAddress": chain_address, "provider": provider}
    body = {"programId": program, "payeeId": payee, **{name: said for name, said in account.items() if said is not None}}
    with asked("administer") as client:
        done = client.post("/api/destinations", body, dry_run=dry_run)
    if waits(done, output):
        return
    say_done(done, output, f"{payee} is paid through {done['provider']}, account …{done['tokenHint']}.")


add_list(
    app,
    "/api/destinations",
    ("id", "programId", "payeeId", "provider", "tokenHint", "state", "quarantineReason"),
    "Where payees are paid now, and all that are quarantined; with a state, those in it.",
    "No destinations.",
    OF_PROGRAM,
    *of_noun(DESTINATION_NOUN),
    IN_STATE,
)


@app.command("show")
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The destination's id, dst_….")],  # noqa: A002 - the name in the help
    output: Output = TABLE,
) -> None:
    """One destination, what may be done with it, and what was done."""
    with asked("read") as client:
        show_one(client.get(f"/api/destinations/{id}"), output, parts=PARTS)


add_verbs(app, DESTINATION_NOUN)

"""`counterfoil payouts …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Reason, Rows, listed, say_done, show_one, show_rows
from counterfoil.client.problems import ApiProblem

app = typer.Typer(no_args_is_help=True, help="What payees are owed, and every attempt to pay it.")
COLUMNS = ("id", "payeeId", "asset", "amount", "state", "stateAt", "invoiceId", "lastError")
STEPS = ("step", "at", "fromState", "verb", "toState", "actor", "reason", "cause")
PARTS = (
    ("breakdown", ("gross", "platformFee", "validatorFee", "holdback", "net", "asset", "rateVersion")),
    ("providerPayouts", ("number", "id", "provider", "state", "providerRef", "fee", "requestSentAt", "lastError")),
    ("conflicts", ("id", "at", "said", "expected", "state", "stateAt")),
    ("steps", STEPS),
    ("actions", ("at", "actor", "verb", "reason")),
    ("journals", ("recordedAt", "kind", "key", "id")),
)
WAITS = "Proposed; another person approves it within 24 hours: counterfoil approvals approve {id} --sha256 {sha256}"
Payout = Annotated[str, typer.Argument(help="The payout's id, po_….")]


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option("--state", help="Only in this state, such as failed.")] = None,
    invoice_id: Annotated[str | None, typer.Option("--invoice-id", help="Only of this invoice.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="Only of this program.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Payouts, newest first."""
    with asked("read") as client:
        rows = listed(client, "/api/payouts", limit, state=state, invoiceId=invoice_id, programId=program)
    show_rows(rows, COLUMNS, output, empty="No such payouts.")


@app.command("show")
def show(
    payout_id: Annotated[str | None, typer.Argument(help="The payout's id, po_….")] = None,
    invoice_id: Annotated[str | None, typer.Option("--invoice-id", help="The payout of this invoice.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="The payout with this key.")] = None,
    output: Output = TABLE,
) -> None:
    """One payout: its fees, attempts, steps, journals. Name it by its id, its invoice or its key."""
    if sum(one is not None for one in (payout_id, invoice_id, key)) != 1:
        raise typer.BadParameter("give the payout's id, --invoice-id or --key, one of them")
    with asked("read") as client:
        found = client.payout(payout_id) if payout_id else client.payout_of(invoice_id=invoice_id, key=key)
    if found is None:
        said = {"title": "There is no such payout.", "kind": "missing", "invoiceId": invoice_id, "key": key}
        raise ApiProblem(said, 404)
    show_one(found, output, parts=PARTS)


@app.command("retry")
def retry(payout_id: Payout, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Try a payout again that failed for certain. Its money was given back, and is reserved anew. Three times at most."""
    with asked("operate") as client:
        done = client.retry_payout(payout_id, reason=reason, dry_run=dry_run)
    say_done(done, output, f"{payout_id} is {done['state']} and will be sent again.")


@app.command("cancel")
def cancel(payout_id: Payout, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Give a payout up that nothing was sent for. Its money stays owed to the payee."""
    with asked("operate") as client:
        done = client.cancel_payout(payout_id, reason=reason, dry_run=dry_run)
    say_done(done, output, f"{payout_id} is {done['state']}; its money stays owed to the payee.")


@app.command("force-reconcile")
def force_reconcile(payout_id: Payout, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Have the provider asked now what became of a payout that is sent or unknown. Moves no money by itself."""
    with asked("operate") as client:
        done = client.force_reconcile(payout_id, dry_run=dry_run)
    say_done(done, output, f"The provider is asked about {payout_id}, whose attempt is {done['providerPayoutState']}.")


@app.command("reissue")
def reissue(payout_id: Payout, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Make a new payout of what is still owed, after a cancellation, a return, or three failures."""
    with asked("operate") as client:
        done = client.reissue_payout(payout_id, reason=reason, dry_run=dry_run)
    say_done(done, output, f"{done['id']} pays the {done['amount']} {done['asset']} still owed for {payout_id}.")


@app.command("close")
def close(payout_id: Payout, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """End a returned payout for which nothing is owed any more."""
    with asked("operate") as client:
        done = client.close_payout(payout_id, reason=reason, dry_run=dry_run)
    say_done(done, output, f"{payout_id} is {done['state']}.")


@app.command("cancel-attempt")
def cancel_attempt(payout_id: Payout, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Give up an attempt that waits to be sent and of which the provider can have nothing. The payout is failed then."""
    with asked("operate") as client:
        done = client.cancel_attempt(payout_id, reason=reason, dry_run=dry_run)
    say_done(
        done, output, f"The attempt at {payout_id} is {done['providerPayoutState']}; its money is owed to the payee."
    )


@app.command("rerun")
def rerun(payout_id: Payout, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Do now what is to be done next: set it aside, send it, or ask the provider. Never sends again what was sent."""
    with asked("operate") as client:
        done = client.rerun_payout(payout_id, dry_run=dry_run)
    say_done(done, output, f"{payout_id} is due now; it is {done['providerPayoutState']}.")


@app.command("quarantine")
def quarantine(payout_id: Payout, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Stop a payout's attempt: it is not sent while that lasts. What the provider says of it is booked all the same."""
    with asked("operate") as client:
        done = client.quarantine_payout(payout_id, reason=reason, dry_run=dry_run)
    say_done(done, output, f"The attempt at {payout_id} is {done['providerPayoutState']}.")


@app.command("release")
def release(
    payout_id: Payout,
    reason: Reason,
    to: Annotated[
        str, typer.Option("--to", help="unknown: the provider is asked. queued and cancelled take two people.")
    ] = "unknown",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """End a quarantine: the provider is asked; back to the queue, or cancelled, when a second person approves."""
    with asked("operate") as client:
        done = client.release_payout(payout_id, to=to, reason=reason, dry_run=dry_run)
    if done["proposalId"] is None:
        say_done(done, output, f"The attempt at {payout_id} is {done['providerPayoutState']}; the provider is asked.")
    else:
        say_done(done, output, WAITS.format(id=done["proposalId"], sha256=done["payloadSha256"]))


@app.command("force-finalize")
def force_finalize(
    payout_id: Payout,
    reason: Reason,
    webhook: Annotated[str, typer.Option("--webhook", help="The stored webhook that says it was paid, whi_….")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Propose to book a payout as paid, on the provider's own record. Done when a second person approves."""
    with asked("operate") as client:
        done = client.force_finalize(payout_id, webhook_id=webhook, reason=reason, dry_run=dry_run)
    say_done(done, output, WAITS.format(id=done["id"], sha256=done["payloadSha256"]))


@app.command("mark-failed")
def mark_failed(
    payout_id: Payout,
    error: Annotated[str, typer.Option("--error", help="Why it failed.")],
    evidence: Annotated[str, typer.Option("--evidence", help="Where it can be seen that nothing was paid.")],
    seen_at: Annotated[str, typer.Option("--seen-at", help="When that was seen, such as 2026-11-26T15:00:00Z.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Propose to give a payout's money back that nobody knows the end of. Done when a second person approves."""
    with asked("operate") as client:
        done = client.mark_failed(payout_id, error=error, evidence=evidence, seen_at=seen_at, dry_run=dry_run)
    say_done(done, output, WAITS.format(id=done["id"], sha256=done["payloadSha256"]))


@app.command("end-conflict")
def end_conflict(
    conflict_id: Annotated[str, typer.Argument(help="The conflict's id, as `payouts show` tells it.")],
    reason: Reason,
    found: Annotated[str, typer.Option("--found", help="paid or not_paid.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Propose how a conflict ends: what was found paid is booked, what was not is booked as returned."""
    with asked("operate") as client:
        done = client.end_conflict(conflict_id, found=found, reason=reason, dry_run=dry_run)
    say_done(done, output, WAITS.format(id=done["id"], sha256=done["payloadSha256"]))

"""`counterfoil simulator …`: the payment provider with faults, for trying out. It never moves money."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx2
import typer

from counterfoil.base.edge import make_id
from counterfoil.base.problems import AmountOutOfRange, InvalidInput
from counterfoil.cli.core.connection import CLIENT_FILE, asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import say
from counterfoil.cli.local.installation import settings_now
from counterfoil.client.problems import ApiProblem, Unreachable

app = command_group("The payment provider with faults, for trying out; no money moves.")
TIMEOUT_S: Final = 30
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
KINDS: Final = {400: "invalid", 401: "unauthenticated", 402: "conflict", 404: "missing", 422: "conflict", 503: "busy"}


class SimulatorAddress(NamedTuple):
    """Where the simulator answers, and with which key."""

    url: str
    key: str


@app.command("run")
def run() -> None:
    """Run the provider that `counterfoil setup` wrote down, until Ctrl+C. Its journal lies in the data folder."""
    from counterfoil.simulator.__main__ import main
    from counterfoil.simulator.process import API_KEY_VARIABLE, SECRET_VARIABLE

    settings = settings_now()
    key, secret = settings.provider_api_key, settings.provider_webhook_secret
    if settings.provider_url is None or key is None or secret is None:
        raise InvalidInput("provider_url", "a provider that `counterfoil setup` wrote down")
    found = urlsplit(settings.provider_url)
    if found.scheme != "http" or found.hostname not in LOOPBACK or not found.port:
        limit = "an address on this machine with a port, such as http://127.0.0.1:8090"
        raise InvalidInput("provider_url", limit, got=settings.provider_url)
    here = settings.public_url or f"http://{settings.host}:{settings.port}"
    os.environ[API_KEY_VARIABLE] = key.get_secret_value()
    os.environ[SECRET_VARIABLE] = secret.get_secret_value()
    typer.echo(f"The simulator plays the payment provider. Webhooks go to {here}/webhooks/simulator.", err=True)
    given = [
        "--folder",
        str(settings.data_folder / "simulator"),
        "--host",
        str(found.hostname),
        "--port",
        str(found.port),
    ]
    raise typer.Exit(main([*given, "--webhook-url", f"{here}/webhooks/simulator"]))


@app.command("pay")
def pay(
    invoice_id: Annotated[str, typer.Argument(help="The invoice's id, inv_….")],
    amount: Annotated[str | None, typer.Option("--amount", help="Such as 12.50; what is still owed, if absent.")] = None,
) -> None:
    """Be the customer: pay an invoice at the simulator."""
    with asked("read") as client:
        invoice = client.get(f"/api/invoices/{invoice_id}")
    asset = str(invoice["asset"])
    minor = to_minor(amount, asset, "amount") if amount else str(int(invoice["total"]) - int(invoice["paid"]))
    if int(minor) <= 0:
        raise AmountOutOfRange("amount", "more than nothing; this invoice is paid", got=minor, asset=asset)
    body = {"reference": invoice_id, "amount": minor, "asset": asset}
    made = _ask("/v1/charges", body, key=make_id("pay"))
    say(f"The customer paid {figure(minor, asset)}: {made['id']}. The provider tells it by a webhook.")


@app.command("fault")
def fault(
    kind: Annotated[str, typer.Argument(help="Such as error_after_accepting; docs/reference/simulator.md lists all.")],
    match: Annotated[str | None, typer.Option("--match", help="Only for this reference or id; * is any text.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How often.")] = 1,
) -> None:
    """Ask the simulator for a fault, to see how it is found."""
    made = _ask("/v1/faults", {"fault": kind, "count": count, **({"match": match} if match else {})})
    say(f"The next {count if count > 1 else 'one'} will be hit by {made['fault']}.")


def _provider() -> SimulatorAddress:
    """The demo's, which it left beside the keys, or the one of the settings. Raises InvalidInput."""
    settings = settings_now()
    if settings.provider_url is not None and settings.provider_api_key is not None:
        return SimulatorAddress(settings.provider_url, settings.provider_api_key.get_secret_value())
    try:
        kept = json.loads(Path(settings.data_folder / CLIENT_FILE).read_text())["simulator"]
        return SimulatorAddress(kept["url"], kept["key"])
    except (OSError, ValueError, KeyError, TypeError):
        limit = "a simulator: `counterfoil setup` writes one down, `counterfoil demo` starts one"
        raise InvalidInput("provider_url", limit) from None


def _ask(path: str, body: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
    url, api_key = _provider()
    headers = {"Authorization": f"Bearer {api_key}"} | ({"Idempotency-Key": key} if key else {})
    try:
        answer = httpx2.post(f"{url}{path}", json=body, headers=headers, timeout=TIMEOUT_S, trust_env=False)
    except httpx2.HTTPError as error:
        said = f"the simulator at {url} does not answer: {type(error).__name__}"
        raise Unreachable(f"{said}. `counterfoil simulator run` starts it") from error
    told = answer.json()
    if answer.is_success:
        return dict(told)
    said = told.get("error", {})
    raise ApiProblem(
        {
            "title": f"The simulator refuses it: {said.get('message', answer.status_code)}",
            "kind": KINDS.get(answer.status_code, "busy"),
            "field": said.get("field"),
            "limit": said.get("limit"),
        },
        answer.status_code,
    )

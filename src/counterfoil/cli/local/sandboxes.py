"""The sandboxes that adapters are checked at: a simulator of our own, a configured account in test mode, or whatever a function gives."""

from __future__ import annotations

import base64
import queue
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import httpx2

from counterfoil.base.edge import Database, entropy
from counterfoil.base.migrations.runner import migrate
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.base.secret import Secret, SigningSecret
from counterfoil.base.settings import Settings
from counterfoil.cli.local.providers import EVM_EXTRA, FILE_EXTRA, MAKERS, SIMULATOR, STRIPE, extra, providers_of
from counterfoil.operations.providers import Provider, chain, sepa
from counterfoil.operations.providers.conformance.chain_node import ChainNode
from counterfoil.operations.providers.conformance.file_checks import FileSandbox
from counterfoil.operations.providers.conformance.sandbox import CannotCheck, Sandbox, SignedWebhook
from counterfoil.operations.providers.sepa.reports import read_report
from counterfoil.operations.providers.simulator import SimulatorProvider
from counterfoil.simulator.process import SimulatorProcess, spawn_simulator

ASSET: Final = "EUR"
CHAIN_ASSET: Final = "USDC"
FUNDS: Final = 10_000_000
WEBHOOK_S: Final = 10
SEND_S: Final = 10


@contextmanager
def sandbox_of(
    name: str, settings: Settings, *, destination: str | None, refused: str | None, asset: str
) -> Iterator[Sandbox | FileSandbox]:
    """The sandbox to check an adapter at: `module:function` gives one; a provider of ours has a simulator of its own, or with
    `destination` its configured account. Raises NotFound, InvalidInput, CannotCheck."""
    if ":" in name:
        yield _given(name)
    elif name not in MAKERS:
        raise NotFound(what="provider", id=name, known=", ".join(MAKERS))
    elif name == sepa.NAME:
        yield bank_files()
    elif name == chain.NAME and destination is None:
        with on_a_chain() as sandbox:
            yield sandbox
    elif destination is not None:
        yield _configured(name, settings, destination, refused, asset)
    else:
        with simulated(name) as sandbox:
            yield sandbox


def bank_files() -> FileSandbox:
    """The adapter of bank files, with an account of nobody's: it reaches nobody, so it needs no sandbox. Raises ExtraMissing."""
    with extra(sepa.NAME, *FILE_EXTRA):
        from counterfoil.operations.providers.accounts import bank_account_of
        from counterfoil.operations.providers.sepa.provider import SepaProvider
    debtor = bank_account_of("DE89370400440532013000;House GmbH")
    return FileSandbox(
        sepa.NAME,
        SepaProvider(debtor),
        ASSET,
        "FR1420041010050500013M02606",
        "FR1420041010050500013M02607;Wrong",
        read_report,
    )


@contextmanager
def on_a_chain() -> Iterator[Sandbox]:
    """A node, a token and a private PostgreSQL of its own, in a folder that is thrown away. Raises CannotCheck, ExtraMissing."""
    from counterfoil.operations.providers.chain.signer import signer
    from counterfoil.operations.providers.conformance.chain_node import running_node

    with extra(chain.NAME, "evm", *EVM_EXTRA):
        signer()
    with tempfile.TemporaryDirectory() as folder, running_node() as node:
        server = PrivatePostgres(Path(folder)).start()
        try:
            migrate(server.url)
            database = Database(server.url).open()
            try:
                yield chain_sandbox(node, database)
            finally:
                database.close()
        finally:
            server.stop()


def chain_sandbox(node: ChainNode, database: Database) -> Sandbox:
    """A sandbox on a node's chain: an address of its own with coins and tokens, final after two blocks. Raises ExtraMissing."""
    with extra(chain.NAME, "evm", *EVM_EXTRA):
        from eth_utils.address import to_checksum_address

        from counterfoil.operations.providers.chain.notebook import open_orders
        from counterfoil.operations.providers.chain.provider import ChainProvider, ChainTerms
    from counterfoil.operations.providers.conformance.chain_node import CHAIN, DECIMALS

    token = str(to_checksum_address(node.deploy()))
    terms = ChainTerms(CHAIN, {CHAIN_ASSET: token}, "ETH", confirmations=2)
    key = "0x" + entropy(32).hex()

    def make(url: str, timeout_s: float) -> ChainProvider:
        made = ChainProvider(url, Secret(key, "chain_private_key"), terms, timeout_s=timeout_s)
        made.reads_by(database.transaction)
        return made

    own = make(node.url, SEND_S)
    node.fund(own.address, token)

    def let_pass(span: timedelta) -> None:
        if not span:
            return
        with database.transaction() as conn:
            waiting = open_orders(conn, CHAIN, watched_blocks=0)
        for one in waiting:  # as the worker's job does it
            own.send_again(one)
        node.mine(terms.confirmations)

    with database.transaction() as conn:
        conn.execute("insert into asset (code, scale) values (%s, %s) on conflict do nothing", [CHAIN_ASSET, DECIMALS])
    return Sandbox(
        chain.NAME,
        node.url,
        make,
        CHAIN_ASSET,
        str(to_checksum_address("0x" + entropy(20).hex())),
        refused=token,
        let_pass=let_pass,
        transaction=database.transaction,
        is_order=lambda body: b"eth_sendRawTransaction" in body,
        run=f"check-{entropy(4).hex()}",
    )


@contextmanager
def simulated(name: str) -> Iterator[Sandbox]:
    """A simulator of its own, in a folder that is thrown away, funded."""
    key, secret = "sk_test_" + entropy(16).hex(), "whsec_" + base64.b64encode(entropy(24)).decode()
    with (
        tempfile.TemporaryDirectory() as folder,
        spawn_simulator(Path(folder), settle_ms=0, api_key=key) as process,
        _Receiver() as receiver,
        httpx2.Client(base_url=process.url, headers=process.headers, timeout=WEBHOOK_S, trust_env=False) as http,
    ):
        body = {"url": receiver.url, "secret": secret, "style": "stripe" if name == STRIPE else "standard"}
        http.put("/v1/webhook-endpoint", json=body).raise_for_status()
        for number in (1, 2):
            charge = {"reference": f"funds-{number}", "amount": str(FUNDS), "asset": ASSET}
            http.post("/v1/charges", json=charge, headers={"Idempotency-Key": f"funds-{number}"}).raise_for_status()
        yield _at_simulator(name, process, http, receiver, key, secret)


def _at_simulator(name: str, process: SimulatorProcess, http: httpx2.Client, receiver: _Receiver, key: str, secret: str) -> Sandbox:
    def let_pass(span: timedelta) -> None:
        ms = int(span.total_seconds() * 1000)
        if ms:
            http.post("/v1/clock/advance", json={"ms": ms}).raise_for_status()

    def make(url: str, timeout_s: float) -> Provider:
        if name == STRIPE:
            with extra(STRIPE, "stripe", "stripe"):
                from counterfoil.operations.providers.stripe.provider import StripeProvider
            return StripeProvider(key, Secret(secret, "stripe_webhook_secret"), url=url, timeout_s=timeout_s)
        return SimulatorProvider(url, key, SigningSecret(secret, "provider_webhook_secret"), timeout_s=timeout_s)

    account = "acct_" if name == STRIPE else ""
    return Sandbox(
        name,
        process.url + ("/stripe" if name == STRIPE else ""),
        make,
        ASSET,
        f"{account}payee1",
        refused=f"{account}unknown1",
        returning=f"{account}returning1",
        let_pass=let_pass,
        webhook=receiver.next,
        run=f"check-{entropy(4).hex()}",
    )


def _configured(name: str, settings: Settings, destination: str, refused: str | None, asset: str) -> Sandbox:
    """The account of the settings, when no real money moves there. Time passes by waiting."""
    import time

    if name == SIMULATOR:
        raise InvalidInput("destination", "absent: the simulator is checked at one of its own, never at one in use")
    found = providers_of(settings).get(name)
    if found is None:
        raise NotFound(what="provider", id=name, do="set its settings, or leave --destination out to use a simulator")
    if not getattr(found, "is_sandbox", False):
        raise CannotCheck(f"{name} is set up with a key that moves real money; a check makes payouts")

    def make(url: str, timeout_s: float) -> Provider:
        more = {f"{name}_url": url, "provider_timeout_ms": max(1, int(timeout_s * 1000))}
        made = MAKERS[name](settings.model_copy(update=more))
        assert made is not None
        return made

    def let_pass(span: timedelta) -> None:
        time.sleep(span.total_seconds())

    url = str(getattr(settings, f"{name}_url"))
    return Sandbox(name, url, make, asset, destination, refused=refused, let_pass=let_pass, run=f"check-{entropy(4).hex()}")


def _given(name: str) -> Sandbox | FileSandbox:
    """What `module:function` gives."""
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise NotFound(what="sandbox", id=name, why=str(error)) from error
    if not isinstance(found, Sandbox | FileSandbox):
        wanted = f"a function that gives a {Sandbox.__name__} or a {FileSandbox.__name__}"
        raise InvalidInput("name", wanted, got=type(found).__name__)
    return found


class _Receiver:
    """Takes webhooks on loopback and keeps them."""

    def __init__(self) -> None:
        """Listen."""
        kept = self._kept = queue.Queue[SignedWebhook]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                kept.put(SignedWebhook(body, {name.lower(): value for name, value in self.headers.items()}))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook"

    def __enter__(self) -> _Receiver:
        """Serve."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> SignedWebhook:
        """One that has come, or comes soon. Raises CannotCheck."""
        try:
            return self._kept.get(timeout=WEBHOOK_S)
        except queue.Empty:
            raise CannotCheck(f"no webhook came within {WEBHOOK_S} s") from None

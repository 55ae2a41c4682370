"""A real server on a real socket over a real database, with a key of each role; what a test of the edges needs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from psycopg import Connection

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.base.money import Asset
from counterfoil.client import Client
from counterfoil.client.transport import trusted_authorities
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.operations.access import access
from counterfoil.operations.providers.simulator import SimulatorProvider
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.wiring import Wiring
from tests.people import log_in_as
from tests.quick_server import QuickServer

PROGRAM = "main"
SECRET = f"whsec_{base64.b64encode(hashlib.sha256(b'tests').digest()).decode()}"  # long and mixed, or it is none
PROVIDER_KEY = f"sk_{hashlib.sha256(b'provider').hexdigest()}"
NOWHERE = "http://127.0.0.1:9"  # the provider is never asked in these tests
HEADER = "record_id,customer_id,payee_id,asset,quantity,unit_price,occurred_at,description"
_numbers = iter(range(1, 10**9))


def fresh(word: str = "key") -> str:
    """A word that no other call got."""
    return f"{word}-{next(_numbers)}"


def usage_csv(count: int = 1, *, price: str = "10.00", word: str | None = None) -> bytes:
    """Usage of so many customers of one payee."""
    word = word or fresh("u")
    lines = [f"{word}-{n},cust-{n},bolt,EUR,1,{price},2026-01-05T10:00:00Z,hours" for n in range(count)]
    return ("\n".join([HEADER, *lines]) + "\n").encode()


def signed(body: bytes, event_id: str, *, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    """The headers with which the provider would send this webhook."""
    stamp = str(int(time.time()) - age_s)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = base64.b64encode(hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256)).decode()
    return {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{made}"}


def charge_event(invoice: dict[str, Any], charge_id: str, *, amount: str | None = None) -> bytes:
    """What the provider tells when a customer paid."""
    data = {
        "id": charge_id,
        "reference": invoice["id"],
        "amount": amount or invoice["total"],
        "fee": "30",
        "asset": invoice["asset"],
        "status": "succeeded",
        "created_at": now().isoformat(),
    }
    return json.dumps({"type": "charge.succeeded", "data": data}).encode()


@dataclass
class Office:
    """The running server, and how to talk to it."""

    url: str
    database: Database
    wiring: Wiring
    keys: dict[str, str]
    key_ids: dict[str, str] = field(default_factory=dict)

    def http(self, role: str | None = "viewer", **headers: str) -> httpx2.Client:
        """A plain client with the key of a role."""
        given = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        return httpx2.Client(base_url=self.url, headers={**given, **headers}, timeout=20, trust_env=False, verify=trusted_authorities())

    def client(self, role: str) -> Client:
        """The product's client with the key of a role."""
        return Client(self.url, self.keys[role])

    def ask(self, method: str, path: str, *, role: str | None = "viewer", key: str | None = None, **more: Any) -> httpx2.Response:
        """One request."""
        headers = {**more.pop("headers", {}), **({"Idempotency-Key": key} if key else {})}
        with self.http(role) as client:
            return client.request(method, path, headers=headers, **more)

    def by_two(self, path: str, body: dict[str, Any], *, role: str, checker: str = "approver", key: str | None = None) -> httpx2.Response:
        """Propose, have it approved by another person, and ask for the same again."""
        proposed = self.ask("POST", path, role=role, key=fresh(), json=body)
        assert proposed.status_code == 202, proposed.text
        approved = self.approve(proposed.json(), checker=checker)
        assert (approved.status_code, approved.json().get("state")) == (200, "approved"), approved.text
        return self.ask("POST", path, role=role, key=key or fresh(), json=body)

    def approve(self, proposed: dict[str, Any], *, checker: str = "approver") -> httpx2.Response:
        """Another person approves what was answered to a proposal; of most verbs it is done by that."""
        decision = {"payloadSha256": proposed["payloadSha256"], "reason": "seen"}
        address = f"/api/approvals/{proposed.get('proposalId') or proposed['proposal']}/approve"
        return self.ask("POST", address, role=checker, key=fresh(), json=decision)

    def invoice(self, **usage: Any) -> dict[str, Any]:
        """An invoice that waits for its customer."""
        body = usage_csv(**usage)
        params = {"programId": PROGRAM, "fileName": fresh("file")}
        assert self.ask("POST", "/api/usage", role="operator", key=fresh(), content=body, params=params).status_code == 201
        issued = self.ask("POST", "/api/invoices/issue", role="operator", key=fresh(), json={"programId": PROGRAM})
        assert issued.status_code == 201, issued.text
        found: dict[str, Any] = self.ask("GET", f"/api/invoices/{issued.json()['invoiceIds'][0]}").json()
        return found

    def fund(self, account: str, minor: int, *, asset: str = "EUR") -> None:
        """Put money on an account, out of the house's own."""
        with self.database.transaction() as conn:
            names = ["cash:bank:own", account]
            open_accounts(conn, PROGRAM, names, asset=asset, actor="test", now=now())
            lines = [("cash:bank:own", account, minor)]
            post(conn, PROGRAM, key=fresh("fund"), kind="test", lines=lines, asset=asset, actor="test", now=now())


def wiring_for(database: Database) -> Wiring:
    """As the command line makes it."""
    provider = SimulatorProvider(NOWHERE, "sk", SECRET, timeout_s=1)
    return Wiring(
        database=database,
        providers={provider.name: provider},
        program_id=PROGRAM,
        clock=now,
        make_id=make_id,
        silent_after=timedelta(minutes=10),
        lease=timedelta(seconds=60),
        rows_max=200,
    )


Before = Callable[[Connection[Any], dict[str, str]], None]


def seed(database: Database, before: Before | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """A program with rates, and a key of each role: secrets and ids. `before`: what is made while nobody administers yet."""
    keys: dict[str, str] = {}
    ids: dict[str, str] = {}
    with database.transaction() as conn:
        open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2), Asset("JPY", 0)], now=now())
        set_rates(conn, PROGRAM, platform_bps=500, validator_bps=100, holdback_bps=0, actor="test", now=now())
        if before is not None:
            before(conn, keys)
        for role in access.ROLES:
            keys[role], ids[role] = access.new_secret(entropy(access.SECRET_BYTES), live=False), make_id("key")
            access.create_key(conn, ids[role], keys[role], name=role, role=role, by="test", now=now())
        keys["approver"] = log_in_as(conn, "vera", "approver")[1]  # keys never approve: this is the login of a person
        keys["second administrator"] = log_in_as(conn, "karl", "administrator")[1]
    return keys, ids


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app on a socket of its own, in a thread; gives its address."""
    server = QuickServer(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server ended before it listened"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def opened(database: Database, before: Before | None = None, **wired: Any) -> Iterator[Office]:
    """An office over this database, with a folder for its proofs; `wired` as the wiring has it, such as a folder of its own runbooks."""
    keys, ids = seed(database, before)
    with tempfile.TemporaryDirectory(prefix="proofs-") as folder:
        wiring = replace(wiring_for(database), proof_folder=Path(folder), **wired)
        app = make_app(wiring, owner="test", log_requests=False, body_bytes_max=100_000, import_bytes_max=200_000)
        with served(app) as url:
            yield Office(url, database, wiring, keys, ids)

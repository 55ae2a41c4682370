"""A house to break into: a real server with the API and the pages, people and keys in it, and what changes in it."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import httpx2
import psycopg
import pyotp
import stripe
import uvicorn

from counterfoil.api.http.app import make_app
from counterfoil.api.http.connections import GuardedProtocol
from counterfoil.base.edge import Database, entropy, now
from counterfoil.base.secret import Secret
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.operations.access import logins
from counterfoil.operations.access.passwords import SALT_BYTES
from counterfoil.operations.providers.simulator import SimulatorProvider
from counterfoil.operations.providers.stripe.provider import StripeProvider
from counterfoil.treasury.two_phase.peers import parse_peers
from tests.api.office import NOWHERE, seed, wiring_for
from tests.builders import Clock
from tests.people import log_in_as, past_the_guard

PAGE: Final = "/admin/reconciliation"
PASSWORD: Final = "correct horse battery"
COOKIE: Final = "counterfoil_session"
# Where tries are written down, whoever made them, and sealed; and what is written down of use and of repetitions. Nothing else may change.
RECORDS: Final = frozenset({"webhook_in_rejection", "access_event", "access_attempt", "request_turn", "seal"})
NOTES: Final = ("last_used_at", "seen_at", "duplicates")


def secret_of(word: str) -> str:
    """A webhook secret, long and mixed, of this word."""
    return f"whsec_{base64.b64encode(hashlib.sha256(word.encode()).digest()).decode()}"


OTHER_SECRET: Final = secret_of("the second provider")
STRIPE_SECRET: Final = "whsec_" + hashlib.sha256(b"stripe").hexdigest()
PEER_SECRET: Final = secret_of("a peer")


@dataclass
class House:
    """The running house; `at`: its clock, which a test may move on."""

    url: str
    database: Database
    at: Clock
    keys: dict[str, str]
    client: httpx2.Client
    people: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)  # as `changed` saw it last

    def ask(self, method: str, path: str, *, headers: Any = (), **more: Any) -> httpx2.Response:
        """One request, with these headers and no cookie that another answer set."""
        self.client.cookies.clear()
        return self.client.request(method, path, headers=headers, **more)

    def changed(self) -> set[str]:
        """The tables that do not hold what they held when this was asked last; without the records of tries and use."""
        before, self.held = self.held, self._picture()
        return {table for table in before | self.held if before.get(table) != self.held.get(table)}

    def _picture(self) -> dict[str, str]:
        with psycopg.connect(self.database.url) as conn:
            named = conn.execute("select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace")
            tables = sorted({row[0] for row in named.fetchall()} - RECORDS)
            some = " union all ".join(f"""select '{one}' where exists (select from "{one}")""" for one in tables)
            each = (
                f"""select '{one}', md5(string_agg(md5((to_jsonb(t) - %(notes)s::text[])::text), '' order by t::text)) from "{one}" t"""
                for (one,) in conn.execute(some.encode()).fetchall()
            )
            return dict(conn.execute(" union all ".join(each).encode(), {"notes": list(NOTES)}).fetchall())

    def a_person(self, name: str, role: str = "operator") -> str:
        """The id of somebody with a password and this role, added if they are new."""
        if name not in self.people:
            with past_the_guard(self.database.url) as conn:
                caller, _ = log_in_as(conn, name, role, at=self.at.now - timedelta(minutes=1), life=timedelta(seconds=1))
                logins.set_password(conn, caller.principal_id, PASSWORD, entropy(SALT_BYTES), now=self.at.now)
            self.people[name] = caller.principal_id
        return self.people[name]

    def log_in(self, name: str = "mira", *, code: str = "", cookie: str = "") -> tuple[str, str]:
        """Log in through the form: the session's token and its CSRF token."""
        self.a_person(name)
        told = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        done = self.ask("POST", "/login", data={"name": name, "key": PASSWORD, "code": code}, headers=told)
        assert done.status_code == 303, done.text
        return self.opened_by(done)

    def opened_by(self, done: httpx2.Response) -> tuple[str, str]:
        """Of an answer that let somebody in: the session's token and its CSRF token."""
        token = re.search(rf"{COOKIE}=([^;]+)", done.headers["set-cookie"])[1]  # type: ignore[index]
        page = self.ask("GET", PAGE, headers={"Cookie": f"{COOKIE}={token}"})
        return token, re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]  # type: ignore[index]

    def form(self, path: str, token: str, csrf: str, **filled: str) -> httpx2.Response:
        """A form of the page, as its browser sends it."""
        return self.ask("POST", path, headers={"Cookie": f"{COOKIE}={token}"}, data={"csrf": csrf, **filled})

    def with_factor(self, name: str) -> pyotp.TOTP:
        """Give somebody a second factor, and wait until its next code."""
        token, csrf = self.log_in(name)
        begun = self.form("/account/factor/begin", token, csrf, password=PASSWORD).text
        secret = re.search(r'class="secret">([A-Z2-7]{32})<', begun)[1]  # type: ignore[index]
        factor = re.search(r'name="factor" value="(fac_[0-9A-Z]{26})"', begun)[1]  # type: ignore[index]
        codes = pyotp.TOTP(secret)
        assert self.form("/account/factor/confirm", token, csrf, factor=factor, code=codes.at(self.at.now)).status_code == 200
        self.at.advance(minutes=1)
        return codes


@contextmanager
def a_house(database: Database) -> Iterator[House]:
    """A house over this database: two providers of one kind and another, a peer, keys of each role; served as `serve` does."""
    keys, _ = seed(database)
    second = SimulatorProvider(NOWHERE, "sk", OTHER_SECRET, timeout_s=1)
    other = StripeProvider("sk_test_x", Secret(STRIPE_SECRET, "stripe"), url=NOWHERE)
    at = Clock(now())
    wiring = wiring_for(database)
    wiring = replace(
        wiring,
        providers={**wiring.providers, "second": second, "stripe": other},
        peers=parse_peers(f"north {NOWHERE} {PEER_SECRET}", ours="south"),
        clock=at,
    )
    app = make_app(wiring, owner="house", log_requests=False)
    add_dashboard(app, wiring, version="house")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, http=GuardedProtocol))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        with httpx2.Client(base_url=url, timeout=20, trust_env=False, follow_redirects=False) as client:
            yield House(url, database, at, keys, client)
    finally:
        server.should_exit = True
        thread.join(20)


def stripe_header(body: bytes, *, age_s: int = 0, secret: str = STRIPE_SECRET) -> str:
    """What Stripe sends with this webhook."""
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=int(time.time()) - age_s))

"""A whole installation on one machine: private PostgreSQL, simulator, server and worker, each a real process.

The demo shows it, the tests walk through it, and the crash test kills its parts one by one.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx2
from psycopg import Connection

from counterfoil.backups.keys import kept_backup_texts
from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.base.encryption.key_file import kept_keys
from counterfoil.base.encryption.keys import EncryptionKeys
from counterfoil.base.migrations.runner import migrate
from counterfoil.base.money import Asset
from counterfoil.base.postgres.binaries import Identity
from counterfoil.base.postgres.launcher import DATABASE, PrivatePostgres
from counterfoil.base.postgres.logins import SERVER, make_logins
from counterfoil.client.transport import trusted_authorities
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access import access
from counterfoil.operations.access.logins import check_login, grant_role, log_in, set_password
from counterfoil.operations.access.passwords import SALT_BYTES
from counterfoil.operations.access.principals import create_principal
from counterfoil.payouts.batches import machine as batch_machine
from counterfoil.payouts.batches.policies import Tier, set_policy
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.simulator.process import SimulatorProcess, spawn_simulator

PROGRAM: Final = "main"
PEOPLE: Final = {"mira": "controller", "vera": "approver", "karl": "administrator", "olga": "administrator"}
ASSET: Final = Asset("EUR", 2)
RATES: Final = {"platform_bps": 500, "validator_bps": 100, "holdback_bps": 0}
START_S: Final = 300  # a machine with much else to do needs minutes to read our code
STOP_S: Final = 60
CLIENT_FILE: Final = "client.json"


class ProcessDidNotStart(Exception):
    """A process ended or said nothing in time; the message holds the end of its log."""


class Child:
    """One process of ours, started again with the same command as often as it is killed."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, *, die_with_parent: bool = False
    ) -> None:
        """Nothing starts before `start`; its output goes to `log`. `die_with_parent`: it is told to stop when the thread that starts it
        has ended."""
        self.name = name
        self._command = [sys.executable, "-m", "counterfoil", *command]
        if die_with_parent:
            self._command = Identity("same").command(*self._command, parent=os.getpid(), death_signal=signal.SIGTERM)
        # The database's list of who is connected names it so.
        self._environment = {**os.environ, "PGAPPNAME": f"counterfoil-{name.replace(' ', '-')}", **environment}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        if self._process is None:
            raise ProcessDidNotStart(f"{self.name} does not run")
        return self._process.pid

    def alive(self) -> bool:
        """Does it run?"""
        return self._process is not None and self._process.poll() is None

    def ended(self) -> int | None:
        """With which code it ended by itself; None while it runs. Raises ProcessDidNotStart where it was not started."""
        if self._process is None:
            raise ProcessDidNotStart(f"{self.name} does not run")
        return self._process.poll()

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> int:
        """SIGKILL; the return code is -9 when it was alive until then."""
        return self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL when that takes too long."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


class World:
    """Everything that runs, in one folder; use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        simulator: Mapping[str, int] | None = None,
        port: int = 0,
        workers: int = 1,
        destinations: Mapping[str, str] | None = None,
        by_batch: Asset | None = None,
        die_with_parent: bool = False,
    ) -> None:
        """`settings` go over the defaults (names as COUNTERFOIL_*), `simulator` over the simulator's; `workers` run side by side.

        `destinations`: where payees are paid (payee: token), set before anybody administers; afterwards it takes two people.
        `by_batch`: another asset of the program, in which every payout waits for a batch that a person approves.
        """
        self._by_batch = by_batch
        self._die_with_parent = die_with_parent
        self._destinations = dict(destinations or {})
        self._workers = workers
        self.folder = folder
        self.settings = dict(settings or {})  # as they are when it starts
        self.simulator_settings: dict[str, Any] = dict(simulator or {})
        self._port = port or free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.keys: dict[str, str] = {}
        self.people: dict[str, str] = {}  # passwords by name
        self.started_at: datetime | None = None

    def __enter__(self) -> World:
        """Start everything, or nothing."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything."""
        self.stop()

    def start(self) -> None:
        """Database, migrations, program and keys, then server and workers; the simulator, which needs none of them, beside them."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.started_at = now()
        secret = f"whsec_{base64.b64encode(entropy(24)).decode()}"
        with ThreadPoolExecutor(1, thread_name_prefix="simulator") as beside:
            simulator = beside.submit(self._start_simulator, secret)
            self._start_database()
            simulator.result()
        self._leave_addresses()
        environment = self._environment(secret)
        tied = self._die_with_parent
        self.server = Child("server", ["serve"], environment, self.folder / "server.log", die_with_parent=tied)
        self.workers = [
            Child(f"worker {number}", ["worker"], environment, self.folder / f"worker{number or ''}.log", die_with_parent=tied)
            for number in range(self._workers)
        ]
        self.worker = self.workers[0]
        for child in (self.server, *self.workers):
            child.start()
        self.await_server()

    def _start_database(self) -> None:
        self.postgres = PrivatePostgres(self.folder).start()
        migrate(self.postgres.url)
        make_logins(self.postgres.url)
        self.database_url = self.postgres.url_of(DATABASE, login=SERVER)
        kept = kept_keys(self.folder, entropy)
        self.encryption_keys = ",".join(one.reveal() for one in kept)
        keys = EncryptionKeys(kept, entropy)
        self.database = Database(self.database_url, connections_max=4, keys=keys).open()
        self._seed()

    def _start_simulator(self, secret: str) -> None:
        self.simulator: SimulatorProcess = spawn_simulator(
            self.folder / "simulator",
            webhook_url=f"{self.url}/webhooks/simulator",
            webhook_secret=secret,
            api_key=f"sk_sim_{entropy(16).hex()}",
            **self.simulator_settings,
        )

    def stop(self) -> None:
        """The worker first, so that nothing new begins; the database last. What never started is passed over."""
        for worker in getattr(self, "workers", []):
            worker.stop()
        for name in ("server", "simulator"):
            if (part := getattr(self, name, None)) is not None:
                part.stop()
        if (database := getattr(self, "database", None)) is not None:
            database.close()
        if (postgres := getattr(self, "postgres", None)) is not None:
            postgres.stop()

    def await_server(self) -> None:
        """Wait until the server answers. Raises ProcessDidNotStart: whether it ended or was too slow, with the end of its log."""
        end = time.monotonic() + START_S
        while (code := self.server.ended()) is None and time.monotonic() < end:
            with suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.url}/healthz", timeout=2, trust_env=False, verify=trusted_authorities()).status_code == 200:
                    return
            time.sleep(0.05)
        why = f"it runs, and did not answer within {START_S} s: this machine is too busy" if code is None else f"it ended with {code}"
        log = self.server.log.read_text(errors="replace")[-2_000:]
        raise ProcessDidNotStart(f"server: {why}. Its log: {log or 'it said nothing'}")

    def _seed(self) -> None:
        """A program with its rates, and a key of each role."""
        with self.database.transaction() as conn:
            more = [] if self._by_batch is None else [self._by_batch]
            assert batch_machine.EVENT_KINDS  # what setting a policy tells is declared
            open_program(conn, PROGRAM, name="Main program", assets=[ASSET, *more], now=now())
            for asset in more:
                given: dict[str, Any] = {
                    "by_rule_max": 0,
                    "tiers": [Tier(0, 1)],
                    "cooling_hours": 72,
                    "reason": "every payout takes a second person",
                }
                set_policy(conn, PROGRAM, asset.code, actor="system:setup", now=now(), **given)
            if not conn.execute("select 1 from fee_rate where program_id = %s", [PROGRAM]).fetchone():
                set_rates(conn, PROGRAM, actor="system:setup", now=now(), limits=(), effective_at=None, **RATES)
            for payee, token in self._destinations.items():
                set_destination(
                    conn,
                    make_id("dst"),
                    program_id=PROGRAM,
                    payee_id=payee,
                    provider="simulator",
                    token=token,
                    actor="system:setup",
                    now=now(),
                )
            for role in access.ROLES:
                self.keys[role] = access.new_secret(entropy(access.SECRET_BYTES), live=False)
                access.create_key(conn, make_id("key"), self.keys[role], name=f"demo-{role}", role=role, by="system:setup", now=now())
            for name, role in PEOPLE.items():
                self._add_person(conn, name, role)
            self.keys["approver"] = self._logged_in(conn, "vera")  # keys never approve: this is the login of a person

    def _add_person(self, conn: Connection[Any], name: str, role: str) -> None:
        """Somebody with a password, which lies beside the keys: in the demo only."""
        self.people[name] = access.new_secret(entropy(access.SECRET_BYTES), live=False)[-24:].lower()
        made = create_principal(conn, make_id("prn"), kind="person", name=name, by="system:setup", now=now())
        grant_role(conn, make_id("grant"), made.id, role, by="system:setup", now=now())
        set_password(conn, made.id, self.people[name], entropy(SALT_BYTES), now=now())

    def _logged_in(self, conn: Connection[Any], name: str) -> str:
        caller = check_login(conn, name, self.people[name], now=now())
        return log_in(conn, make_id("ses"), entropy(access.SECRET_BYTES), caller, now=now(), life=access.SESSION_LIFE)[1]

    def _leave_addresses(self) -> None:
        """Where the command line and a curious person find everything; readable by its owner alone."""
        told = {
            "url": self.url,
            "keys": self.keys,
            "people": self.people,
            "simulator": {"url": self.simulator.url, "key": self.simulator.api_key},
        }
        client = self.folder / CLIENT_FILE
        client.touch(mode=0o600)
        client.write_text(json.dumps(told, indent=2) + "\n")

    def _environment(self, webhook_secret: str) -> dict[str, str]:
        given = {
            "COUNTERFOIL_DATABASE_URL": self.database_url,
            "COUNTERFOIL_DATA_FOLDER": str(self.folder),
            "COUNTERFOIL_PORT": str(self._port),
            "COUNTERFOIL_PROGRAM": PROGRAM,
            "COUNTERFOIL_PROVIDER_URL": self.simulator.url,
            "COUNTERFOIL_PROVIDER_API_KEY": self.simulator.api_key,
            "COUNTERFOIL_PROVIDER_WEBHOOK_SECRET": webhook_secret,
            "COUNTERFOIL_ENCRYPTION_KEYS": self.encryption_keys,
            "COUNTERFOIL_BACKUP_KEYS": ",".join(kept_backup_texts(self.folder)),
        }
        return {**given, **self.settings}


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port

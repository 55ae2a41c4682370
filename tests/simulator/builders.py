"""A provider in memory, for tests of what it decides; and a little receiver of webhooks, for tests over sockets."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from counterfoil.simulator.http.views import SimulatorReply
from counterfoil.simulator.journal import decode, encode
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.decisions import (
    ChargeAsk,
    PayoutAsk,
    RuleAsk,
    decide_attempt,
    decide_charge,
    decide_payout,
    decide_plant,
    decide_step,
)
from counterfoil.simulator.rules.state import SimulatorSettings, State

START_US = 1_795_132_800_000_000  # 2026-11-20, midnight
SECRET = "whsec_" + base64.b64encode(b"sixteen bytes or more").decode()


class Provider:
    """The pure core with a clock in hand: what `Engine` does, without disk, sockets or tasks."""

    def __init__(self, settings: SimulatorSettings | None = None, *, seed: int = 1, endpoint: bool = False) -> None:
        self.settings, self.state, self.now_us = settings or SimulatorSettings(), State(), START_US
        self.entries: list[f.FactEntry] = []
        self.record([f.Opened("cafe", seed)])
        if endpoint:
            self.record([f.EndpointSet("http://127.0.0.1:1/hook", SECRET)])

    def record(self, facts: list[f.Fact], at_us: int | None = None) -> None:
        entry = f.FactEntry(len(self.entries) + 1, self.now_us if at_us is None else at_us, facts)
        kept = decode(encode(entry))
        assert kept == entry, "an entry survives its line"
        self.entries.append(kept)
        self.state.apply(kept)

    def charge(self, key: str, amount: int, *, reference: str = "inv", asset: str = "USD", fee: int | None = 0) -> SimulatorReply:
        ask = ChargeAsk(key, reference, amount, asset, fee)
        return self._act(decide_charge(self.state, self.settings, ask, self.now_us))

    def payout(
        self, key: str, amount: int, *, reference: str | None = None, destination: str = "acct", asset: str = "USD"
    ) -> SimulatorReply:
        ask = PayoutAsk(key, reference or f"ref-{key}", destination, amount, asset)
        return self._act(decide_payout(self.state, self.settings, ask, self.now_us))

    def plant(
        self,
        fault: str,
        *,
        on: str | None = None,
        match: str = "*",
        times: int | None = None,
        ppm: int = 1_000_000,
        **params,
    ):
        self.record(decide_plant(self.state, RuleAsk(fault, on, match, times, ppm, params), self.now_us))
        return list(self.state.rules.values())[-1]

    def advance(self, ms: int) -> None:
        self.now_us += ms * 1_000
        while (step := decide_step(self.state, self.settings, self.now_us)) is not None:
            self.record(step[1], step[0])

    def attempt(self, event: int, copy: int = 1, *, status: int = 200) -> f.DeliveryAttempted:
        fact = decide_attempt(
            self.state,
            self.settings,
            event,
            copy,
            status=status,
            error_text="" if status else "OSError",
            now_us=self.now_us,
        )
        self.record([fact])
        return fact

    def _act(self, decision) -> SimulatorReply:
        if decision.facts:
            self.record(decision.facts)
        return decision.answer


class Receiver:
    """An HTTP server that keeps every webhook and answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in list(self.got)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

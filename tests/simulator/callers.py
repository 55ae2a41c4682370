"""A client of the simulator, for tests over sockets."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx2

from counterfoil.simulator.process import SimulatorProcess


class Caller:
    """A client of the simulator."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.http = httpx2.Client(base_url=simulator.url, headers=simulator.headers, timeout=10)

    def charge(self, key: str, amount: str = "1000000", **body: str) -> httpx2.Response:
        body = {"reference": f"inv-{key}", "amount": amount, "asset": "USD", **body}
        return self.http.post("/v1/charges", json=body, headers={"Idempotency-Key": key})

    def payout(self, key: str, **body: object) -> httpx2.Response:
        body = {"reference": f"po-{key}", "amount": "100", "asset": "USD", "destination": "acct", **body}
        return self.http.post("/v1/payouts", json=body, headers={"Idempotency-Key": key})

    def look_up(self, key: str) -> dict:
        return self.http.get("/v1/payouts", params={"idempotency_key": key}).json()

    def plant(self, fault: str, **rule: object) -> dict:
        answer = self.http.post("/v1/faults", json={"fault": fault, **rule})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def hits(self, rule: dict) -> list[str]:
        return [hit["subject"] for hit in self.http.get(f"/v1/faults/{rule['id']}").json()["hits"]]

    def advance(self, ms: int) -> str:
        return self.http.post("/v1/clock/advance", json={"ms": ms}).json()["now"]


def eventually(holds: Callable[[], bool], seconds: int = 10) -> None:
    for _ in range(seconds * 100):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come true in time")

"""The controls that no real provider has: faults, the clock, the webhook endpoint, the oracle."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from counterfoil.simulator.engine import Simulation
from counterfoil.simulator.http import schemas
from counterfoil.simulator.http.gate import JsonAnswer
from counterfoil.simulator.http.views import SimulatorReply, iso, rule_view
from counterfoil.simulator.http.webhooks import secret_bytes
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.decisions import RuleAsk, decide_clear, decide_plant, rules_view
from counterfoil.simulator.rules.faults import KINDS, FaultRefused
from counterfoil.simulator.rules.oracle import oracle_view, read_journal


def add_controls(app: FastAPI, engine: Simulation) -> None:
    """Add the routes that steer the simulator."""
    _add_faults(app, engine)

    @app.put("/v1/webhook-endpoint", tags=["controls"])
    async def set_endpoint(body: schemas.EndpointBody) -> Response:
        """Send webhooks there from the next event on; what is still untold goes there too."""
        try:
            secret_bytes(body.secret)
        except ValueError as error:
            raise FaultRefused(400, "invalid_request", str(error), field="secret") from error
        await engine.write(lambda _, __: [f.EndpointSet(body.url, body.secret, body.style)])
        return JsonAnswer(SimulatorReply(200, {"object": "webhook_endpoint", "url": body.url}))

    @app.get("/v1/clock", tags=["controls"])
    async def get_clock() -> Response:
        """The simulator's time."""
        return JsonAnswer(SimulatorReply(200, _clock(engine.now_us())))

    @app.post("/v1/clock/advance", tags=["controls"])
    async def advance_clock(body: schemas.AdvanceBody) -> Response:
        """Move on; what falls due on the way has happened, at its own time, when this answers."""
        return JsonAnswer(SimulatorReply(200, _clock(await engine.advance(body.ms * 1_000))))

    @app.get("/v1/journal", tags=["controls"])
    async def get_journal() -> Response:
        """The oracle: which idempotency keys moved money, how often, how much, and where it is now. Read from the disk."""
        await engine.journal.durable()
        oracle = await asyncio.to_thread(read_journal, engine.journal.folder)
        return JsonAnswer(SimulatorReply(200, dict(oracle_view(oracle))))

    @app.get("/healthz", tags=["controls"])
    async def get_health() -> Response:
        """Is it up?"""
        return JsonAnswer(SimulatorReply(200, {"status": "ok", "entries": engine.state.entries, "syncs": engine.journal.syncs}))


def _add_faults(app: FastAPI, engine: Simulation) -> None:
    @app.post("/v1/faults", status_code=201, tags=["controls"])
    async def plant(body: schemas.FaultBody) -> Response:
        """Plant a fault. The answer names what it touched already: lines of the statement, or the service itself."""
        ask = RuleAsk(body.fault, body.on, body.match, body.count, body.probability_ppm, body.params)
        planted = decide_plant(engine.state, ask, engine.now_us())
        rule_id = next(fact.id for fact in planted if isinstance(fact, f.RulePlanted))
        await engine.write(lambda _, __: planted)
        return JsonAnswer(SimulatorReply(201, rule_view(engine.state.rules[rule_id])))

    @app.get("/v1/faults", tags=["controls"])
    async def list_rules() -> Response:
        """Every fault planted so far, with each of its hits."""
        return JsonAnswer(SimulatorReply(200, rules_view(engine.state)))

    @app.get("/v1/faults/kinds", tags=["controls"])
    async def list_kinds() -> Response:
        """What can go wrong here."""
        return JsonAnswer(SimulatorReply(200, kinds_view()))

    @app.get("/v1/faults/{rule_id}", tags=["controls"])
    async def get_rule(rule_id: str) -> Response:
        """One fault, with each of its hits."""
        if rule_id not in engine.state.rules:
            raise FaultRefused(404, "not_found", "there is no such fault", field="id")
        return JsonAnswer(SimulatorReply(200, rule_view(engine.state.rules[rule_id])))

    @app.delete("/v1/faults", tags=["controls"])
    async def clear_all() -> Response:
        """No fault fires any more; an outage ends."""
        await engine.write(lambda state, _: decide_clear(state, None))
        return JsonAnswer(SimulatorReply(200, rules_view(engine.state)))

    @app.delete("/v1/faults/{rule_id}", tags=["controls"])
    async def clear_one(rule_id: str) -> Response:
        """This fault fires no more."""
        await engine.write(lambda state, _: decide_clear(state, rule_id))
        return JsonAnswer(SimulatorReply(200, rule_view(engine.state.rules[rule_id])))


def kinds_view() -> dict[str, Any]:
    """Every kind of fault: what it does and what it takes."""
    data = [
        {"fault": name, "stage": kind.stage, "on": kind.on, "says": kind.says, "params": sorted(kind.params)}
        for name, kind in KINDS.items()
    ]
    return {"object": "fault_kinds", "data": data}


def _clock(now_us: int) -> dict[str, Any]:
    return {"object": "clock", "now": iso(now_us)}

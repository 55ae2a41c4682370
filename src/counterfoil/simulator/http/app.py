"""The provider's HTTP interface: payouts, charges, events, statement; and the controls of the simulator itself."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from counterfoil.simulator.engine import Simulation
from counterfoil.simulator.http import schemas
from counterfoil.simulator.http.controls import add_controls
from counterfoil.simulator.http.gate import JsonAnswer, response_of
from counterfoil.simulator.http.views import SimulatorReply, balances_view, charge_view, error, event_view, payout_now
from counterfoil.simulator.rules.chargebacks import ChargebackAsk, decide_chargeback, decide_outcome
from counterfoil.simulator.rules.decisions import ChargeAsk, PayoutAsk, decide_capture, decide_charge, decide_payout, decide_read
from counterfoil.simulator.rules.faults import FaultRefused
from counterfoil.simulator.rules.state import SimulatedPayout, State
from counterfoil.simulator.rules.statement import make_statement, parse_range, statement_csv, statement_json
from counterfoil.simulator.stripe.app import add_stripe

LOOK_UP_MAX = 100
EVENTS_MAX = 1_000

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)]


def make_app(engine: Simulation) -> FastAPI:
    """The application around an engine that is started."""
    app = FastAPI(
        title="counterfoil simulator",
        summary="A payment provider with faults.",
        version="1",
        redoc_url=None,
    )
    _add_errors(app)
    _add_money(app, engine)
    _add_reads(app, engine)
    _add_statement(app, engine)
    add_stripe(app, engine)
    add_controls(app, engine)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(FaultRefused)
    async def refused(_: Request, problem: FaultRefused) -> Response:
        return JsonAnswer(error(problem.status, problem.code, problem.message, field=problem.field, limit=problem.limit))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, problem: RequestValidationError) -> Response:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "body"
        return JsonAnswer(error(400, "invalid_request", "invalid value for a field", field=where, limit=first["msg"]))

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, problem: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(problem.status_code, "invalid_request")
        return JsonAnswer(error(problem.status_code, code, str(problem.detail)))


def _add_money(app: FastAPI, engine: Simulation) -> None:
    @app.post("/v1/charges", status_code=201, response_model=schemas.SimulatedChargeView, responses=_ERRORS, tags=["money"])
    async def create_charge(body: schemas.ChargeBody, idempotency_key: Key = None) -> Response:
        """A customer pays: the balance grows, `charge.succeeded` is told. With `capture` false it is only reserved on the card."""
        amount, fee = int(body.amount), None if body.fee is None else int(body.fee)
        if fee is not None and fee > amount:
            raise FaultRefused(400, "invalid_request", "the fee is more than the charge", field="fee", limit=body.amount)
        ask = ChargeAsk(_required(idempotency_key), body.reference, amount, body.asset, fee, body.capture)
        return response_of(await engine.act(lambda state, how, now_us: decide_charge(state, how, ask, now_us)))

    @app.post("/v1/charges/{charge_id}/capture", response_model=schemas.SimulatedChargeView, responses=_ERRORS, tags=["money"])
    async def capture_charge(charge_id: str) -> Response:
        """What was reserved on a card is taken: the balance grows, `charge.succeeded` is told. Again, nothing happens."""
        return response_of(await engine.act(lambda state, _, now_us: decide_capture(state, charge_id, now_us)))

    @app.post("/v1/charges/{charge_id}/chargebacks", status_code=201, responses=_ERRORS, tags=["money"])
    async def charge_back(charge_id: str, body: schemas.ChargebackBody) -> Response:
        """The customer's bank takes a charge back, wholly or in part: the balance falls, `chargeback.open` is told."""
        amount = None if body.amount is None else int(body.amount)
        ask = ChargebackAsk(charge_id, amount, int(body.fee), body.reason)
        return response_of(await engine.act(lambda state, _, now_us: decide_chargeback(state, ask, now_us)))

    @app.post("/v1/chargebacks/{chargeback_id}/close", responses=_ERRORS, tags=["money"])
    async def close_chargeback(chargeback_id: str, body: schemas.OutcomeBody) -> Response:
        """The bank decides: `won` gives the money back, `lost` leaves it with the customer."""
        return response_of(
            await engine.act(lambda state, _, now_us: decide_outcome(state, chargeback_id, body.outcome, body.fee_back, now_us))
        )

    @app.post("/v1/payouts", status_code=201, response_model=schemas.SimulatedPayoutView, responses=_ERRORS, tags=["money"])
    async def create_payout(body: schemas.PayoutBody, idempotency_key: Key = None) -> Response:
        """Pay out. The same key and body get the same answer, a refusal too; another body under that key gets 422."""
        key = _required(idempotency_key)
        ask = PayoutAsk(key, body.reference, body.destination, int(body.amount), body.asset)
        return response_of(await engine.act(lambda state, how, now_us: decide_payout(state, how, ask, now_us)))


def _add_reads(app: FastAPI, engine: Simulation) -> None:
    async def read(operation: str, names: tuple[str, ...], answer: SimulatorReply) -> Response:
        return response_of(await engine.act(lambda state, _, now_us: decide_read(state, operation, names, answer, now_us)))

    @app.get("/v1/payouts/{payout_id}", response_model=schemas.SimulatedPayoutView, responses=_ERRORS, tags=["money"])
    async def get_payout(payout_id: str) -> Response:
        """One payout as it stands."""
        payout = engine.state.payouts.get(payout_id)
        if payout is None:
            return await read("payout.get", (payout_id,), error(404, "not_found", "there is no such payout"))
        return await read("payout.get", _names(payout), SimulatorReply(200, payout_now(payout)))

    @app.get("/v1/payouts", responses=_ERRORS, tags=["money"])
    async def find_payouts(idempotency_key: Annotated[str, Query(min_length=1, max_length=255)]) -> Response:
        """Did it land? The payouts made under a key, oldest first, and the refusal it got, if any. Keys are found for ever."""
        return await read("payout.find", (idempotency_key,), SimulatorReply(200, look_up(engine.state, idempotency_key)))

    @app.get("/v1/charges/{charge_id}", response_model=schemas.SimulatedChargeView, responses=_ERRORS, tags=["money"])
    async def get_charge(charge_id: str) -> Response:
        """One charge."""
        charge = engine.state.charges.get(charge_id)
        missing = error(404, "not_found", "there is no such charge")
        return await read("charge.get", (charge_id,), missing if charge is None else SimulatorReply(200, charge_view(charge)))

    @app.get("/v1/balances", responses=_ERRORS, tags=["money"])
    async def get_balances() -> Response:
        """What the account holds, per asset."""
        return await read("balances.get", ("balances",), SimulatorReply(200, balances_view(engine.state)))

    @app.get("/v1/events", responses=_ERRORS, tags=["events"])
    async def list_events(
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=EVENTS_MAX)] = 100,
    ) -> Response:
        """All events in order, also those whose webhook was lost. `after` is the id of the last one you have."""
        start = 0 if after is None else engine.state.event_numbers.get(after)
        if start is None:
            raise FaultRefused(400, "invalid_request", "there is no such event", field="after")
        events = engine.state.events[start : start + limit]
        more = start + limit < len(engine.state.events)
        body = {"object": "events", "data": [event_view(event) for event in events], "has_more": more}
        return await read("events.list", ("events",), SimulatorReply(200, body))


def _add_statement(app: FastAPI, engine: Simulation) -> None:
    @app.get("/v1/statement", responses=_ERRORS, tags=["statement"])
    async def get_statement(
        date: Annotated[str | None, Query()] = None,
        first: Annotated[str | None, Query(alias="from")] = None,
        last: Annotated[str | None, Query(alias="to")] = None,
        format: Annotated[str, Query(pattern="^(csv|json)$")] = "csv",  # noqa: A002
    ) -> Response:
        """What moved the balance on these days (UTC). Statement faults are in the CSV only; JSON is the truth."""
        days = parse_range(date, first, last)
        found = await engine.act(
            lambda state, _, now_us: decide_read(state, "statement.get", ("statement",), SimulatorReply(200, {}), now_us)
        )
        if found.hang_ms is not None or found.status != 200:
            return response_of(found)
        statement = await asyncio.to_thread(make_statement, engine.state.lines[:], days)
        if format == "json":
            return JsonAnswer(SimulatorReply(200, await asyncio.to_thread(statement_json, engine.state, statement)))
        return StreamingResponse(statement_csv(engine.state, statement), media_type="text/csv; charset=utf-8")


def look_up(state: State, key: str) -> dict[str, Any]:
    """What became of an idempotency key: payouts, a refusal, or neither: then it never landed."""
    payouts = [state.payouts[payout_id] for payout_id in state.payouts_by_key.get(key, [])[:LOOK_UP_MAX]]
    known = state.remembered.get(("payout.create", key))
    refusal = known.refusal if known else None
    told = None if refusal is None else {"code": refusal.code, "message": refusal.message, "status": refusal.status}
    return {"object": "payouts", "data": [payout_now(payout) for payout in payouts], "refusal": told}


def _names(payout: SimulatedPayout) -> tuple[str, ...]:
    return (payout.key, payout.reference, payout.id)


def _required(key: str | None) -> str:
    if not key or not key.isascii() or not key.isprintable():
        raise FaultRefused(
            400,
            "idempotency_key_missing",
            "say under which key",
            field="Idempotency-Key",
            limit="1 to 255 printable characters",
        )
    return key


_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": schemas.Error} for status in (400, 401, 402, 404, 413, 422, 429, 500, 503)}

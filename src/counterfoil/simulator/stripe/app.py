"""The routes of Stripe's API that this simulator speaks. Faults are the simulator's own: planted for `payout.create` they hit transfers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from counterfoil.simulator.engine import Simulation
from counterfoil.simulator.http.gate import JsonAnswer, response_of
from counterfoil.simulator.http.views import SimulatorReply, error
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.decisions import PayoutAsk, SimulatorDecision, decide_payout, decide_read
from counterfoil.simulator.rules.draft import mark_of
from counterfoil.simulator.rules.faults import FaultRefused
from counterfoil.simulator.rules.state import SimulatorSettings, State
from counterfoil.simulator.stripe.forms import StripeRefused, page, parse_form, whole, word
from counterfoil.simulator.stripe.views import account_payout_view, charge_view, payout_id, stripe_event, told_lines, transfer_view

PREFIX: Final = "/stripe/v1"
# Our words of a refusal as Stripe has them: status, type, code.
WORDS: Final = {
    "idempotency_key_reused": (400, "idempotency_error", ""),
    "insufficient_balance": (400, "invalid_request_error", "balance_insufficient"),
    "destination_unknown": (400, "invalid_request_error", "resource_missing"),
    "rate_limited": (429, "invalid_request_error", "rate_limit"),
}


def add_stripe(app: FastAPI, engine: Simulation) -> None:
    """Add Stripe's routes to the simulator's."""

    @app.exception_handler(StripeRefused)
    async def refused(_: Request, problem: StripeRefused) -> Response:
        told = {"type": problem.kind, "code": problem.code, "message": problem.message, "param": problem.param or None}
        return JsonAnswer(SimulatorReply(problem.status, {"error": told}))

    router = APIRouter(prefix=PREFIX, tags=["stripe"])
    _add_transfers(router, engine)
    _add_account_payouts(router, engine)
    _add_lists(router, engine)
    app.include_router(router)


def _add_transfers(router: APIRouter, engine: Simulation) -> None:
    @router.post("/transfers")
    async def create_transfer(request: Request) -> Response:
        """Move money of the balance to a connected account, once for each idempotency key."""
        form = parse_form((await request.body()).decode())
        ask = _asked(form, request.headers.get("idempotency-key", ""))
        try:
            made = await engine.act(lambda state, how, now_us: decide_payout(state, how, ask, now_us))
        except FaultRefused as problem:
            made = error(problem.status, problem.code, problem.message)
        if made.hang_ms is not None or made.status >= 400:
            return _worded(made)
        expanded = "balance_transaction" in form.get("expand", [])
        view = transfer_view(engine.state, engine.state.payouts[made.body["id"]], back=False, expanded=expanded)
        return JsonAnswer(SimulatorReply(200, view, made.headers))

    @router.get("/transfers/{transfer}")
    async def get_transfer(transfer: str, request: Request) -> Response:
        """One transfer."""
        one = engine.state.payouts.get(payout_id(transfer))
        if one is None:
            return await _read(engine, "payout.get", (transfer,), _missing("transfer", transfer))
        view = transfer_view(engine.state, one, expanded="balance_transaction" in _query(request).get("expand", []))
        return await _read(engine, "payout.get", (one.key, one.reference, one.id), SimulatorReply(200, view))

    @router.get("/transfers")
    async def list_transfers(request: Request) -> Response:
        """Transfers, newest first; of one group when `transfer_group` names it."""
        query, state = _query(request), engine.state
        group = query.get("transfer_group")
        expanded = "data.balance_transaction" in query.get("expand", [])
        found = [
            transfer_view(state, one, expanded=expanded)
            for one in reversed(state.payouts.values())
            if group is None or one.told.get("transfer_group") == group
        ]
        return await _read(engine, "payout.find", (group or "payouts",), _listed("/v1/transfers", found, query))


def _add_account_payouts(router: APIRouter, engine: Simulation) -> None:
    @router.post("/payouts")
    async def create_payout(request: Request) -> Response:
        """A connected account (`Stripe-Account`) pays out to its bank what was transferred to it."""
        form, account = parse_form((await request.body()).decode()), request.headers.get("stripe-account", "")
        key = request.headers.get("idempotency-key", "")
        made = await engine.act(lambda state, how, now_us: _decide_account_payout(state, how, account, key, form, now_us))
        return response_of(made)

    @router.get("/payouts")
    async def list_payouts(request: Request) -> Response:
        """What a connected account paid out, newest first."""
        account = request.headers.get("stripe-account", "")
        found = [
            account_payout_view(one, at_us) for one, at_us in reversed(engine.state.account_payouts.values()) if one.account == account
        ]
        return await _read(engine, "account.payout.find", (account,), _listed("/v1/payouts", found, _query(request)))


def _decide_account_payout(
    state: State, _: SimulatorSettings, account: str, key: str, form: dict[str, Any], now_us: int
) -> SimulatorDecision:
    word({"Stripe-Account": account}, "Stripe-Account", r"acct_\S{1,100}")
    amount, asset = whole(form, "amount"), word(form, "currency", "[a-z]{3}").upper()
    destination = word(form, "destination", r"(ba|card)_\S{1,100}")
    mark = mark_of(account, destination, str(amount), asset)
    known = state.remembered.get(("account.payout", key))
    if known is not None:
        if known.fingerprint != mark:
            raise StripeRefused(400, "idempotency_error", "", "This key was used with other parameters.")
        return SimulatorDecision([], SimulatorReply(200, account_payout_view(*state.account_payouts[known.object_id])))
    held = sum(
        one.moved
        for one in state.payouts.values()
        if one.told and "acct_" + one.destination == account and one.asset == asset and one.status in ("pending", "paid")
    )
    paid = sum(one.amount for one, _at in state.account_payouts.values() if (one.account, one.asset) == (account, asset))
    if held - paid < amount:
        message = "You have insufficient funds in your Stripe account for this transfer."
        raise StripeRefused(400, "invalid_request_error", "balance_insufficient", message)
    new = f.AccountPaidOut(
        f"po_{state.instance}_{len(state.account_payouts) + 1:010d}",
        key,
        mark,
        account,
        destination,
        amount,
        asset,
        {"metadata": form.get("metadata", {})},
    )
    return SimulatorDecision([new], SimulatorReply(200, account_payout_view(new, now_us)))


def _add_lists(router: APIRouter, engine: Simulation) -> None:
    @router.get("/charges/{charge}")
    async def get_charge(charge: str, request: Request) -> Response:
        """One charge."""
        one = engine.state.charges.get("chg_" + charge.removeprefix("ch_"))
        if one is None:
            return await _read(engine, "charge.get", (charge,), _missing("charge", charge))
        view = charge_view(engine.state, one, expanded="balance_transaction" in _query(request).get("expand", []))
        return await _read(engine, "charge.get", (one.id,), SimulatorReply(200, view))

    @router.get("/events")
    async def list_events(request: Request) -> Response:
        """All events, newest first."""
        found = [stripe_event(engine.state, one) for one in reversed(engine.state.events)]
        return await _read(engine, "events.list", ("events",), _listed("/v1/events", found, _query(request)))

    @router.get("/balance")
    async def get_balance() -> Response:
        """What the account holds."""
        held = [{"amount": minor, "currency": asset.lower()} for asset, minor in sorted(engine.state.balances.items())]
        body = {"object": "balance", "available": held, "livemode": False, "pending": []}
        return await _read(engine, "balances.get", ("balances",), SimulatorReply(200, body))

    @router.get("/balance_transactions")
    async def list_balance_transactions(request: Request) -> Response:
        """What moved the balance, newest first; statement faults are in here."""
        query = _query(request)
        found = told_lines(engine.state, expanded="data.source" in query.get("expand", []))
        return await _read(engine, "statement.get", ("statement",), _listed("/v1/balance_transactions", found, query))


def _asked(form: dict[str, Any], key: str) -> PayoutAsk:
    if not key or len(key) > 255:
        raise StripeRefused(400, "invalid_request_error", "", "Keys for idempotent requests have 1 to 255 characters.")
    told: dict[str, Any] = {name: form[name] for name in ("metadata", "transfer_group") if name in form}
    destination = word(form, "destination", r"acct_[\x21-\x7e]{1,100}").removeprefix("acct_")
    amount, asset = whole(form, "amount"), word(form, "currency", "[a-z]{3}").upper()
    return PayoutAsk(key, str(form.get("description") or key), destination, amount, asset, told)


def _worded(reply: SimulatorReply) -> Response:
    """A refusal in Stripe's words; what says nothing still says nothing."""
    if reply.hang_ms is not None:
        return response_of(reply)
    told = reply.body["error"]
    status, kind, code = WORDS.get(told["code"], (reply.status, "api_error", ""))
    return JsonAnswer(SimulatorReply(status, {"error": {"type": kind, "code": code, "message": told["message"]}}, reply.headers))


def _missing(what: str, which: str) -> SimulatorReply:
    told = {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "message": f"No such {what}: '{which}'",
        "param": "id",
    }
    return SimulatorReply(404, {"error": told})


def _listed(url: str, rows: Sequence[dict[str, Any]], query: dict[str, Any]) -> SimulatorReply:
    found = page(rows, query)
    return SimulatorReply(200, {"object": "list", "data": found.rows, "has_more": found.more, "url": url})


async def _read(engine: Simulation, operation: str, names: tuple[str, ...], answer: SimulatorReply) -> Response:
    return response_of(await engine.act(lambda state, _, now_us: decide_read(state, operation, names, answer, now_us)))


def _query(request: Request) -> dict[str, Any]:
    return parse_form(request.url.query)

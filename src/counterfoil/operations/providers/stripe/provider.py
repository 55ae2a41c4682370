"""Stripe's API through its official SDK, and what each of its answers means for our money."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar, cast

import stripe
import structlog

from counterfoil.base.problems import InvalidInput, TooLarge
from counterfoil.base.secret import Secret
from counterfoil.operations.providers import (
    Accepted,
    Answer,
    ChargebackFact,
    ChargeFact,
    Found,
    Later,
    NoStatement,
    NotThere,
    PayoutFact,
    PayoutOrder,
    PulledEvent,
    Refused,
    SendConnection,
    Sought,
    Tells,
    Unclear,
)
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.operations.providers.connection import NoAnswer, NotConnected, NotSent, OneRequest
from counterfoil.operations.providers.stripe.amounts import to_stripe
from counterfoil.operations.providers.stripe.answers import is_missing, meaning_of, told
from counterfoil.operations.providers.stripe.facts import KEY, REFERENCE, charge_fact, chargeback_fact, transfer_fact
from counterfoil.operations.providers.stripe.sdk_http import OverConnection, OverPool
from counterfoil.operations.providers.stripe.statement import statement_of
from counterfoil.operations.webhooks.inbound import BODY_BYTES_MAX, SignatureRefused, refuse_other_times
from counterfoil.operations.work.calls import HORIZON

NAME: Final = "stripe"
API_URL: Final = "https://api.stripe.com"
PAGE: Final = 100
PAGES_MAX: Final = 1_000
EVENTS_PAGE: Final = 50
FIRST_PAGES_MAX: Final = 20
MISREAD: Final = (ValueError, KeyError, TypeError, RecursionError, InvalidInput)
MISREAD_MAX: Final = 200
HEARD: Final = "charge.heard"
DISPUTES: Final = tuple(f"charge.dispute.{each}" for each in ("created", "updated", "funds_withdrawn", "funds_reinstated", "closed"))
NOT_TAKEN: Final = "charge.not_captured"  # nothing is booked for it; `charge.captured` tells when it is taken
DESTINATION: Final = re.compile(r"(acct_[A-Za-z0-9_]{1,80})(?:/((?:ba|card)_[A-Za-z0-9_]{1,80}))?")
# A list is served from a copy that may lag; Stripe names no span. It remembers keys for at least 24 hours.
CAPABILITIES: Final = Capabilities(absent_after=timedelta(seconds=60), settles_within=timedelta(hours=24), token_form=DESTINATION.pattern)
Read = TypeVar("Read")
_log = structlog.get_logger("counterfoil.providers")


class StripeProvider:
    """Talks to Stripe; safe to call from several threads."""

    name = NAME
    tells: Mapping[str, Tells] = {
        "transfer.created": "payout",
        "transfer.updated": "payout",
        "transfer.reversed": "payout",
        "charge.succeeded": "charge",
        "charge.captured": "charge",
        **dict.fromkeys(DISPUTES, "chargeback"),
        HEARD: "pull",
    }

    def __init__(
        self,
        api_key: str,
        webhook_secret: Secret,
        *,
        url: str = API_URL,
        timeout_s: float = 10.0,
        horizon: timedelta = HORIZON,
    ) -> None:
        """`timeout_s`: how long to wait for an answer before the outcome counts as unclear; `horizon`: see Capabilities."""
        stripe.enable_telemetry = False
        self.capabilities = CAPABILITIES._replace(horizon=horizon)
        self._key, self._secret, self._url, self._timeout_s = api_key, webhook_secret, url.rstrip("/"), timeout_s
        self._pool = OverPool(timeout_s=timeout_s)
        self._client = self._sdk(self._pool)

    @property
    def is_sandbox(self) -> bool:
        """Is no real money moved with this key?"""
        return "_test_" in self._key  # a live key moves money behind whatever address

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def connect(self) -> SendConnection | Later:
        """Open a connection for one order."""
        try:
            connection = OneRequest(self._url, limit_s=self._timeout_s)
        except NotConnected as error:
            return Later(str(error), down=True)
        return _OneTransfer(OverConnection(connection), self._sdk)

    def find_payout(self, sought: Sought) -> Found:
        """Ask for the transfers of our key: it is their group."""

        def ask() -> Found:
            page = self._client.v1.transfers.list({"transfer_group": sought.key, "limit": PAGE, "expand": ["data.balance_transaction"]})
            found = [transfer_fact(one) for one in _listed(page)]
            if not found:
                return NotThere()
            # Several under one key: their sum left our balance; it cannot tie, so it is shown as a conflict, not as success.
            return Accepted(found[-1]._replace(amount=sum(fact.amount for fact in found), key=sought.key))

        return _asked(ask)

    def find_charge(self, charge_id: str) -> ChargeFact | NotThere | Unclear:
        """Ask for a charge by its id."""

        def ask() -> ChargeFact | NotThere | Unclear:
            try:
                return charge_fact(self._charge(charge_id))
            except stripe.InvalidRequestError as error:
                return NotThere() if is_missing(error) else Unclear(told(error))

        return _asked(ask)

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:
        """The next page of events, oldest first. A charge is asked for with its fee, which its event does not tell."""

        def ask() -> list[PulledEvent] | Unclear:
            rows = self._first_events() if after is None else self._events_behind(after)
            pulled: list[PulledEvent] = []
            for row in reversed(rows):
                one = self._pulled(row)
                if one is None:
                    break  # it is asked for again, and so is what lies behind it
                pulled.append(one)
            return pulled

        return _asked(ask)

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> tuple[str, str]:
        """Id and type of a webhook whose signature holds, by the SDK. What tells of a charge is only heard: it is pulled, with its fee."""
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge(field="body", limit=f"{BODY_BYTES_MAX} bytes", got=len(body))
        header = headers.get("stripe-signature", "")
        try:
            header.encode("ascii")  # the SDK compares nothing else
            stripe.WebhookSignature.verify_header(body, header, self._secret.reveal())
            stamp = int(_stamp(header))
        except (stripe.SignatureVerificationError, ValueError) as error:
            raise SignatureRefused(detail=type(error).__name__) from error
        refuse_other_times(stamp, now)
        event = _object(body)
        event_id, kind = event.get("id"), event.get("type")
        if not isinstance(event_id, str) or not isinstance(kind, str) or not 0 < len(event_id) <= 150:
            raise InvalidInput("id", "the event's id and type")
        return (f"{event_id}.heard", HEARD) if self.tells.get(kind) == "charge" else (event_id, kind)

    def charge_of(self, body: bytes) -> ChargeFact:
        """The charge in a pulled event."""
        return _understood(charge_fact, body)

    def payout_of(self, body: bytes) -> PayoutFact | None:
        """The transfer in a webhook; None for one that carries no key of ours.

        It does not tell its fee: that a transfer exists has it asked for, and what is asked tells the rest.
        """

        def read(one: Mapping[str, Any]) -> PayoutFact:
            fact = transfer_fact({**one, "balance_transaction": {"fee": 0, "currency": one["currency"]}})
            return fact._replace(status="pending") if fact.status == "paid" else fact

        fact = _understood(read, body)
        return fact if fact.key else None

    def chargeback_of(self, body: bytes) -> ChargebackFact | None:
        """The dispute in a webhook; None while it is an inquiry that has taken nothing."""
        return _understood(chargeback_fact, body)

    def statement(self, first: str, last: str) -> bytes:
        """The statement of these days (ISO dates, both included) out of balance transactions. Raises NoStatement."""
        try:
            return statement_of(date.fromisoformat(first), date.fromisoformat(last), self._balance, self._movements)
        except stripe.StripeError as error:
            raise NoStatement(told(error)) from error
        except NoAnswer as error:
            raise NoStatement(str(error)) from error

    def _sdk(self, http: stripe.HTTPClient) -> stripe.StripeClient:
        return stripe.StripeClient(self._key, base_addresses={"api": self._url}, max_network_retries=0, http_client=http)

    def _charge(self, charge_id: str) -> Mapping[str, Any]:
        return _told(self._client.v1.charges.retrieve(charge_id, {"expand": ["balance_transaction"]}))

    def _balance(self) -> Mapping[str, Any]:
        return _told(self._client.v1.balance.retrieve())

    def _movements(self, since: datetime) -> list[Mapping[str, Any]]:
        """Every movement from then on, newest first."""
        rows: list[Mapping[str, Any]] = []
        params: dict[str, Any] = {"created": {"gte": int(since.timestamp())}, "limit": PAGE, "expand": ["data.source"]}
        for _ in range(PAGES_MAX):
            page = _told(self._client.v1.balance_transactions.list(cast("Any", params)))
            rows += page["data"]
            if not page["has_more"]:
                return rows
            params["starting_after"] = page["data"][-1]["id"]
        raise ValueError(f"more than {PAGES_MAX * PAGE} movements since {since.date()}: ask for later days")

    def _first_events(self) -> list[Mapping[str, Any]]:
        """What there is, as far back as a new installation needs it: its oldest page."""
        params: dict[str, Any] = {"limit": PAGE}
        rows: list[Mapping[str, Any]] = []
        for _ in range(FIRST_PAGES_MAX):
            page = _told(self._client.v1.events.list(cast("Any", params)))
            rows += page["data"]
            if not page["has_more"]:
                break
            params["starting_after"] = page["data"][-1]["id"]
        else:
            limit = f"{FIRST_PAGES_MAX * PAGE:,}"
            _log.warning("older events are not pulled: there are more than can be looked through", provider=NAME, limit=limit)
        return rows[-EVENTS_PAGE:]

    def _events_behind(self, after: str) -> list[Mapping[str, Any]]:
        try:
            return _listed(self._client.v1.events.list({"ending_before": after, "limit": EVENTS_PAGE}))
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
            return self._first_events()  # Stripe keeps events for 30 days: the one we stopped at is gone

    def _pulled(self, event: Mapping[str, Any]) -> PulledEvent | None:
        """The event; that of a charge with its fee, and None while Stripe has not told that yet."""
        whole = dict(event)
        if self.tells.get(event["type"]) == "charge":
            charge = self._charge(event["data"]["object"]["id"])
            if charge["balance_transaction"] is None:
                # Reserved on a card and not taken is no money, perhaps never: it must not hold up the charges behind it.
                return None if charge["captured"] else PulledEvent(str(event["id"]), NOT_TAKEN, json.dumps(whole).encode())
            whole["data"] = {"object": charge}
        return PulledEvent(str(event["id"]), str(event["type"]), json.dumps(whole).encode())


class _OneTransfer:
    """A connection that is open, for one order."""

    def __init__(self, http: OverConnection, sdk: Callable[[stripe.HTTPClient], stripe.StripeClient]) -> None:
        """`http` is unused."""
        self._http, self._client = http, sdk(http)

    def send(self, order: PayoutOrder) -> Answer:
        """Transfer under our key; then have the account pay out, where the destination names its bank account."""
        place = DESTINATION.fullmatch(order.destination)
        if place is None:
            return Refused("not a destination at Stripe: acct_…, or acct_…/ba_…")
        try:
            amount = to_stripe(order.amount, order.asset)
        except ValueError as error:
            return Refused(str(error))
        try:
            made = self._transfer(order, place[1], amount)
        except NotSent as error:
            return Later(f"not sent: {error}")
        except NoAnswer as error:
            return Unclear(str(error))
        except stripe.StripeError as error:
            return meaning_of(error, self._http.answered)
        note = self._pay_out(order, place[1], place[2], amount) if place[2] else None
        try:
            return Accepted(transfer_fact(made, note=note))
        except MISREAD as error:
            return Unclear(_misread(error))

    def close(self) -> None:
        """Give the connection up."""
        self._http.close()

    def _transfer(self, order: PayoutOrder, account: str, amount: int) -> Mapping[str, Any]:
        made = self._client.v1.transfers.create(
            {
                "amount": amount,
                "currency": order.asset.lower(),
                "destination": account,
                "description": order.reference,
                "transfer_group": order.key,
                "metadata": {KEY: order.key, REFERENCE: order.reference},
                "expand": ["balance_transaction"],
            },
            {"idempotency_key": order.key},
        )
        return _told(made)

    def _pay_out(self, order: PayoutOrder, account: str, bank: str, amount: int) -> str | None:
        """The second step: it moves no money of ours. What came of it is told, never doubted: the transfer stands."""
        try:
            self._client.v1.payouts.create(
                {
                    "amount": amount,
                    "currency": order.asset.lower(),
                    "destination": bank,
                    "metadata": {KEY: order.key, REFERENCE: order.reference},
                },
                {"stripe_account": account, "idempotency_key": f"{order.key}-payout"},
            )
        except (NotSent, NoAnswer) as error:
            return f"transferred to {account}; it is not known whether that paid out to {bank}: {error}"
        except stripe.StripeError as error:
            return f"transferred to {account}, which did not pay out to {bank}: {told(error)}"
        return None


def _asked(ask: Callable[[], Read | Unclear]) -> Read | Unclear:
    try:
        return ask()
    except NoAnswer as error:
        return Unclear(str(error))
    except stripe.StripeError as error:
        return Unclear(told(error))
    except MISREAD as error:
        return Unclear(_misread(error))


def _told(answer: Any) -> Mapping[str, Any]:
    """An answer as Stripe wrote it: numbers are whole there, and nothing is made of them on the way."""
    data = answer.last_response.data
    if not isinstance(data, dict):
        raise ValueError("no object")
    return data


def _listed(answer: Any) -> list[Mapping[str, Any]]:
    return list(_told(answer)["data"])


def _stamp(header: str) -> str:
    return next(part[2:] for part in header.split(",") if part.startswith("t="))


def _misread(error: Exception) -> str:
    return f"an answer we do not understand: {type(error).__name__}: {error}"[:MISREAD_MAX]


def _understood(read: Callable[[Mapping[str, Any]], Read], body: bytes) -> Read:
    try:
        return read(_object(body)["data"]["object"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("data", "the object as Stripe documents it, with its fee", got=str(error)[:80]) from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("body", "JSON") from error
    if not isinstance(event, dict):
        raise InvalidInput("body", "a JSON object")
    return event

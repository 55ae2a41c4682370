"""The simulator as a provider: its HTTP interface, and what each of its answers means for our money."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, get_args
from urllib.parse import quote

import httpx2

from counterfoil.base.money import parse_minor
from counterfoil.base.problems import InvalidInput
from counterfoil.base.secret import SigningSecret
from counterfoil.operations.authorities import authorities_of_questions
from counterfoil.operations.providers import (
    Accepted,
    Answer,
    ChargebackFact,
    ChargebackStatus,
    ChargeFact,
    Found,
    Later,
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
from counterfoil.operations.providers.connection import NoAnswer, NotConnected, NotSent, OneRequest, Reply
from counterfoil.operations.providers.questions import Questions
from counterfoil.operations.webhooks.inbound import verify_standard
from counterfoil.operations.work.calls import HORIZON

NAME: Final = "simulator"
STATUSES: Final = ("pending", "paid", "failed", "returned")
CHARGED_BACK: Final = get_args(ChargebackStatus)
Fact = TypeVar("Fact", ChargeFact, PayoutFact, ChargebackFact)
MISREAD_MAX: Final = 200  # characters of what was wrong with it
MISREAD: Final = (ValueError, KeyError, TypeError, RecursionError, InvalidInput)  # an answer that is not as the provider documents it
DOUBTFUL: Final = frozenset({408, 409, 422})  # an earlier request under the same key may have been carried out
EVENTS_MAX: Final = 500
CALLS_AT_ONCE: Final = 64
OURS: Final = frozenset({401, 403, 404})  # our credentials or address are wrong: nothing was done, and it can be mended


class SimulatorProvider:
    """Talks to the simulator; safe to call from several threads."""

    name = NAME
    tells: Mapping[str, Tells] = {
        "charge.succeeded": "charge",
        **{f"payout.{status}": "payout" for status in STATUSES},
        **{f"chargeback.{status}": "chargeback" for status in CHARGED_BACK},
    }

    def __init__(
        self,
        url: str,
        api_key: str,
        webhook_secret: SigningSecret | str,
        *,
        timeout_s: float = 10.0,
        horizon: timedelta = HORIZON,
    ) -> None:
        """`timeout_s`: how long to wait for an answer before the outcome counts as unclear; `horizon`: see Capabilities."""
        self.capabilities = Capabilities(horizon=horizon, pays_to=("provider_account", "bank_account"), calls_at_once=CALLS_AT_ONCE)
        self._secret = webhook_secret
        self._url, self._api_key, self._timeout_s = url, api_key, timeout_s
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx2.Limits(max_connections=CALLS_AT_ONCE, max_keepalive_connections=CALLS_AT_ONCE),
            verify=authorities_of_questions(),
        )
        self._questions = Questions(
            url,
            {"Authorization": f"Bearer {api_key}"},
            limit_s=timeout_s,
            kept_max=CALLS_AT_ONCE,
            authorities=authorities_of_questions(),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._questions.close()

    def connect(self) -> SendConnection | Later:
        """Open a connection for one order."""
        try:
            return _OneOrder(OneRequest(self._url, limit_s=self._timeout_s), self._api_key)
        except NotConnected as error:
            return Later(str(error), down=True)

    def find_payout(self, sought: Sought) -> Found:
        """Ask what became of our key."""
        try:
            reply = self._questions.get("/v1/payouts", {"idempotency_key": sought.key})
            if reply.status != 200:
                return Unclear(_told(reply))
            return _found(json.loads(reply.body), sought.key)
        except NoAnswer as error:
            return Unclear(str(error))
        except MISREAD as error:
            return Unclear(_misread(error))

    def find_charge(self, charge_id: str) -> ChargeFact | NotThere | Unclear:
        """Ask for a charge by its id."""
        try:
            reply = self._questions.get(f"/v1/charges/{quote(charge_id, safe='')}")
            if reply.status == 404:
                return NotThere()
            return _charge(json.loads(reply.body)) if reply.status == 200 else Unclear(_told(reply))
        except NoAnswer as error:
            return Unclear(str(error))
        except MISREAD as error:
            return Unclear(_misread(error))

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:
        """The next page of events, also of those whose webhook was lost."""
        try:
            response = self._http.get("/v1/events", params={"limit": EVENTS_MAX, **({"after": after} if after else {})})
            if response.status_code != 200:
                return Unclear(_told(Reply(response.status_code, {}, response.content)))
            page = response.json()["data"]
            return [PulledEvent(str(one["id"]), str(one["type"]), json.dumps(one).encode()) for one in page]
        except httpx2.HTTPError as error:
            return Unclear(f"no answer: {type(error).__name__}")
        except MISREAD as error:
            return Unclear(_misread(error))

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> tuple[str, str]:
        """Id and type of a webhook whose signature holds."""
        event_id = verify_standard(body, headers, self._secret, now=now)
        event = _object(body)
        if not isinstance(event.get("type"), str):
            raise InvalidInput("type", "the event's type")
        return event_id, event["type"]

    def charge_of(self, body: bytes) -> ChargeFact:
        """The charge in a webhook."""
        return _understood(_charge, body)

    def payout_of(self, body: bytes) -> PayoutFact:
        """The payout in a webhook."""
        return _understood(_payout, body)

    def chargeback_of(self, body: bytes) -> ChargebackFact:
        """The chargeback in a webhook."""
        return _understood(_chargeback, body)

    def statement(self, first: str, last: str) -> bytes:
        """The statement of these days (ISO dates, both included) as the provider's CSV. Raises httpx2.HTTPError."""
        response = self._http.get("/v1/statement", params={"from": first, "to": last}, timeout=60.0)
        response.raise_for_status()
        return bytes(response.content)


class _OneOrder:
    """A connection that is open, for one order."""

    def __init__(self, connection: OneRequest, api_key: str) -> None:
        """`connection` is unused."""
        self._connection, self._api_key = connection, api_key

    def send(self, order: PayoutOrder) -> Answer:
        """Ask for a payout under our key."""
        asked = {
            "amount": str(order.amount),
            "asset": order.asset,
            "destination": order.destination,
            "reference": order.reference,
        }
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "Content-Type": "application/json",
            "Idempotency-Key": order.key,
        }
        try:
            reply = self._connection.post("/v1/payouts", json.dumps(asked).encode(), headers)
        except NotSent as error:
            return Later(f"not sent: {error}")
        except NoAnswer as error:
            return Unclear(str(error))
        return _answer(reply)

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()


def _answer(reply: Reply) -> Answer:
    status = reply.status
    if status in (200, 201):
        try:
            return Accepted(_payout(json.loads(reply.body)))
        except MISREAD as error:
            return Unclear(_misread(error))
    if status == 429:
        wait = reply.headers.get("retry-after", "")
        return Later(_told(reply), int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 0, down=False)
    if status in OURS:
        return Later(_told(reply), down=True)  # the next order would be told the same
    if 400 <= status < 500 and status not in DOUBTFUL:
        return Refused(_told(reply))
    return Unclear(_told(reply))


def _misread(error: Exception) -> str:
    return f"an answer we do not understand: {type(error).__name__}: {error}"[:MISREAD_MAX]


def _told(reply: Reply) -> str:
    try:
        told = json.loads(reply.body)["error"]
        return f"{reply.status} {told['code']}: {told['message']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"status {reply.status}"


def _found(answer: dict[str, Any], key: str) -> Found:
    facts = [_payout(one) for one in answer["data"]]
    if not facts:
        refusal = answer.get("refusal")
        return Refused(f"{refusal['status']} {refusal['code']}: {refusal['message']}") if refusal else NotThere()
    # Several under one key: the sum is what left our balance; it cannot tie, so it is shown as a conflict, not as success.
    return Accepted(facts[0]._replace(amount=sum(fact.amount for fact in facts), key=key))


def _payout(one: dict[str, Any]) -> PayoutFact:
    if one["status"] not in STATUSES:
        raise ValueError(one["status"])
    paid = "amount_paid" if one["amount_paid"] is not None else "amount"
    return PayoutFact(
        provider_ref=str(one["id"]),
        key=str(one["idempotency_key"]),
        amount=parse_minor(one[paid], paid, least=0),
        fee=parse_minor(one["fee"], "fee", least=0),
        asset=str(one["asset"]),
        status=one["status"],
        failure=one["failure_code"],
        occurred_at=_instant(one["updated_at"]),
    )


def _charge(one: dict[str, Any]) -> ChargeFact:
    return ChargeFact(
        charge_id=str(one["id"]),
        reference=str(one["reference"]),
        amount=parse_minor(one["amount"], "amount", least=0),
        fee=parse_minor(one["fee"], "fee", least=0),
        asset=str(one["asset"]),
        occurred_at=_instant(one["created_at"]),
        status=str(one["status"]),
        account=None if one.get("account") is None else str(one["account"]),
    )


def _chargeback(one: dict[str, Any]) -> ChargebackFact:
    if one["status"] not in CHARGED_BACK:
        raise ValueError(one["status"])
    return ChargebackFact(
        chargeback_id=str(one["id"]),
        charge_id=str(one["charge"]),
        amount=parse_minor(one["amount"], "amount", least=1),
        fee=parse_minor(one["fee"], "fee", least=0),
        asset=str(one["asset"]),
        status=one["status"],
        cause=str(one["reason"]),
        occurred_at=_instant(one["updated_at"]),
        answer_by=_instant(one["answer_by"]),
    )


def _instant(given: str) -> datetime:
    found = datetime.fromisoformat(given)
    if found.tzinfo is None:
        raise ValueError(f"a moment without its time zone: {given}"[:MISREAD_MAX])
    return found


def _understood(read: Callable[[dict[str, Any]], Fact], body: bytes) -> Fact:
    try:
        return read(_object(body)["data"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("data", "the object as the provider documents it", got=type(error).__name__) from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("body", "JSON") from error
    if not isinstance(event, dict):
        raise InvalidInput("body", "a JSON object")
    return event

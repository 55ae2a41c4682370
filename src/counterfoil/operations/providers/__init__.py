"""What a payment provider is to us: what can be asked of it, and a signature. One file per provider; `wiring` holds the dict of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Protocol

from counterfoil.operations.work.circuit_rules import Health

SUCCEEDED: Final = "succeeded"  # a charge whose money is ours
PayoutStatus = Literal["pending", "paid", "failed", "returned"]
RANK: Final[Mapping[str, int]] = {"pending": 0, "paid": 1, "failed": 1, "returned": 2}  # events out of order go by rank


class ChargeFact(NamedTuple):
    """What the provider says of money a customer paid. Minor units; `fee` is what the provider kept of it.

    `status` is the provider's own word, "succeeded" when the money is ours; `account` is the account of ours at the provider that
    it was paid into, None where a provider has but one and does not name it.
    """

    charge_id: str
    reference: str
    amount: int
    fee: int
    asset: str
    occurred_at: datetime
    status: str = SUCCEEDED
    account: str | None = None


class PayoutFact(NamedTuple):
    """What the provider says of a payout, found by the key we gave it. Minor units; `fee` comes on top of `amount`."""

    provider_ref: str
    key: str
    amount: int
    fee: int
    asset: str
    status: PayoutStatus
    failure: str | None
    occurred_at: datetime


class PayoutOrder(NamedTuple):
    """What we ask the provider to pay. `key` makes it happen at most once."""

    key: str
    amount: int
    asset: str
    destination: str
    reference: str


class Accepted(NamedTuple):
    """The provider has it."""

    fact: PayoutFact


class Later(NamedTuple):
    """The provider certainly did nothing; asking again is right. `down`: it does not work, or our way to it (True); it works, and is busy
    (False); or nothing is known of it (None)."""

    error: str
    after_s: int = 0
    down: bool | None = None


class Refused(NamedTuple):
    """The provider certainly did nothing and never will."""

    error: str


class Unclear(NamedTuple):
    """Nobody knows whether the provider did it: only a look-up tells."""

    error: str


class NotThere(NamedTuple):
    """The provider proves that nothing arrived under this key."""


class PulledEvent(NamedTuple):
    """An event as the provider lists it, in its order."""

    event_id: str
    event_type: str
    body: bytes


class SendConnection(Protocol):
    """A connection to the provider, open and unused: one order goes out on it, or none at all."""

    def send(self, order: PayoutOrder) -> Answer:
        """Ask for a payout on this very connection; it is never opened again. Later when certainly no byte left.

        Anything ambiguous (a time-out, a lost response, a 5xx after the request left) is Unclear.
        """

    def close(self) -> None:
        """Give it up."""


Answer = Accepted | Later | Refused | Unclear
Found = Accepted | NotThere | Refused | Unclear


def health_of(said: Answer | Found | ChargeFact) -> Health | None:
    """Does the provider work, after what it said? Any definite word of it shows that."""
    match said:
        case Unclear(error):
            return Health(False, error)
        case Later(error, _, down):
            return None if down is None else Health(not down, error)
        case _:
            return Health(True)


def told_of(answer: Answer) -> tuple[str, dict[str, Any]]:
    """An answer as it is stored: its kind, and what it says as JSON."""
    match answer:
        case Accepted(fact):
            told = fact._asdict() | {"amount": str(fact.amount), "fee": str(fact.fee)}
            return "accepted", told | {"occurred_at": fact.occurred_at.isoformat()}
        case Later(error, after_s, _):
            return "later", {"error": error, "after_s": after_s}
        case Refused(error):
            return "refused", {"error": error}
        case Unclear(error):
            return "unclear", {"error": error}


def answer_of(kind: str, told: Mapping[str, Any]) -> Answer:
    """A stored answer as it was; the reverse of `told_of`."""
    if kind == "accepted":
        fact = {**told, "amount": int(told["amount"]), "fee": int(told["fee"])}
        return Accepted(PayoutFact(**{**fact, "occurred_at": datetime.fromisoformat(told["occurred_at"])}))
    if kind == "later":
        return Later(told["error"], told["after_s"])
    return Refused(told["error"]) if kind == "refused" else Unclear(told["error"])


class Provider(Protocol):
    """A payment provider. No call raises what the provider did; each returns it."""

    name: str
    horizon: timedelta  # how long after its announcement a call may still land: a connection's life and its longest processing

    def connect(self) -> SendConnection | Later:
        """Open a connection to send one order on, before it is decided whether it may go. Later when there is none."""

    def find_payout(self, key: str) -> Found:
        """What became of the payout with our key."""

    def find_charge(self, charge_id: str) -> ChargeFact | NotThere | Unclear:
        """What the provider's own books say of a charge."""

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:
        """The next page of events behind the one with the id `after`, oldest first; empty when there is none."""

    def statement(self, first: str, last: str) -> bytes:
        """The statement of these days (ISO dates, both included) as a file. Raises httpx2.HTTPError when it cannot be had."""

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> tuple[str, str]:
        """Event id and type of a webhook whose signature holds. Raises NotAuthenticated, InvalidInput, TooLarge."""

    def charge_of(self, body: bytes) -> ChargeFact:
        """The charge in a verified webhook. Raises InvalidInput."""

    def payout_of(self, body: bytes) -> PayoutFact:
        """The payout in a verified webhook. Raises InvalidInput."""

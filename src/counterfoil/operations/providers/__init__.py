"""What a payment provider is to us: what can be asked of it, and a signature. One file per provider; `wiring` holds the dict of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Protocol, runtime_checkable

from psycopg import Connection

from counterfoil.operations.providers.capabilities import FULL, Capabilities
from counterfoil.operations.work.circuit_rules import Health

SUCCEEDED: Final = "succeeded"  # a charge whose money is ours
PayoutStatus = Literal["pending", "paid", "failed", "returned"]
ChargebackStatus = Literal["open", "won", "lost"]
RANK: Final[Mapping[str, int]] = {"pending": 0, "paid": 1, "failed": 1, "returned": 2}  # events out of order go by rank


Tells = Literal["charge", "payout", "chargeback", "pull"]  # what a webhook can tell of; `pull`: that there is an event to be pulled


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


class ChargebackFact(NamedTuple):
    """What the provider says of a charge that the customer's bank took back. Minor units; `fee` is what the provider took beside it so far.

    "open": the money is gone from our balance, and nobody has decided; "won": it came back; "lost": it stays gone. An inquiry that
    has taken nothing is no chargeback yet. `answer_by`: until then the provider takes evidence.
    """

    chargeback_id: str
    charge_id: str
    amount: int
    fee: int
    asset: str
    status: ChargebackStatus
    cause: str
    occurred_at: datetime
    answer_by: datetime | None = None


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


class Sought(NamedTuple):
    """What a look-up asks for: our key, and what else is known of the order. Amount in minor units.

    `provider_ref` is the provider's own id, once it told one; `first_call_at` is when the first call of this key was announced;
    `written` is what a provider that writes orders first has written of it, None when nothing.
    """

    key: str
    reference: str = ""
    provider_ref: str | None = None
    amount: int = 0
    asset: str = ""
    destination: str = ""
    first_call_at: datetime | None = None
    written: Any = None


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


class NoStatement(Exception):
    """The provider did not give its statement: it did not answer, or it refused. Its text says which."""


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


@runtime_checkable
class WritingConnection(SendConnection, Protocol):
    """A connection whose order is written down here before it goes, whole, as it will be sent: what is written is given."""

    def look(self, order: PayoutOrder) -> Later | None:
        """Ask whether it can be carried out, while no transaction is open. Later when it cannot be now."""

    def write(self, conn: Connection[Any], order: PayoutOrder, *, now: datetime) -> Later | None:
        """Write it down, in the transaction that announces its call; asks nobody. Later when nothing was written.

        From its commit on nothing but this can be sent for its key, by whoever, however often; and it is never "not there" again.
        """


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
    """A payment provider. No call raises what the provider did; each returns it.

    What differs between providers is declared (`capabilities`), not asked by name: how long a key is the same order, by what an order
    is looked up, how long "not there" proves nothing, how long settling takes, what fees are taken in, how many orders one request
    carries. An adapter is whole when the conformance suite passes against its sandbox (docs/how-to/add-a-provider.md).

    A provider that carries out whatever it was once given, by whomever and whenever, as a chain does, also writes its orders down first
    (`WritesOrders`): decisions/0014 says why.
    """

    name: str
    capabilities: Capabilities
    tells: Mapping[str, Tells]  # by the type of its webhooks: which of them tell of what; all others are kept and ignored

    def connect(self) -> SendConnection | Later:
        """Open a connection to send one order on, before it is decided whether it may go. Later when there is none."""

    def find_payout(self, sought: Sought) -> Found:
        """What became of the payout with our key. NotThere only when the provider proves it, as late as `absent_after` says."""

    def find_charge(self, charge_id: str) -> ChargeFact | NotThere | Unclear:
        """What the provider's own books say of a charge."""

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:
        """The next page of events behind the one with the id `after`, oldest first; empty when there is none."""

    def statement(self, first: str, last: str) -> bytes:
        """The statement of these days (ISO dates, both included) as a file. Raises NoStatement or httpx2.HTTPError."""

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> tuple[str, str]:
        """Event id and type of a webhook whose signature holds. Raises NotAuthenticated, InvalidInput, TooLarge."""

    def charge_of(self, body: bytes) -> ChargeFact:
        """The charge in a verified webhook. Raises InvalidInput."""

    def payout_of(self, body: bytes) -> PayoutFact | None:
        """The payout in a verified webhook; None for one that carries no key at all. Raises InvalidInput."""


@runtime_checkable
class TellsChargebacks(Protocol):
    """A provider that tells of charges which customers' banks took back."""

    def chargeback_of(self, body: bytes) -> ChargebackFact | None:
        """The chargeback in a verified webhook; None while no money was taken. Raises InvalidInput."""


@runtime_checkable
class WritesOrders(Provider, Protocol):
    """A provider whose connections write orders down first (`WritingConnection`)."""

    def written(self, conn: Connection[Any], keys: Sequence[str]) -> Mapping[str, Any]:
        """What was written down under these keys, by key: what a look-up is given as `Sought.written`."""

    def reads_by(self, reading: Callable[[], AbstractContextManager[Connection[Any]]]) -> None:
        """How it reads what was written, for a statement: transactions that only read."""


class FileHead(NamedTuple):
    """What a file of orders says of itself: its own id (1 to 35 characters), when it was made, and when it is to be carried out."""

    message_id: str
    made_at: datetime
    execute_on: date


@runtime_checkable
class FileProvider(Provider, Protocol):
    """A provider that takes orders in files, which a person brings to it. `orders_max` of its capabilities is how many one carries.

    `gather_for`: a file is made when its oldest order has waited for so long, or as soon as it is full.
    """

    gather_for: timedelta

    def fault_of(self, order: PayoutOrder) -> str | None:
        """Why an order cannot stand in a file; None when it can."""

    def file_of(self, head: FileHead, orders: Sequence[PayoutOrder]) -> bytes:
        """The file; the same head and orders give the same bytes. Raises ValueError when it would not be valid."""


def keeping_balances(providers: Mapping[str, Provider]) -> list[str]:
    """The names of those that keep a balance of ours and give a statement of it."""
    return sorted(name for name, one in providers.items() if one.capabilities.own_statement)


def capabilities_of(provider: Provider | None) -> Capabilities:
    """What this provider can do. Of one that is not set up here nothing is known: what is done with its old answers is cautious anyway."""
    return provider.capabilities if provider is not None else FULL

"""What the simulator's journal holds: facts, never changed, each one enough to repeat its effect. Amounts are minor units, times
microseconds since 1970 (UTC)."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, NamedTuple


@dataclass(frozen=True)
class Opened:
    """The first fact of a journal. `instance` makes ids of different folders differ; `seed` drives the faults."""

    instance: str
    seed: int


@dataclass(frozen=True)
class ClockAdvanced:
    """The simulator's clock was moved on."""

    by_us: int


@dataclass(frozen=True)
class EndpointSet:
    """Where webhooks go from now on, the secret that signs them, and whose way of telling they have: `standard` or `stripe`."""

    url: str
    secret: str
    style: str = "standard"


@dataclass(frozen=True)
class ChargeTold:
    """A customer's money, however far it has come."""

    id: str
    key: str
    fingerprint: str
    reference: str
    amount: int
    asset: str
    fee: int


@dataclass(frozen=True)
class ChargeAccepted(ChargeTold):
    """A customer's money came in: the balance grows by `amount` less `fee`."""


@dataclass(frozen=True)
class ChargeReserved(ChargeTold):
    """A customer's money was reserved on a card: nothing moves until it is captured (`ChargeAccepted` of the same id), if ever."""


@dataclass(frozen=True)
class ChargebackOpened:
    """A customer's bank took `amount` of a charge back, and the provider takes `fee` for it."""

    id: str
    charge: str
    reference: str
    amount: int
    asset: str
    fee: int
    reason: str


@dataclass(frozen=True)
class ChargebackClosed:
    """The bank decided: won gives the amount back, and `fee_back` of the fee; lost moves nothing."""

    id: str
    outcome: str
    fee_back: int


@dataclass(frozen=True)
class PayoutAccepted:
    """Money was taken out of the balance: `moved` + `fee`. `moved` differs from `asked` only under wrong_amount.

    `steps` is what will become of it: [due time, new status, code], earliest first. `told` is what the client had kept with it.
    """

    id: str
    key: str
    fingerprint: str
    reference: str
    destination: str
    asked: int
    moved: int
    asset: str
    fee: int
    steps: list[list[Any]]
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountPaidOut:
    """A connected account paid its own money out to its bank: nothing of the client's balance moved."""

    id: str
    key: str
    fingerprint: str
    account: str
    destination: str
    amount: int
    asset: str
    told: dict[str, Any]


@dataclass(frozen=True)
class RequestRefused:
    """A request that was understood and definitely refused; nothing moved, and the key remembers the refusal."""

    operation: str
    key: str
    fingerprint: str
    reference: str
    status: int
    code: str
    message: str


@dataclass(frozen=True)
class PayoutStepped:
    """A payout took its step number `step`. Failed and returned bring the money back; a return may cost `fee`."""

    id: str
    step: int
    status: str
    code: str
    fee: int


@dataclass(frozen=True)
class EventEmitted:
    """Something to tell the client. `deliveries` are the webhooks planned for it: none when it is lost, two when doubled.

    A delivery is [due time, attempts to sign badly, what it waits behind ("", "any" or "same")].
    """

    id: str
    type: str
    subject: str
    body: dict[str, Any]
    deliveries: list[list[Any]]


@dataclass(frozen=True)
class DeliveryAttempted:
    """One try at delivery `copy` of event number `event`. `outcome`: delivered, retry (again at `next_us`) or given_up."""

    event: int
    copy: int
    attempt: int
    outcome: str
    status: int
    error: str
    next_us: int


@dataclass(frozen=True)
class RulePlanted:
    """A fault was asked for. `on` and `match` are globs: on the operation, event or line type; on its key or reference."""

    id: str
    fault: str
    on: str
    match: str
    count: int | None
    probability_ppm: int
    params: dict[str, int | str]


@dataclass(frozen=True)
class RuleCleared:
    """A fault rule fires no more. What it did stays done."""

    id: str


@dataclass(frozen=True)
class FaultFired:
    """A rule hit `subject` (a key or an id); `told` says what was done to it: the planted truth for a test."""

    rule: str
    fault: str
    subject: str
    on: str
    told: dict[str, str]


@dataclass(frozen=True)
class LineTouched:
    """The CSV statement lies about line number `line`: it is lost, doubled or altered by `delta`."""

    rule: str
    fault: str
    line: int
    delta: int


Fact = (
    Opened
    | ClockAdvanced
    | EndpointSet
    | ChargeAccepted
    | ChargeReserved
    | ChargebackOpened
    | ChargebackClosed
    | PayoutAccepted
    | AccountPaidOut
    | RequestRefused
    | PayoutStepped
    | EventEmitted
    | DeliveryAttempted
    | RulePlanted
    | RuleCleared
    | FaultFired
    | LineTouched
)

_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (
        Opened,
        ClockAdvanced,
        EndpointSet,
        ChargeAccepted,
        ChargeReserved,
        ChargebackOpened,
        ChargebackClosed,
        PayoutAccepted,
        AccountPaidOut,
        RequestRefused,
        PayoutStepped,
        EventEmitted,
        DeliveryAttempted,
        RulePlanted,
        RuleCleared,
        FaultFired,
        LineTouched,
    )
}


class FactEntry(NamedTuple):
    """What one decision wrote: its facts stand or fall together, so they share one line of the journal."""

    number: int
    at_us: int
    facts: list[Fact]


def as_json(entry: FactEntry) -> dict[str, Any]:
    """The entry as plain data, to write."""
    facts = [{"kind": type(fact).__name__, **vars(fact)} for fact in entry.facts]
    return {"number": entry.number, "at_us": entry.at_us, "facts": facts}


def from_json(data: dict[str, Any]) -> FactEntry:
    """The entry out of what `as_json` gave. Raises KeyError or TypeError for what this version does not know."""
    return FactEntry(data["number"], data["at_us"], [_fact(dict(fact)) for fact in data["facts"]])


def _fact(data: dict[str, Any]) -> Fact:
    kind = _KINDS[data.pop("kind")]
    names = {each.name for each in fields(kind)}
    # What came to a fact later has a default: a journal of before is read as it was meant.
    needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    if wrong := (data.keys() - names) | (needed - data.keys()):
        raise TypeError(f"{kind.__name__} does not have exactly these fields: {sorted(wrong)}")
    fact: Fact = kind(**data)
    return fact

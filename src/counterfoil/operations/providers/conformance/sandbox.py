"""What the suite needs of a sandbox, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from psycopg import Connection

from counterfoil.operations.providers import PayoutOrder, Provider

Verdict = Literal["passed", "failed", "not checked", "does not apply"]


class SignedWebhook(NamedTuple):
    """A webhook as the sandbox sends it."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Sandbox:
    """A provider that moves no real money. What is None it cannot do, and is told as not checked.

    `make` gives an adapter that asks at an address, with a time-out in seconds; `url` is the sandbox's own address. `destination` takes
    any payout; `refused` is refused for certain, `returning` comes back after it was paid. `let_pass` lets time pass for the provider:
    its own clock, or a rest. `webhook` gives one that is signed as its webhooks are. `transaction` opens one of a database of ours, for an
    adapter that writes orders down first; `is_order` tells, where questions are posted too, which request is one.
    """

    name: str
    url: str
    make: Callable[[str, float], Provider]
    asset: str
    destination: str
    refused: str | None = None
    returning: str | None = None
    let_pass: Callable[[timedelta], None] = field(default=lambda _: None)
    webhook: Callable[[], SignedWebhook] | None = None
    transaction: Callable[[], AbstractContextManager[Connection[Any]]] | None = None
    is_order: Callable[[bytes], bool] = field(default=lambda _: True)
    amount: int = 1_000
    run: str = "check"

    def order(self, name: str, *, amount: int = 0, destination: str = "") -> PayoutOrder:
        """An order of its own for each check; every run has keys of its own."""
        key = f"{self.run}-{name}"
        return PayoutOrder(key, amount or self.amount, self.asset, destination or self.destination, key)


class CheckResult(NamedTuple):
    """What a check found: `said` is why it failed, or was not made."""

    check: str
    says: str
    verdict: Verdict
    said: str = ""


class NotSo(AssertionError):
    """The adapter does not do what it must."""


class CannotCheck(Exception):
    """The sandbox or the adapter has nothing to check this with."""


class DoesNotApply(Exception):
    """The adapter declares that it has nothing of the kind, and obeying that is the product's part."""


def want(holds: bool, told: str) -> None:
    """Raises NotSo unless it holds."""
    if not holds:
        raise NotSo(told)

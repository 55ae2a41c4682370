"""The bank as a provider: it takes orders in files only, tells what became of them in files only, and sends no webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.providers import (
    ChargeFact,
    FileHead,
    Found,
    Later,
    NotThere,
    PayoutFact,
    PayoutOrder,
    PulledEvent,
    SendConnection,
    Sought,
    Tells,
    Unclear,
)
from counterfoil.operations.providers.accounts import BankAccount
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.operations.providers.sepa import NAME
from counterfoil.operations.providers.sepa.pain001 import fault_of, fault_of_name, pain001

ORDERS_MAX: Final = 1_000
CAPABILITIES: Final = Capabilities(
    key_memory=timedelta(),
    looks_up_by=(),
    settles_within=timedelta(days=5),  # two days of the scheme, over a long weekend
    orders_max=ORDERS_MAX,
    own_statement=False,
    pays_to=("bank_account",),
)
BY_FILE: Final = "the bank takes orders in files only"


class SepaProvider:
    """Makes files for the bank."""

    name = NAME
    capabilities = CAPABILITIES
    tells: Mapping[str, Tells] = {}

    def __init__(self, debtor: BankAccount, *, orders_max: int = ORDERS_MAX, gather_for: timedelta = timedelta(hours=1)) -> None:
        """`debtor` is our own account, that the money is taken from; `gather_for`: see FileProvider.

        Raises InvalidInput when its holder's name cannot stand in a file.
        """
        if fault := fault_of_name(debtor.holder):
            raise InvalidInput("holder", fault)
        self._debtor, self.gather_for = debtor, gather_for
        self.capabilities = CAPABILITIES._replace(orders_max=orders_max)

    def fault_of(self, order: PayoutOrder) -> str | None:
        """Why an order cannot stand in a file; None when it can."""
        return fault_of(order)

    def file_of(self, head: FileHead, orders: Sequence[PayoutOrder]) -> bytes:
        """The file. Raises ValueError when it is not valid by its schema."""
        return pain001(head, self._debtor, orders)

    def connect(self) -> SendConnection | Later:
        """There is no connection to a bank."""
        return Later(BY_FILE)

    def find_payout(self, sought: Sought) -> Found:  # noqa: ARG002
        """It cannot be asked."""
        return Unclear(BY_FILE)

    def find_charge(self, charge_id: str) -> ChargeFact | NotThere | Unclear:  # noqa: ARG002
        """It tells of no charges."""
        return Unclear(BY_FILE)

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:  # noqa: ARG002
        """It has none."""
        return []

    def statement(self, first: str, last: str) -> bytes:  # noqa: ARG002
        """Its statements are imported as files of the bank account."""
        raise NotFound(what="statement", id=NAME, do="import the bank's statements: counterfoil statements import")

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> tuple[str, str]:  # noqa: ARG002
        """It sends no webhooks: whoever does is not the bank."""
        raise NotFound(what="webhook", id=NAME)

    def charge_of(self, body: bytes) -> ChargeFact:  # noqa: ARG002
        """It sends no webhooks."""
        raise NotFound(what="charge", id=NAME)

    def payout_of(self, body: bytes) -> PayoutFact | None:  # noqa: ARG002
        """It sends no webhooks."""
        return None

"""The bank as a provider: it takes orders in files only, tells what became of them in files only, and sends no webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.providers import (
    FileHead,
    Found,
    Later,
    PayoutOrder,
    SendConnection,
    Sought,
    Unclear,
)
from counterfoil.operations.providers.accounts import BankAccount
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.operations.providers.sepa import NAME
from counterfoil.operations.providers.sepa.pain001 import fault_of, fault_of_name, pain001
from counterfoil.operations.providers.silent import SilentProvider

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


class SepaProvider(SilentProvider):
    """Makes files for the bank."""

    name = NAME
    capabilities = CAPABILITIES
    takes_no_charges = BY_FILE

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

    def statement(self, first: str, last: str) -> bytes:  # noqa: ARG002
        """Its statements are imported as files of the bank account."""
        raise NotFound(what="statement", id=NAME, do="import the bank's statements: counterfoil statements import")

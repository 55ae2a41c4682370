"""The page of a payee: its card."""

from __future__ import annotations

from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.payouts.payees.card import PayeeCard, card_of

PAYEE_MAX: Final = 64


class PayeeAccount(NamedTuple):
    """An account of the payee, and what is on it."""

    name: str
    balance: Money
    frozen: bool


class PayeeAnswer(NamedTuple):
    """What the page of a payee shows."""

    card: PayeeCard
    accounts: tuple[PayeeAccount, ...]


def payee_answer(ask: SectionContext) -> PayeeAnswer:
    """The card of one payee, in the chosen program or the installation's own."""
    payee_id = ask.params["id"]
    if not 0 < len(payee_id) <= PAYEE_MAX:
        raise InvalidInput("id", f"1 to {PAYEE_MAX} characters")
    card = card_of(ask.conn, ask.program_id or ask.extra.wiring.program_id, payee_id, now=ask.clock())
    return PayeeAnswer(card, tuple(PayeeAccount(one.name, Money(one.balance, one.asset), one.frozen) for one in card.accounts))

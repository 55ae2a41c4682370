"""What a provider can do for us, declared once by its adapter. Sending, look-ups and retries obey it, and ask nobody's name."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, NamedTuple

from counterfoil.operations.providers.accounts import AccountKind
from counterfoil.operations.work.calls import HORIZON

LookUp = Literal["key", "reference", "provider_ref"]


class Capabilities(NamedTuple):
    """What is true of a provider at any time. A span that is too long pays late; one that is too short can pay twice.

    `key_memory`: for so long after the first call the same key is the same order; zero where keys mean nothing. Declare less than the
    provider promises. `looks_up_by`: by what it can be asked what became of an order; empty where it cannot be asked.
    `absent_after`: for so long its look-up may still miss what it has; only what was asked later proves that nothing is there.
    `settles_within`: an accepted order that is neither paid nor failed after so long is in doubt. `horizon`: for so long after its
    announcement a call may still land, the life of a connection and the provider's longest processing. `fee_asset`: what its fees are
    taken in, None for the asset that is paid. `orders_max`: how many orders one request (or file) carries; one where each goes alone.
    `calls_at_once`: so many orders it is sent, and asked about, side by side by one worker; what is sent together is also written together.
    `own_statement`: it keeps a balance of ours and gives a statement of it; a bank's statements are imported as those of the account.
    `pays_to`: the kinds of accounts that it pays to; another is refused where it is entered. `token_form`: a pattern that its own names of
    accounts fit, empty where any may be right. `returns`: money that arrived may come back by itself.
    """

    key_memory: timedelta = timedelta(hours=23)  # providers commonly promise 24 hours
    looks_up_by: tuple[LookUp, ...] = ("key",)
    absent_after: timedelta = timedelta()
    settles_within: timedelta = timedelta(hours=24)
    horizon: timedelta = HORIZON
    fee_asset: str | None = None
    orders_max: int = 1
    calls_at_once: int = 16
    own_statement: bool = True
    pays_to: tuple[AccountKind, ...] = ("provider_account",)
    token_form: str = ""
    returns: bool = True

    @property
    def looks_up(self) -> bool:
        """Can it be asked what became of an order? Where not, two people say so, with evidence."""
        return bool(self.looks_up_by)

    @property
    def remembers_keys(self) -> bool:
        """Is the same key again the same order?"""
        return self.key_memory > timedelta()

    @property
    def in_batches(self) -> bool:
        """Do many orders go out in one request, or one file?"""
        return self.orders_max > 1


FULL: Final = Capabilities()

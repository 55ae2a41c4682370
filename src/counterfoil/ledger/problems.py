"""What the ledger refuses, as problems: by the outcome of a movement, and by what the database says when something got past us."""

from __future__ import annotations

from typing import Final

from counterfoil.base.database import name_refusals
from counterfoil.base.money import AssetMismatch
from counterfoil.base.problems import InvalidInput, KeyReused, Problem
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome


class UnknownProgram(Problem, kind="missing"):
    """There is no such program, or it keeps no book in this asset."""


class UnknownAccount(Problem, kind="missing"):
    """There is no such account in this book."""

    carries = ("account", "minor", "asset", "line")
    amounts = ("minor",)


class UnknownJournal(Problem, kind="missing"):
    """There is no such journal, or it has no such line."""


class UnknownHold(Problem, kind="missing"):
    """There is no such hold."""

    carries = ("line", "hold")


class AccountDiffers(Problem):
    """An account of this name was opened before, with other rules."""


class AccountNotEmpty(Problem):
    """An account closes with a balance of nothing and nothing held."""


class InsufficientFunds(Problem):
    """The account holds less than was asked for."""

    todo = "Look at the balance and the holds of the account; move money to it, or ask for less."
    carries = ("account", "minor", "asset", "line")
    amounts = ("minor",)


class RetiredNeverMoves(Problem):
    """What is retired never moves: nothing is taken out of this account, by whatever journal or hold."""


class AccountFrozen(Problem):
    """The account is frozen: nothing may lower it."""

    todo = "Find out why it was frozen; unfreeze it with a reason, or use another account."
    carries = ("account", "minor", "asset", "line")
    amounts = ("minor",)


class AccountClosed(Problem):
    """The account is closed: nothing is posted to it any more."""

    todo = "Use another account, or reopen this one with a reason."
    carries = ("account", "minor", "asset", "line")
    amounts = ("minor",)


class PeriodClosed(Problem):
    """The books of that date are closed; post with a later effective date."""

    todo = "Post with an effective date after the closing, or have two people reopen the books."
    carries = ("line", "hold")


class AccountNeeded(Problem):
    """Money of this payee is on its way and may come back to the account: it closes when that has ended."""


class ReopenNeedsTwo(Problem, kind="forbidden"):
    """A closed period is reopened by two people: one proposes exactly that, another approves it."""


class MovementByHand(Problem, kind="forbidden"):
    """Movements are for services: what a person moves by hand is a journal, which takes two people."""


class KeyReserved(Problem, kind="invalid"):
    """Keys that begin with this word belong to the product itself; choose another."""


class AlreadyReversed(Problem):
    """This was reversed before, and is reversed only once."""


class ReversalDiffers(Problem):
    """A reversal moves the same amounts back between the same accounts."""


class HoldResolved(Problem):
    """This hold was posted, voided or expired before."""

    carries = ("line", "hold")


class HoldExpired(Problem):
    """This hold's time is over; its money returns."""

    carries = ("line", "hold")


class HoldPromised(Problem):
    """Somebody builds on this hold: only who took it gives it back, and what it moved is not reversed by hand."""

    todo = "Cancel the transaction that took it; once it is done, move the money back by another transaction."


class MoneyInTransit(Problem):
    """This journal is of a payout's money in transit: it is not reversed by hand."""

    todo = "Use the verbs of the payout: cancel it, look it up, or let two people say what became of it."


class HoldNotDue(Problem):
    """This hold expires later, or never."""

    carries = ("line", "hold")


class HoldTooSmall(Problem):
    """More was to be posted than the hold has set aside."""

    carries = ("line", "hold")


class LinkedRefused(Problem):
    """Another movement of its linked set was refused, and they stand or fall together."""

    carries = ("line", "hold")


class LedgerLimit(Problem):
    """The totals of this account would pass what a ledger can count."""

    carries = ("line", "hold")


class LedgerRefused(Problem):
    """The database refuses this write: it would break the books."""


class BalancesMoved(Problem, kind="busy"):
    """Another writer moved these accounts at the same moment; try again."""


name_refusals(
    codes={
        "CF101": LedgerRefused,
        "CF102": LedgerRefused,
        "CF103": LedgerRefused,
        "CF104": PeriodClosed,
        "CF105": BalancesMoved,
        "CF106": ReversalDiffers,
        "CF107": UnknownAccount,
        "CF108": AccountClosed,
        "CF109": LedgerRefused,
        "CF110": AccountFrozen,
        "CF111": LedgerRefused,
        "CF112": LedgerRefused,
        "CF113": HoldResolved,
        "CF114": AccountNeeded,
        "CF115": KeyReserved,
        "CF116": ReopenNeedsTwo,
        "CF117": MoneyInTransit,
        "CF118": HoldPromised,
    },
    constraints={
        "account_is_not_overdrawn": InsufficientFunds,
        "account_closes_empty": AccountNotEmpty,
        "account_keeps_what_is_retired": RetiredNeverMoves,
        "account_is_opened_once": AccountDiffers,
        "posting_stays_in_its_book": AssetMismatch,
        "hold_stays_in_its_book": AssetMismatch,
        "posting_movement_is_posted_once": KeyReused,
        "journal_key_is_used_once": KeyReused,
        "journal_is_reversed_once": AlreadyReversed,
        "line_is_reversed_once": AlreadyReversed,
        "hold_is_resolved_once": HoldResolved,
        "period_is_reopened_by_two": ReopenNeedsTwo,
        "period_is_reopened_once_per_approval": ReopenNeedsTwo,
    },
)

_BY_OUTCOME: Final[dict[MovementOutcome, type[Problem]]] = {
    MovementOutcome.LINK_OPEN: LinkedRefused,
    MovementOutcome.LINKED_REFUSED: LinkedRefused,
    MovementOutcome.ID_REUSED: KeyReused,
    MovementOutcome.HOLD_UNKNOWN: UnknownHold,
    MovementOutcome.HOLD_RESOLVED: HoldResolved,
    MovementOutcome.HOLD_EXPIRED: HoldExpired,
    MovementOutcome.HOLD_NOT_DUE: HoldNotDue,
    MovementOutcome.HOLD_TOO_SMALL: HoldTooSmall,
    MovementOutcome.PERIOD_CLOSED: PeriodClosed,
    MovementOutcome.TOTAL_TOO_LARGE: LedgerLimit,
}
_OF_ACCOUNT: Final[dict[MovementOutcome, tuple[type[Problem], str]]] = {
    MovementOutcome.DEBIT_UNKNOWN: (UnknownAccount, "debit"),
    MovementOutcome.CREDIT_UNKNOWN: (UnknownAccount, "credit"),
    MovementOutcome.DEBIT_CLOSED: (AccountClosed, "debit"),
    MovementOutcome.CREDIT_CLOSED: (AccountClosed, "credit"),
    MovementOutcome.DEBIT_FROZEN: (AccountFrozen, "debit"),
    MovementOutcome.CREDIT_FROZEN: (AccountFrozen, "credit"),
    MovementOutcome.DEBIT_INSUFFICIENT: (InsufficientFunds, "debit"),
    MovementOutcome.CREDIT_INSUFFICIENT: (InsufficientFunds, "credit"),
}
_OF_FIELD: Final[dict[MovementOutcome, tuple[str, str]]] = {
    MovementOutcome.AMOUNT_OUT_OF_RANGE: ("minor", "from 1 to 10¹⁸ minor units"),
    MovementOutcome.SAME_ACCOUNT: ("credit", "another account than the debit"),
    MovementOutcome.EXPIRY_PAST: ("expires_at", "later than now"),
    MovementOutcome.EFFECTIVE_TOO_LATE: ("effective_at", "at most 366 days ahead of the database's clock"),
}


def refusal(outcome: MovementOutcome, movement: Movement, asset: str, *, line: int | None = None) -> Problem:
    """The problem that a refused movement is, with the account and the amount of `asset` that it is about."""
    if outcome in _OF_ACCOUNT:
        problem, side = _OF_ACCOUNT[outcome]
        return problem(account=getattr(movement, side), minor=movement.minor, asset=asset, line=line)
    if outcome in _OF_FIELD:
        field, limit = _OF_FIELD[outcome]
        return InvalidInput(field, limit, line=line, got=str(movement.minor) if field == "minor" else None)
    return _BY_OUTCOME[outcome](line=line, hold=movement.hold_id.hex() if movement.hold_id else None)

"""What a batch is made of: movements, their outcomes, the totals they are decided against, and the rows to write."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

TOTAL_MAX: Final = 2**63 - 1  # an account's totals are bigint
BEGINNING_US: Final = -(2**62)  # before every moment


class MovementKind(Enum):
    """What a movement asks for."""

    TRANSFER = "transfer"
    HOLD = "hold"
    POST_HOLD = "post"
    VOID_HOLD = "void"
    EXPIRE_HOLD = "expire"


class MovementOutcome(Enum):
    """What became of a movement. Reasons are looked for in this order, and the first that applies is told."""

    POSTED = "posted"
    EXISTS = "exists"  # the same movement was posted before: nothing new is written
    LINK_OPEN = "link_open"  # the last of a batch cannot be linked with the next
    LINKED_REFUSED = "linked_refused"  # another of its linked set was refused
    ID_REUSED = "id_reused"  # its id was used before, for a different movement
    HOLD_UNKNOWN = "hold_unknown"
    HOLD_RESOLVED = "hold_resolved"  # in another way, or with another amount
    HOLD_EXPIRED = "hold_expired"
    HOLD_NOT_DUE = "hold_not_due"  # it has no expiry, or a later one
    HOLD_TOO_SMALL = "hold_too_small"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    SAME_ACCOUNT = "same_account"
    DEBIT_UNKNOWN = "debit_unknown"
    CREDIT_UNKNOWN = "credit_unknown"
    DEBIT_CLOSED = "debit_closed"
    CREDIT_CLOSED = "credit_closed"
    DEBIT_FROZEN = "debit_frozen"  # nothing may lower it
    CREDIT_FROZEN = "credit_frozen"
    EXPIRY_PAST = "expiry_past"
    PERIOD_CLOSED = "period_closed"
    EFFECTIVE_TOO_LATE = "effective_too_late"
    TOTAL_TOO_LARGE = "total_too_large"  # totals are counted in 63 bits
    DEBIT_INSUFFICIENT = "debit_insufficient"
    CREDIT_INSUFFICIENT = "credit_insufficient"


class Movement(NamedTuple):
    """One movement: a transfer, a hold, or the resolution of a hold (which takes its accounts from the hold).

    `id` is the caller's, 16 bytes of a UUID: the same id twice is posted once. Ids that sort by time (UUIDv7) cost no look-up.
    Times are microseconds since 1970. A hold that is posted names the amount; what is left of it returns.
    """

    id: bytes | None
    debit: str
    credit: str
    minor: int
    kind: MovementKind = MovementKind.TRANSFER
    effective_us: int | None = None
    linked: bool = False  # with the next one
    hold_id: bytes | None = None
    expires_us: int | None = None
    is_late_ok: bool = False  # in a closed period: booked on the first open day; true of every hold that is posted
    is_fact: bool = False  # it has happened already: a freeze does not stop it; nor the posting of a hold


class AccountTotals:
    """An account's totals while a batch is decided. `balance` is on its normal side; `held` is what is set aside to lower it."""

    __slots__ = (
        "balance",
        "barred",
        "closed",
        "credits",
        "credits_pending",
        "debit_normal",
        "debits",
        "debits_pending",
        "frozen",
        "guards_credit",
        "guards_debit",
        "held",
        "id",
        "last_seq",
    )

    def __init__(
        self,
        id: int,  # noqa: A002
        debits: int = 0,
        credits: int = 0,  # noqa: A002
        debits_pending: int = 0,
        credits_pending: int = 0,
        last_seq: int = 0,
        debit_normal: bool = False,
        no_overdraft: bool = False,
        frozen: bool = False,
        closed: bool = False,
    ) -> None:
        self.id = id
        self.debits = debits
        self.credits = credits
        self.debits_pending = debits_pending
        self.credits_pending = credits_pending
        self.last_seq = last_seq
        self.debit_normal = debit_normal
        self.frozen = frozen
        self.closed = closed
        self.barred = frozen or closed
        self.guards_debit = no_overdraft and not debit_normal  # a debit lowers it, and it must not fall below what is held
        self.guards_credit = no_overdraft and debit_normal
        self.balance = debits - credits if debit_normal else credits - debits
        self.held = credits_pending if debit_normal else debits_pending

    def load(self, debits: int, credits: int, debits_pending: int, credits_pending: int, flags: int) -> None:  # noqa: A002
        """Take over totals, and flags (1 frozen, 2 closed, 4 no overdraft)."""
        self.debits, self.credits = debits, credits
        self.debits_pending, self.credits_pending = debits_pending, credits_pending
        self.frozen, self.closed, self.barred = bool(flags & 1), bool(flags & 2), bool(flags & 3)
        if self.debit_normal:
            self.balance, self.held = debits - credits, credits_pending
            self.guards_credit = bool(flags & 4)
        else:
            self.balance, self.held = credits - debits, debits_pending
            self.guards_debit = bool(flags & 4)

    def set_aside(self, minor: int, *, debit: bool) -> None:
        """Count `minor` more as pending on one side; less, if it is negative."""
        if debit:
            self.debits_pending += minor
        else:
            self.credits_pending += minor
        self.held = self.credits_pending if self.debit_normal else self.debits_pending

    def totals(self) -> tuple[int, ...]:
        """What changes."""
        return self.debits, self.credits, self.debits_pending, self.credits_pending, self.balance, self.held

    def restore(self, totals: tuple[int, ...]) -> None:
        """Return to earlier `totals()`."""
        self.debits, self.credits, self.debits_pending, self.credits_pending, self.balance, self.held = totals


@dataclass(slots=True, eq=False)
class HoldState:
    """A hold while a batch is decided; `resolved` says how, if it is."""

    debit: str
    credit: str
    minor: int
    expires_us: int | None = None
    resolved: MovementKind | None = None
    posted_minor: int = 0


# Place in the batch, debit account, credit account, amount, balance of each after it, effective (µs), the movement's id. A plain
# tuple: a batch makes thousands.
PostingRow = tuple[int, int, int, int, int, int, int, bytes | None]


class HoldRow(NamedTuple):
    """A hold to write."""

    id: bytes
    debit: int
    credit: int
    minor: int
    expires_us: int | None


class ResolutionRow(NamedTuple):
    """A resolution to write; `place` is its own in the batch, and that of its posting if it has one."""

    hold_id: bytes
    kind: MovementKind
    minor: int
    place: int


class LateRow(NamedTuple):
    """When a posting happened that is booked later, because its period was closed; `place` is its own in the batch."""

    place: int
    occurred_us: int


class Write(NamedTuple):
    """Rows that are written together, in this order: what resolutions free is there before postings use it, holds come last.

    In this order no account is overdrawn on the way if it is not in the end.
    """

    resolutions: list[ResolutionRow]
    postings: list[PostingRow]
    holds: list[HoldRow]
    late: list[LateRow]  # marks on some of the postings


class Terms(NamedTuple):
    """What else bounds a movement. `effective_us` is that of movements that do not say their own."""

    now_us: int
    effective_us: int
    closed_until_us: int = BEGINNING_US
    effective_max_us: int = 2**62

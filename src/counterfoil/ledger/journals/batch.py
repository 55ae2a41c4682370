"""Decide a batch, purely: which movements are posted, which are refused and why, and what is written. Reads and writes nothing.

A movement is looked at in the order of the batch, against the totals that those before it left. Its outcome is the first reason
that applies, in the order in which `MovementOutcome` lists them; the documentation's table is made from it.

Movements that are linked stand or fall together: when one is refused, the others of its set get LINKED_REFUSED and leave no trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.money import MINOR_MAX
from counterfoil.base.problems import InvariantBroken
from counterfoil.ledger.journals.batch_types import (
    TOTAL_MAX,
    AccountTotals,
    HoldRow,
    HoldState,
    LateRow,
    Movement,
    MovementKind,
    MovementOutcome,
    PostingRow,
    ResolutionRow,
    Terms,
    Write,
)

_TRANSFER: Final = MovementKind.TRANSFER
_POSTED: Final = MovementOutcome.POSTED


class BatchDecision(NamedTuple):
    """An outcome per movement, and the writes: one, or more where a batch resolves a hold that it takes."""

    outcomes: list[MovementOutcome]
    writes: list[Write]


def decide(
    accounts: Mapping[str, AccountTotals],
    movements: Sequence[Movement],
    terms: Terms,
    *,
    known: Mapping[bytes, Movement] | None = None,
    holds: Mapping[bytes, HoldState] | None = None,
) -> BatchDecision:
    """The outcome of each movement, and what is written. The totals of `accounts` end as the database's will.

    `known` are the movements that were posted before under ids of these; `holds` the holds that these resolve.
    """
    ids = [movement.id for movement in movements if movement.id is not None]
    batch = Batch(accounts, terms, known=known, holds=holds, ids_differ=len(set(ids)) == len(ids))
    outcomes = batch.take(movements)
    return BatchDecision(outcomes, [write for write in batch.writes if any(write)])


class Batch:
    """A batch while it is decided: it may be taken in parts, so that the first can be sent while the next is decided."""

    def __init__(
        self,
        accounts: Mapping[str, AccountTotals],
        terms: Terms,
        *,
        known: Mapping[bytes, Movement] | None = None,
        holds: Mapping[bytes, HoldState] | None = None,
        ids_differ: bool,
    ) -> None:
        self.accounts = accounts
        self.terms = terms
        self.known = dict(known or {})
        self.holds = dict(holds or {})
        self.ids_matter = bool(known) or not ids_differ  # otherwise no id needs to be looked at
        self.place = 0  # of the movement at hand, among all of the batch
        self.taken: set[bytes] = set()  # holds of the last write: resolving one begins another write
        self.writes = [Write([], [], [], [])]
        self.postings = self.writes[-1].postings
        self.log: _Log | None = None  # what to undo, inside a linked set

    def take(self, movements: Sequence[Movement]) -> list[MovementOutcome]:
        """The outcomes of the next movements. A linked set lies within one part."""
        outcomes: list[MovementOutcome] = []
        linked: list[Movement] = []
        find, quick, place = self.accounts.get, not self.ids_matter, self.place
        _, effective_us, low_us, high_us = self.terms
        say, write = outcomes.append, self.postings.append
        for movement in movements:
            id_, debit, credit, minor, kind, when, is_linked, _, _, _, _ = movement
            # A transfer against which nothing speaks, as most are, is booked here: a call for each would cost more than the booking.
            if quick and kind is _TRANSFER and not is_linked and not linked and 0 < minor <= MINOR_MAX:
                taken, given = find(debit), find(credit)
                if taken is not None and given is not None and taken is not given and not taken.barred and not given.barred:
                    debits, credits = taken.debits + minor, given.credits + minor  # noqa: A001
                    debit_balance = taken.balance + minor if taken.debit_normal else taken.balance - minor
                    credit_balance = given.balance - minor if given.debit_normal else given.balance + minor
                    if when is None:
                        when = effective_us
                    if (
                        low_us <= when <= high_us
                        and debits <= TOTAL_MAX
                        and credits <= TOTAL_MAX
                        and not (taken.guards_debit and debit_balance < taken.held)
                        and not (given.guards_credit and credit_balance < given.held)
                    ):
                        taken.debits, taken.balance = debits, debit_balance
                        given.credits, given.balance = credits, credit_balance
                        write((place, taken.id, given.id, minor, debit_balance, credit_balance, when, id_))
                        say(_POSTED)
                        place += 1
                        continue
            # Everything else goes the long way, where each reason is told.
            if is_linked:
                linked.append(movement)
                continue
            self.place = place
            if linked:
                outcomes += self.settle_set([*linked, movement])
                linked = []
            else:
                say(self.settle(movement))
                self.place += 1
            place, write = self.place, self.postings.append
        self.place = place
        if linked:
            outcomes += [MovementOutcome.LINKED_REFUSED] * (len(linked) - 1) + [MovementOutcome.LINK_OPEN]
        return outcomes

    def drain(self) -> list[PostingRow]:
        """The postings since the last call. Only for a batch of transfers, which is one write."""
        rows = self.postings[:]
        self.postings.clear()
        return rows

    def drain_late(self) -> list[LateRow]:
        """The marks of lateness since the last call, as `drain`."""
        late = self.writes[-1].late
        rows = late[:]
        late.clear()
        return rows

    def settle_set(self, movements: Sequence[Movement]) -> list[MovementOutcome]:
        """All of them or none. What was posted before cannot be joined later by what was not."""
        self.log = log = _Log(self)
        start = self.place
        outcomes: list[MovementOutcome] = []
        for self.place, movement in enumerate(movements, start):
            outcome = self.settle(movement)
            outcomes.append(outcome)
            if outcome is not MovementOutcome.POSTED and outcome is not MovementOutcome.EXISTS:
                break
        whole = len(outcomes) == len(movements) and len(set(outcomes)) == 1 and outcomes[0] in _STANDING
        self.log = None
        self.place = start + len(movements)
        if whole:
            return outcomes
        log.undo(self)
        outcomes = [MovementOutcome.LINKED_REFUSED if outcome is MovementOutcome.POSTED else outcome for outcome in outcomes]
        return outcomes + [MovementOutcome.LINKED_REFUSED] * (len(movements) - len(outcomes))

    def settle(self, movement: Movement) -> MovementOutcome:
        """One movement. Its id is taken only if it is posted."""
        if self.ids_matter and movement.id is not None:
            return self._settle_once(movement.id, movement)
        kind = movement.kind
        if kind is MovementKind.TRANSFER:
            return self.transfer(movement.debit, movement.credit, movement)
        return self.hold(movement) if kind is MovementKind.HOLD else self.resolve(movement)

    def _settle_once(self, id_: bytes, movement: Movement) -> MovementOutcome:
        before = self.known.get(id_)
        if before is not None:
            return MovementOutcome.EXISTS if same_request(before, movement) else MovementOutcome.ID_REUSED
        if movement.kind is MovementKind.TRANSFER:
            outcome = self.transfer(movement.debit, movement.credit, movement)
        else:
            outcome = self.hold(movement) if movement.kind is MovementKind.HOLD else self.resolve(movement)
        if outcome is MovementOutcome.POSTED:
            self.known[id_] = movement
            if self.log is not None:
                self.log.ids.append(id_)
        return outcome

    def transfer(self, debit: str, credit: str, movement: Movement) -> MovementOutcome:
        """Money that moves at once."""
        minor, when = movement.minor, movement.effective_us
        if not 0 < minor <= MINOR_MAX:
            return MovementOutcome.AMOUNT_OUT_OF_RANGE
        taken, given = self.accounts.get(debit), self.accounts.get(credit)
        if taken is given or taken is None or given is None:
            return _unpaired(debit, credit, taken)
        if (taken.barred or given.barred) and (barred := _barred(taken, given, movement)) is not None:
            return barred
        terms = self.terms
        if when is None:
            when = terms.effective_us
        occurred_us = None
        if not terms.closed_until_us <= when <= terms.effective_max_us:
            if when > terms.effective_max_us:
                return MovementOutcome.EFFECTIVE_TOO_LATE
            if not movement.is_late_ok and movement.kind is not MovementKind.POST_HOLD:
                return MovementOutcome.PERIOD_CLOSED
            when, occurred_us = terms.closed_until_us, when
        debits, credits = taken.debits + minor, given.credits + minor  # noqa: A001
        if debits > TOTAL_MAX or credits > TOTAL_MAX:
            return MovementOutcome.TOTAL_TOO_LARGE
        debit_balance = taken.balance + minor if taken.debit_normal else taken.balance - minor
        credit_balance = given.balance - minor if given.debit_normal else given.balance + minor
        if taken.guards_debit and debit_balance < taken.held:
            return MovementOutcome.DEBIT_INSUFFICIENT
        if given.guards_credit and credit_balance < given.held:
            return MovementOutcome.CREDIT_INSUFFICIENT
        if self.log is not None:
            self.log.keep(taken, given)
        taken.debits, taken.balance = debits, debit_balance
        given.credits, given.balance = credits, credit_balance
        self.postings.append((self.place, taken.id, given.id, minor, debit_balance, credit_balance, when, movement.id))
        if occurred_us is not None:
            self.writes[-1].late.append(LateRow(self.place, occurred_us))
        return MovementOutcome.POSTED

    def hold(self, movement: Movement) -> MovementOutcome:
        """Money set aside on its way."""
        id_, debit, credit = movement.id, movement.debit, movement.credit
        minor, expires_us = movement.minor, movement.expires_us
        if id_ is None:
            raise InvariantBroken("a hold has an id")
        taken, given = self.accounts.get(debit), self.accounts.get(credit)
        if not 0 < minor <= MINOR_MAX:
            return MovementOutcome.AMOUNT_OUT_OF_RANGE
        if taken is given or taken is None or given is None:
            return _unpaired(debit, credit, taken)
        if (barred := _barred(taken, given, movement)) is not None:
            return barred
        if expires_us is not None and expires_us <= self.terms.now_us:
            return MovementOutcome.EXPIRY_PAST
        if taken.debits_pending + minor > TOTAL_MAX or given.credits_pending + minor > TOTAL_MAX:
            return MovementOutcome.TOTAL_TOO_LARGE
        if taken.guards_debit and taken.balance - taken.held < minor:
            return MovementOutcome.DEBIT_INSUFFICIENT
        if given.guards_credit and given.balance - given.held < minor:
            return MovementOutcome.CREDIT_INSUFFICIENT
        if self.log is not None:
            self.log.keep(taken, given)
            self.log.holds.append(id_)
        taken.set_aside(minor, debit=True)
        given.set_aside(minor, debit=False)
        self.holds[id_] = HoldState(debit, credit, minor, expires_us)
        self.taken.add(id_)
        self.writes[-1].holds.append(HoldRow(id_, taken.id, given.id, minor, expires_us))
        return MovementOutcome.POSTED

    def resolve(self, movement: Movement) -> MovementOutcome:
        """A hold that is posted, voided or expired. What is not posted of it returns."""
        kind, minor, hold_id = movement.kind, movement.minor, movement.hold_id
        held = self.holds.get(hold_id) if hold_id is not None else None
        if hold_id is None or held is None:
            return MovementOutcome.HOLD_UNKNOWN
        if (refused := _unresolvable(held, kind, minor, self.terms.now_us)) is not None:
            return refused
        if hold_id in self.taken:
            self._begin_write()
        taken, given = self.accounts[held.debit], self.accounts[held.credit]
        if self.log is not None:
            self.log.keep(taken, given)
            self.log.resolved.append(held)
        taken.set_aside(-held.minor, debit=True)
        given.set_aside(-held.minor, debit=False)
        if kind is MovementKind.POST_HOLD:
            outcome = self.transfer(held.debit, held.credit, movement)
            if outcome is not MovementOutcome.POSTED:
                taken.set_aside(held.minor, debit=True)
                given.set_aside(held.minor, debit=False)
                return outcome
        held.resolved, held.posted_minor = kind, minor
        self.writes[-1].resolutions.append(ResolutionRow(hold_id, kind, minor, self.place))
        return MovementOutcome.POSTED

    def _begin_write(self) -> None:
        self.taken = set()
        self.writes.append(Write([], [], [], []))
        self.postings = self.writes[-1].postings


class _Log:
    """What a linked set changes, to undo it."""

    def __init__(self, batch: Batch) -> None:
        self.writes = len(batch.writes)
        self.lengths = [len(rows) for rows in batch.writes[-1]]
        self.taken = set(batch.taken)
        self.totals: list[tuple[AccountTotals, tuple[int, ...]]] = []
        self.ids: list[bytes] = []
        self.holds: list[bytes] = []
        self.resolved: list[HoldState] = []

    def keep(self, *accounts: AccountTotals) -> None:
        """Remember totals as they are now."""
        self.totals += [(account, account.totals()) for account in accounts]

    def undo(self, batch: Batch) -> None:
        """Everything is as it was before the set."""
        for account, totals in reversed(self.totals):
            account.restore(totals)
        for held in self.resolved:
            held.resolved, held.posted_minor = None, 0
        for id_ in self.ids:
            del batch.known[id_]
        for id_ in self.holds:
            del batch.holds[id_]
        batch.taken = self.taken
        del batch.writes[self.writes :]
        write = batch.writes[-1]
        for rows, length in zip(write, self.lengths, strict=True):
            del rows[length:]  # type: ignore[attr-defined]
        batch.postings = write.postings


_STANDING = (MovementOutcome.POSTED, MovementOutcome.EXISTS)


def same_request(before: Movement, again: Movement) -> bool:
    """Whether a movement asks for what was posted under its id; its own effective time counts where both say one."""
    if before.kind is not again.kind or before.minor != again.minor or before.hold_id != again.hold_id:
        return False
    if before.kind in (MovementKind.TRANSFER, MovementKind.HOLD) and (before.debit, before.credit) != (
        again.debit,
        again.credit,
    ):
        return False
    if before.kind is MovementKind.HOLD and before.expires_us != again.expires_us:
        return False
    return again.effective_us is None or before.effective_us is None or before.effective_us == again.effective_us


def _unpaired(debit: str, credit: str, taken: AccountTotals | None) -> MovementOutcome:
    if debit == credit:
        return MovementOutcome.SAME_ACCOUNT
    return MovementOutcome.DEBIT_UNKNOWN if taken is None else MovementOutcome.CREDIT_UNKNOWN


def _barred(taken: AccountTotals, given: AccountTotals, movement: Movement) -> MovementOutcome | None:
    """Nothing goes through a closed account; nothing lowers a frozen one but what has happened already, or was promised by a hold."""
    if taken.closed or given.closed:
        return MovementOutcome.DEBIT_CLOSED if taken.closed else MovementOutcome.CREDIT_CLOSED
    if movement.is_fact or movement.kind is MovementKind.POST_HOLD:
        return None
    if taken.frozen and not taken.debit_normal:
        return MovementOutcome.DEBIT_FROZEN
    return MovementOutcome.CREDIT_FROZEN if given.frozen and given.debit_normal else None


def _unresolvable(held: HoldState, kind: MovementKind, minor: int, now_us: int) -> MovementOutcome | None:
    """Why a hold cannot be resolved so, if it cannot. Resolved in the same way before: EXISTS."""
    if held.resolved is not None:
        same = held.resolved is kind and (kind is not MovementKind.POST_HOLD or held.posted_minor == minor)
        return MovementOutcome.EXISTS if same else MovementOutcome.HOLD_RESOLVED
    expired = held.expires_us is not None and held.expires_us <= now_us
    if kind is MovementKind.POST_HOLD and expired:
        return MovementOutcome.HOLD_EXPIRED
    if kind is MovementKind.EXPIRE_HOLD and not expired:
        return MovementOutcome.HOLD_NOT_DUE
    if kind is MovementKind.POST_HOLD and minor > held.minor:
        return MovementOutcome.HOLD_TOO_SMALL
    return None

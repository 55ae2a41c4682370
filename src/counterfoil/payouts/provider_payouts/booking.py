"""The journals of an attempt's steps: one of a kind for each attempt, whoever posts it, so that none is booked twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.ledger.journals import post_all
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import PAYOUT_SWEEP, SPACES, KeySpace
from counterfoil.operations.providers import sepa
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout

Lines = list[tuple[str, str, int]]
PAID_FROM: Final = {sepa.NAME: sepa.PAYS_FROM}  # providers that pay out of our own account at the bank


class Booking(NamedTuple):
    """A journal of an attempt: `kind` names it once (`finalize`, `release`, …). `occurred_at`: when the provider says it happened."""

    standing: LockedProviderPayout
    kind: str
    lines: Lines
    occurred_at: datetime | None


def journal_lines(journal: str, one: LockedProviderPayout, fee: int) -> Lines:
    """The postings of a step: debit, credit, minor units. A return's fee is ours, as a payout's is."""
    transit, clearing, payable = _accounts(one)
    main = {
        "finalize": (transit, clearing, sent_of(one)),
        "release": (transit, payable, one.amount),
        "return": (clearing, payable, one.amount),
    }[journal]
    return [main, *_fee(clearing, fee), *_difference(one)] if journal == "finalize" else [main]


def sent_of(one: LockedProviderPayout) -> int:
    """What of the amount set aside was really paid; minor units."""
    return min(one.paid or one.amount, one.amount)


def _difference(one: LockedProviderPayout) -> Lines:
    """Two people found another amount paid than was asked for: less goes back to the payee's money, more is owed by the payee."""
    transit, clearing, payable = _accounts(one)
    more = (one.paid or one.amount) - one.amount
    if more > 0:
        return [(_receivable(one), clearing, more)]
    return [(transit, payable, -more)] if more else []


def late_lines(one: LockedProviderPayout, from_payable: int) -> Lines:
    """Money that was given back turns out to be paid: it is set aside again, first from what is owed, the rest is owed by the payee."""
    transit, _, payable = _accounts(one)
    parts = [(payable, transit, from_payable), (_receivable(one), transit, one.amount - from_payable)]
    return [line for line in parts if line[2]]


def return_lines(one: LockedProviderPayout, debt: int) -> Lines:
    """The bank sent it back: first what the payee owed because of it, as far as that is still open; the rest is owed to the payee."""
    _, clearing, payable = _accounts(one)
    total = one.paid or one.amount
    against = min(total - (sent_of(one) - one.beyond), debt)
    parts = [(clearing, payable, total - against), (clearing, _receivable(one), against)]
    return [line for line in parts if line[2]]


def back_against_debt(one: LockedProviderPayout) -> Lines:
    """Paid and returned while we thought that it had failed: the return of what was never taken from the payee's money."""
    _, clearing, _ = _accounts(one)
    return [(clearing, _receivable(one), one.amount)]


def _fee(clearing: str, fee: int) -> Lines:
    return [("provider_fee", clearing, fee)] if fee else []


def _accounts(one: LockedProviderPayout) -> tuple[str, str, str]:
    return f"in_transit:{one.provider}", f"clearing:{one.provider}", f"payable:payee:{one.payee_id}"


def _receivable(one: LockedProviderPayout) -> str:
    return f"receivable:payee:{one.payee_id}"


def book(conn: Connection[Any], bookings: Sequence[Booking], *, actor: str, now: datetime) -> None:
    """Post these, by program and asset, all or none. Raises what the ledger refuses."""
    post_all.post_all(conn, [each for one in bookings for each in (_journal(one, actor, now), *_sweep(one, actor, now))], now=now)


def _sweep(one: Booking, actor: str, now: datetime) -> list[post_all.ProgramJournal]:
    """What leaves by the bank leaves our account there, and comes back to it: such a provider keeps no balance of ours."""
    cash = PAID_FROM.get(one.standing.provider)
    _, clearing, _ = _accounts(one.standing)
    moved = sum(amount * ((debit == clearing) - (credit == clearing)) for debit, credit, amount in one.lines)
    if cash is None or not moved:
        return []
    line = (cash, clearing, moved) if moved > 0 else (clearing, cash, -moved)
    key = PAYOUT_SWEEP.key(one.standing.id, one.kind)
    return [_made(one, key, "payout_sweep", [line], PAYOUT_SWEEP, actor, now)]


def _journal(one: Booking, actor: str, now: datetime) -> post_all.ProgramJournal:
    space = SPACES[f"PAYOUT_{one.kind.upper()}"]
    return _made(one, space.key(one.standing.id), f"payout_{one.kind}", one.lines, space, actor, now)


def _made(one: Booking, key: str, kind: str, lines: Lines, space: KeySpace, actor: str, now: datetime) -> post_all.ProgramJournal:
    journal = NewJournal(
        key=key,
        kind=kind,
        lines=lines,
        asset=one.standing.asset,
        actor=actor,
        effective_at=min(one.occurred_at, now) if one.occurred_at else now,
        source=("provider_payout", one.standing.id),
        space=space,
    )
    return post_all.ProgramJournal(one.standing.program_id, journal)

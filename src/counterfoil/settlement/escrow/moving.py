"""Everything that moves an escrow's money: funding, release, refund, expiry, paying back. Each is one row, one journal and one event.

An escrow's row is locked first, so of two who want the same money the second sees what the first left. The database decides the same
again (`escrow_moves`): whoever writes the row, no more leaves than came in, and nothing leaves while it is disputed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book, told_amount
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import take_step
from counterfoil.base.money import out_of_range
from counterfoil.base.problems import AmountOutOfRange, Problem
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import (
    ESCROW_CHARGE_BACK,
    ESCROW_FUND,
    ESCROW_REFUND,
    ESCROW_RELEASE,
    ESCROW_REPAY,
    KeySpace,
)
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.settlement.escrow.model import ESCROW, Escrow, conditions_of, show_escrow
from counterfoil.settlement.escrow.rules import release_split
from counterfoil.settlement.fees.fees import rates_of
from counterfoil.settlement.payments.paying_back import account_of, new_reference
from counterfoil.settlement.payments.unidentified import end_spent

SPACES: Final = {
    "fund": ESCROW_FUND,
    "release": ESCROW_RELEASE,
    "refund": ESCROW_REFUND,
    "expire": ESCROW_REFUND,
    "repay": ESCROW_REPAY,
    "charge_back": ESCROW_CHARGE_BACK,
    "set_off": ESCROW_CHARGE_BACK,
}
EVENTS: Final = {
    "fund": "escrow_funded",
    "release": "escrow_released",
    "refund": "escrow_refunded",
    "expire": "escrow_expired",
    "charge_back": "escrow_charged_back",
}


class EscrowRefuses(Problem):
    """The escrow does not allow this now."""


class Hand(NamedTuple):
    """Who moves it, when, and why."""

    actor: str
    now: datetime
    make_id: MakeId
    reason: str | None = None


def release_escrow(conn: Connection[Any], escrow_id: str, hand: Hand, *, amount: int | None = None) -> str:
    """Let the payee have this much, in minor units, or all of it: fees are taken, and the rest becomes payable and is paid out.

    Returns the state. Raises NotFound, EscrowRefuses (disputed, expired, a condition does not hold), InvalidInput.
    """
    one = show_escrow(conn, escrow_id, lock=True)
    refuse_release(conn, one, hand.now)
    return _release(conn, one, _amount(conn, amount, one), hand)


def refuse_release(conn: Connection[Any], one: Escrow, now: datetime) -> None:
    """Raises EscrowRefuses with the reason why nothing of it may be released now; the same instant that ends it belongs to the expiry."""
    refuse_charged_back(conn, one, "release")
    if one.state != "active":
        raise EscrowRefuses(escrow=one.id, verb="release", why=f"it is {one.state}")
    if now >= one.expires_at:
        raise EscrowRefuses(escrow=one.id, verb="release", why=f"its time was over at {one.expires_at.isoformat()}")
    for each in conditions_of(conn, one.id, at=now):
        if not each.holds:
            so_far = f" ({each.reached})" if each.reached else ""
            raise EscrowRefuses(escrow=one.id, verb="release", why=f"condition {each.number} does not hold: {each.terms}{so_far}")


def refuse_charged_back(conn: Connection[Any], one: Escrow, verb: str) -> None:
    """Raises EscrowRefuses while a bank has taken back money that funded it, or that paid for what was lost of it, and has not decided:
    what is there may not be ours to give."""
    row = conn.execute("select escrow_charged_back(%s)", [one.id]).fetchone()
    if row is not None and row[0] is not None:
        raise EscrowRefuses(escrow=one.id, verb=verb, why=charged_back_text(row[0]))


def charged_back_text(chargeback_id: str) -> str:
    """Why nothing leaves an escrow, in words."""
    paid = "of money that funded it, or paid what its customer owed,"
    return f"chargeback {chargeback_id} {paid} is open: nothing leaves it until the bank has decided"


def refund_escrow(conn: Connection[Any], escrow_id: str, hand: Hand, *, amount: int | None = None) -> str:
    """Owe the customer this much of it back, in minor units, or all of it. Raises NotFound, EscrowRefuses, InvalidInput."""
    one = show_escrow(conn, escrow_id, lock=True)
    refuse_charged_back(conn, one, "refund")
    if one.state not in ("pending", "active"):
        raise EscrowRefuses(escrow=one.id, verb="refund", why=f"it is {one.state}")
    if one.state == "pending" and amount not in (None, one.remaining):
        whole = f"{told_amount(conn, one.remaining, one.asset)}, all of it, while it is not funded in full"
        raise AmountOutOfRange("amount", whole, got=amount, asset=one.asset)
    least = 0 if one.state == "pending" else 1  # of nothing that came yet nothing goes back, and it ends; else a refund moves something
    return _refund(conn, one, _amount(conn, amount, one, least=least), hand)


def rule_escrow(conn: Connection[Any], escrow_id: str, hand: Hand, *, refund: int) -> str:
    """End a dispute by a ruling: so much goes back to the customer, the rest to the payee, whatever the conditions and the date say.

    Raises NotFound, EscrowRefuses when it is not disputed or when who rules froze it, InvalidInput when it holds less.
    """
    one = show_escrow(conn, escrow_id, lock=True)
    refuse_charged_back(conn, one, "rule")
    if one.state != "disputed":
        raise EscrowRefuses(escrow=one.id, verb="rule", why=f"it is {one.state}, and only what is disputed is ruled on")
    if conn.execute("select escrow_frozen_by(%s)", [one.id]).fetchone() == (hand.actor,):  # else one person passes every condition of it
        raise EscrowRefuses(escrow=one.id, verb="rule", why=f"{hand.actor} froze it, and another person rules on it")
    if not 0 <= refund <= one.remaining:
        raise out_of_range("refund", refund, asset_of_book(conn, one.asset), least=0, most=one.remaining, what="what it holds")
    kept = one.remaining - refund
    if refund:
        move_money(conn, one, "refund", refund, hand, by_ruling=True)
    if kept:
        _release_row(conn, one, kept, hand, by_ruling=True)
    return end_escrow(conn, show_escrow(conn, one.id), hand)


def expire_escrow(conn: Connection[Any], one: Escrow, hand: Hand) -> str:
    """Give what a locked escrow still holds back to its customer, from the instant on at which its time is over. A disputed one stays."""
    if one.state not in ESCROW.before("expire"):
        raise EscrowRefuses(escrow=one.id, verb="expire", why=f"it is {one.state}")
    if hand.now < one.expires_at:
        raise EscrowRefuses(escrow=one.id, verb="expire", why=f"its time is over at {one.expires_at.isoformat()}")
    refuse_charged_back(conn, one, "expire")
    if one.remaining:
        move_money(conn, one, "expire", one.remaining, hand)
    else:
        _tell(conn, one, "expire", 0, hand)
    return take_escrow_step(conn, one, "expire", hand)


def repay_escrow(
    conn: Connection[Any], escrow_id: str, hand: Hand, *, amount: int | None, provider: str, reference: str, known: set[str]
) -> str:
    """Record that the customer has what was refunded, or this much of it, through whom and under which reference.

    Raises NotFound, InvalidInput for a provider that is not set up, a reference that paid something else, or more than is owed.
    """
    one = show_escrow(conn, escrow_id, lock=True)
    owed = one.refunded - one.repaid
    refuse_charged_back(conn, one, "repay")
    if owed == 0:
        raise EscrowRefuses(escrow=one.id, verb="repay", why="nothing of it is owed back to its customer")
    if amount is not None and not 0 < amount <= owed:
        raise out_of_range("amount", amount, asset_of_book(conn, one.asset), most=owed, what="what its customer is owed")
    reference = new_reference(conn, provider, reference, known)
    move_money(conn, one, "repay", owed if amount is None else amount, hand, provider=provider, reference=reference)
    return one.state


def fund_with(conn: Connection[Any], one: Escrow, amount: int, hand: Hand, *, provider: str, reference: str, payment_id: str | None) -> str:
    """Book money into a locked pending escrow; the caller looked at where it comes from."""
    move_money(conn, one, "fund", amount, hand, provider=provider, reference=reference, payment_id=payment_id)
    if payment_id is not None:
        end_spent(conn, [payment_id], "use", actor=hand.actor, now=hand.now, cause=one.id)
    full = one.funded + amount == one.amount
    return take_escrow_step(conn, one, "fund" if full else "fund_part", hand)


def _amount(conn: Connection[Any], given: int | None, one: Escrow, *, least: int = 1) -> int:
    if given is None:
        return one.remaining
    if not least <= given <= one.remaining:
        raise out_of_range("amount", given, asset_of_book(conn, one.asset), least=least, most=one.remaining, what="what it holds")
    return given


def _release(conn: Connection[Any], one: Escrow, amount: int, hand: Hand) -> str:
    _release_row(conn, one, amount, hand, by_ruling=False)
    if amount < one.remaining:
        return take_escrow_step(conn, one, "release_part", hand)
    return end_escrow(conn, show_escrow(conn, one.id), hand)


def _refund(conn: Connection[Any], one: Escrow, amount: int, hand: Hand) -> str:
    if amount:
        move_money(conn, one, "refund", amount, hand)
    if amount < one.remaining:
        return take_escrow_step(conn, one, "refund_part", hand)
    return end_escrow(conn, show_escrow(conn, one.id), hand)


def end_escrow(conn: Connection[Any], one: Escrow, hand: Hand) -> str:
    """Nothing is left in it: where it ends says to whom it went."""
    verb = "split" if one.released and one.refunded else "release" if one.released else "refund"
    return take_escrow_step(conn, one, verb, hand)


def take_escrow_step(conn: Connection[Any], one: Escrow, verb: str, hand: Hand) -> str:
    """One step of a locked escrow; one that is over is not due any more."""
    state = take_step(conn, ESCROW, one.id, one.state, verb, actor=hand.actor, at=hand.now, reason=hand.reason)
    if state in ESCROW.final:
        conn.execute("update escrow set due_at = null where id = %s", [one.id])
    return state


def _release_row(conn: Connection[Any], one: Escrow, amount: int, hand: Hand, *, by_ruling: bool) -> None:
    taken = conn.execute(
        """select coalesce(sum(platform_fee), 0)::bigint, coalesce(sum(validator_fee), 0)::bigint
           from escrow_movement where escrow_id = %s""",
        [one.id],
    ).fetchone()
    assert taken is not None
    rates = rates_of(conn, one.program_id, one.rate_version, one.asset)
    split = release_split(amount, rates, released=one.released, platform_taken=taken[0], validator_taken=taken[1])
    move_money(conn, one, "release", amount, hand, by_ruling=by_ruling, fees=(split.platform_fee, split.validator_fee, split.net))


def move_money(
    conn: Connection[Any],
    one: Escrow,
    kind: str,
    amount: int,
    hand: Hand,
    *,
    by_ruling: bool = False,
    fees: tuple[int, int, int] = (0, 0, 0),
    provider: str | None = None,
    reference: str | None = None,
    payment_id: str | None = None,
) -> None:
    """Write one movement of a locked escrow, its journal and its event. The caller takes the step."""
    made = hand.make_id("esm")
    conn.execute(
        """insert into escrow_movement (id, escrow_id, number, program_id, kind, amount, platform_fee, validator_fee, net, payment_id,
                                        provider, reference, by_ruling, actor, reason, at)
           select %s, %s, 1 + count(*), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s from escrow_movement where escrow_id = %s""",
        [
            *(made, one.id, one.program_id, kind, amount, *fees, payment_id, provider, reference, by_ruling),
            *(hand.actor, hand.reason, hand.now, one.id),
        ],
    )
    lines = movement_lines(one, kind, amount, fees, provider=provider, payment_id=payment_id)
    _post(conn, one, SPACES[kind], made, lines, hand)
    _tell(conn, one, kind, amount, hand, movement_id=made)


def movement_lines(
    one: Escrow, kind: str, amount: int, fees: tuple[int, int, int], *, provider: str | None, payment_id: str | None
) -> list[tuple[str, str, int]]:
    """The postings of a movement: debit, credit, minor units. A provider's payment lies in suspense until it funds an escrow."""
    escrow, owed, debt = f"escrow:{one.id}", f"refund_payable:customer:{one.customer_id}", f"receivable:customer:{one.customer_id}"
    outside = account_of(str(provider))
    platform, validator, net = fees
    lines = {
        "fund": [("suspense" if payment_id else outside, escrow, amount)],
        "release": [
            (escrow, "fee:platform", platform),
            (escrow, "payable:validator", validator),
            (escrow, f"payable:payee:{one.payee_id}", net),
        ],
        "refund": [(escrow, owed, amount)],
        "expire": [(escrow, owed, amount)],
        "repay": [(owed, outside, amount)],
        "charge_back": [(escrow, debt, amount)],
        "set_off": [(owed, debt, amount)],
    }
    return [line for line in lines[kind] if line[2]]


def _post(conn: Connection[Any], one: Escrow, space: KeySpace, movement_id: str, lines: list[tuple[str, str, int]], hand: Hand) -> None:
    journal = NewJournal(
        key=space.key(movement_id),
        kind=space.kind or "",
        lines=lines,
        asset=one.asset,
        actor=hand.actor,
        source=("escrow_movement", movement_id),
        space=space,
    )
    post_all(conn, [ProgramJournal(one.program_id, journal)], now=hand.now)


def _tell(conn: Connection[Any], one: Escrow, kind: str, amount: int, hand: Hand, *, movement_id: str = "") -> None:
    if kind in EVENTS:
        told = {"escrowId": one.id, "amount": str(amount), "asset": one.asset, "customerId": one.customer_id, "payeeId": one.payee_id}
        subject = movement_id if kind == "release" else one.id  # what is released is paid out by its movement
        emit(conn, [NewEvent(EVENTS[kind], one.program_id, subject, told, once=movement_id or "empty")], at=hand.now)

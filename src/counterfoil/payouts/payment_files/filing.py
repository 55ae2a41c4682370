"""Sending in files: queued attempts of one program become one file, all in one transaction, and none is ever in two.

Nothing is called, so nothing can be half done: the file, its orders, their calls and their new state are written together. What may
hold an order back is asked as it is before a call; an order that cannot stand in a file is refused alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.confidential import encrypt
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Move, record_birth, take_steps
from counterfoil.base.problems import Problem
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import (
    Accepted,
    Answer,
    FileHead,
    FileProvider,
    PayoutFact,
    PayoutOrder,
    Refused,
    told_of,
)
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.operations.work.calls import NewCall, announce_call, mark_applied, store_answer
from counterfoil.operations.work.runner import Claim, Runner, Tally, put_back_or_tell, run_here
from counterfoil.payouts.destinations.masking import masked_answer
from counterfoil.payouts.machines import PAYMENT_FILE, PROVIDER_PAYOUT, SENDING
from counterfoil.payouts.payment_files.files import CONFIDENTIAL
from counterfoil.payouts.provider_payouts.brakes import brakes_on
from counterfoil.payouts.provider_payouts.orders import CANNOT_BE_SENT, ReservedOrder, orders_to_send
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout, decide_answer
from counterfoil.payouts.provider_payouts.outcomes import ACTOR, carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id
from counterfoil.payouts.provider_payouts.unreserving import hold_back
from counterfoil.statements.continuity.banking_days import next_banking_day

BRAKE_WAIT: Final = timedelta(minutes=5)


class _Order(NamedTuple):
    """An attempt that may go into a file now."""

    claim: Claim
    standing: LockedProviderPayout
    order: PayoutOrder
    payload_sha256: bytes


def file_due(runner: Runner, provider: FileProvider, make_id: MakeId, *, silent_after: timedelta, at_once: bool = False) -> Tally:
    """One tick: make files of what is queued for this provider, a file for each program and at most so many orders in one.

    While the oldest has not waited long enough and no file would be full, it gathers; `at_once` does not wait.
    """
    if not at_once and _gathers(runner, provider):
        return Tally()

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        ready = _ready(conn, runner, claims, provider.capabilities, now)
        faults = {one.standing.id: fault for one in ready if (fault := provider.fault_of(one.order)) is not None}
        refused: list[tuple[_Order, Answer]] = [(one, Refused(faults[one.standing.id])) for one in ready if one.standing.id in faults]
        _answered(conn, provider, runner.owner, refused, make_id, silent_after, now)
        good = [one for one in ready if one.standing.id not in faults]
        for program_id, asset in sorted({(one.standing.program_id, one.standing.asset) for one in good}):
            part = [one for one in good if (one.standing.program_id, one.standing.asset) == (program_id, asset)]
            _make_file(conn, provider, runner.owner, part, make_id, silent_after, now)

    whole = replace(runner, rows_max=provider.capabilities.orders_max)  # a file's worth, whatever a tick takes elsewhere
    return run_here(whole, SENDING, work, lane=provider.name)


def file_all_due(runner: Runner, provider: FileProvider, make_id: MakeId, *, silent_after: timedelta) -> Tally:
    """Ticks until nothing is due any more: files of all that is queued for this provider, without waiting for more to gather.

    What is held back or put back is due later, so each order is taken up once.
    """
    whole = Tally()
    while (tally := file_due(runner, provider, make_id, silent_after=silent_after, at_once=True)) != Tally():
        whole = whole.plus(tally)
    return whole


def _gathers(runner: Runner, provider: FileProvider) -> bool:
    """Is it too early for a file?"""
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        row = conn.execute(
            """select count(*), min(state_at) from (select state_at from provider_payout
               where provider = %s and state = 'queued' and due_at <= %s limit %s) waiting""",
            [provider.name, now, provider.capabilities.orders_max],
        ).fetchone()
    assert row is not None
    number, oldest = row
    return oldest is None or (number < provider.capabilities.orders_max and now - oldest < provider.gather_for)


def _ready(conn: Connection[Any], runner: Runner, claims: Sequence[Claim], can: Capabilities, now: datetime) -> list[_Order]:
    """Those that nothing holds back. Of the others, what was called before is looked for, what was set aside for what is no longer so is
    set aside anew, and the rest stays queued.

    What is at fault climbs the ladder, at whose end a person is told.
    """
    ids = [one.id for one in claims]
    claim_of = {one.id: one for one in claims}
    orders, unsendable = _orders(conn, ids)
    for one, why in unsendable.items():
        put_back_or_tell(conn, runner, SENDING, claim_of[one], error=why, now=now)
    ready = []
    standings = lock_by_id(conn, sorted(orders), now=now)
    brakes = brakes_on(conn, standings)
    for standing in standings:
        brake = brakes.get(standing.id)
        if brake is None:
            reserved = orders[standing.id]
            ready.append(_Order(claim_of[standing.id], standing, reserved.order, reserved.payload_sha256))
        elif not hold_back(conn, standing, brake, capabilities=can, now=now):
            conn.execute(
                "update provider_payout set due_at = %s, last_error = %s where id = %s",
                [now + BRAKE_WAIT, brake.why, standing.id],
            )
    return ready


def _orders(conn: Connection[Any], ids: Sequence[str]) -> tuple[Mapping[str, ReservedOrder], dict[str, str]]:
    """The orders, and why of others there is none: one that is at fault does not put the others into files of their own."""
    try:
        return orders_to_send(conn, ids), {}
    except CANNOT_BE_SENT as error:
        if len(ids) == 1:
            return {}, {ids[0]: error.sentence() if isinstance(error, Problem) else str(error)}
    found: dict[str, ReservedOrder] = {}
    unsendable: dict[str, str] = {}
    for one in ids:
        order, why = _orders(conn, [one])
        found |= order
        unsendable |= why
    return found, unsendable


def _make_file(
    conn: Connection[Any],
    provider: FileProvider,
    owner: str,
    part: Sequence[_Order],
    make_id: MakeId,
    silent_after: timedelta,
    now: datetime,
) -> None:
    first, file_id, on = part[0].standing, make_id("pf"), next_banking_day(now.date())
    body = provider.file_of(FileHead(file_id, now, on), [one.order for one in part])
    total = sum(one.order.amount for one in part)
    _keep(conn, file_id, provider.name, first, body, part, total, on, now)
    facts = [_pending(one.order, now) for one in part]
    answers: list[tuple[_Order, Answer]] = [(one, Accepted(fact)) for one, fact in zip(part, facts, strict=True)]
    _answered(conn, provider, owner, answers, make_id, silent_after, now)
    told = {"provider": provider.name, "orders": len(part), "amount": str(total), "asset": first.asset}
    emit(conn, [NewEvent("payment_file_made", first.program_id, file_id, told, once=file_id)], at=now)


def _keep(
    conn: Connection[Any],
    file_id: str,
    provider: str,
    first: LockedProviderPayout,
    body: bytes,
    part: Sequence[_Order],
    total: int,
    on: date,
    now: datetime,
) -> None:
    envelope = encrypt(conn, CONFIDENTIAL, [file_id], [body])
    conn.execute(
        """insert into payment_file (id, provider, program_id, asset, orders, amount, envelope, sha256, execute_on, created_at,
                                     state, state_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'made', %s)""",
        [file_id, provider, first.program_id, first.asset, len(part), total, envelope, sha256(body).digest(), on, now, now],
    )
    record_birth(conn, PAYMENT_FILE, [file_id], "made", actor=ACTOR, at=now)
    with conn.cursor() as cur:
        cur.executemany(
            "insert into payment_file_order (file_id, number, provider_payout_id) values (%s, %s, %s)",
            [(file_id, number, one.standing.id) for number, one in enumerate(part, start=1)],
        )


def _pending(order: PayoutOrder, now: datetime) -> PayoutFact:
    """It stands in a file. The bank knows it by its end-to-end id, which is our own."""
    return PayoutFact(order.reference, order.key, order.amount, 0, order.asset, "pending", None, now)


def _answered(
    conn: Connection[Any],
    provider: FileProvider,
    owner: str,
    answers: Sequence[tuple[_Order, Answer]],
    make_id: MakeId,
    silent_after: timedelta,
    now: datetime,
) -> None:
    """Write each order's call and what came of it at once, and carry it out."""
    ids = [one.standing.id for one, _ in answers]
    take_steps(conn, PROVIDER_PAYOUT, [Move(one, "queued", "send") for one in ids], actor=ACTOR, at=now)
    called: dict[str, str] = {}
    for one, answer in answers:
        called[one.standing.id] = _call(conn, provider, owner, one, answer, make_id, now)
    conn.execute("update provider_payout set request_sent_at = %s where id = any(%s)", [now, ids])
    by_id: Mapping[str, Answer] = {one.standing.id: answer for one, answer in answers}
    decisions = [
        decide_answer(one, by_id[one.id], silent_after=silent_after, tries_left=True, capabilities=provider.capabilities)
        for one in lock_by_id(conn, ids, now=now)
    ]
    carry_out(conn, decisions, cause="filing", now=now)
    mark_applied(conn, list(called.values()), now=now)


def _call(
    conn: Connection[Any],
    provider: FileProvider,
    owner: str,
    one: _Order,
    answer: Answer,
    make_id: MakeId,
    now: datetime,
) -> str:
    order, call_id = one.order, make_id("call")
    new = NewCall(call_id, one.standing.id, provider.name, order.key, one.payload_sha256, owner, one.claim.fence)
    announce_call(conn, new, now=now, horizon=provider.capabilities.horizon)
    kind, told = told_of(answer)
    store_answer(conn, call_id, kind=kind, answer=masked_answer(told, order.destination), now=now, due_at=now)
    return call_id

"""Files of payments: kept as they were made, with their hash; downloaded, and cancelled while nobody has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.encryption.confidential import Confidential, opened
from counterfoil.base.machine import listed, take_step
from counterfoil.base.problems import NotFound, Problem, check
from counterfoil.base.rows import row_by_id
from counterfoil.operations.noun_pages import PlainList, SortKey
from counterfoil.operations.work.pauses import paused_of
from counterfoil.payouts.machines import PAYMENT_FILE, PROVIDER_PAYOUT, SENDING
from counterfoil.payouts.provider_payouts.brakes import Brake, brakes_on
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout, OutcomeDecision
from counterfoil.payouts.provider_payouts.outcomes import carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id, standings_of

CONFIDENTIAL: Final = Confidential("payment_file", ("id",), ("body",), "files of payments", raw=True)


class PaymentFile(NamedTuple):
    """A file of payments; `amount` is the sum of its orders, minor units. `failed` counts those that are over and did not pay."""

    id: str
    provider: str
    program_id: str
    asset: str
    orders: int
    amount: int
    sha256: bytes
    execute_on: date
    created_at: datetime
    downloaded_at: datetime | None
    state: str
    state_at: datetime
    orders_paid: int
    orders_failed: int
    orders_open: int


class FileOrder(NamedTuple):
    """An order in a file, and where its attempt stands now. Minor units."""

    number: int
    provider_payout_id: str
    payout_id: str
    amount: int
    asset: str
    state: str
    error: str | None


class HeldOrder(NamedTuple):
    """An order because of which its file is not given out, and what holds it back."""

    order_id: str
    why: str


class FileIsOut(Problem):
    """The bank may have this file of payments, so it cannot be cancelled."""


class FileNotToBeSent(Problem):
    """An order of this file may not be paid any more. Cancel the file, then retry its payouts that are failed: what each is
    still owed goes into the next one."""


class FileCancelled(Problem):
    """This file of payments was cancelled: its money is owed to its payees again."""


_COLUMNS: Final = f"""f.id, f.provider, f.program_id, f.asset, f.orders, f.amount, f.sha256, f.execute_on, f.created_at, f.downloaded_at,
    f.state, f.state_at, coalesce(o.paid, 0) as orders_paid, coalesce(o.failed, 0) as orders_failed,
    coalesce(o.open, 0) as orders_open
    from payment_file f left join lateral (
        select count(*) filter (where pp.state = 'succeeded') as paid,
               count(*) filter (where pp.state <> 'succeeded' and pp.state not in {listed(PROVIDER_PAYOUT.open)}) as failed,
               count(*) filter (where pp.state in {listed(PROVIDER_PAYOUT.open)}) as open
        from payment_file_order l join provider_payout pp on pp.id = l.provider_payout_id where l.file_id = f.id) o on true"""


PAYMENT_FILE_LIST: Final = PlainList(
    "bank files",
    "pf",
    "payment_file",
    lambda conn, ids: _payment_files(conn, ids),
    (SortKey("created_at", datetime), SortKey("execute_on", date), SortKey("amount", int, money=True), SortKey("orders", int)),
)


def _payment_files(conn: Connection[Any], ids: Sequence[str]) -> list[PaymentFile]:
    with conn.cursor(row_factory=class_row(PaymentFile)) as cur:
        return cur.execute(f"select {_COLUMNS} where f.id = any(%s)", [list(ids)]).fetchall()


def show_payment_file(conn: Connection[Any], file_id: str) -> PaymentFile:
    """One. Raises NotFound."""
    return row_by_id(conn, PaymentFile, "bank file", f"select {_COLUMNS} where f.id = %s", file_id)


def orders_of(conn: Connection[Any], file_id: str) -> list[FileOrder]:
    """What stands in a file, in its order: all of it, which is no more than its provider takes in one file."""
    with conn.cursor(row_factory=class_row(FileOrder)) as cur:
        return cur.execute(
            """select l.number, l.provider_payout_id, pp.payout_id, pp.amount, pp.asset, pp.state, pp.last_error as error
               from payment_file_order l join provider_payout pp on pp.id = l.provider_payout_id
               where l.file_id = %s order by l.number""",
            [file_id],
        ).fetchall()


def download_payment_file(conn: Connection[Any], file_id: str, *, actor: str, now: datetime) -> bytes:
    """The file as it was made. From the first download on the bank may have it: it cannot be cancelled.

    Raises NotFound, FileCancelled, EncryptionKeyMissing, EnvelopeDoesNotOpen, and FileNotToBeSent when since it was made something holds
    one of its orders back.
    """
    row = conn.execute("select state, sha256, envelope, body from payment_file where id = %s for update", [file_id]).fetchone()
    if row is None:
        raise NotFound(what="bank file", id=file_id)
    state, digest, envelope, clear = row
    body = bytes(*opened(conn, CONFIDENTIAL, [file_id], envelope, [clear]))
    check(sha256(body).digest() == bytes(digest), "a file is as it was made", file=file_id)
    if state == "cancelled":
        raise FileCancelled(file=file_id)
    if state == "made":
        _refuse_what_may_not_go(conn, file_id, now)
        take_step(conn, PAYMENT_FILE, file_id, state, "download", actor=actor, at=now)
        conn.execute("update payment_file set downloaded_at = %s where id = %s", [now, file_id])
    return body


def _refuse_what_may_not_go(conn: Connection[Any], file_id: str, now: datetime) -> None:
    # The download is the call: whoever stopped, failed or redirected an order since the file was made must not see it paid, and an order
    # that was tried again in another file would be paid twice.
    orders = lock_by_id(conn, [order.provider_payout_id for order in orders_of(conn, file_id)], now=now)
    held = _first_held(orders, brakes_on(conn, orders), paused_of(conn, SENDING, [one.id for one in orders]))
    if held is not None:
        raise FileNotToBeSent(file=file_id, order=held.order_id, why=held.why)


def held_back(conn: Connection[Any], file_id: str, now: datetime) -> HeldOrder | None:
    """Which order of a file that nobody has downloaded would have its download refused now, and why; locks nothing. A pause is none of
    an order's: it ends, and the file is given out."""
    ids = {order.provider_payout_id for order in orders_of(conn, file_id)}
    rows = conn.execute(
        "select p.settlement_id from provider_payout pp join payout p on p.id = pp.payout_id where pp.id = any(%s)", [sorted(ids)]
    ).fetchall()
    orders = [one for one in standings_of(conn, [row[0] for row in rows], now=now) if one.id in ids]
    return _first_held(orders, brakes_on(conn, orders, lock=False), {})


def _first_held(orders: Sequence[LockedProviderPayout], brakes: Mapping[str, Brake], paused: Mapping[str, str]) -> HeldOrder | None:
    for one in orders:
        brake = brakes.get(one.id)
        why = f"it is {one.state}" if one.state != "sent" else brake.why if brake else paused.get(one.id)
        if why is not None:
            return HeldOrder(one.id, why)
    return None


def cancel_payment_file(conn: Connection[Any], file_id: str, *, reason: str, actor: str, now: datetime) -> list[str]:
    """Give up a file that nobody has downloaded: its orders failed for certain, and their money is owed again.

    Returns the attempts that ended by it. Raises NotFound, FileIsOut, ReasonRequired.
    """
    row = conn.execute("select state from payment_file where id = %s for update", [file_id]).fetchone()
    if row is None:
        raise NotFound(what="bank file", id=file_id)
    if row[0] != "made":
        raise FileIsOut(file=file_id, state=row[0])
    take_step(conn, PAYMENT_FILE, file_id, row[0], "cancel", actor=actor, at=now, reason=reason)
    ids = [one.provider_payout_id for one in orders_of(conn, file_id)]
    live = [one for one in lock_by_id(conn, ids, now=now) if one.state in PROVIDER_PAYOUT.open]
    error = f"its file {file_id} was cancelled before anybody had it: {reason}"
    decisions = [OutcomeDecision(one, ("fail",), error=error, error_class="by_hand", failed_by="inference") for one in live]
    carry_out(conn, decisions, cause=file_id, now=now, actor=actor, reason=reason)
    return [one.id for one in live]


def file_orders_by_reference(conn: Connection[Any], provider: str, references: Sequence[str]) -> dict[str, str]:
    """By reference (the attempt's id): the file that each is in, of those that are in one."""
    rows = conn.execute(
        """select l.provider_payout_id, l.file_id from payment_file_order l join payment_file f on f.id = l.file_id
           where f.provider = %s and l.provider_payout_id = any(%s)""",
        [provider, list(references)],
    ).fetchall()
    return dict(rows)

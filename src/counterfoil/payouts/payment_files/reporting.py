"""The bank's reports: kept as they came, once each, and what they say of our orders is booked in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.encryption.confidential import Confidential, encrypt
from counterfoil.base.machine import take_step
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import PayoutFact, PayoutStatus
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.payouts.machines import PAYMENT_FILE
from counterfoil.payouts.payment_files.files import file_orders_by_reference, orders_of
from counterfoil.payouts.provider_payouts.outcomes import apply_facts

LISTED_MAX: Final = 1_000
CONFIDENTIAL: Final = Confidential("bank_report", ("id",), ("body",), "reports of banks on them", raw=True)


class OrderSaid(Protocol):
    """What a report says of one order."""

    @property
    def reference(self) -> str: ...
    @property
    def status(self) -> PayoutStatus: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def amount(self) -> int | None: ...
    @property
    def at(self) -> datetime | None: ...


class ReportTaken(NamedTuple):
    """What a report led to: how many orders it calls what, which references are none of ours, and whether it came before.

    `silent`: orders of the file that it speaks of, and says nothing about; they stay as they are.
    """

    id: str
    format: str
    file_id: str | None
    sha256: bytes
    said: dict[str, int]
    unknown: list[str]
    silent: int
    existed: bool


def take_report(
    conn: Connection[Any],
    report_id: str,
    *,
    provider: str,
    capabilities: Capabilities,
    format: str,  # noqa: A002 - the word that people use
    message_id: str | None,
    orders: Sequence[OrderSaid],
    rest: OrderSaid | None,
    body: bytes,
    file_name: str,
    program_id: str | None,
    silent_after: timedelta,
    actor: str,
    now: datetime,
) -> ReportTaken:
    """Keep a report and book what it says. The same bytes again change nothing. Raises InvalidInput for a file that is none of ours.

    `program_id`: only orders of this program are spoken of; to its people the others are none of theirs.
    """
    digest = sha256(body).digest()
    if (before := _before(conn, provider, program_id, digest)) is not None:
        return before
    if message_id is not None:
        _lock_file(conn, provider, message_id, program_id)
    files = file_orders_by_reference(conn, provider, [one.reference for one in orders])
    known = _attempts(conn, [*files, *_of_file(conn, message_id, rest)], program_id)
    told = [one for one in orders if one.reference in known]  # all of it: a booking and its return can stand in one report
    named = {one.reference for one in told}
    unnamed = [one for one in known if one not in named]
    facts = [_fact(known[one.reference], one, now) for one in told]
    if rest is not None:
        facts += [_fact(known[one], rest, now) for one in unnamed]
    apply_facts(conn, provider, facts, silent_after=silent_after, cause=report_id, now=now, capabilities=capabilities)
    unknown = sorted({one.reference for one in orders if one.reference not in known})
    silent = _silent(conn, message_id, facts) if message_id is not None else 0
    taken = ReportTaken(
        report_id, format, message_id, digest, dict(Counter(fact.status for fact in facts)), unknown[:LISTED_MAX], silent, False
    )
    _keep(conn, taken, provider, program_id, body, file_name, actor, now)
    _reported(conn, {*([message_id] if message_id else []), *(files[one] for one in named)}, taken, actor, now)
    return taken


def _before(conn: Connection[Any], provider: str, program_id: str | None, digest: bytes) -> ReportTaken | None:
    row = conn.execute(
        """select id, format, file_id, sha256, told from bank_report
           where provider = %s and sha256 = %s and program_id is not distinct from %s""",
        [provider, digest, program_id],
    ).fetchone()
    return ReportTaken(row[0], row[1], row[2], bytes(row[3]), **row[4], existed=True) if row else None


def _lock_file(conn: Connection[Any], provider: str, file_id: str, program_id: str | None) -> None:
    row = conn.execute(
        """select id from payment_file where id = %s and provider = %s and (%s::text is null or program_id = %s) for update""",
        [file_id, provider, program_id, program_id],
    ).fetchone()
    if row is None:
        raise InvalidInput("file", "a report on one of our own files of payments", got=file_id[:40])


def _of_file(conn: Connection[Any], file_id: str | None, rest: OrderSaid | None) -> list[str]:
    return [one.provider_payout_id for one in orders_of(conn, file_id)] if file_id is not None and rest is not None else []


class _Attempt(NamedTuple):
    reference: str
    key: str
    amount: int
    asset: str


def _attempts(conn: Connection[Any], references: Sequence[str], program_id: str | None) -> dict[str, _Attempt]:
    rows = conn.execute(
        """select id, idempotency_key, amount, asset from provider_payout
           where id = any(%s) and (%s::text is null or program_id = %s)""",
        [list(references), program_id, program_id],
    ).fetchall()
    return {row[0]: _Attempt(*row) for row in rows}


def _fact(one: _Attempt, said: OrderSaid, now: datetime) -> PayoutFact:
    """The bank's word; where it names no amount it speaks of what was ordered under this id."""
    amount = one.amount if said.amount is None else said.amount
    at = min(said.at, now) if said.at else now
    return PayoutFact(one.reference, one.key, amount, 0, one.asset, said.status, said.reason, at)


def _silent(conn: Connection[Any], file_id: str, facts: Sequence[PayoutFact]) -> int:
    named = {fact.provider_ref for fact in facts}
    return sum(one.provider_payout_id not in named for one in orders_of(conn, file_id))


def _keep(
    conn: Connection[Any],
    one: ReportTaken,
    provider: str,
    program_id: str | None,
    body: bytes,
    file_name: str,
    actor: str,
    now: datetime,
) -> None:
    told = {"said": one.said, "unknown": one.unknown, "silent": one.silent}
    envelope = encrypt(conn, CONFIDENTIAL, [one.id], [body])
    conn.execute(
        """insert into bank_report (id, provider, program_id, file_id, format, file_name, envelope, sha256, told, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [one.id, provider, program_id, one.file_id, one.format, file_name, envelope, one.sha256, Jsonb(told), actor, now],
    )


def _reported(conn: Connection[Any], files: set[str], taken: ReportTaken, actor: str, now: datetime) -> None:
    rows = conn.execute(
        "select id, state, program_id from payment_file where id = any(%s) order by id for update", [sorted(files)]
    ).fetchall()
    for file_id, state, program_id in rows:
        if state in PAYMENT_FILE.before("report"):
            take_step(conn, PAYMENT_FILE, file_id, state, "report", actor=actor, at=now, cause=taken.id)
        told = {"reportId": taken.id, "format": taken.format, "said": {name: str(n) for name, n in taken.said.items()}}
        emit(conn, [NewEvent("payment_file_reported", program_id, file_id, told, once=taken.id)], at=now)

"""Settlements: a paid invoice leaves escrow; fees and holdback are taken, the rest is owed to the payee. By set, once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.amounts import known_assets, tell_in, told_problem
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Also, Move, take_steps
from counterfoil.base.money import Money
from counterfoil.base.problems import NotFound, Tell, check
from counterfoil.base.rows import insert_rows
from counterfoil.base.tracing.spans import followed_as
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import SETTLEMENT
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.providers import Provider, Unclear, health_of
from counterfoil.operations.work.circuit_rules import Health
from counterfoil.operations.work.jobs import Job, of_runner_and_ids
from counterfoil.operations.work.outside import run_outside
from counterfoil.operations.work.runner import LADDER_END, Claim, Runner, Tally, finish, put_back, run_here
from counterfoil.operations.work.station import Channel, OutsideQuestion, Station
from counterfoil.settlement.fees.fees import rates_in_force
from counterfoil.settlement.fees.rules import FeesExceedGross, FeeSplit, Rates, cut
from counterfoil.settlement.holdback import NewTranche, keep_back
from counterfoil.settlement.intents.intents import (
    INTENT,
    PROCESSING,
    VERIFYING,
    Intent,
    confirm_intents,
    fail_intent,
    intents_by_id,
    show_intent,
)
from counterfoil.settlement.invoices.contested import contested_among
from counterfoil.settlement.invoices.invoices import Invoice, lock_invoices
from counterfoil.settlement.payments.payments import Payment, payments_of
from counterfoil.settlement.payments.rules import Recorded, doubt

ACTOR = "system:worker"
PAYMENTS_MAX = 1_000_000  # of the invoices of one tick; were there more, they would count as unpaid and fail, never pass

EVENT_KINDS: Final = declare(debug={"settlement_completed": "An invoice was settled: fees taken, the rest is owed to the payee."})

RatesOf = Mapping[tuple[str, str], Rates]  # by program and asset


class Settlement(NamedTuple):
    """A settlement as it was recorded; amounts in minor units, rates by their version."""

    id: str
    program_id: str
    invoice_id: str
    payee_id: str
    asset: str
    gross: int
    platform_fee: int
    validator_fee: int
    holdback: int
    net: int
    rate_version: int
    at: datetime


class ChargeCheck(NamedTuple):
    """What to hold against the providers' books: an invoice's payments, and in words what of it they leave unpaid, if anything; of one that
    was `written_off` nothing need have been paid."""

    intent: Intent
    payments: tuple[Recorded, ...]
    unpaid: str
    tell: Tell
    written_off: bool = False


class ChargeVerdict(NamedTuple):
    """What the provider said: `doubt` when it does not know a charge or has another amount; `error` when it did not answer."""

    intent: Intent
    doubt: str | None = None
    error: str | None = None
    health: Health | None = None  # of the intent's own provider


class Verification(Station[ChargeCheck, ChargeVerdict]):
    """Ask the provider for its own record of what was paid: a webhook alone moves no money on to a payee."""

    queue = VERIFYING
    asks = True

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        """`providers` by name."""
        self._providers = providers

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> Mapping[str, ChargeCheck]:  # noqa: ARG002
        """The payments to look up."""
        intents = {one.id: one for one in intents_by_id(conn, [one.id for one in claims])}
        invoices = [intent.invoice_id for intent in intents.values()]
        paid: dict[str, list[Payment]] = {}
        for payment in payments_of(conn, invoices, rows_max=PAYMENTS_MAX):
            paid.setdefault(payment.invoice_id or "", []).append(payment)
        asked = "select id, total - credited - written_off, asset, written_off > 0 from invoice where id = any(%s)"
        rows = conn.execute(asked, [invoices]).fetchall()
        totals, given_up = {row[0]: Money(row[1], row[2]) for row in rows}, {row[0] for row in rows if row[3]}
        tell = tell_in(known_assets(conn))
        return {one.id: _check(one, paid.get(one.invoice_id, []), totals, given_up, tell) for one in intents.values()}

    def provider(self, item: ChargeCheck) -> str:
        """Whom it asks; payments that came through another provider tell nothing of this one."""
        return item.intent.provider

    def health(self, outcome: ChargeVerdict) -> Health | None:
        """Does the provider answer questions?"""
        return outcome.health

    def connect(self, item: ChargeCheck) -> Channel[ChargeVerdict]:
        """Ask: a look-up changes nothing at the provider, so nothing is announced."""
        return OutsideQuestion(lambda: self.act(item))

    def act(self, item: ChargeCheck) -> ChargeVerdict:
        """Look every charge up, each at the provider that it came through."""
        if item.unpaid or not (item.payments or item.written_off):
            return ChargeVerdict(item.intent, doubt=f"the payments on record leave {item.unpaid or 'nothing'} of it unpaid")
        health = None
        for payment in item.payments:
            provider = self._providers.get(payment.provider)
            if provider is None:
                return ChargeVerdict(item.intent, error=f"the provider {payment.provider} is not set up here")
            found = provider.find_charge(payment.charge_id)
            health = health_of(found) if payment.provider == item.intent.provider else health
            if isinstance(found, Unclear):
                return ChargeVerdict(item.intent, error=found.error, health=health)
            if told := doubt(payment, found, item.tell):
                return ChargeVerdict(item.intent, doubt=told, health=health)
        return ChargeVerdict(item.intent, health=health)

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, ChargeVerdict]], now: datetime) -> None:
        """Confirm, fail, or ask again later."""
        sure = [verdict.intent.id for _, verdict in done if not verdict.doubt and not verdict.error]
        confirm_intents(conn, sure, actor=ACTOR, now=now)
        for one, verdict in done:
            if verdict.doubt:
                finish(conn, VERIFYING, [one.id])
                fail_intent(conn, verdict.intent, error=verdict.doubt, now=now)
            elif verdict.error and not put_back(conn, VERIFYING, one, error=verdict.error, now=now):
                fail_intent(conn, verdict.intent, error=f"no answer from the provider: {verdict.error}", now=now)


def _check(intent: Intent, paid: Sequence[Payment], totals: Mapping[str, Money], given_up: set[str], tell: Tell) -> ChargeCheck:
    recorded = [Recorded(one.provider, one.charge_id, one.reference, one.amount, one.asset, one.account) for one in paid]
    whole = totals[intent.invoice_id]
    unpaid = whole.minor - sum(one.applied for one in paid)
    told = tell(unpaid, whole.asset) if unpaid else ""
    return ChargeCheck(intent, tuple(recorded), told, tell, intent.invoice_id in given_up)


def verify_due(runner: Runner, providers: Mapping[str, Provider], *, lane: str | None = None) -> Tally:
    """One tick: hold paid invoices against the provider's own record of their charges; at one provider when `lane` names it."""
    return run_outside(runner, Verification(providers), lane=lane)


def settle_due(runner: Runner, make_id: MakeId) -> Tally:
    """One tick: settle invoices whose payment is verified, by set."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        settle(conn, intents_by_id(conn, [one.id for one in claims]), make_id=make_id, now=now)

    def park(conn: Connection[Any], one: Claim, said: str, now: datetime) -> None:
        fail_intent(conn, show_intent(conn, one.id, lock=True), error=said, now=now)

    return run_here(runner, PROCESSING, work, park=park)


def settle(conn: Connection[Any], intents: Sequence[Intent], *, make_id: MakeId, now: datetime) -> list[Settlement]:
    """Settle these intents' invoices at the rates in force: journal, settlement, step and event, all or none.

    One whose fees are more than it brought fails, with that as its reason. Raises NoRates.
    """
    invoices = lock_invoices(conn, [one.invoice_id for one in intents])
    disputed = contested_among(conn, invoices)
    _wait(conn, [one for one in intents if one.invoice_id in disputed], now)
    intents = [one for one in intents if one.invoice_id not in disputed]
    invoices = [one for one in invoices if one.id not in disputed]
    check(all(one.state in ("paid", "refunded") or one.written_off for one in invoices), "only what is paid in full is settled")
    rates = rates_in_force(conn, ((one.program_id, one.asset) for one in invoices), now=now)
    left = {one.id: one.paid + one.written_off - refunded for one, refunded in zip(invoices, _refunded(conn, invoices), strict=True)}
    parts = {one.id: _parts(left[one.id], rates[one.program_id, one.asset], one.asset) for one in invoices if left[one.id]}
    refused = {invoice: told for invoice, told in parts.items() if isinstance(told, FeesExceedGross)}
    settled = [_settlement(one, part, rates, make_id, now) for one in invoices if isinstance(part := parts.get(one.id), FeeSplit)]
    with followed_as(lambda: {one.id: one.invoice_id for one in settled}):
        post_all(conn, [_booking(one) for one in settled], now=now)
    _record(conn, settled)
    _keep_back(conn, settled, rates, make_id, now)
    for one in intents:
        if one.invoice_id in refused:
            fail_intent(conn, one, error=told_problem(conn, refused[one.invoice_id]), now=now)
    intents = [one for one in intents if one.invoice_id not in refused]
    done = [one for one in intents if left[one.invoice_id]]
    # All of it went back to the customer before: there is nothing to settle.
    moves = [Move(one.id, one.state, "complete" if one in done else "drop") for one in intents]
    ended = Also("completed_at = case when asked.to_state = 'completed' then %(at)s end", {})
    take_steps(conn, INTENT, moves, actor=ACTOR, at=now, also=ended)
    emit(conn, [_event(one) for one in settled], at=now)
    return settled


def _wait(conn: Connection[Any], intents: Sequence[Intent], now: datetime) -> None:
    """A dispute or a chargeback is open: looked at again in an hour, or when it ends. The reason names it."""
    if not intents:
        return
    conn.execute(
        """update intent i set due_at = %s, last_error = coalesce(
               (select 'dispute ' || min(d.id) || ' on its invoice is open' from dispute d
                where d.invoice_id = i.invoice_id and d.ended_at is null having count(*) > 0),
               (select 'chargeback ' || min(c.id) || ' on its invoice is open, until the bank has decided' from chargeback c
                where c.invoice_id = i.invoice_id and c.ended_at is null having count(*) > 0), 'its invoice is disputed')
           where i.id = any(%s)""",
        [now + LADDER_END, [one.id for one in intents]],
    )


def _parts(gross: int, rates: Rates, asset: str) -> FeeSplit | FeesExceedGross:
    """How a gross is divided, or why it cannot be: that is told of this invoice alone, and the others are settled."""
    try:
        return cut(gross, rates, asset)
    except FeesExceedGross as refused:
        return refused


def _refunded(conn: Connection[Any], invoices: Sequence[Invoice]) -> list[int]:
    """What went back of each of these locked invoices before it is settled; minor units."""
    rows = conn.execute(
        "select invoice_id, sum(amount)::bigint from refund where invoice_id = any(%s) and state <> 'won_back' group by invoice_id",
        [[one.id for one in invoices]],
    ).fetchall()
    known = dict(rows)
    return [known.get(one.id, 0) for one in invoices]


def _keep_back(conn: Connection[Any], settled: Sequence[Settlement], rates: RatesOf, make_id: MakeId, now: datetime) -> None:
    tranches = [
        NewTranche(
            make_id("hb"),
            one.program_id,
            one.id,
            one.payee_id,
            one.asset,
            one.holdback,
            rates[one.program_id, one.asset].holdback_days,
        )
        for one in settled
        if one.holdback
    ]
    keep_back(conn, tranches, actor=ACTOR, now=now)


def _settlement(invoice: Invoice, parts: FeeSplit, rates: RatesOf, make_id: MakeId, now: datetime) -> Settlement:
    version = rates[invoice.program_id, invoice.asset].version
    return Settlement(make_id("set"), invoice.program_id, invoice.id, invoice.payee_id, invoice.asset, *parts, version, now)


def _event(one: Settlement) -> NewEvent:
    told = {"invoiceId": one.invoice_id, "payeeId": one.payee_id, "net": str(one.net), "asset": one.asset}
    return NewEvent("settlement_completed", one.program_id, one.id, told)


def _booking(one: Settlement) -> ProgramJournal:
    journal = NewJournal(
        key=SETTLEMENT.key(one.invoice_id),  # by invoice, not by settlement: whoever settles it again finds it done
        kind="settlement",
        lines=settlement_lines(one),
        asset=one.asset,
        actor=ACTOR,
        source=("settlement", one.id),
        space=SETTLEMENT,
    )
    return ProgramJournal(one.program_id, journal)


def settlement_lines(one: Settlement) -> list[tuple[str, str, int]]:
    """Where the gross goes out of escrow; parts of nothing are left out."""
    escrow = f"escrow:{one.invoice_id}"
    parts = [
        ("fee:platform", one.platform_fee),
        ("payable:validator", one.validator_fee),
        (f"holdback:payee:{one.payee_id}", one.holdback),
        (f"payable:payee:{one.payee_id}", one.net),
    ]
    return [(escrow, account, minor) for account, minor in parts if minor]


def _record(conn: Connection[Any], settled: Sequence[Settlement]) -> None:
    minor, text = "bigint", "text"
    insert_rows(
        conn,
        "settlement",
        dict.fromkeys(("id", "program_id", "invoice_id", "payee_id", "asset"), text)
        | dict.fromkeys(("gross", "platform_fee", "validator_fee", "holdback", "net"), minor)
        | {"rate_version": "int", "at": "timestamptz"},
        settled,
    )


_COLUMNS: Final = ", ".join(Settlement._fields)


def settlements_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Settlement]:
    """These settlements, in id order."""
    with conn.cursor(row_factory=class_row(Settlement)) as cur:
        return cur.execute(f"select {_COLUMNS} from settlement where id = any(%s) order by id", [list(ids)]).fetchall()


def payout_sources(conn: Connection[Any], ids: Sequence[str]) -> list[Settlement]:
    """Whatever leaves something to be paid out, in id order: settlements, and releases of escrows, whose escrow stands for the invoice."""
    with conn.cursor(row_factory=class_row(Settlement)) as cur:
        return cur.execute(f"select {_COLUMNS} from payout_source where id = any(%s) order by id", [list(ids)]).fetchall()


def settlement_of(conn: Connection[Any], invoice_id: str) -> Settlement | None:
    """The settlement of an invoice, once there is one."""
    row = conn.execute("select id from settlement where invoice_id = %s", [invoice_id]).fetchone()
    return settlements_by_id(conn, [row[0]])[0] if row else None


def show_settlement(conn: Connection[Any], settlement_id: str) -> Settlement:
    """One settlement. Raises NotFound."""
    found = settlements_by_id(conn, [settlement_id])
    if not found:
        raise NotFound(what="settlement", id=settlement_id)
    return found[0]


JOBS: Final = (
    Job(
        "verify",
        VERIFYING,
        lambda c, lane: verify_due(c.runner, c.of(lane), lane=lane),
        "Holds paid invoices against the provider's own record of their charges.",
        per_provider=True,
    ),
    Job(
        "settle",
        PROCESSING,
        of_runner_and_ids(settle_due),
        "Settles invoices whose payment is verified.",
    ),
)

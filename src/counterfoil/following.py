"""Who follows which event, and who applies which webhook: where a fact of one package becomes work of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.tracing.spans import declare_followed
from counterfoil.operations.events.events import Event, Follower
from counterfoil.operations.providers import Provider, TellsChargebacks, capabilities_of
from counterfoil.operations.webhooks.inbound import Applier, Received
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.chargebacks.escrowed import book_what_was_found, references_of
from counterfoil.payouts.disputes.waking import wake_what_waited
from counterfoil.payouts.invoices import parts as unpaid
from counterfoil.payouts.payouts.verbs import Owed, create_payouts
from counterfoil.payouts.provider_payouts.outcomes import apply_facts
from counterfoil.settlement.commissions import moving as commissions
from counterfoil.settlement.commissions.accruing import accrue, announce_referred
from counterfoil.settlement.escrow import escrows
from counterfoil.settlement.payments.payments import parsed, receive_charges
from counterfoil.settlement.settlements import payout_sources

# What a payment is followed by, from whatever record of its way: its invoice, its escrow, or the payment of commissions.
declare_followed("invoice", "select id, id from invoice where id = any(%(ids)s)")
declare_followed("escrow", "select id, id from escrow where id = any(%(ids)s)")
declare_followed("commission_payment", "select id, id from commission_payment where id = any(%(ids)s)")
declare_followed("intent", "select id, invoice_id from intent where id = any(%(ids)s)")
declare_followed("payment", "select id, coalesce(invoice_id, reference) from payment where id = any(%(ids)s)")
declare_followed("settlement", "select id, invoice_id from payout_source where id = any(%(ids)s)")
declare_followed("escrow_movement", "select id, escrow_id from escrow_movement where id = any(%(ids)s)")
declare_followed("payout", "select id, invoice_id from payout where id = any(%(ids)s)")
declare_followed("refund", "select id, invoice_id from refund where id = any(%(ids)s)")
declare_followed("dispute", "select id, invoice_id from dispute where id = any(%(ids)s)")
declare_followed(
    "provider_payout",
    "select pp.id, p.invoice_id from provider_payout pp join payout p on p.id = pp.payout_id where pp.id = any(%(ids)s)",
)
declare_followed(
    "call_answer",
    """select k.id, p.invoice_id from call k join provider_payout pp on pp.id = k.subject_id join payout p on p.id = pp.payout_id
       where k.id = any(%(ids)s)""",
)
declare_followed(
    "holdback_tranche",
    "select t.id, s.invoice_id from holdback_tranche t join settlement s on s.id = t.settlement_id where t.id = any(%(ids)s)",
)
declare_followed(
    "event",
    """select e.id, coalesce(s.invoice_id, p.invoice_id, i.id) from event e left join payout_source s on s.id = e.subject_id
       left join payout p on p.id = e.subject_id left join invoice i on i.id = e.subject_id where e.id = any(%(ids)s)""",
)


def followers(make_id: MakeId) -> dict[str, Follower]:
    """Who follows which event."""

    def pay_out(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        settled = payout_sources(conn, [event.subject_id for event in events])
        owed = [Owed(one.program_id, one.invoice_id, one.id, one.payee_id, one.asset, one.net) for one in settled if one.net]
        create_payouts(conn, owed, make_id=make_id, actor="system:worker", cause=events[0].name, now=now)

    def fund(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        references = [str(event.payload["reference"]) for event in events]
        escrows.fund_from_payments(conn, references, make_id=make_id, now=now)

    def sold(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        pay_out(conn, events, now)
        announce_referred(conn, [event.subject_id for event in events], now=now)

    def earn(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        accrue(conn, [event.subject_id for event in events], make_id=make_id, now=now)

    def take_back(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        invoices = sorted({str(event.payload["invoiceId"]) for event in events})
        commissions.take_back_of_invoices(conn, invoices, make_id=make_id, now=now)

    def won(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        references = references_of(conn, [event.subject_id for event in events])
        escrows.lock_for_funding(conn, references)  # payments and escrows before intents and payouts, and accounts last
        wake_what_waited(conn, events, now)
        escrows.fund_from_payments(conn, references, make_id=make_id, now=now)
        take_back(conn, events, now)

    def found(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        book_what_was_found(conn, events, make_id=make_id, now=now)

    return {
        "settlement_completed": sold,
        "escrow_released": sold,
        "sale_referred": earn,
        "refund_booked": take_back,
        "commission_paid": pay_out,
        "payment_unidentified": fund,
        "chargeback_won": won,
        "chargeback_escrow_found": found,
        "chargeback_lost": unpaid.follow_lost_chargebacks,
        "dispute_ended": wake_what_waited,
    }


def together(first: Mapping[str, Follower], then: Mapping[str, Follower]) -> dict[str, Follower]:
    """Both follow, the second after the first, where both follow the same event."""

    def both(name: str) -> Follower:
        def follow(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
            first[name](conn, events, now)
            then[name](conn, events, now)

        return follow

    return {**first, **then, **{name: both(name) for name in first.keys() & then.keys()}}


def appliers(
    providers: Mapping[str, Provider], program_id: str, make_id: MakeId, *, silent_after: timedelta
) -> dict[tuple[str, str], Applier]:
    """Who applies which webhook of which provider. `program_id`: where money is booked that names no invoice of ours."""
    found: dict[tuple[str, str], Applier] = {}
    for name, provider in providers.items():
        apply = {"charge": _charges(name, provider, program_id, make_id), "payout": _payouts(name, provider, silent_after)}
        if isinstance(provider, TellsChargebacks):
            apply["chargeback"] = _chargebacks(name, provider, make_id)
        found |= {(name, kind): apply[what] for kind, what in provider.tells.items() if what in apply}
    return found


def _charges(name: str, provider: Provider, program_id: str, make_id: MakeId) -> Applier:
    def apply(conn: Connection[Any], received: Sequence[Received], now: datetime) -> None:
        charges = [parsed(provider.charge_of, one.body) for one in received]
        receive_charges(
            conn,
            charges,
            provider=name,
            program_id=program_id,
            make_id=make_id,
            cause="charge.succeeded",
            now=now,
        )

    return Applier(apply, awaited=True)


def _payouts(name: str, provider: Provider, silent_after: timedelta) -> Applier:
    def apply(conn: Connection[Any], received: Sequence[Received], now: datetime) -> None:
        told = [provider.payout_of(one.body) for one in received]
        facts = [one for one in told if one is not None]  # what carries no key is none of ours
        can = capabilities_of(provider)
        apply_facts(conn, name, facts, silent_after=silent_after, cause="webhook", now=now, capabilities=can)

    return Applier(apply)


def _chargebacks(name: str, provider: TellsChargebacks, make_id: MakeId) -> Applier:
    def apply(conn: Connection[Any], received: Sequence[Received], now: datetime) -> None:
        told = [provider.chargeback_of(one.body) for one in received]
        apply_chargebacks(conn, [one for one in told if one is not None], provider=name, make_id=make_id, now=now)

    return Applier(apply, singly=True)

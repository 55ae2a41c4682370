"""Invoices and their intents as nouns: what a person may do with them. Routes, commands and forms follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.noun_pages import First, SavedView, SortKey, between_amounts, between_moments, of_party
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Field, Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.payouts.disputes.standing import contests_of
from counterfoil.payouts.invoices.crediting import CreditNote, credit_invoice, credit_notes_of
from counterfoil.payouts.invoices.expiring import reopen_intent, why_not_reopen
from counterfoil.settlement.intents.intents import INTENT, MOVING, list_intents, listed_by_id, retry_intent, show_intent
from counterfoil.settlement.invoices.invoices import INVOICE, INVOICES, cancel_invoice, list_invoices, show_invoice
from counterfoil.settlement.invoices.writing_off import propose_write_off


def _cancel(one: VerbCall) -> VerbResult:
    return VerbResult(cancel_invoice(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _credit(one: VerbCall) -> VerbResult:
    given: dict[str, Any] = {"make_id": one.make_id, "reason": one.reason, "actor": one.actor, "now": one.now}
    return VerbResult(*credit_invoice(one.conn, one.subject_id, one.taken["amount"], **given))


def _retry(one: VerbCall) -> VerbResult:
    return VerbResult(retry_intent(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _reopen(one: VerbCall) -> VerbResult:
    return VerbResult(reopen_intent(one.conn, one.subject_id, reason=one.reason, actor=one.actor, now=one.now))


def _invoice_refusals(conn: Connection[Any], invoice_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    one = show_invoice(conn, invoice_id)
    is_so = f"it is {one.state.replace('_', ' ')}"
    why = {verb.name: None if one.state in INVOICE.before(verb.name) else is_so for verb in INVOICE_VERBS}
    contests = contests_of(conn, invoice_id)
    if contests and (why["credit"] is None or one.state == "disputed"):
        why["credit"] = contests[0].why
    return why


def _intent_refusals(conn: Connection[Any], intent_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    one = show_intent(conn, intent_id)
    may = one.state in (*MOVING, *INTENT.before("retry"))
    return {
        "retry": None if may else f"it is {one.state.replace('_', ' ')}",
        "reopen": why_not_reopen(conn, one, show_invoice(conn, one.invoice_id)),
    }


INVOICE_VERBS: Final = (
    Verb(
        "cancel",
        OPERATE,
        "Cancel",
        "Nothing was paid of it, so no money moves; money that comes for it later is owed back to the customer.",
        do=_cancel,
    ),
    Verb(
        "credit",
        OPERATE,
        "Credit",
        "Write a credit note: first it lowers what is due; what it is more than that was paid already, and is owed back as a refund.",
        do=_credit,
        done="Credit note {made} is written; {id} is {state}.",
        takes=(Field("amount", "How much of it is no longer asked for.", "amount", example="1250"),),
    ),
    Verb(
        "write_off",
        OPERATE,
        "Write off",
        "Its customer never pays: all that is due becomes bad debt of the house, and its payee is settled in full. Own funds top the "
        "client money account up by as much.",
        propose=propose_write_off,
    ),
)
INVOICE_NOUN: Final = Noun(
    "invoice",
    "invoices",
    "inv",
    INVOICE,
    INVOICE_VERBS,
    show_invoice,
    _invoice_refusals,
    parts=(Part("credit_notes", CreditNote, credit_notes_of),),
    help="What customers owe for what they used.",
    columns=("id", "state", "customer_id", "payee_id", "asset", "total", "paid", "credited", "written_off", "issued_at", "due_on"),
    listed=list_invoices,
    views=(
        SavedView(
            "no-payout",
            "paid, without a payout",
            "t.state = 'paid' and not exists (select from payout p where p.invoice_id = t.id)",
        ),
    ),
    by_id=INVOICES.by_id,
    sorts=(SortKey("issued_at", datetime), SortKey("due_on", date), SortKey("total", int, money=True)),
    narrows=(
        *of_party("customer", "payee"),
        *between_moments("issued_at", "issued"),
        *between_amounts("total"),
    ),
    first=First("Usage is imported, and invoices are issued of it.", "counterfoil invoices issue"),
    sought=(FoundBy("total", "of this amount", "amount"),),
)
INTENT_VERBS: Final = (
    Verb(
        "retry",
        OPERATE,
        "Retry",
        "A failed one is verified anew at the provider; one that moves is brought forward. Moves no money by itself.",
        do=_retry,
        done="{id} is {state}; the worker takes it up now.",
    ),
    Verb(
        "reopen",
        OPERATE,
        "Wait for payment again",
        "It expired and nothing was paid: a payment that comes within sixty days is taken again.",
        do=_reopen,
        done="{id} waits for payment again.",
    ),
)
INTENT_NOUN: Final = Noun(
    "intent",
    "intents",
    "int",
    INTENT,
    INTENT_VERBS,
    show_intent,
    _intent_refusals,
    help="Each invoice on its way from issued to settled.",
    listed=list_intents,
    by_id=listed_by_id,
    sorts=(SortKey("created_at", datetime), SortKey("state_at", datetime)),
    narrows=(*of_party("invoice"), *between_moments("created_at", "begun")),
    first=First("Each invoice has one from the moment at which it is issued.", "counterfoil invoices issue"),
)

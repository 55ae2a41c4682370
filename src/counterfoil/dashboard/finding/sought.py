"""What the search can find: things by what their nouns declare, and records that have no page, with the page on which they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from psycopg import sql

from counterfoil.base.ids import ENTROPY_BYTES, new_id
from counterfoil.operations.access.access import AUDIT, READ
from counterfoil.operations.verbs import Noun


class Lookup(NamedTuple):
    """A question that words or an amount are looked up with, whole. It gives the name of what is found, a part of its page's path, and its
    state.

    `place`: where its page is, which is filled with what the query gives. `prefix`: of the ids, where only the last days are
    read. `table`: whose rows are of the whole installation: within one program it is not looked for.
    """

    what: str
    place: str
    why: str
    query: LiteralString | sql.Composed
    prefix: str = ""
    table: str = ""


class UnpagedRecord(NamedTuple):
    """A record that has no page of its own: its table, what fills the `place` of the page on which it is, whoever sees that page `needs`,
    which rows are meant, if not all, and `by` which column, if not by their own id. Ids of a table without a row for each
    program are not looked for within one."""

    what: str
    place: str
    table: LiteralString
    gives: LiteralString = "id"
    needs: str = READ
    where: LiteralString = "true"
    by: LiteralString = "id"

    @property
    def query(self) -> sql.Composed:
        """Of one id."""
        parts: dict[str, sql.Composable] = {"gives": sql.SQL(self.gives), "where": sql.SQL(self.where)}
        parts |= {"table": sql.Identifier(self.table), "by": sql.Identifier(self.by)}
        return sql.SQL("select {gives} from {table} t where t.{by} = %s and {where} limit 1").format(**parts)


# Payments by their charge, whatever provider took them: the providers are read off the index, one step for each. By their reference,
# which no index has, those of the last days.
_OF_CHARGE: Final = """
    with recursive providers (name) as (
        select min(provider) from payment union all
        select (select min(provider) from payment where provider > name) from providers where name is not null)
    select p.id from providers cross join unnest(%(words)s::text[]) w (word) join payment p on (p.provider, p.charge_id) = (name, word)
    union
    select p.id from payment p where p.recorded_at >= %(since)s and p.reference = any(%(words)s)"""
# Those who sent webhooks, read off the index in the same way.
_SENDERS: Final = """
    with recursive senders (name) as (
        select min(provider) from webhook_in union all
        select (select min(provider) from webhook_in where provider > name) from senders where name is not null)
    select name from senders where name is not null"""
# What is found by words that stand in no column of a noun's table.
WORDS: Final = (
    Lookup(
        "payee",
        "payees/{0}",
        "a payee",
        """select distinct payee_id, '' from (
               select payee_id from payout where payee_id = any(%(words)s) union all
               select payee_id from destination where payee_id = any(%(words)s) union all
               select payee_id from invoice where payee_id = any(%(words)s)) found""",
    ),
    Lookup("customer", "customers/{0}", "a customer", "select distinct customer_id, '' from invoice where customer_id = any(%(words)s)"),
    Lookup(
        "payout",
        "payouts/{0}",
        "the provider's reference, or our key, of an attempt",
        """select payout_id, provider || ' ' || state from provider_payout
           where provider_ref = any(%(words)s) or idempotency_key = any(%(words)s) order by id desc""",
    ),
    Lookup(
        "invoice",
        "invoices/{0}",
        "a payment with this charge or reference",
        f"""select invoice_id, provider from payment where id in ({_OF_CHARGE}) and invoice_id is not null order by id desc""",
    ),
    Lookup(
        "invoice",
        "invoices/{0}",
        "a usage record of this id",
        """select u.invoice_id, u.program_id from program p join usage_record u on u.program_id = p.id and u.external_id = any(%(words)s)
           where u.invoice_id is not null order by u.id desc""",
    ),
    Lookup(
        "payout",
        "payouts/{0}",
        "a transaction of this hash on a chain",
        """select a.payout_id, a.provider || ' ' || a.state from chain_transaction t join provider_payout a on a.idempotency_key = t.key
           where t.hash = any(%(words)s) order by a.id desc""",
    ),
    Lookup(
        "webhook that came",
        "webhooks#{0}",
        "a provider's event of this id",
        f"""select w.id, w.event_type || ' of ' || w.provider || ', ' || w.state from ({_SENDERS}) s
            join webhook_in w on w.provider = s.name and w.event_id = any(%(words)s) order by w.id desc""",
        table="webhook_in",
    ),
    Lookup(
        "journal",
        "journals/{0}/inclusion",
        "posted under this key",
        """select j.id::text, p.id || ' ' || j.kind from program p join journal j on j.program_id = p.id and j.key = any(%(words)s)
           order by j.id desc""",
    ),
)
AMOUNTS_PAID: Final = (
    Lookup(
        "invoice",
        "invoices/{0}",
        "a payment of this amount",
        """select invoice_id, asset || ' ' || provider from payment
           where recorded_at >= %(since)s and invoice_id is not null and (asset, amount) = (%(asset)s, %(minor)s) order by id desc""",
    ),
)
_DAY: Final = "(at at time zone 'UTC')::date::text"
_PERSON: Final = ("people/{0}", AUDIT)
# By the prefix of their ids. A test holds this against every prefix that ids are made with.
RECORDS: Final[Mapping[str, Sequence[UnpagedRecord]]] = {
    "pp": (UnpagedRecord("attempt of a payout", "payouts/{0}", "provider_payout", "payout_id"),),
    "call": (
        UnpagedRecord("call of a provider", "payouts/{0}", "call", "(select p.payout_id from provider_payout p where p.id = t.subject_id)"),
    ),
    "pf": (
        UnpagedRecord(
            "payment file",
            "payouts/{0}",
            "payment_file",
            """(select p.payout_id from payment_file_order o join provider_payout p on p.id = o.provider_payout_id
                where o.file_id = t.id order by p.payout_id limit 1)""",
        ),
    ),
    "pay": (
        UnpagedRecord("payment", "invoices/{0}", "payment", "invoice_id", where="t.invoice_id is not null"),
        UnpagedRecord(
            "unidentified_payment",
            "unidentified-payments/{0}",
            "payment",
            "(select u.id from unidentified_payment u where u.payment_id = t.id)",
        ),
    ),
    "set": (UnpagedRecord("settlement", "invoices/{0}", "settlement", "invoice_id"),),
    "use": (
        UnpagedRecord("usage record", "invoices/{0}", "usage_record", "invoice_id", where="t.invoice_id is not null"),
        UnpagedRecord("usage record", "customers/{0}", "usage_record", "customer_id"),
    ),
    "uf": (UnpagedRecord("import of usage", "usage-imports#{0}", "usage_file", "id"),),
    "imp": (UnpagedRecord("part of a file of usage", "day?day={0}#invoices", "usage_import", _DAY),),
    "crn": (UnpagedRecord("credit note", "invoices/{0}", "credit_note", "invoice_id"),),
    "iwo": (UnpagedRecord("write-off of an invoice", "invoices/{0}", "invoice_write_off", "invoice_id"),),
    "wo": (UnpagedRecord("write-off of a payee's debt", "payees/{0}", "receivable_write_off", "payee_id"),),
    "cde": (UnpagedRecord("entry of a customer's debt", "customers/{0}", "customer_debt_entry", "customer_id"),),
    "esm": (UnpagedRecord("movement of an escrow", "escrows/{0}", "escrow_movement", "escrow_id"),),
    "ese": (UnpagedRecord("evidence of an escrow", "escrows/{0}", "escrow_evidence", "escrow_id"),),
    "cmr": (UnpagedRecord("commission taken back", "commissions/{0}", "commission_reversal", "commission_id"),),
    "cmp": (UnpagedRecord("payment of commissions", "affiliates/{0}", "commission_payment", "affiliate_id"),),
    "cbc": (UnpagedRecord("what contradicts a chargeback", "chargebacks/{0}", "chargeback_conflict", "chargeback_id"),),
    "trm": (UnpagedRecord("movement of the treasury of fees", "money-map", "treasury_movement"),),
    "cm": (UnpagedRecord("statement of client money", "client-money/{0}", "client_money"),),
    "bf": (UnpagedRecord("file of a bank", "bank-statements#{0}", "bank_file", "id"),),
    "brp": (
        UnpagedRecord(
            "report of a bank on a payment file",
            "payouts/{0}",
            "bank_report",
            """(select p.payout_id from payment_file_order o join provider_payout p on p.id = o.provider_payout_id
                where o.file_id = t.file_id order by p.payout_id limit 1)""",
        ),
    ),
    "rec": (UnpagedRecord("reconciliation run", "reconciliation/runs/{0}", "reconciliation_run"),),
    "prop": (
        UnpagedRecord("proposal", "approvals#{0}", "approval_proposal"),
        UnpagedRecord("proposal for a break", "breaks/{0}", "break_proposal", "break_id"),
    ),
    "whi": (UnpagedRecord("webhook that came", "webhooks#{0}", "webhook_in"),),
    "whs": (UnpagedRecord("secret of an endpoint", "endpoints/{0}", "webhook_secret", "endpoint_id"),),
    "mdt": (UnpagedRecord("mandate of an agent", "agents/{0}", "agent_mandate", "agent_id"),),
    "cbill": (UnpagedRecord("bill of carbon", "carbon/bills", "carbon_bill"),),
    "csync": (UnpagedRecord("sync of carbon", "carbon/syncs", "carbon_sync"),),
    "credit": (UnpagedRecord("carbon credits", "carbon/credits", "carbon_credit"),),
    "retire": (UnpagedRecord("retirement of carbon credits", "carbon/retirements", "carbon_retirement"),),
    "cpost": (UnpagedRecord("grams of an agent's day", "carbon?day={0}", "carbon_posting", "day::text"),),
    "energy": (UnpagedRecord("energy of an agent", "carbon?day={0}", "carbon_energy", "day::text"),),
    "prn": (UnpagedRecord("person or service", _PERSON[0], "principal", "id", _PERSON[1]),),
    "grant": (UnpagedRecord("role of a person", _PERSON[0], "role_grant", "principal_id", _PERSON[1]),),
    "lnk": (UnpagedRecord("login of a person", _PERSON[0], "login_subject", "principal_id", _PERSON[1]),),
    "adm": (UnpagedRecord("announced administrator", "people#{0}", "second_administrator"),),
    "fac": (UnpagedRecord("second factor of a person", _PERSON[0], "second_factor", "principal_id", _PERSON[1]),),
    "ses": (
        UnpagedRecord("session of a person", _PERSON[0], "session", "principal_id", _PERSON[1], "t.principal_id is not null"),
        UnpagedRecord("session of a key", "keys", "session", "api_key_id", AUDIT),
    ),
    "key": (UnpagedRecord("API key", "keys", "api_key", "id", AUDIT),),
    "ksec": (UnpagedRecord("secret of an API key", "keys", "api_key_secret", "id", AUDIT),),
    "req": (
        UnpagedRecord("request", "audit?request={0}", "action", "request_id", AUDIT, by="request_id"),
        UnpagedRecord("request", "audit?request={0}", "access_event", "request_id", AUDIT, by="request_id"),
    ),
    "act": (UnpagedRecord("action", "audit?subject={0}", "action", "subject_id", AUDIT),),
    "acc": (UnpagedRecord("login, or refusal", "audit", "access_event", "id", AUDIT),),
    "sgn": (UnpagedRecord("key that signs proofs", "signers", "signer"),),
    "lgk": (UnpagedRecord("key of the log", "signers", "log_key"),),
}
# Prefixes of what is no record: why such an id is not looked for.
NO_RECORDS: Final[Mapping[str, str]] = {
    "req": "of a request that did nothing by hand, and was not refused, logs alone tell",
    "work": "one try of a request that is sent twice",
    "mov": "the key of what was gathered, which its journal keeps",
    "dmg": "a file that was set aside",
    "check": "the daily look at client money, told as an event",
    "remind": "a reminder, told as an event",
}


def word_lookups(nouns: Sequence[Noun]) -> tuple[Lookup, ...]:
    """Those that words are looked up with: what stands in no noun's table, then what each noun declares."""
    return (*WORDS, *_of_nouns(nouns, ("word",)))


def amount_lookups(nouns: Sequence[Noun]) -> tuple[Lookup, ...]:
    """Those that an amount is looked up with."""
    return (*_of_nouns(nouns, ("amount", "size")), *AMOUNTS_PAID)


def first_id_since(prefix: str, since: datetime) -> str:
    """No id of this prefix that was made from then on is less."""
    return new_id(prefix, now=since, entropy=bytes(ENTROPY_BYTES))


_WHERE: Final[Mapping[str, LiteralString]] = {
    "word": "{column} = any(%(words)s)",
    "amount": "(asset, {column}) = (%(asset)s, %(minor)s)",
    "size": "(asset, {column}) = (%(asset)s, abs(%(minor)s))",
}


def _of_nouns(nouns: Sequence[Noun], kinds: Sequence[str]) -> Iterator[Lookup]:
    for noun in nouns:
        for one in noun.sought:
            if one.kind in kinds:
                told = "state" if one.kind == "word" else "asset || ' ' || state"
                where = sql.SQL(_WHERE[one.kind]).format(column=sql.SQL(one.column))
                query = sql.SQL("select id, {told} from {table} where {where}{recent} order by id desc").format(
                    told=sql.SQL(told),
                    table=sql.Identifier(noun.machine.table),
                    where=where,
                    recent=sql.SQL(" and id >= %(first_id)s" if one.recent else ""),
                )
                yield Lookup(noun.name, noun.plural + "/{0}", one.why, query, noun.prefix if one.recent else "")

"""The facts that a payee's card is made of: each kind with its sentence, and the query that finds what stands in it.

Every query gives the same columns: the id of the fact, since when, until when, the asset and the amount (minor units), how many, and a
reason or the name of what it is about. What is no row of the database is on no card.
"""

from __future__ import annotations

from typing import Final, Literal, LiteralString, NamedTuple

from counterfoil.base.machine import listed
from counterfoil.payouts.machines import PAYOUT, RESERVING, SENDING
from counterfoil.settlement.holdback import HOLDBACK
from counterfoil.settlement.intents.intents import PROCESSING

Effect = Literal["paused", "smaller", "late"]
FACTS_MAX: Final = 20  # of each kind


class FactKind(NamedTuple):
    """`says`: the sentence, with {payee}, {id}, {since}, {until}, {amount}, {asset} and {why} in it; {payouts}, {invoices} and {parts}: how
    many."""

    name: str
    effect: Effect
    says: str
    query: LiteralString


_PENDING: Final = "from payout p where p.program_id = %(program)s and p.payee_id = %(payee)s and p.state = 'pending'"
_TRIES: Final = """from provider_payout pp join payout p on p.id = pp.payout_id
                   where p.program_id = %(program)s and p.payee_id = %(payee)s and pp.state"""
_LAST: Final = """from payout p left join lateral (select last_error from provider_payout
                      where payout_id = p.id order by number desc limit 1) pp on true
                  where p.program_id = %(program)s and p.payee_id = %(payee)s
                    and not exists (select from payout later where later.settlement_id = p.settlement_id and later.reissue > p.reissue)
                    and p.state"""
_PAID_AT: Final = """select provider from destination
                     where program_id = %(program)s and payee_id = %(payee)s and ended_at is null"""
_OPEN_CASE: Final = "where c.program_id = %(program)s and c.payee_id = %(payee)s and c.ended_at is null and"
_NOT_GONE: Final = (*PAYOUT.before("cancel"), *PAYOUT.after("cancel", "return"))
# Of the invoice of a case something is still to be paid out: it is not settled, or held back, or its payout has not gone.
_PAID_OUT_LATER: Final = f"""(
    exists (select from settlement s join holdback_tranche t on t.settlement_id = s.id
            where s.invoice_id = c.invoice_id and t.state in {listed(HOLDBACK.open)})
    or exists (select from payout p where p.invoice_id = c.invoice_id
                 and p.state in {listed(_NOT_GONE)}
                 and not exists (select from payout later where later.settlement_id = p.settlement_id and later.reissue > p.reissue))
    or exists (select from settlement s where s.invoice_id = c.invoice_id and s.net > 0
                 and not exists (select from payout p where p.settlement_id = s.id))
    or not exists (select from settlement s where s.invoice_id = c.invoice_id)
       and (select i.paid > coalesce(sum(r.amount), 0) from invoice i
            left join refund r on r.invoice_id = i.id and r.state <> 'won_back' where i.id = c.invoice_id group by i.paid))"""
_BALANCE: Final = """from account a join book b on b.id = a.book_id
                     where b.program_id = %(program)s and a.name"""

FACT_KINDS: Final[tuple[FactKind, ...]] = (
    FactKind(
        "queue_paused",
        "paused",
        "Nothing is paid out since {since}: {why}.",
        f"""select q.queue, q.at, null::timestamptz, null::text, null::bigint, 1,
                   case when q.actor like 'system:%%' then 'the machine' else 'a person' end
                   || ' paused the queue ' || q.queue || ': ' || q.reason from (
                select distinct on (queue, provider, program_id) * from queue_pause
                where queue in ('{RESERVING.name}', '{SENDING.name}')
                      and (provider = '' or provider in ({_PAID_AT})) and program_id in ('', %(program)s)
                order by queue, provider, program_id, number desc) q where q.paused order by q.at""",
    ),
    FactKind(
        "settlements_paused",
        "paused",
        "Nothing new is settled since {since}: the queue {id} is paused. {invoices}, {amount}, paid and not settled, must wait for it: "
        "{why}.",
        f"""select q.queue, q.at, null::timestamptz, i.asset, i.amount, i.number, q.reason from (
                select distinct on (queue, program_id) * from queue_pause
                where queue = '{PROCESSING.name}' and provider = '' and program_id in ('', %(program)s)
                order by queue, program_id, number desc) q
            cross join (select asset, sum(paid)::bigint as amount, count(*) as number from invoice i
                        where program_id = %(program)s and payee_id = %(payee)s and state = 'paid'
                              and not exists (select from settlement where invoice_id = i.id) group by asset) i
            where q.paused order by q.at, i.asset""",
    ),
    FactKind(
        "provider_away",
        "paused",
        "{id}, where it is paid, has not worked since {since}, and is tried again by itself: {why}.",
        f"""select provider, opened_at, probe_at, null::text, null::bigint, 1, coalesce(last_error, 'it did not answer') from circuit
            where queue = '{SENDING.name}' and state <> 'closed' and opened_at is not null and provider in ({_PAID_AT})
            order by opened_at""",
    ),
    FactKind(
        "no_destination",
        "paused",
        "Nothing says where {payee} is paid: {payouts}, {amount}, must wait for a destination since {since}.",
        f"""select min(p.id), min(p.created_at), null::timestamptz, p.asset, sum(p.amount)::bigint, count(*), null::text {_PENDING}
            and not exists (select from destination d where (d.program_id, d.payee_id) = (p.program_id, p.payee_id) and d.ended_at is null)
            group by p.asset order by 2""",
    ),
    FactKind(
        "destination_quarantined",
        "paused",
        "Nothing is sent to destination {id} since {since}: a person quarantined it: {why}.",
        """select d.id, d.state_at, null::timestamptz, null::text, null::bigint, 1, s.reason
           from destination d join step s on s.machine = 'destination' and s.subject_id = d.id and s.step = d.steps
           where d.program_id = %(program)s and d.payee_id = %(payee)s and d.state = 'quarantined' and d.ended_at is null""",
    ),
    FactKind(
        "account_frozen",
        "paused",
        "Account {id} is frozen since {since}: {why}.",
        """select a.name, f.at, null::timestamptz, b.asset, null::bigint, 1, f.reason
            from account a join book b on b.id = a.book_id join lateral (
                select * from account_flag where account_id = a.id and flag = 'frozen' order by step desc limit 1) f on f.value
            where b.program_id = %(program)s and a.name = 'payable:payee:' || %(payee)s and a.frozen order by f.at""",
    ),
    FactKind(
        "disputed",
        "paused",
        "A customer disputes {amount} of invoice {why} since {since} ({id}): what is not paid out of it waits for the ruling.",
        f"""select c.id, c.opened_at, c.appeal_until, c.asset, c.exposure, 1, c.invoice_id from dispute c
            {_OPEN_CASE} {_PAID_OUT_LATER} and c.appeal_until is null order by c.opened_at, c.id""",
    ),
    FactKind(
        "dispute_decided",
        "paused",
        "The dispute about {amount} of invoice {why} since {since} ({id}) is decided: what is not paid out of it waits until {until}, when "
        "its ruling has effect unless it is appealed.",
        f"""select c.id, c.opened_at, c.appeal_until, c.asset, c.exposure, 1, c.invoice_id from dispute c
            {_OPEN_CASE} {_PAID_OUT_LATER} and c.appeal_until is not null order by c.opened_at, c.id""",
    ),
    FactKind(
        "dispute_of_sent",
        "paused",
        "A customer disputes {amount} of invoice {why} since {since} ({id}), which was sent to {payee}: what {payee} is owed for anything "
        "else in {asset} waits for the ruling.",
        f"""select c.id, c.opened_at, c.appeal_until, c.asset, c.exposure, 1, c.invoice_id from dispute c
            {_OPEN_CASE} exists (select from payout p join provider_payout pp on pp.payout_id = p.id join call on call.subject_id = pp.id
                                 where p.invoice_id = c.invoice_id) order by c.opened_at, c.id""",
    ),
    FactKind(
        "charged_back",
        "paused",
        "A customer's bank took back {amount} of invoice {why} ({id}) on {since}: what is not paid out of it waits until that is decided.",
        f"""select c.id, c.opened_at, c.answer_by, c.asset, c.amount, 1, c.invoice_id from chargeback c
            {_OPEN_CASE} {_PAID_OUT_LATER} order by c.opened_at, c.id""",
    ),
    FactKind(
        "charged_back_whole",
        "smaller",
        "A customer's bank took back {amount} of invoice {why} ({id}) on {since}, of which nothing waits to be paid out; the bank "
        "has not decided yet.",
        f"""select c.id, c.opened_at, c.answer_by, c.asset, c.amount, 1, c.invoice_id from chargeback c
            {_OPEN_CASE} not {_PAID_OUT_LATER} order by c.opened_at, c.id""",
    ),
    FactKind(
        "waits",
        "paused",
        "{payouts}, {amount}, the oldest {id} of {since}, must wait: {why}.",
        f"""select min(p.id), min(p.created_at), min(p.due_at), p.asset, sum(p.amount)::bigint, count(*), p.last_error {_PENDING}
            and p.last_error is not null and p.last_error <> %(no_destination)s group by p.asset, p.last_error order by 2""",
    ),
    FactKind(
        "failed",
        "paused",
        "Payout {id} of {amount} failed on {since}; its money is still owed, and a person looks at it: {why}.",
        f"""select p.id, p.state_at, null::timestamptz, p.asset, p.amount, 1, coalesce(p.last_error, pp.last_error, 'no reason was given')
            {_LAST} = 'failed' order by p.state_at, p.id""",
    ),
    FactKind(
        "returned",
        "paused",
        "Payout {id} of {amount} came back on {since}; it is paid anew once its destination is right: {why}.",
        f"""select p.id, p.state_at, null::timestamptz, p.asset, p.amount, 1, coalesce(p.last_error, pp.last_error, 'no reason was given')
            {_LAST} = 'returned' order by p.state_at, p.id""",
    ),
    FactKind(
        "cancelled",
        "paused",
        "Payout {id} of {amount} was cancelled on {since}; what is owed of it waits until a person issues it anew: {why}.",
        f"""select p.id, p.state_at, null::timestamptz, p.asset, p.amount, 1, (
                select s.reason from step s where s.machine = 'payout' and s.subject_id = p.id and s.step = p.steps)
            {_LAST} = 'cancelled' and exists (
                select {_BALANCE} = 'payable:payee:' || p.payee_id and b.asset = p.asset and a.credits > a.debits)
            order by p.state_at, p.id""",
    ),
    FactKind(
        "attempt_quarantined",
        "paused",
        "A person stopped attempt {id} of {amount} on {since}: {why}.",
        f"""select pp.id, pp.state_at, null::timestamptz, pp.asset, pp.amount, 1, (
                select s.reason from step s where s.machine = 'provider_payout' and s.subject_id = pp.id and s.step = pp.steps)
            {_TRIES} = 'quarantined' order by pp.state_at, pp.id""",
    ),
    FactKind(
        "owes",
        "smaller",
        "{payee} owes {amount}, by account {id}: its next payouts pay that first.",
        f"""select a.name, (select max(s.effective_at) from posting s where s.debit = a.id), null::timestamptz, b.asset,
                   (a.debits - a.credits)::bigint, 1, null::text
            {_BALANCE} = 'receivable:payee:' || %(payee)s and a.debits > a.credits order by b.asset""",
    ),
    FactKind(
        "netted",
        "smaller",
        "Of payout {id}, {amount} paid on {since} what {payee} owed.",
        """select n.payout_id, n.at, null::timestamptz, p.asset, n.amount, 1, null::text
           from payout_netting n join payout p on p.id = n.payout_id
           where p.program_id = %(program)s and p.payee_id = %(payee)s and n.amount > 0 and exists (
               select from journal j where j.source_type = 'payout' and j.source_id = n.payout_id and j.kind = 'payout_netting'
                 and j.key = 'PAYOUT_NETTING:' || n.payout_id || ':' || n.number)
           order by n.at desc, n.payout_id""",
    ),
    FactKind(
        "refunded",
        "smaller",
        "Refund {id} of {since} to the customer of invoice {why} took {amount} of what was to be paid out or held back.",
        """select id, created_at, null::timestamptz, asset, payable + holdback + own_holdback, 1, invoice_id from refund
           where program_id = %(program)s and payee_id = %(payee)s and payable + holdback + own_holdback > 0 and state <> 'won_back'
           order by created_at desc, id""",
    ),
    FactKind(
        "held_back",
        "smaller",
        "{amount} is held back of its settlements in {parts}, the first until {until} ({id}).",
        f"""select (array_agg(t.id order by t.release_at, t.id))[1], min(t.created_at), min(t.release_at), t.asset,
                   sum(t.amount)::bigint, count(*), null::text
            from holdback_tranche t where t.program_id = %(program)s and t.payee_id = %(payee)s and t.state in {listed(HOLDBACK.open)}
            group by t.asset order by 3""",
    ),
    FactKind(
        "contradicted",
        "late",
        "The provider contradicts itself since {since} about an attempt of {amount} ({id}): people find out what is true.",
        """select c.id, c.at, null::timestamptz, pp.asset, pp.amount, 1, null::text from provider_conflict c
            join provider_payout pp on pp.id = c.provider_payout_id join payout p on p.id = pp.payout_id
            where p.program_id = %(program)s and p.payee_id = %(payee)s and c.state = 'open' order by c.at, c.id""",
    ),
    FactKind(
        "unknown",
        "late",
        "Nobody knows yet whether attempt {id} of {amount} was paid; that is looked into since {since}.",
        f"select pp.id, pp.state_at, pp.due_at, pp.asset, pp.amount, 1, null::text {_TRIES} = 'unknown' order by pp.state_at, pp.id",
    ),
    FactKind(
        "with_provider",
        "late",
        "{why} accepted attempt {id} of {amount} on {since} and has not said yet that it was paid.",
        f"""select pp.id, pp.state_at, pp.due_at, pp.asset, pp.amount, 1, pp.provider {_TRIES} = 'sent'
            and not exists (select from payment_file_order l where l.provider_payout_id = pp.id) order by pp.state_at, pp.id""",
    ),
    FactKind(
        "in_bank_file",
        "late",
        "Attempt {id} of {amount} stands since {since} in the file {why}.",
        """select pp.id, f.created_at, null::timestamptz, pp.asset, pp.amount, 1,
                   f.id || case when f.downloaded_at is null then ', which nobody has brought to the bank yet'
                                else '; the bank has not said yet that it was paid' end
            from payment_file_order l join payment_file f on f.id = l.file_id join provider_payout pp on pp.id = l.provider_payout_id
            join payout p on p.id = pp.payout_id
            where p.program_id = %(program)s and p.payee_id = %(payee)s and pp.state = 'sent' order by f.created_at, pp.id""",
    ),
    FactKind(
        "not_sent",
        "late",
        "Attempt {id} of {amount} waits since {since} to be sent: {why}.",
        f"""select pp.id, pp.created_at, pp.due_at, pp.asset, pp.amount, 1, pp.last_error {_TRIES} = 'queued'
            and pp.last_error is not null order by pp.created_at, pp.id""",
    ),
)

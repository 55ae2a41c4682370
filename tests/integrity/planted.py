"""Faults to plant: what a superuser with the triggers off could do to rows that are there, by the invariant that must find it.

Each is one or more statements; the first must touch a row. An invariant without one is refused by the test beside this file, so a new
invariant comes with the fault that it was written for.
"""

from __future__ import annotations

from typing import Final

from tests.integrity.planted_chain import CHAIN
from tests.integrity.planted_treasury import AGENTS

Faults = dict[str, dict[str, str]]
LONG_AGO: Final = "interval '1 year'"

LEDGER: Final[Faults] = {
    "LEDGER_UNBALANCED": {
        "a posting is taken out": """delete from posting
            where line = 1 and journal_id in (select id from journal where lines > 1)""",
        "a line is counted that is not there": "update journal set lines = lines + 1",
        "a journal is taken out and its postings stay": "delete from journal where kind = 'settlement'",
        "an account's totals are raised on both sides": """update account set debits = debits + 5, credits = credits + 5
            where name = 'clearing:simulator'""",
    },
    "TRIAL_BALANCE_NONZERO": {
        "one side of an account is raised": "update account set credits = credits + 1 where name = 'suspense'",
    },
    "ACCOUNT_BALANCE_DRIFT": {
        "a total is raised": "update account set debits = debits + 1 where name = 'clearing:simulator'",
        "a posting's amount is raised": "update posting set amount = amount + 1",
        "a posting goes to another account": """update posting p set credit = (select id from account where name = 'suspense')
            from account a where a.id = p.credit and a.name like 'payable:payee:%'""",
        "a kept balance is changed": "update posting set debit_balance = debit_balance + 1",
    },
    "POSTING_OUT_OF_SEGMENT": {
        "a posting names a segment that is not there": "update posting set segment = 7",
        "a segment begins later than its postings": "update program_segment set first_seq = first_seq + (1::bigint << 61)",
    },
    "NEGATIVE_BALANCE": {
        "more is taken out than there is": "update account set debits = credits + 1 where name like 'payable:payee:%'",
    },
    "IDEMPOTENCY_CONFLICT": {
        "one key has two journals": """update journal set key = (select min(key) from journal)""",
        "a reversal moves something else": """update posting set amount = amount + 1
            where journal_id in (select id from journal where reverses is not null)""",
    },
    "HOLD_ORPHAN": {
        "an open hold is taken out": "delete from open_hold",
        "what is pending is forgotten": "update account set debits_pending = 0 where debits_pending > 0",
        "a hold is made larger": "update hold set amount = amount + 1",
    },
    "HOLD_OVERDUE": {
        "the sweep does not come": "update open_hold set expires_at = now() - interval '2 hours'",
    },
    "PERIOD_CLOSED_POST": {
        "a posting is moved into a closed period": """update posting set effective_at = (select max(closed_until) - interval '1
            day' from period_close)
            where seq = (select max(seq) from posting)""",
    },
    "POSTING_DATES": {
        "postings are moved by a year": f"update posting set effective_at = effective_at - {LONG_AGO}",
        "the mark of what is off the clock is turned": "update posting set off_clock = not off_clock",
        "a journal is moved by a year": f"update journal set effective_at = effective_at - {LONG_AGO}",
        "postings and their mark are moved": f"update posting set effective_at = effective_at - {LONG_AGO}, off_clock = true",
        "a journal was recorded at another time": f"update journal set recorded_at = recorded_at - {LONG_AGO}",
    },
    "ACCOUNT_FLAG_TIE": {
        "an account may be overdrawn": "update account set no_overdraft = false where name like 'escrow:%'",
        "an account is freed": "update account set frozen = false where frozen",
        "an account is frozen": "update account set frozen = true where not frozen",
        "an account is closed": "update account set closed = true where debits = credits and name like 'escrow:%'",
        "the flag is taken out": "delete from account_flag",
    },
    "REVERSAL_TIE": {
        "a reversal is forged": """insert into reversal select p.journal_id, p.line, p.journal_id from posting p
            where not exists (select from reversal r where (r.journal_id, r.line) = (p.journal_id, p.line)) limit 1""",
        "a reversal names another journal": """update reversal set reversed_by = (select max(id::text)::uuid from journal
            where reverses is null)""",
    },
    "LATE_POSTING": {
        "a posting is called late that was not": """insert into late_posting
            select journal_id, line, effective_at + interval '1 day' from posting limit 1""",
    },
    "KEY_OF_ANOTHER_WRITER": {
        "a journal in a space of the product is of another kind": "update journal set kind = 'x' where key like 'SETTLEMENT:%'",
    },
    "PERIOD_REOPENED_ALONE": {
        "one person reopens the books": "update period_close set verb = 'reopen'",
    },
    "LEDGER_MUTATED": {
        "who posted it is rewritten": "update journal set actor = 'nobody'",
        "what it was posted for is rewritten": "update journal set narrative = 'x', kind = 'x'",
        "its day is moved": f"update journal set effective_at = effective_at - {LONG_AGO}",
        "its record is moved": f"update journal set recorded_at = recorded_at - {LONG_AGO}",
        "its request is another": f"update journal set request_hash = '\\x{'00' * 32}'",
        "a journal is taken out with its postings": """delete from posting where journal_id in (select id from journal where
            kind = 'settlement');
            delete from journal where kind = 'settlement'""",
        "a closing of the books is taken out": "delete from period_close",
        "a closing of the books is moved": f"update period_close set closed_until = closed_until - {LONG_AGO}",
        "an account changes its side": "update account set debit_normal = not debit_normal where debits = credits",
        "an account changes its name": "update account set name = name || 'x'",
        "a flag has another reason": "update account_flag set reason = 'x'",
        "a rate is changed, and the settlement with it": """update fee_rate set platform_bps = 0;
            update settlement set net = net + platform_fee, platform_fee = 0""",
        "an asset has other decimals": "update asset set scale = scale + 1",
    },
}
SETTLEMENT: Final[Faults] = {
    "INVOICE_EXACT": {
        "a quantity is changed": "update usage_record set quantity_micro = quantity_micro + 1 where invoice_id is not null",
        "a fraction is taken out": "update usage_fraction set fraction = 999999999999",
    },
    "USAGE_LOST_TO_ROUNDING": {
        "records were rounded one by one": """update invoice set carried_in = null, carried_out = null, total = total - 1
            where state = 'pending' and total > 1""",
    },
    "INVOICE_TOTAL": {
        "an invoice asks for more": "update invoice set total = total + 1, paid = paid where state = 'pending'",
        "a line is taken out": "delete from usage_record where invoice_id is not null",
    },
    "INVOICE_LEDGER_TIE": {
        "an invoice is paid by nothing": "update invoice set paid = total, state = 'paid' where state = 'pending'",
        "a payment goes to another invoice": """update payment set invoice_id = (select max(id) from invoice)
            where invoice_id is not null""",
        "a payment is taken out": "delete from payment where invoice_id is not null",
    },
    "PAYMENT_WITHOUT_JOURNAL": {
        "a fee becomes amount": "update payment set fee = fee - 10, amount = amount + 10 where fee > 10",
        "a fee becomes another": "update payment set fee = fee + 1",
        "more is applied": "update payment set applied = applied - 1 where applied > 0",
        "a payment has another charge": "update payment set charge_id = charge_id || 'x'",
    },
    "ESCROW_CONSERVATION": {
        "an invoice says that more was paid": "update invoice set paid = paid - 1 where state = 'paid'",
        "a settlement is taken out": "delete from settlement",
    },
    "PAYOUT_SUM": {
        "holdback and net are swapped": "update settlement set holdback = net, net = holdback",
        "the rate is changed afterwards": "update fee_rate set platform_bps = platform_bps + 100",
    },
    "INTENT_SETTLEMENT": {
        "a settlement is taken out": "delete from settlement",
        "an intent is set back": "update intent set state = 'failed' where state = 'completed'",
    },
    "SETTLEMENT_LEDGER_TIE": {
        "a settlement and its rate are changed together": """update settlement set net = net + platform_fee, platform_fee = 0;
            update fee_rate set platform_bps = 0""",
        "a settlement is of another payee": "update settlement set payee_id = 'payee-2' where payee_id = 'payee-1'",
        "a settlement and its intent are taken out": """delete from settlement;
            update intent set state = 'failed' where state = 'completed'""",
        "a settlement is taken out and all that is known of it says so": """delete from settlement;
            update intent set state = 'failed' where state = 'completed';
            update step set to_state = 'failed' where machine = 'intent' and to_state = 'completed'""",
        "a settlement names another invoice": "update settlement set gross = gross + 1, net = net + 1",
    },
    "STATE_HISTORY": {
        "a state is changed": "update payout set state = 'cancelled' where state = 'completed'",
        "a step is taken out": "delete from step where step = 2",
        "the first step is taken out": "delete from step where step = 1 and machine = 'payout'",
        "a payout is taken out": """delete from payout
            where not exists (select from provider_payout pp where pp.payout_id = payout.id)""",
        "an event is taken out before it was handled": "delete from event where state = 'due'",
        "a step leads elsewhere": """update step set to_state = 'cancelled'
            where machine = 'payout' and to_state = 'completed'""",
    },
}
PAYOUTS: Final[Faults] = {
    "FINALIZE_MISSING": {
        "a payout arrived by nothing": """update provider_payout set state = 'succeeded'
            where state not in ('succeeded', 'returned')""",
        "its journal is of another": "update journal set key = key || 'x' where kind = 'payout_finalize'",
    },
    "OVERPAID_BOOKED": {
        "more was paid than is owed back": "update provider_payout set beyond = 1 where state = 'succeeded'",
        "another amount was found paid": "update provider_payout set paid = amount + 1 where state = 'succeeded'",
    },
    "FINALIZE_ORPHAN": {
        "a payout that arrived is set back": "update provider_payout set state = 'sent' where state = 'succeeded'",
        "a payout that arrived is taken out": "delete from provider_payout where state = 'succeeded'",
    },
    "RESERVE_MISSING": {
        "a failed payout is on its way again": "update provider_payout set state = 'sent' where state = 'failed'",
        "nothing was set aside": "update journal set key = key || 'x' where kind = 'payout_reserve'",
    },
    "DOUBLE_PAYOUT": {
        "a second attempt beside the first": """drop index provider_payout_live_is_one; insert into provider_payout (id,
            payout_id, program_id, number, provider,
                idempotency_key, destination_id, asset, amount, payload_sha256, created_at, state, state_at)
            select id || 'x', payout_id, program_id, number + 1, provider, idempotency_key || 'x', destination_id, asset, amount,
            payload_sha256,
                   created_at, 'queued', state_at from provider_payout where state = 'succeeded' limit 1""",
    },
    "PAYOUT_STATE_TIE": {
        "a failed payout is completed": "update payout set state = 'completed' where state = 'failed'",
        "a completed payout waits again": "update payout set state = 'pending' where state = 'completed'",
    },
    "IN_TRANSIT_TIE": {
        "a payout on its way is taken for failed": """update provider_payout set state = 'failed'
            where state in ('queued', 'sending', 'sent', 'unknown')""",
        "more is on its way than was set aside": """update provider_payout set amount = amount + 1
            where state in ('queued', 'sending', 'sent', 'unknown')""",
    },
    "PAYOUT_SETTLEMENT_TIE": {
        "a payout is doubled": "update payout set amount = amount * 2 where state = 'pending'",
        "a payout goes to another payee": """update payout set payee_id = 'payee-2'
            where payee_id <> 'payee-2' and state = 'pending'""",
        "a payout is in another asset": "update payout set asset = 'CO2E' where state = 'pending'",
        "a payout is invented": """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount,
            created_at, state,
                state_at, due_at) values ('po_x', 'main', 'payee-1', 'inv_x', 'set_x', 'payout-x', 'EUR', 5000, now(),
            'pending', now(), now());
            insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
            values ('payout', 'po_x', 1, '', 'create', 'pending', 'x', now())""",
    },
    "PAYOUT_MISSING": {
        "a pending payout is taken out": """delete from payout where state = 'pending';
            delete from step s where machine = 'payout' and not exists (select from payout p where p.id = s.subject_id)""",
        "the event that makes it is taken out": """delete from event where state = 'due' and name = 'settlement_completed';
            delete from step s where machine = 'event' and not exists (select from event e where e.id = s.subject_id)""",
    },
    "PAYOUT_LEDGER_TIE": {
        "an attempt is of another amount": "update provider_payout set amount = 1 where state = 'failed'",
        "a failed attempt has arrived": "update provider_payout set state = 'succeeded' where state = 'failed'",
        "the money of another payee was set aside": """update posting p
            set debit = (select id from account where name = 'payable:payee:payee-2')
            from journal j, account a
            where j.id = p.journal_id and j.kind = 'payout_reserve' and a.id = p.debit
              and a.name <> 'payable:payee:payee-2'""",
        "a reservation is taken out": "delete from journal where kind = 'payout_reserve'",
    },
    "RETURN_MISSING": {
        "a payout comes back without its journal": """update provider_payout set state = 'returned' where state = 'succeeded';
            update payout set state = 'returned' where state = 'completed'""",
        "a payout comes back without its journal and its steps say so": """update provider_payout set state = 'returned'
                where state = 'succeeded';
            update payout set state = 'returned' where state = 'completed';
            update step set to_state = 'returned'
                where to_state in ('succeeded', 'completed') and machine in ('payout', 'provider_payout')""",
        "a returned payout is taken for arrived": "update provider_payout set state = 'succeeded' where state = 'returned'",
    },
    "PAYOUT_AMOUNT_TIE": {
        "an attempt is for more than its payout": "update provider_payout set amount = amount + 1",
        "a later payout has no earlier one": "update payout set reissue = 2",
    },
    "QUARANTINE_LEAK": {
        "an order was sent while it was in quarantine": """insert into step (machine, subject_id, step, from_state, verb,
                to_state, actor, at)
            select 'provider_payout', subject_id, 900, 'queued', 'quarantine', 'quarantined', 'x', '2001-01-01' from call limit 1""",
    },
    "CONFLICT_BRAKE": {
        "a conflict was there before the call": "update provider_conflict set at = at - interval '1 year'",
    },
}
REFUNDS: Final[Faults] = {
    "HOLDBACK_TIE": {
        "a tranche is let go in silence": "update holdback_tranche set state = 'released' where state = 'held'",
        "what was taken of it is forgotten": "delete from holdback_use",
    },
    "DISPUTE_HOLD": {
        "a held payout is let go": "update payout set state = 'pending' where state = 'held'",
        "a dispute is ended in silence": "update dispute set ended_at = now() where ended_at is null",
        "its invoice is called paid": "update invoice set state = 'paid' where state = 'disputed'",
    },
    "DISPUTE_EFFECT": {
        "a refund is laid to a dispute that is open": "update dispute set refund_id = (select id from refund limit 1)",
        "a dispute is called final": "update dispute set state = 'final', outcome = 'customer_win', refund = exposure",
    },
    "CHARGEBACK_TIE": {
        "its refund is forgotten": "delete from chargeback_refund",
        "more of it was owed back than came": "update chargeback set excess = amount, beyond = 0 where customer_id is not null",
        "the customer owes more of it": "update chargeback set beyond = beyond + 1 where beyond < amount",
        "more of a refund was taken than it is": "update chargeback_refund set amount = amount + 1",
        "more was taken back than paid a debt": """
            with paid as (insert into customer_debt_entry (id, program_id, customer_id, asset, kind, amount, reason, actor, at)
                select 'cde_1', program_id, 'ann', asset, 'written_off', 100, 'x', 'x', now() from chargeback limit 1 returning id)
            insert into chargeback_debt (chargeback_id, entry_id, amount) select (select min(id) from chargeback), id, 101 from paid""",
        "more was taken back than had gone back": """
            with gone as (insert into unidentified_repayment
                    (unidentified_payment_id, program_id, payment_id, amount, provider, reference, actor, at)
                select id, program_id, payment_id, 100, 'bank', 'x', 'x', now() from unidentified_payment limit 1
                returning unidentified_payment_id as id)
            insert into chargeback_repaid (chargeback_id, unidentified_payment_id, amount)
            select (select min(id) from chargeback), id, 101 from gone""",
        "its refund is called owed": "update refund set state = 'owed' where state = 'charged_back'",
    },
    "CHARGEBACK_LEDGER_TIE": {
        "the provider took another fee": "update chargeback set fee = fee + 1",
        "it is called won": "update chargeback set state = 'won'",
        "its journal is taken out": "delete from journal where kind = 'chargeback'",
    },
    "CHARGEBACK_ESCROW": {
        "what it froze is let go": "update escrow set state = 'active' where state = 'disputed'",
        "its customer owes nothing": "delete from journal where kind = 'chargeback_escrow'",
        "what had paid a debt is owed by nobody": """
            with paid as (insert into customer_debt_entry (id, program_id, customer_id, asset, kind, amount, reason, actor, at)
                select 'cde_1', program_id, 'ann', asset, 'written_off', 100, 'x', 'x', now() from chargeback limit 1 returning id)
            insert into chargeback_debt (chargeback_id, entry_id, amount) select (select min(id) from chargeback), id, 100 from paid""",
        "what had gone back is lost by nobody": """
            with gone as (insert into unidentified_repayment
                    (unidentified_payment_id, program_id, payment_id, amount, provider, reference, actor, at)
                select id, program_id, payment_id, 100, 'bank', 'x', 'x', now() from unidentified_payment limit 1
                returning unidentified_payment_id as id)
            insert into chargeback_repaid (chargeback_id, unidentified_payment_id, amount)
            select (select min(id) from chargeback), id, 100 from gone""",
    },
    "CUSTOMER_DEBT_LEDGER_TIE": {
        "a debt is called given up": """insert into customer_debt_entry
                (id, program_id, customer_id, asset, kind, amount, reason, actor, at)
            select 'cde_1', program_id, 'ann', asset, 'written_off', 100, 'x', 'x', now() from settlement limit 1""",
    },
    "WRITE_OFF_LEDGER_TIE": {
        "a debt is called written off": """insert into receivable_write_off (id, program_id, payee_id, asset, amount, reason, actor, at)
            select 'wo_1', program_id, payee_id, asset, 100, 'x', 'x', now() from settlement limit 1""",
    },
    "REFUND_WITHIN_PAID": {
        "an invoice is called refunded": "update invoice set state = 'refunded' where state = 'paid'",
        "a refund is raised": """update refund set amount = amount + 1000000, receivable = receivable + 1000000
            where settlement_id is not null""",
    },
    "REFUND_LEDGER_TIE": {
        "a refund was taken from elsewhere": "update refund set payable = payable - 1, receivable = receivable + 1 where payable > 0",
        "a refund is called paid": "update refund set state = 'executed' where state = 'owed'",
        "a refund's journal is taken out": "delete from journal where kind = 'refund'",
    },
}
CUSTOMERS: Final[Faults] = {
    "INVOICE_TERMS": {
        "a credit note is made up": """insert into credit_note (id, program_id, invoice_id, asset, amount, against_due, refunded, reason,
                actor, at) select 'crn_1', program_id, id, asset, 5, 5, 0, 'x', 'x', now() from invoice limit 1""",
        "a write-off is made up": """insert into invoice_write_off (id, program_id, invoice_id, asset, amount, reason, actor, at)
            select 'iwo_1', program_id, id, asset, 5, 'x', 'x', now() from invoice limit 1""",
    },
    "OVERPAYMENT_TIE": {
        "an overpayment is made up": """insert into overpayment (id, program_id, payment_id, invoice_id, customer_id, asset, amount, cause,
                created_at, state, state_at)
            select 'ovp_1', p.program_id, p.id, i.id, i.customer_id, p.asset, 5, 'x', now(), 'owed', now()
            from payment p join invoice i on i.id = p.invoice_id limit 1""",
    },
    "UNIDENTIFIED_TIE": {
        "a payment of no invoice is on no list": "delete from unidentified_payment where state = 'open'",
        "one is made larger": "update unidentified_payment set amount = amount + 1",
        "one of which something is left is called used": "update unidentified_payment set state = 'used' where state = 'open'",
        "what went back is in no books": """insert into unidentified_repayment
                (unidentified_payment_id, program_id, payment_id, amount, provider, reference, actor, at)
            select id, program_id, payment_id, amount, 'bank', 'x', 'x', now() from unidentified_payment where state = 'open' limit 1;
            update unidentified_payment set state = 'repaid' where id in (select unidentified_payment_id from unidentified_repayment)""",
    },
    "CUSTOMER_BALANCE": {
        "a payment is made larger": "update payment set amount = amount + 1 where invoice_id is not null",
        "what is owed to a customer is forgotten": """update account set credits = credits + 1
            where name like 'refund_payable:customer:%'""",
    },
}
ESCROWS: Final[Faults] = {
    "TREASURY_LEDGER_TIE": {
        "more was distributed than its record says": "update treasury_movement set amount = amount + 1",
        "a distribution is called a withdrawal": "update treasury_movement set kind = 'withdrawal'",
        "a distribution has no journal": "delete from journal where kind = 'treasury_distribution'",
    },
    "ESCROW_TOTALS": {
        "an escrow says that it gave more": "update escrow set released = released + 1, refunded = refunded - 1 where refunded > 0",
        "a movement is taken out": "delete from escrow_movement where kind = 'repay'",
        "an escrow with money is called over": "update escrow set state = 'expired' where state = 'active'",
    },
    "ESCROW_LEDGER_TIE": {
        "a release went to fees": "update escrow_movement set net = net - 1, platform_fee = platform_fee + 1 where kind = 'release'",
        "a refund's journal is taken out": "delete from journal where kind = 'escrow_refund'",
        "an escrow holds more than its account": "update escrow set funded = funded + 1, amount = amount + 1",
    },
    "ESCROW_FEES": {
        "a fee is raised": "update escrow_movement set net = net - 1, validator_fee = validator_fee + 1 where kind = 'release'",
        "the rate is changed afterwards": "update fee_rate set validator_bps = validator_bps + 100",
    },
    "ESCROW_RELEASED_RIGHTLY": {
        "a condition is added afterwards": """insert into escrow_condition (escrow_id, number, program_id, kind, not_before)
            select escrow_id, 9, program_id, 'time', at + interval '1 second' from escrow_movement where kind = 'release'""",
        "a signature is taken out": "delete from escrow_evidence",
        "its time was over": "update escrow set expires_at = created_at where released > 0",
    },
    "ESCROW_PAYMENT_USED_ONCE": {
        "a payment that paid an invoice funds an escrow": """update escrow_movement set payment_id = (
            select min(id) from payment where invoice_id is not null) where kind = 'fund'""",
        "a payment that was taken back funds an escrow": "update escrow_movement set amount = amount + 1 where payment_id is not null",
        "a payment that paid an invoice pays a debt": """insert into customer_debt_entry
                (id, program_id, customer_id, asset, kind, amount, payment_id, provider, reference, reason, actor, at)
            select 'cde_1', program_id, 'ann', asset, 'paid', 100, id, provider, charge_id, 'x', 'x', now()
            from payment where invoice_id is not null limit 1""",
    },
}
COMMISSIONS: Final[Faults] = {
    "AFFILIATE_TREE": {
        "two stand above each other": """update affiliate a set parent_id = (select id from affiliate where parent_id = a.id)
            where parent_id is null""",
        "one stands under nobody that is there": "update affiliate set parent_id = 'aff_gone' where parent_id is not null",
        "one refers itself": """update referral r set customer_id = (select name from affiliate a where a.id = r.affiliate_id)
            where customer_id = (select min(customer_id) from referral)""",
    },
    "COMMISSION_TIE": {
        "a commission is raised": "update commission set amount = amount + 1 where level = 2",
        "a commission goes to another": """update commission c set affiliate_id = (
            select affiliate_id from commission o where o.sale_id = c.sale_id and o.level = 1) where level = 2""",
        "a referred sale has none": "delete from commission_sale",
        "what a refund took back is forgotten": "update commission set taken_back = 0 where taken_back > 0",
        "the contract is changed afterwards": "update commission_rate set levels = '{1000,201}'",
        "a sale is frozen larger than it was": "update commission_sale set gross = gross + 100",
        "another stood above when it was sold": "update affiliate_placement set parent_id = null",
        "somebody was not active when it was sold": "update step set to_state = 'inactive' where machine = 'affiliate'",
        "nobody referred the customer": "delete from referral",
        "its journal is taken out": "delete from journal where kind = 'commission_accrual'",
    },
    "COMMISSION_LEDGER_TIE": {
        "an account holds more": "update account set credits = credits + 1 where name like 'payable:affiliate:%'",
        "a commission matured and was not booked": "update commission set state = 'payable' where state = 'accrued'",
    },
    "COMMISSION_PAID_ONCE": {
        "a paid commission is payable again": "update commission set state = 'payable' where state = 'paid'",
        "a commission is in two payments": "update commission set paid = paid + 1 where state = 'paid'",
        "a payment is larger than what it moved": "update commission_payment set amount = amount + 1, netted = netted - 1",
        "a reversal is taken out": "delete from commission_reversal",
    },
}
BATCHES: Final[Faults] = {
    "PAYOUT_UNAPPROVED": {
        "an attempt was allowed by nothing": "delete from payout_approval",
        "more was sent than was allowed": "update payout_approval set amount = amount - 1 where amount > 1",
        "a batch pays what it does not hold": """update payout_approval set basis = 'batch',
            batch_id = (select min(id) from payout_batch)""",
        "a rule that nobody set lets it go": "update payout_approval set basis = 'rule', policy_version = 77",
        "a policy that was there was passed over": """update payout_policy set at = '2001-01-01'""",
    },
    "BATCH_DIGEST": {
        "an amount is raised after the freezing": "update payout_batch_line set amount = amount + 1",
        "a line goes to another account": """update payout_batch_line set destination_id =
            (select max(d.id) from destination d where d.id <> destination_id)""",
        "a line is taken out": "delete from payout_batch_line",
        "the total is another": "update payout_batch set amount = amount + 1 where sha256 is not null",
    },
    "BATCH_UNAPPROVED": {
        "an approval is taken out": "delete from payout_batch_approval",
        "it was approved by whoever made it": """insert into payout_batch_maker
            select batch_id, program_id, principal_id, at from payout_batch_approval""",
        "it takes more people": "update payout_batch set approvers = approvers + 1 where approved_at is not null",
        "the rule approved what is too large for it": "update payout_batch set by_rule = true where approved_at is not null",
        "nobody made it": "delete from payout_batch_maker",
    },
    "BATCH_LINE_TWICE": {
        "a payout is in two live batches": """drop index payout_batch_line_lives_once;
            insert into payout_batch_line (batch_id, number, program_id, payout_id, payee_id, destination_id, provider, asset, amount)
            select batch_id, number + 900, program_id, payout_id, payee_id, destination_id, provider, asset, amount
            from payout_batch_line where live limit 1""",
        "a line lives on in a batch that is over": "update payout_batch set state = 'cancelled' where state = 'approved'",
    },
    "BATCH_EXECUTED_UNPAID": {
        "a batch is called executed": "update payout_batch set state = 'executed' where state = 'approved'",
        "a line is called paid": "update payout_batch_line set paid_at = now() where paid_at is null",
    },
}
BREAKS: Final[Faults] = {
    "BREAK_JOURNAL_TIE": {
        "an adjusted break is open again": "update break set state = 'open' where state = 'adjusted'",
        "a break is adjusted by nothing": "update break set state = 'adjusted' where state = 'open'",
    },
    "BREAK_JOURNAL_ORPHAN": {
        "the approval is taken out": "delete from approval_use",
    },
    "BREAK_JOURNAL_PAYLOAD": {
        "more was posted than was approved": """update posting set amount = amount + 1
            where journal_id in (select result_id::uuid from approval_use)""",
        "something else was approved": """update break_proposal set payload = jsonb_set(payload, '{lines,0,amount}', '"1"')""",
    },
    "BREAK_TWO_PEOPLE": {
        "one person did both": "update approval_decision set checker_id = maker_id",
        "the approval came too late": "update approval_decision set at = at + interval '2 days'",
    },
    "BREAK_STATE_HISTORY": {
        "a break is closed by hand": "update break set state = 'accepted' where state = 'open'",
        "a step is taken out": "delete from step where machine = 'break' and step = 1",
    },
    "BREAK_PENDING_TIE": {
        "a break waits for nobody": "update break set state = 'pending_adjustment' where state = 'open'",
        "a proposal is forgotten": "update break set state = 'investigating' where state = 'pending_adjustment'",
    },
    "BREAK_OWNER_TIE": {
        "a break is given away in silence": "update break set owner = 'somebody'",
    },
    "BREAK_FOUND_IS_SHOWN": {
        "a break that the newest run found is closed": """update break set state = 'matched', gone_run = last_run
            where state in ('open', 'pending_adjustment')""",
        "a break is taken out": "delete from break where state in ('open', 'pending_adjustment')",
    },
    "BREAK_OPEN_IS_FOUND": {
        "a break is gone and open": "update break set gone_run = last_run where state = 'open'",
    },
    "BREAK_OLDER_VIEW": {
        "a break was seen by a run that is not named": "update break set seen_number = seen_number + 1000",
    },
    "BREAK_MATCHED_BY_RUN": {
        "a break is closed by a run of other days": """update break set state = 'matched', gone_run = (
            select id from reconciliation_run order by last_on limit 1) where state = 'open'""",
    },
}
OPERATIONS: Final[Faults] = {
    "PROVIDER_CURSOR_TIE": {
        "the cursor is moved on": """insert into provider_cursor values ('simulator', 'evt_zzz')
            on conflict (provider) do update set last_event_id = 'evt_zzz'""",
    },
    "DESTINATION_NOT_AS_AGREED": {
        "another account was agreed on": "update destination set fingerprint = substr(fingerprint, 1, 4) || sha256('acct_thief')",
    },
    "ENVELOPE_UNOPENED": {
        "two payees are paid at each other's account": """insert into destination (id, program_id, payee_id, provider, envelope,
            actor, created_at, state, state_at)
            select 'dst_thief', program_id, 'thief', provider, envelope, actor, created_at, state, state_at from destination limit 1;
            update destination d set envelope = o.envelope from destination o where o.id <> d.id""",
        "a webhook says something else": "update webhook_in set envelope = envelope || 'x'",
        "a webhook says what another one said": """update webhook_in w set envelope = o.envelope from webhook_in o
            where o.id = (select max(id) from webhook_in) and w.id = (select min(id) from webhook_in)""",
        "a key is taken that nobody has": "update destination set envelope = 'xxxx' || substr(envelope, 5)",
        "a webhook says something else, in clear": "update webhook_in set envelope = null, body = 'x'",
        "a payee is paid at an account that lies in clear and that nobody agreed on": """update destination
            set envelope = null, fingerprint = null, token = 'acct_thief'""",
        "a webhook has another text in clear beside its own": "update webhook_in set body = 'x'",
    },
    "RECORD_MUTATED": {
        "a payout is doubled": "update payout set amount = amount * 2",
        "a payee's account becomes another payee's": """update destination set payee_id = 'thief'
            where id = (select min(id) from destination)""",
        "an attempt goes to another account": """insert into destination (id, program_id, payee_id, provider, envelope,
            actor, created_at, state, state_at)
            select 'dst_thief', program_id, 'thief', provider, envelope, actor, created_at, state, state_at from destination limit 1;
            update provider_payout set destination_id = 'dst_thief'""",
        "a fee becomes amount": "update payment set fee = fee - 10, amount = amount + 10 where fee > 10",
        "who did it is rewritten": "update step set actor = 'nobody', reason = 'x'",
        "a state is changed and its step with it": """update payout set state = 'cancelled' where state = 'pending';
            update step s set to_state = 'cancelled' from payout p
            where s.machine = 'payout' and s.subject_id = p.id and s.step = p.steps and p.state = 'cancelled'""",
        "a queue that sends money goes on alone": """insert into queue_pause (queue, paused, reason, actor, at)
            values ('send', false, 'x', 'x', now())""",
        "the log of actions is emptied": "delete from action",
        "a webhook is another event": "update webhook_in set event_type = 'x'",
        "an event says something else": "update event set payload = '{}'",
        "a contradiction of the provider is taken out": "delete from provider_conflict",
        "a key may do everything": "update api_key set role = 'administrator'",
        "a key is put in": """insert into api_key (id, name, role, secret_hash, hint, created_by, created_at, principal_id,
                skeleton) select 'key_x', 'x', 'administrator', '\\x00', 'abcd', 'x', now(), principal_id, 'x' from api_key limit 1""",
        "usage and its invoice are raised together": """update usage_record set amount = amount + 1000;
            update invoice set total = total + 1000""",
        "an invoice is another customer's": "update invoice set customer_id = 'x'",
        "what a run found is rewritten": "update run_finding set at_stake = 0",
        "an approval is another's": "update approval_decision set checker = 'x'",
        "a service becomes a person": "update principal set kind = 'person' where kind = 'service'",
        "a provider answered something else": "update call_answer set answer = '{}'",
        "a break is of another thing": "update break set identity = identity || 'x'",
    },
}
LOG: Final[Faults] = {
    "LOG_MUTATED": {
        "a journal says something else than the log": "update journal set narrative = 'x' where kind = 'settlement'",
        "a posting and its seal are raised": "update posting set amount = amount + 1",
        "a posting is moved to another day": "update posting set effective_at = effective_at - interval '1 day'",
        "a posting is taken out": "delete from posting where line = 1",
        "an entry says something else than its record": """update log_entry set record = 'x', leaf_hash = sha256('\\x00'::bytea || 'x')
            where index = 3""",
        "an entry has another hash": "update log_entry set leaf_hash = sha256('x') where index = 2",
        "an act is taken out": "delete from action",
        "the last entry is taken out": "delete from log_entry where index = (select max(index) from log_entry)",
        "a checkpoint has another root": "update log_checkpoint set root = sha256('x')",
    },
    "LOG_SKIPPED": {
        "a record is put in behind the sequencer": """insert into action (id, actor, role, verb, subject_id, request_id, payload, at,
            written_by) values ('act_x', 't', 'r', 'v', 's', 'q', '{}', now(), '5'::xid8)""",
        "the end of the log is taken out": "delete from log_entry where index > 5",
    },
    "LOG_BEHIND": {
        "nobody numbers what is posted": """insert into journal select gen_random_uuid(), program_id, book_id, lines, effective_at,
            now() - interval '1 hour', kind, key || 'x', request_hash, actor, narrative, source_type, source_id, null, null,
            '9000000000'::xid8 from journal limit 1""",
    },
}


def oldest(table: str, becomes: str) -> str:
    """What makes of the first row of a table one that has stood still for too long."""
    return f"update {table} set {becomes} where id = (select min(id) from {table})"


MONITORS: Final[Faults] = {
    "INTENT_STUCK": {
        "an intent stands still": oldest("intent", "state = 'processing', state_at = now() - interval '20 minutes'"),
    },
    "HOLDBACK_OVERDUE": {
        "nobody releases it": oldest("holdback_tranche", "state = 'held', release_at = now() - interval '3 days'"),
    },
    "OUTBOX_SENDING_STUCK": {
        "a worker died while it sent": oldest("provider_payout", "state = 'sending', state_at = now() - interval '31 minutes'"),
    },
    "PAYOUT_SENT_SILENT": {
        "nobody knows whether it arrived": oldest("provider_payout", "state = 'unknown', state_at = now() - interval '11 minutes'"),
        "nobody asked about it": oldest("provider_payout", "state = 'sent', due_at = now() - interval '11 minutes'"),
    },
    "PAYOUT_PROCESSING_AGED": {
        "a payee waits": oldest("payout", "state = 'processing', state_at = now() - interval '25 hours'"),
        "a payee waits for what is in doubt": oldest("payout", "state = 'reconcile_required', state_at = now() - interval '25 hours'"),
        "it was reserved a day ago and came into doubt just now": """update payout set state = 'reconcile_required', state_at = now()
            where id = (select min(id) from payout);
            update provider_payout set created_at = now() - interval '25 hours' where payout_id = (select min(id) from payout)""",
    },
    "HELD_AGED": {
        "a hold was forgotten": oldest("payout", "state = 'held', state_at = now() - interval '31 days'"),
    },
    "CHARGEBACK_AGED": {
        "its bank never decides": """update chargeback set opened_at = now() - interval '91 days', answer_by = null
            where state = 'open'""",
    },
    "DESTINATION_CHANGE_RISK": {
        "a payee was paid at a new account": """insert into destination (id, program_id, payee_id, provider, envelope, actor,
                created_at, ended_at, state, state_at)
            select 'dst_before', program_id, payee_id, provider, envelope, actor, created_at - interval '1 year', now(), 'ended', now()
            from destination
            where id = (select min(destination_id) from provider_payout);
            update provider_payout pp set created_at = now() - interval '1 hour' where destination_id = (
                select min(destination_id) from provider_payout);
            update destination set created_at = now() - interval '2 hours' where id = (select min(destination_id) from provider_payout)""",
    },
    "BATCH_AGED": {
        "nobody executes it": "update payout_batch set state = 'approved', state_at = now() - interval '25 hours'",
    },
    "BATCH_STALLED": {
        "it stopped half way": "update payout_batch set state = 'executing', state_at = now() - interval '2 hours'",
    },
    "WEBHOOK_IN_PARKED": {
        "nobody sees to it": oldest("webhook_in", "state = 'parked', state_at = now() - interval '2 hours'"),
    },
    "EVENT_PARKED": {
        "nobody sees to it": oldest("event", "state = 'parked', state_at = now() - interval '2 hours'"),
    },
    "EVENT_DELIVERED": {
        "its delivery is taken out": "delete from webhook_delivery",
        "it was put in past every trigger": """insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at)
            select 'x.work_stuck.1', 'work_stuck', 'critical', '', 'x', '{}', now(), 'handled', now()
            from webhook_endpoint where state = 'enabled'""",
    },
    "WEBHOOK_OUT_FAILING": {
        "it refuses one after the other": "update webhook_endpoint set failures = 6 where state = 'enabled'",
        "it refuses for long": "update webhook_endpoint set failures = 11 where state = 'enabled'",
    },
    "WEBHOOK_OUT_DEAD": {
        "nobody sees to what it did not take": "update webhook_delivery set state = 'failed', due_at = null",
        "nobody tells it again what was kept": "update webhook_delivery set state = 'kept', due_at = null",
    },
    "WEBHOOK_OUT_REFUSED": {
        "its name leads into our own network": """update webhook_delivery set state = 'due', due_at = now() + interval '1 hour',
            last_error = 'address_refused: hooks.example is at 10.0.0.1, which is not public and not in webhook_networks'""",
    },
    "WORKER_DOWN": {
        "it was heard of long ago": """insert into worker (id, host, pid, version, started_at, beat_at)
            values ('w', 'h', 1, 'v', now() - interval '1 day', now() - interval '2 minutes')""",
    },
    "QUEUE_DEPTH": {
        "nobody works": """insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at, due_at)
            select 'late.' || n, 'x', 'info', '', 'x', '{}', now(), 'due', now(), now() - interval '1 minute'
            from generate_series(1, 600) n""",
    },
    "CLIENT_MONEY_SHORTFALL": {
        "less is held than is owed": """insert into client_money (id, program_id, asset, on_day, owed, held, in_transit, difference, detail,
                sha256, made_by, made_at)
            values ('cm_x', 'main', 'EUR', '2099-01-01', 100, 90, 0, -10, '{}', '\\x00', 'x', now())""",
    },
    "CLIENT_MONEY_STALE": {
        "nobody drew it up since": f"""update account set opened_at = opened_at - {LONG_AGO}; delete from client_money;
            insert into reconciliation_schedule values ('full', '0 2 * * *', now() - {LONG_AGO})
            on conflict (name) do update set cron = excluded.cron, since = excluded.since""",
        "no schedule wants it, and nobody ever drew it up": f"""update account set opened_at = opened_at - {LONG_AGO};
            delete from client_money; delete from reconciliation_schedule where name = 'full'""",
        "the last is of long ago": f"""update account set opened_at = opened_at - {LONG_AGO}; delete from client_money;
            insert into client_money (id, program_id, asset, on_day, owed, held, in_transit, difference, detail, sha256, made_by, made_at)
            values ('cm_x', 'main', 'EUR', current_date - 9, 100, 100, 0, 0, '{{}}', '\\x00', 'x', now())""",
    },
    "STALE_SOURCE": {
        "nobody reconciled it since": """update reconciliation_run set finished_at = now() - interval '3 days',
            confirmed_at = null where state = 'finished'""",
    },
    "JOB_NOT_RUN": {
        "nobody completed it": "insert into reconciliation_schedule values ('full', '0 2 * * *', now() - interval '9 days')",
    },
    "JOB_FAILED": {
        "it was taken and never ended": """
            insert into reconciliation_schedule values ('x', '0 2 * * *', now() - interval '9 hours');
            insert into reconciliation_slot values ('x', now() - interval '7 hours', now() - interval '7 hours', 'w', 0)""",
        "its last one failed": """
            insert into reconciliation_schedule values ('x', '0 2 * * *', now() - interval '9 hours');
            insert into reconciliation_slot values ('x', now() - interval '7 hours', now() - interval '7 hours', 'w', 0);
            insert into schedule_end (name, slot_at, ended_at, error) values ('x', now() - interval '7 hours', now(), 'it broke')""",
    },
    "SCHEDULE_CONTESTED": {
        "a worker has other settings": """insert into reconciliation_schedule values ('full', '0 2 * * *', now()) on conflict do nothing;
            insert into schedule_wish values ('full', 'w:1', '', now() - interval '1 hour', now() + interval '1 minute')""",
    },
    "BACKUP_OVERDUE": {
        "the last one is of long ago": f"""update program set opened_at = opened_at - {LONG_AGO};
            update migration set applied_at = applied_at - {LONG_AGO};
            update backup set snapshot_at = snapshot_at - {LONG_AGO}""",
    },
    "PASSWORD_OLD": {
        "nobody changed it": """insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at)
            values ('login:postgres.x', 'database_password_seen', 'debug', '', 'login:postgres', '{}', now() - interval '93 days',
                    'handled', now())""",
    },
    "WAL_BEHIND": {
        "nobody fetches it": """insert into wal_archive (system_id, asked_at, kept_at)
            select system_identifier::text, now(), now() - interval '20 minutes' from pg_control_system()""",
        "it was never fetched": """insert into wal_archive (system_id, asked_at, failed_at, error)
            select system_identifier::text, now(), now(), 'x' from pg_control_system()""",
    },
    "COPIES_BEHIND": {
        "the store takes nothing": """insert into store_copy (id, store, path, bytes, sha256, found_at, due_at, state, state_at)
            values ('cpy_planted', 's3://x', 'proofs/x', 1, sha256('x'), now() - interval '20 minutes', now(), 'waiting', now())""",
    },
    "COPY_WRONG": {
        "somebody wrote over it": """insert into store_copy
                (id, store, path, bytes, sha256, found_at, kept_at, version, checksum, looked_at, error, state, state_at)
            values ('cpy_planted', 's3://x', 'proofs/x', 1, sha256('x'), now(), now(), 'v', 'c', now(), 'x', 'wrong', now())""",
    },
    "CHECKPOINT_BEHIND": {
        "nothing is signed": f"delete from log_checkpoint; update log_entry set recorded_at = recorded_at - {LONG_AGO}",
        "nothing leaves": f"delete from log_left; update log_checkpoint set at = at - {LONG_AGO}",
    },
    "PROOF_GAP": {
        "none was made": "update program set opened_at = opened_at - interval '1 year'; delete from proof",
        "nobody signs": f"""insert into proof (id, from_at, to_at, open_size, close_size, entries, verdict, reconciliation, manifest_sha256,
                duration_ms, made_by, created_at, state, state_at)
            values ('prf_x', now() - interval '1 day', now(), 0, 0, 0, 'complete', 'reconciled', sha256(''), 1, 't', now() - {LONG_AGO},
                    'waiting', now())""",
        "a week is in none": """insert into proof (id, from_at, to_at, open_size, close_size, entries, verdict, reconciliation,
                manifest_sha256, duration_ms, made_by, created_at, state, state_at)
            select 'prf_' || n, now() - n * interval '10 days', now() - n * interval '10 days' + interval '3 days', 0, 0, 0, 'complete',
                   'reconciled', sha256(''), 1, 't', now(), 'signed', now() from generate_series(1, 2) n""",
    },
    "TRANSACTION_STUCK": {
        "its coordinator is gone": "update two_phase set state = 'preparing', state_at = now() - interval '6 minutes'",
        "nobody finishes it": "update two_phase set state = 'committing', state_at = now() - interval '16 minutes'",
    },
    "CLEARING_AGED": {
        "nobody decides on it": "update break set state = 'open', due_on = current_date - 2",
        "nobody claims it": "update account set credits = debits + 100000000 where name = 'suspense'",
    },
    "RECEIVABLE_NOT_NETTED": {
        "a debtor is paid": """
            update account a set name = 'receivable:payee:' || p.payee_id, debits = credits + 1, last_seq = 1
            from (select p.* from payout p join provider_payout pp on pp.payout_id = p.id order by p.id limit 1) p
                 join book b on (b.program_id, b.asset) = (p.program_id, p.asset)
            where a.book_id = b.id and a.name = 'suspense';
            update provider_payout set state = 'succeeded'""",
    },
    "WEBHOOK_IN_REFUSED": {
        "somebody has another secret": "insert into webhook_in_rejection values ('simulator', current_date, 'WrongSignature', 21, now())",
    },
    "RESTORE_DRILL_OVERDUE": {
        "it passed long ago": """update program set opened_at = opened_at - interval '1 year';
            update migration set applied_at = applied_at - interval '1 year';
            update drill set finished_at = finished_at - interval '1 year' where state = 'passed'""",
    },
    "DRILL_FAILED": {
        "it did not go as it must": """insert into drill (id, name, actor, asked_at, started_at, finished_at, evidence, error, state,
                                 state_at)
            values ('drl_x', 'restore', 't', now(), now(), now(), 'x', 'it broke', 'failed', now())""",
    },
    "SERVICE_LEVEL_BURN": {
        "the server was not there": """insert into minute_sample (minute, available, answered_ms, why_not, measured_by, at)
            select m, false, 1, 'x', 'w', m from generate_series(
                date_trunc('minute', now()) - interval '2 hours', now() + interval '1 minute', interval '1 minute') m""",
    },
    "PROCESSING_SLOW": {
        "intents take ten times as long as before": """with made as (
                select 'slow' || n as name, now() + interval '1 hour' - n * interval '1 minute' as at,
                       case when n <= 100 then interval '60 seconds' else interval '6 seconds' end as took from generate_series(1, 250) n),
            paid as (
                insert into payment (id, program_id, provider, charge_id, invoice_id, reference, asset, amount, applied, fee, occurred_at,
                    recorded_at) select 'pay_' || name, 'main', 'simulator', name, 'inv_' || name, name, 'EUR', 1, 1, 0, at, at from made)
            insert into intent (id, program_id, invoice_id, provider, created_at, completed_at, state, state_at)
            select 'int_' || name, 'main', 'inv_' || name, 'simulator', at, at + took, 'completed', at + took from made""",
    },
    "CHECK_NOT_RUN": {
        "a check could not be asked": """insert into sentinel_check (run_id, place, code, outcome, took_ms, error, at)
            select id, 900, 'X', 'failed', 1, 'it broke', now() from sentinel_run order by number desc limit 1""",
        "a run was cut short": """update sentinel_run set state = 'cut_short', failed = 0, error = 'the time was over'
            where number = (select max(number) from sentinel_run)""",
        "no schedule wants full runs, and nobody makes one": """delete from reconciliation_schedule where name = 'sentinel-full';
            update sentinel_run set finished_at = finished_at - interval '3 days', started_at = started_at - interval '3 days'""",
    },
}
PARTS: Final = (
    MONITORS,
    LEDGER,
    SETTLEMENT,
    PAYOUTS,
    CHAIN,
    BATCHES,
    ESCROWS,
    COMMISSIONS,
    CUSTOMERS,
    REFUNDS,
    BREAKS,
    AGENTS,
    OPERATIONS,
    LOG,
)
PLANTED: Final[Faults] = {code: faults for part in PARTS for code, faults in part.items()}

# Faults of checks that recent runs ask, too, and which they do not show: why. A full run finds them within a day.
PLAIN_ONLY_IN_FULL: Final[dict[tuple[str, str], str]] = {
    ("LEDGER_UNBALANCED", "a journal is taken out and its postings stay"): "what is new is found by the ids of journals, and it has none",
    ("LEDGER_UNBALANCED", "an account's totals are raised on both sides"): "the totals of a book are compared with all of its postings",
    ("ACCOUNT_BALANCE_DRIFT", "a posting's amount is raised"): "totals are compared with the balance kept on the last posting, which stays",
    ("IDEMPOTENCY_CONFLICT", "one key has two journals"): "keys are compared with all there are",
    ("HOLD_ORPHAN", "a hold is made larger"): "open holds are compared with all holds",
    ("TRANSACTION_PROMISES_STAND", "a vote is taken out and its hold stays"): "promised holds are compared with all votes",
    ("TRANSACTION_LEDGER_TIE", "money stays between agents"): "what is between agents is compared with all transactions that were applied",
}

-- Invoices that are not paid as they were asked: overdue, credited, written off, expired; and what is paid too much or too late.

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('invoice', 'pending', 'fall_due', 'overdue', false, false),
    ('invoice', 'pending', 'credit', 'pending', true, false),
    ('invoice', 'pending', 'credit_in_full', 'cancelled', true, false),
    ('invoice', 'partially_paid', 'fall_due', 'overdue', false, false),
    ('invoice', 'partially_paid', 'credit', 'partially_paid', true, false),
    ('invoice', 'partially_paid', 'credit_rest', 'paid', true, false),
    ('invoice', 'partially_paid', 'credit_in_full', 'cancelled', true, false),
    ('invoice', 'overdue', 'pay', 'paid', false, false),
    ('invoice', 'overdue', 'pay_part', 'partially_paid', false, false),
    ('invoice', 'overdue', 'credit', 'overdue', true, false),
    ('invoice', 'overdue', 'credit_rest', 'paid', true, false),
    ('invoice', 'overdue', 'credit_in_full', 'cancelled', true, false),
    ('invoice', 'overdue', 'write_off', 'cancelled', false, true),
    ('invoice', 'overdue', 'dispute', 'disputed', false, false),
    ('invoice', 'paid', 'credit', 'paid', true, false),
    ('intent', 'payment_pending', 'expire', 'expired', false, false),
    ('intent', 'expired', 'reopen', 'payment_pending', true, false),
    ('intent', 'expired', 'verify', 'verifying', false, false),
    ('overpayment', '', 'create', 'owed', false, false),
    ('overpayment', 'owed', 'repay', 'repaid', false, false),
    ('overpayment', 'owed', 'charge_back', 'charged_back', false, false);

alter table invoice
    add column credited    bigint not null default 0 constraint invoice_credited_not_negative check (credited >= 0),
    add column written_off bigint not null default 0 constraint invoice_written_off_not_negative check (written_off >= 0),
    drop constraint invoice_is_paid_in_full,
    add constraint invoice_is_paid_in_full check (state <> 'paid' or paid + credited = total),
    add constraint invoice_asks_no_less_than_was_paid check (paid + credited + written_off <= total),
    add constraint invoice_is_written_off_whole check (written_off = 0 or (state = 'cancelled' and paid + credited + written_off = total));
create index invoice_unpaid on invoice (due_on, id) where state in ('pending', 'partially_paid', 'overdue');
create index invoice_of_customer on invoice (program_id, customer_id, issued_at);

alter table intent add column waits_until date;
comment on column intent.waits_until is 'null: as long after the due date of its invoice as every intent; set when payment is waited for again';

create table credit_note (                          -- what is no longer asked for of an invoice; append-only
    id          text        primary key,
    program_id  text        not null references program,
    invoice_id  text        not null references invoice,
    asset       text        not null references asset,
    amount      bigint      not null constraint credit_note_positive check (amount > 0),
    against_due bigint      not null,
    refunded    bigint      not null,
    refund_id   text        references refund,      -- of what was paid already
    reason      text        not null,
    actor       text        not null,
    at          timestamptz not null,
    constraint credit_note_adds_up check (against_due >= 0 and refunded >= 0 and amount = against_due + refunded),
    constraint credit_note_names_its_refund check ((refund_id is not null) = (refunded > 0))
);
create index credit_note_of_invoice on credit_note (invoice_id);
select make_append_only('credit_note');
select make_sealed('credit_note');

create table invoice_write_off (                    -- what a customer never pays, and the house does; two people; append-only
    id         text        primary key,
    program_id text        not null references program,
    invoice_id text        not null constraint invoice_is_written_off_once unique references invoice,
    asset      text        not null references asset,
    amount     bigint      not null constraint invoice_write_off_positive check (amount > 0),
    reason     text        not null,
    actor      text        not null,
    at         timestamptz not null
);
select make_append_only('invoice_write_off');
select make_sealed('invoice_write_off');
select make_paired('invoice_write_off', 'invoice', 'write_off', 'true', 'n.invoice_id', $$p ->> 'amount' = n.amount::text$$);

create table overpayment (                          -- what a payment brought beyond its invoice: it is owed back
    id          text        primary key,
    program_id  text        not null references program,
    payment_id  text        not null constraint overpayment_of_a_payment_is_one unique references payment,
    invoice_id  text        not null references invoice,
    customer_id text        not null,
    asset       text        not null references asset,
    amount      bigint      not null constraint overpayment_positive check (amount > 0),
    cause       text        not null,
    created_at  timestamptz not null
);
select make_stateful('overpayment', 'overpayment');
select make_fixed('overpayment', 'program_id', 'payment_id', 'invoice_id', 'customer_id', 'asset', 'amount', 'cause', 'created_at');
select make_sealed('overpayment');
create index overpayment_of_customer on overpayment (program_id, customer_id);

create table overpayment_repayment (                -- where a customer has it back; append-only
    overpayment_id text        primary key references overpayment,
    program_id     text        not null references program,
    amount         bigint      not null constraint overpayment_repayment_positive check (amount > 0),
    provider       text        not null constraint overpayment_repayment_names_a_provider check (provider <> ''),
    reference      text        not null constraint overpayment_repayment_reference check (length(reference) between 1 and 200),
    actor          text        not null,
    at             timestamptz not null,
    constraint overpayment_is_repaid_once_by_each_reference unique (provider, reference)
);
select make_append_only('overpayment_repayment');
select make_sealed('overpayment_repayment');

create function overpayment_left(of_overpayment text) returns bigint language sql stable set search_path = public, pg_temp as $$
    select (o.amount - coalesce((select sum(c.excess) from chargeback c where c.payment_id = o.payment_id and c.state <> 'won'), 0)
                     - coalesce((select r.amount from overpayment_repayment r where r.overpayment_id = o.id), 0))::bigint
    from overpayment o where o.id = of_overpayment
$$;

create function overpayment_is_repaid_whole() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if new.amount is distinct from overpayment_left(new.overpayment_id) then
        raise 'overpayment %: % is owed back, not %', new.overpayment_id, overpayment_left(new.overpayment_id), new.amount
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger overpayment_is_repaid_whole before insert on overpayment_repayment for each row execute function overpayment_is_repaid_whole();
alter table overpayment_repayment enable always trigger overpayment_is_repaid_whole;

create or replace function reference_paid(of_provider text, of_reference text) returns boolean language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('paid:' || of_provider || ':' || of_reference, 0));
    return exists (select from refund_execution r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from overpayment_repayment r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from escrow_movement m where m.kind = 'repay' and (m.provider, m.reference) = (of_provider, of_reference));
end $$;
create trigger reference_pays_once before insert on overpayment_repayment for each row execute function reference_pays_once();
alter table overpayment_repayment enable always trigger reference_pays_once;

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('OVERPAYMENT_REPAY', 'overpayment_repay', 'overpayment', true, true),
    ('INVOICE_WRITE_OFF', 'invoice_write_off', 'invoice_write_off', false, false);

-- Rows of the time before: what was paid beyond its invoice is owed in the books and was listed nowhere; intents of cancelled invoices
-- waited for ever.
insert into overpayment (id, program_id, payment_id, invoice_id, customer_id, asset, amount, cause, created_at, state, state_at)
select 'ovp_' || substr(p.id, 5), p.program_id, p.id, i.id, i.customer_id, p.asset, p.amount - p.applied,
       case i.state when 'cancelled' then 'it is cancelled' else 'more than was asked' end, p.recorded_at, 'owed', p.recorded_at
from payment p join invoice i on i.id = p.invoice_id where p.amount > p.applied;
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
select 'overpayment', id, 1, '', 'create', 'owed', 'system:worker', created_at from overpayment;
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'overpayment', o.id, 2, 'owed', 'charge_back', 'charged_back', 'system:worker', 'a chargeback that is lost', now()
from overpayment o where overpayment_left(o.id) = 0
  and not exists (select from chargeback c where c.payment_id = o.payment_id and c.state = 'open');
update overpayment o set state = 'charged_back', state_at = now(), steps = 2
where overpayment_left(o.id) = 0 and not exists (select from chargeback c where c.payment_id = o.payment_id and c.state = 'open');
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'intent', t.id, t.steps + 1, 'payment_pending', 'cancel', 'cancelled', 'system:worker', i.id, i.state_at
from intent t join invoice i on i.id = t.invoice_id where i.state = 'cancelled' and t.state = 'payment_pending';
update intent t set state = 'cancelled', state_at = i.state_at, steps = t.steps + 1
from invoice i where i.id = t.invoice_id and i.state = 'cancelled' and t.state = 'payment_pending';

-- What stands between each customer and the house, document by document: more than 0, the customer owes it; less, it is owed to the
-- customer or held for them. Their sum is what the books say (invariant CUSTOMER_BALANCE).
create index refund_of_customer on refund (program_id, customer_id);
create index chargeback_of_customer on chargeback (program_id, customer_id) where customer_id is not null;
create index escrow_of_customer on escrow (program_id, customer_id);
create index account_of_customer on account (book_id, split_part(name, ':', 3))
    where name like 'receivable:customer:%' or name like 'refund_payable:customer:%';
create view customer_account as                    -- what is owed by a customer, and to one: more than 0 is owed by them
select b.program_id, split_part(a.name, ':', 3) as customer_id, b.asset, a.id as account_id, a.debits - a.credits as amount
from account a join book b on b.id = a.book_id
where a.name like 'receivable:customer:%' or a.name like 'refund_payable:customer:%';
create view customer_entry as
select program_id, customer_id, asset, issued_at as at, 1 as place, 'invoice' as kind, id as document_id, id as about, total as amount
from invoice
union all
select i.program_id, i.customer_id, i.asset, s.at, 2, 'invoice cancelled', i.id, i.id, i.credited - i.total
from invoice i join step s on s.subject_id = i.id and s.machine = 'invoice' and s.verb = 'cancel'
union all
select i.program_id, i.customer_id, i.asset, p.recorded_at, 3, 'payment', p.id, i.id, -p.amount
from invoice i join payment p on p.invoice_id = i.id
union all
select i.program_id, i.customer_id, i.asset, c.at, 4, 'credit note', c.id, i.id, -c.amount
from invoice i join credit_note c on c.invoice_id = i.id
union all
select i.program_id, i.customer_id, i.asset, w.at, 5, 'write-off', w.id, i.id, -w.amount
from invoice i join invoice_write_off w on w.invoice_id = i.id
union all
select r.program_id, r.customer_id, r.asset, r.created_at, 6, 'refund', r.id, r.invoice_id, -r.amount
from refund r where not exists (select from credit_note c where c.refund_id = r.id)
union all
select r.program_id, r.customer_id, r.asset, s.at, 7, 'refund taken back', r.id, r.invoice_id, r.amount
from refund r join step s on s.subject_id = r.id and s.machine = 'refund' and s.verb = 'win_back'
union all
select r.program_id, r.customer_id, r.asset, j.recorded_at, 8, 'refund paid', r.id, r.invoice_id, t.amount
from refund r join journal j on j.program_id = r.program_id and j.key = 'REFUND_EXECUTE:' || r.id
cross join lateral (select sum(t.amount)::bigint as amount from posting t where t.journal_id = j.id) t
union all
select o.program_id, o.customer_id, o.asset, r.at, 9, 'overpayment paid back', o.id, o.invoice_id, r.amount
from overpayment o join overpayment_repayment r on r.overpayment_id = o.id
union all
select program_id, customer_id, asset, opened_at, 10, 'chargeback', id, invoice_id, amount
from chargeback where customer_id is not null
union all
select program_id, customer_id, asset, ended_at, 11, 'chargeback won', id, invoice_id, -amount
from chargeback where customer_id is not null and state = 'won'
union all
select e.program_id, e.customer_id, e.asset, m.at, 12, 'escrow ' || case m.kind when 'fund' then 'funded' when 'release' then 'released'
       else 'paid back' end, m.id, e.id, case m.kind when 'fund' then -m.amount else m.amount end
from escrow e join escrow_movement m on m.escrow_id = e.id where m.kind in ('fund', 'release', 'repay')
union all
select c.program_id, c.customer_id, c.asset, j.recorded_at, 13, 'adjustment', j.id::text || '/' || t.line, null,
       case when t.debit = c.account_id then t.amount else -t.amount end
from customer_account c
join program_segment s on s.program_id = c.program_id
cross join lateral (
    select * from posting where segment = s.segment and debit = c.account_id
    union all select * from posting where segment = s.segment and credit = c.account_id) t
join journal j on j.id = t.journal_id
where key_word(j.key) is null or key_word(j.key) in ('reversal', 'break', 'hold.post');
comment on view customer_entry is 'place: the order of what happened at one moment';

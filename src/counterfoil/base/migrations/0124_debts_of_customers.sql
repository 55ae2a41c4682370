-- What a customer owes (charged back after it was refunded, or after it funded an escrow) ends: the customer pays it, by a payment that lies
-- in suspense or by a transfer that two people saw at the bank, or two people give it up.

create table customer_debt_entry (                  -- append-only
    id          text        primary key,
    program_id  text        not null references program,
    customer_id text        not null,
    asset       text        not null references asset,
    kind        text        not null constraint customer_debt_entry_kind check (kind in ('paid', 'written_off')),
    amount      bigint      not null constraint customer_debt_entry_positive check (amount > 0),
    payment_id  text        references payment,
    provider    text,                               -- of what was paid: a provider, or bank
    reference   text        constraint customer_debt_entry_reference check (length(reference) between 1 and 200),
    reason      text        not null,
    actor       text        not null,
    at          timestamptz not null,
    constraint customer_debt_entry_says_how check (case kind
        when 'paid' then provider is not null and reference is not null and (provider = 'bank') = (payment_id is null)
        else provider is null and reference is null and payment_id is null end)
);
create unique index customer_debt_is_paid_once_by_a_transfer on customer_debt_entry (reference) where kind = 'paid' and payment_id is null;
create index customer_debt_entry_of_payment on customer_debt_entry (payment_id) where payment_id is not null;
select make_append_only('customer_debt_entry');
select make_sealed('customer_debt_entry');
select make_paired('customer_debt_entry', 'customer_receivable', 'write_off', $$new.kind = 'written_off'$$,
                   $$n.program_id || ':' || n.customer_id || ':' || n.asset$$, $$p ->> 'amount' = n.amount::text$$);
select make_paired('customer_debt_entry', 'customer_receivable', 'pay', $$new.kind = 'paid' and new.payment_id is null$$,
                   $$n.program_id || ':' || n.customer_id || ':' || n.asset$$,
                   $$p ->> 'amount' = n.amount::text and p ->> 'reference' = n.reference$$);
insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('CUSTOMER_DEBT_PAID', 'customer_debt_paid', 'customer_debt_entry', true, true),
    ('CUSTOMER_WRITE_OFF', 'customer_write_off', 'customer_debt_entry', false, false);

-- What a payment that lies in suspense still has.
create or replace function payment_unused(payment_asked text) returns bigint stable language sql
    return (select p.amount - coalesce((select sum(m.amount) from escrow_movement m where m.payment_id = p.id), 0)
                   - coalesce((select sum(d.amount) from customer_debt_entry d where d.payment_id = p.id), 0)
                   - coalesce((select sum(c.amount - coalesce((select sum(x.amount) from chargeback_escrow x where x.chargeback_id = c.id), 0))
                               from chargeback c where c.payment_id = p.id and c.state <> 'won'), 0)
            from payment p where p.id = payment_asked and p.invoice_id is null);

create function customer_debt_is_paid_with_what_is_there() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    perform lock_payments(array[new.payment_id]);
    if not exists (select from payment p where p.id = new.payment_id
                   and (p.program_id, p.asset, p.provider, p.charge_id) = (new.program_id, new.asset, new.provider, new.reference))
       or new.amount > coalesce(payment_unused(new.payment_id), 0) then
        raise 'payment % has not so much for this debt', new.payment_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger customer_debt_is_paid_with_what_is_there before insert on customer_debt_entry
    for each row when (new.payment_id is not null) execute function customer_debt_is_paid_with_what_is_there();
alter table customer_debt_entry enable always trigger customer_debt_is_paid_with_what_is_there;

-- A transfer that came to the bank counts once: for an escrow, or for a debt.
create function receipt_used(of_reference text) returns boolean language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('receipt:' || of_reference, 0));
    return exists (select from escrow_movement m where m.kind = 'fund' and m.payment_id is null and m.reference = of_reference)
        or exists (select from customer_debt_entry d where d.kind = 'paid' and d.payment_id is null and d.reference = of_reference);
end $$;
comment on function receipt_used is 'app: execute';
create function receipt_counts_once() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if receipt_used(new.reference) then
        raise 'the receipt % was used before', new.reference using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger receipt_counts_once before insert on escrow_movement
    for each row when (new.kind = 'fund' and new.payment_id is null) execute function receipt_counts_once();
create trigger receipt_counts_once before insert on customer_debt_entry
    for each row when (new.kind = 'paid' and new.payment_id is null) execute function receipt_counts_once();
alter table escrow_movement enable always trigger receipt_counts_once;
alter table customer_debt_entry enable always trigger receipt_counts_once;

-- What funded an escrow and was taken back, and how a customer's debt ended, stand in the customer's statement as well.
create index customer_debt_entry_of_customer on customer_debt_entry (program_id, customer_id);
create or replace view customer_entry as
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
where key_word(j.key) is null or key_word(j.key) in ('reversal', 'break', 'hold.post')
union all
select e.program_id, e.customer_id, e.asset, c.opened_at, 14, 'chargeback', c.id, case count(*) when 1 then min(e.id) end,
       sum(x.amount)::bigint
from chargeback_escrow x join chargeback c on c.id = x.chargeback_id join escrow e on e.id = x.escrow_id
group by e.program_id, e.customer_id, e.asset, c.id
union all
select e.program_id, e.customer_id, e.asset, c.ended_at, 15, 'chargeback won', c.id, case count(*) when 1 then min(e.id) end,
       -sum(x.amount)::bigint
from chargeback_escrow x join chargeback c on c.id = x.chargeback_id join escrow e on e.id = x.escrow_id
where c.state = 'won' group by e.program_id, e.customer_id, e.asset, c.id
union all
select program_id, customer_id, asset, at, 16, 'debt ' || case kind when 'paid' then 'paid' else 'written off' end, id, null, -amount
from customer_debt_entry;

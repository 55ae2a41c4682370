-- A payment that paid what a customer owed may be taken back by a bank as well. What it had paid of the debt its customer owes again; the
-- others whose money lies in suspense bear nothing. While that is open nothing leaves the customer's escrows whose money was lost and paid
-- for: lost as well, what they still hold pays.

create table chargeback_debt (                      -- of what was taken, what had paid a customer's debt; append-only
    chargeback_id text   not null references chargeback,
    entry_id      text   not null references customer_debt_entry,
    amount        bigint not null constraint chargeback_debt_positive check (amount > 0),
    primary key (chargeback_id, entry_id)
);
create index chargeback_debt_of_entry on chargeback_debt (entry_id);
select make_append_only('chargeback_debt');
select make_sealed('chargeback_debt');
select keep_to_program('chargeback_debt', 'chargeback_id in (select id from chargeback)');
insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('CHARGEBACK_DEBT', 'chargeback_debt', 'chargeback', true, true);

-- What a payment that lies in suspense still has.
create or replace function payment_unused(payment_asked text) returns bigint stable language sql
    return (select p.amount - coalesce((select sum(m.amount) from escrow_movement m where m.payment_id = p.id), 0)
                   - coalesce((select sum(d.amount) from customer_debt_entry d where d.payment_id = p.id), 0)
                   - coalesce((select sum(c.amount - coalesce((select sum(x.amount) from chargeback_escrow x where x.chargeback_id = c.id), 0)
                                          - coalesce((select sum(x.amount) from chargeback_debt x where x.chargeback_id = c.id), 0))
                               from chargeback c where c.payment_id = p.id and c.state <> 'won'), 0)
            from payment p where p.id = payment_asked and p.invoice_id is null);

-- The chargeback that is open on a payment that funded an escrow, or that paid its customer's debt after the escrow's own money was lost;
-- null without one.
create or replace function escrow_charged_back(escrow_asked text) returns text stable language sql
    return (select min(c.id) from chargeback c
            where c.state = 'open' and (
                c.payment_id in (select m.payment_id from escrow_movement m where m.escrow_id = escrow_asked)
                or c.id in (select x.chargeback_id from chargeback_debt x join customer_debt_entry d on d.id = x.entry_id
                            join escrow e on (e.program_id, e.customer_id, e.asset) = (d.program_id, d.customer_id, d.asset)
                            where e.id = escrow_asked and escrow_lost(e.id) > 0)));

-- Chargebacks of the time before came out of suspense in full, also where the payment had paid a debt: what a payment lacks now is what was
-- taken of others. Each is told, and whoever follows the event books what its customer owes again. The last ones of both are matched first.
insert into chargeback_debt (chargeback_id, entry_id, amount)
with lacking as (
    select id as payment_id, -payment_unused(id) as amount from payment
    where id in (select payment_id from customer_debt_entry) and payment_unused(id) < 0
), back as (
    select c.id, c.payment_id, n.amount, sum(n.amount) over later - n.amount as before
    from chargeback c
    cross join lateral (select c.amount - coalesce(sum(x.amount), 0) as amount from chargeback_escrow x where x.chargeback_id = c.id) n
    where c.state <> 'won' and c.payment_id in (select payment_id from lacking)
    window later as (partition by c.payment_id order by c.opened_at desc, c.id desc)
), used as (
    select d.id, d.payment_id, d.amount, sum(d.amount) over later - d.amount as before
    from customer_debt_entry d where d.payment_id in (select payment_id from lacking)
    window later as (partition by d.payment_id order by d.at desc, d.id desc)
), place as (
    select b.id, u.id as entry_id, greatest(b.before, u.before) as starts,
           least(b.before + b.amount, u.before + u.amount, l.amount) as ends
    from lacking l join back b using (payment_id) join used u using (payment_id)
)
select id, entry_id, ends - starts from place where ends > starts;
create temporary table told on commit drop as
select c.id || '.chargeback_escrow_found.debts' as id, c.program_id, c.id as subject_id
from chargeback c where exists (select from chargeback_debt x where x.chargeback_id = c.id);
insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at, due_at)
select id, 'chargeback_escrow_found', 'critical', program_id, subject_id, '{}', now(), 'due', now(), now() from told;
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
select 'event', id, 1, '', 'create', 'due', 'system', now() from told;
drop table told;

-- What the customer owes again stands in the customer's statement as well.
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
from customer_debt_entry
union all
select d.program_id, d.customer_id, d.asset, c.opened_at, 17, 'chargeback', c.id, null, sum(x.amount)::bigint
from chargeback_debt x join chargeback c on c.id = x.chargeback_id join customer_debt_entry d on d.id = x.entry_id
group by d.program_id, d.customer_id, d.asset, c.id
union all
select d.program_id, d.customer_id, d.asset, c.ended_at, 18, 'chargeback won', c.id, null, -sum(x.amount)::bigint
from chargeback_debt x join chargeback c on c.id = x.chargeback_id join customer_debt_entry d on d.id = x.entry_id
where c.state = 'won' group by d.program_id, d.customer_id, d.asset, c.id;

-- An invoice says that it is disputed, and that what was paid on it went back.

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('invoice', 'paid', 'dispute', 'disputed', false, false),
    ('invoice', 'partially_paid', 'dispute', 'disputed', false, false),
    ('invoice', 'refunded', 'dispute', 'disputed', false, false),
    ('invoice', 'disputed', 'pay', 'disputed', false, false),
    ('invoice', 'disputed', 'pay_part', 'disputed', false, false),
    ('invoice', 'disputed', 'reinstate', 'paid', false, false),
    ('invoice', 'disputed', 'reinstate_part', 'partially_paid', false, false),
    ('invoice', 'disputed', 'refund', 'refunded', false, false),
    ('invoice', 'paid', 'refund', 'refunded', false, false);

-- Invoices of the time before: what is disputed now, and what was paid in full and went back in full.
create temporary table moved on commit drop as
select i.id, i.state, case when d.id is not null then 'dispute' else 'refund' end as verb,
       case when d.id is not null then 'disputed' else 'refunded' end as to_state, coalesce(d.opened_at, r.at) as at,
       coalesce(d.id, r.id) as cause
from invoice i
left join dispute d on d.invoice_id = i.id and d.ended_at is null
left join lateral (select max(r.id) as id, max(r.created_at) as at, sum(r.amount) as amount from refund r where r.invoice_id = i.id) r on true
where (d.id is not null and i.state in ('paid', 'partially_paid')) or (i.state = 'paid' and r.amount = i.paid);
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'invoice', m.id, i.steps + 1, m.state, m.verb, m.to_state, 'system:worker', m.cause, m.at from moved m join invoice i using (id);
update invoice i set state = m.to_state, state_at = m.at, steps = i.steps + 1 from moved m where m.id = i.id;

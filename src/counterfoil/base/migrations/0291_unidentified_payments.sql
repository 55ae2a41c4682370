-- A payment that belongs to no open invoice lies in suspense. Each has a row of its own that says why and whether something is left of it,
-- so that a person sees it, and gives it back. What goes back is all that is left of it, while no bank takes it.

create table unidentified_payment (                  -- a payment of no invoice
    id          text        primary key,
    program_id  text        not null references program,
    payment_id  text        not null constraint unidentified_payment_of_a_payment_is_one unique references payment,
    provider    text        not null,
    charge_id   text        not null,
    reference   text        not null,
    customer_id text,                                -- of the invoice that its reference names, which is in another asset
    asset       text        not null references asset,
    amount      bigint      not null constraint unidentified_payment_positive check (amount > 0),
    cause       text        not null,
    created_at  timestamptz not null
);
select make_stateful('unidentified_payment', 'unidentified_payment');
select make_fixed('unidentified_payment', 'id', 'program_id', 'payment_id', 'provider', 'charge_id', 'reference', 'customer_id', 'asset', 'amount',
                  'cause', 'created_at');
select make_sealed('unidentified_payment');
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('unidentified_payment', '', 'create', 'open', false, false),
    ('unidentified_payment', 'open', 'repay', 'repaid', false, false),
    ('unidentified_payment', 'open', 'use', 'used', false, false),
    ('unidentified_payment', 'open', 'charge_back', 'charged_back', false, false);
create index unidentified_payment_by_amount on unidentified_payment (asset, amount, id);
create index unidentified_payment_by_time on unidentified_payment (created_at, id);
create index unidentified_payment_by_provider on unidentified_payment (provider, id);
create index unidentified_payment_by_charge on unidentified_payment (charge_id, id);
create index unidentified_payment_by_reference on unidentified_payment (reference, id);
create index unidentified_payment_of_customer on unidentified_payment (customer_id, program_id, id);

create table unidentified_repayment (                -- where a customer has it back; append-only
    unidentified_payment_id text        primary key references unidentified_payment,
    program_id              text        not null references program,
    payment_id              text        not null constraint unidentified_payment_is_repaid_once unique references payment,
    amount                  bigint      not null constraint unidentified_repayment_positive check (amount > 0),
    provider                text        not null constraint unidentified_repayment_names_a_provider check (provider <> ''),
    reference               text        not null constraint unidentified_repayment_reference check (length(reference) between 1 and 200),
    actor                   text        not null,
    at                      timestamptz not null,
    constraint unidentified_payment_is_repaid_once_by_each_reference unique (provider, reference)
);
select make_append_only('unidentified_repayment');
select make_sealed('unidentified_repayment');

create table chargeback_repaid (                     -- of what a bank took, what had gone back before; append-only
    chargeback_id           text   primary key references chargeback,
    unidentified_payment_id text   not null references unidentified_repayment,
    amount                  bigint not null constraint chargeback_repaid_positive check (amount > 0)
);
create index chargeback_repaid_of_payment on chargeback_repaid (unidentified_payment_id);
select make_append_only('chargeback_repaid');
select make_sealed('chargeback_repaid');
select keep_to_program('chargeback_repaid', 'chargeback_id in (select id from chargeback)');
insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('UNIDENTIFIED_REPAY', 'unidentified_repay', 'unidentified_payment', true, true),
    ('CHARGEBACK_REPAID', 'chargeback_repaid', 'chargeback', true, true);

-- What of a chargeback came out of suspense: what nothing had been done with.
create function chargeback_of_unused(chargeback_asked text) returns bigint stable language sql
    return (select c.amount - coalesce((select sum(x.amount) from chargeback_escrow x where x.chargeback_id = c.id), 0)
                   - coalesce((select sum(x.amount) from chargeback_debt x where x.chargeback_id = c.id), 0)
                   - coalesce((select x.amount from chargeback_repaid x where x.chargeback_id = c.id), 0)
            from chargeback c where c.id = chargeback_asked);

-- What a payment that lies in suspense still has.
create or replace function payment_unused(payment_asked text) returns bigint stable language sql
    return (select p.amount - coalesce((select sum(m.amount) from escrow_movement m where m.payment_id = p.id), 0)
                   - coalesce((select sum(d.amount) from customer_debt_entry d where d.payment_id = p.id), 0)
                   - coalesce((select r.amount from unidentified_repayment r where r.payment_id = p.id), 0)
                   - coalesce((select sum(chargeback_of_unused(c.id)) from chargeback c where c.payment_id = p.id and c.state <> 'won'), 0)
            from payment p where p.id = payment_asked and p.invoice_id is null);

create function unidentified_payment_is_repaid_whole() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
declare
    cb text;
begin
    perform lock_payments(array[new.payment_id]);
    cb := (select min(c.id) from chargeback c where c.payment_id = new.payment_id and c.state = 'open');
    if cb is not null then
        raise 'chargeback % of payment % is open: nothing of it goes back until the bank has decided', cb, new.payment_id
            using errcode = 'CF002';
    elsif not exists (select from unidentified_payment u where u.id = new.unidentified_payment_id
                      and (u.program_id, u.payment_id) = (new.program_id, new.payment_id))
       or new.amount is distinct from payment_unused(new.payment_id) then
        raise 'unidentified payment %: % is left of it, not %', new.unidentified_payment_id, payment_unused(new.payment_id), new.amount
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger unidentified_payment_is_repaid_whole before insert on unidentified_repayment
    for each row execute function unidentified_payment_is_repaid_whole();
alter table unidentified_repayment enable always trigger unidentified_payment_is_repaid_whole;

-- Of what went back, no bank takes more than that.
create function chargeback_repaid_within_repayment() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
declare
    most bigint;
begin
    select r.amount - coalesce((select sum(x.amount) from chargeback_repaid x join chargeback o on o.id = x.chargeback_id
                                where x.unidentified_payment_id = r.unidentified_payment_id and o.state <> 'won'), 0)
    into most
    from unidentified_repayment r join chargeback c on c.payment_id = r.payment_id
    where c.id = new.chargeback_id and r.unidentified_payment_id = new.unidentified_payment_id;
    if new.amount > coalesce(most, 0) then
        raise 'chargeback % took % of what had gone back, and that was %', new.chargeback_id, new.amount, coalesce(most, 0)
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger chargeback_repaid_within_repayment before insert on chargeback_repaid
    for each row execute function chargeback_repaid_within_repayment();
alter table chargeback_repaid enable always trigger chargeback_repaid_within_repayment;

create or replace function reference_paid(of_provider text, of_reference text) returns boolean language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('paid:' || of_provider || ':' || of_reference, 0));
    return exists (select from refund_execution r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from overpayment_repayment r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from unidentified_repayment r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from escrow_movement m where m.kind = 'repay' and (m.provider, m.reference) = (of_provider, of_reference));
end $$;
create trigger reference_pays_once before insert on unidentified_repayment for each row execute function reference_pays_once();
alter table unidentified_repayment enable always trigger reference_pays_once;

-- Payments of the time before. Why each lies in suspense is told as far as it is known; what nothing is left of was used, or a bank took it.
insert into unidentified_payment (id, program_id, payment_id, provider, charge_id, reference, customer_id, asset, amount, cause, created_at,
                                  state, state_at)
select 'unp_' || substr(p.id, 5), p.program_id, p.id, p.provider, p.charge_id, p.reference, i.customer_id, p.asset, p.amount,
       case when i.id is not null then i.id || ' is in ' || i.asset
            when e.asset = p.asset then 'it names escrow ' || e.id
            when e.id is not null then e.id || ' is in ' || e.asset
            else 'nothing of ours has its reference' end, p.recorded_at, 'open', p.recorded_at
from payment p left join invoice i on i.id = p.reference and i.asset <> p.asset left join escrow e on e.id = p.reference
where p.invoice_id is null;
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
select 'unidentified_payment', id, 1, '', 'create', 'open', 'system:worker', created_at from unidentified_payment;
create temporary table ended on commit drop as
select u.id, case when exists (select from chargeback c where c.payment_id = u.payment_id and c.state = 'lost'
                                                             and chargeback_of_unused(c.id) > 0)
                  then 'charge_back' else 'use' end as verb
from unidentified_payment u
where payment_unused(u.payment_id) <= 0
  and not exists (select from chargeback c where c.payment_id = u.payment_id and c.state = 'open' and chargeback_of_unused(c.id) > 0);
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'unidentified_payment', id, 2, 'open', verb, case verb when 'use' then 'used' else 'charged_back' end, 'system:worker',
       'nothing of it is left', now() from ended;
update unidentified_payment u set state = case o.verb when 'use' then 'used' else 'charged_back' end, state_at = now(), steps = 2
from ended o where o.id = u.id;
drop table ended;

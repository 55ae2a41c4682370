-- Files of payments for the bank: one file carries many attempts, and no attempt is ever in two of them.

create table payment_file (
    id         text        primary key,           -- also the message id in the file: the bank refuses it a second time
    provider   text        not null,
    program_id text        not null references program,
    asset      text        not null,
    orders     integer     not null constraint payment_file_has_orders check (orders > 0),
    amount     bigint      not null constraint payment_file_moves_money check (amount > 0),   -- the sum of its orders, minor units
    body       bytea       not null,
    sha256     bytea       not null constraint payment_file_is_hashed check (sha256 = sha256(body)),
    execute_on date        not null,
    created_at timestamptz not null,
    downloaded_at timestamptz                      -- the first time: from then on the bank may have it
);
select make_stateful('payment_file', 'payment_file');
create index payment_file_of_program on payment_file (program_id, id);
comment on table payment_file is 'app: select, insert, update (state, state_at, steps, downloaded_at)';

create table payment_file_order (
    file_id            text    not null references payment_file,
    number             integer not null constraint payment_file_order_number_positive check (number > 0),
    provider_payout_id text    not null references provider_payout constraint payment_file_order_is_in_one_file unique,
    primary key (file_id, number)
);
select make_append_only('payment_file_order');
select keep_to_program('payment_file_order', 'file_id in (select id from payment_file)');

create table bank_report (
    id         text        primary key,
    provider   text        not null,
    program_id text        references program,     -- of whose orders alone it was taken; null: of all
    file_id    text        references payment_file, -- that it speaks of, where it names one (pain.002)
    format     text        not null,
    file_name  text        not null,
    body       bytea       not null,
    sha256     bytea       not null constraint bank_report_is_hashed check (sha256 = sha256(body)),
    told       jsonb       not null,               -- what was made of it: how many orders it calls what, and what it names that is none of ours
    actor      text        not null,
    at         timestamptz not null
);
create unique index bank_report_is_taken_once on bank_report (provider, coalesce(program_id, ''), sha256);
select make_append_only('bank_report');

create function payment_file_is_fixed() returns trigger language plpgsql as $$
begin
    if (new.id, new.provider, new.program_id, new.asset, new.orders, new.amount, new.sha256, new.execute_on, new.created_at)
       is distinct from (old.id, old.provider, old.program_id, old.asset, old.orders, old.amount, old.sha256, old.execute_on, old.created_at)
       or (old.downloaded_at is not null and new.downloaded_at is distinct from old.downloaded_at) then
        raise exception 'a file of payments is never changed: %', old.id using errcode = 'CF001';
    end if;
    return new;
end $$;
create trigger payment_file_is_fixed before update on payment_file for each row execute function payment_file_is_fixed();
alter table payment_file enable always trigger payment_file_is_fixed;

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('payment_file', '', 'create', 'made', false, false),
    ('payment_file', 'made', 'download', 'downloaded', false, false),
    ('payment_file', 'made', 'report', 'reported', false, false),
    ('payment_file', 'downloaded', 'report', 'reported', false, false),
    ('payment_file', 'made', 'cancel', 'cancelled', true, false);

-- What leaves by the bank leaves our account there at once: the clearing of such a provider is even again with every journal.
insert into key_space (word, kind, source_type, is_fact, is_late_ok) values ('PAYOUT_SWEEP', 'payout_sweep', 'provider_payout', true, true);

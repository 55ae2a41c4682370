-- What becomes of fees: distributed to validators, or withdrawn by the house, which takes two people. Each is one row and one journal.

create table treasury_movement (                    -- append-only
    id         text        primary key,
    program_id text        not null references program,
    asset      text        not null references asset,
    kind       text        not null constraint treasury_movement_kind check (kind in ('distribution', 'withdrawal')),
    amount     bigint      not null constraint treasury_movement_positive check (amount > 0),
    reference  text        not null constraint treasury_movement_reference check (length(reference) between 1 and 200),
    reason     text        not null,
    actor      text        not null,
    at         timestamptz not null,
    constraint treasury_reference_counts_once unique (program_id, reference)
);
create index treasury_movement_by_time on treasury_movement (program_id, asset, at);
select make_append_only('treasury_movement');
select make_sealed('treasury_movement');
select make_paired('treasury_movement', 'treasury', 'withdraw', $$new.kind = 'withdrawal'$$, $$n.program_id || ':' || n.asset$$, $$
    p ->> 'amount' = n.amount::text and p ->> 'reference' = n.reference$$);

-- What the platform has earned in fees and not withdrawn; below nothing when fees went back to customers after they were withdrawn.
create function treasury_held(program text, of_asset text) returns numeric stable language sql
    return coalesce((select a.credits - a.debits from account a join book b on b.id = a.book_id
                     where (b.program_id, b.asset, a.name) = (program, of_asset, 'fee:platform')), 0)
         - coalesce((select sum(m.amount) from treasury_movement m
                     where (m.program_id, m.asset, m.kind) = (program, of_asset, 'withdrawal')), 0);

create function withdrawn_within_earned() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('treasury:' || new.program_id || ':' || new.asset, 0));  -- of two at once the later sees the earlier
    if new.kind = 'withdrawal' and new.amount > treasury_held(new.program_id, new.asset) then
        raise 'no more is withdrawn than was earned: % of %', treasury_held(new.program_id, new.asset), new.asset using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger withdrawn_within_earned before insert on treasury_movement for each row execute function withdrawn_within_earned();

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('TREASURY_DISTRIBUTE', 'treasury_distribution', 'treasury_movement', false, true),
    ('TREASURY_WITHDRAW', 'treasury_withdrawal', 'treasury_movement', false, true);

-- Payouts on a chain. A transaction is signed and written down here, whole, in the transaction that announces its call; from then on the
-- order is given, and all that can ever be sent for it are these bytes, or more gas for the same nonce. Which payee an address belongs to
-- is kept encrypted with the destination; the bytes are what the chain shows to everybody.

create table chain_sender (                         -- an address that we pay from, and the nonce that its next order takes
    chain_id   bigint      not null constraint chain_sender_chain check (chain_id > 0),
    address    text        not null constraint chain_sender_address check (address ~ '^0x[0-9a-fA-F]{40}$'),
    next_nonce bigint      not null constraint chain_sender_nonce check (next_nonce >= 0),
    seen_block bigint      not null constraint chain_sender_block check (seen_block >= 0),  -- the newest that any node has told us of
    done_nonce bigint      not null default 0,      -- orders below it are over, and not looked at any more
    gas_wei    numeric     not null default 0,      -- all gas that was booked: what is below one unit is booked with the next
    primary key (chain_id, address)
);

create function chain_sender_goes_forward() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if (new.chain_id, new.address) is distinct from (old.chain_id, old.address) or new.next_nonce < old.next_nonce
       or new.seen_block < old.seen_block or new.done_nonce < old.done_nonce then
        raise exception 'what a sender has used, seen and done only grows' using errcode = '23514';
    end if;
    return new;
end $$;
create trigger goes_forward before update on chain_sender for each row execute function chain_sender_goes_forward();
alter table chain_sender enable always trigger goes_forward;

create table chain_order (                          -- append-only: one order is one nonce of one address, for ever
    key        text        primary key,             -- as the provider payout has it
    reference  text        not null,                -- the provider payout
    chain_id   bigint      not null,
    sender     text        not null,
    nonce      bigint      not null,
    asset      text        not null,
    amount     bigint      not null constraint chain_order_amount check (amount > 0),        -- minor units
    units      numeric     not null constraint chain_order_units check (units > 0 and units = trunc(units) and mod(units, amount) = 0),
    token      text,                                -- the contract; null: the chain's own coin
    recipient  text        not null,
    gas        bigint      not null constraint chain_order_gas check (gas > 0),              -- the limit
    from_block bigint      not null,                -- it cannot have been mined before
    written_at timestamptz not null,
    constraint a_nonce_is_of_one_order unique (chain_id, sender, nonce),
    foreign key (chain_id, sender) references chain_sender
);
create index chain_order_by_reference on chain_order (reference);
select make_append_only('chain_order');

-- In order and without gaps, whoever writes: the row takes the next nonce of its sender, and who comes at the same time waits for it.
create function chain_order_takes_the_next_nonce() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    update chain_sender set next_nonce = next_nonce + 1
    where chain_id = new.chain_id and address = new.sender and next_nonce = new.nonce;
    if not found then
        raise exception 'nonce % of % is not its next one', new.nonce, new.sender using errcode = '23514';
    end if;
    return new;
end $$;
create trigger takes_the_next_nonce before insert on chain_order for each row execute function chain_order_takes_the_next_nonce();
alter table chain_order enable always trigger takes_the_next_nonce;

create table chain_transaction (                    -- append-only: the bytes; each later one pays more gas for the same nonce
    hash         text        primary key constraint chain_transaction_hash check (hash ~ '^0x[0-9a-f]{64}$'),
    key          text        not null references chain_order,
    number       integer     not null constraint chain_transaction_number check (number > 0),
    fee_wei      numeric     not null constraint chain_transaction_fee check (fee_wei > 0),  -- at the most, of each unit of gas
    tip_wei      numeric     not null constraint chain_transaction_tip check (tip_wei >= 0 and tip_wei <= fee_wei),
    raw          bytea       not null,
    signed_at    timestamptz not null,
    unique (key, number)
);
select make_append_only('chain_transaction');

create table chain_sighting (                       -- append-only: what the chain said of an order, each time that it changed
    key          text        not null references chain_order,
    number       integer     not null constraint chain_sighting_number check (number > 0),
    state        text        not null constraint chain_sighting_state check (state in ('waiting', 'pooled', 'mined', 'final', 'taken')),
    hash         text        not null,              -- of our transaction; where the nonce is taken, of the other one
    block        bigint,
    block_hash   text,
    succeeded    boolean,
    gas_wei      numeric     constraint chain_sighting_gas check (gas_wei >= 0),
    told         text        not null,
    at           timestamptz not null,
    primary key (key, number),
    constraint chain_sighting_of_a_block check ((state in ('mined', 'final', 'taken')) = (block is not null)
        and (state in ('mined', 'final')) = (block_hash is not null) and (state in ('mined', 'final')) = (gas_wei is not null))
);
select make_append_only('chain_sighting');

create table chain_gas (                            -- append-only: gas that was booked; less again when a block was replaced
    key      text        not null references chain_order,
    number   integer     not null constraint chain_gas_number check (number > 0),
    wei      numeric     not null constraint chain_gas_wei check (wei <> 0),
    minor    bigint      not null,                  -- booked for it: the rest below one unit is carried to the sender's next
    asset    text        not null,
    at       timestamptz not null,
    primary key (key, number)
);
select make_append_only('chain_gas');

insert into key_space (word, kind, source_type, is_fact, is_late_ok, is_reversible) values
    ('CHAIN_GAS', 'chain_gas', 'provider_payout', true, true, false);

-- Where a bank line stands in its account, so that two lines that say the same can be told from one that comes twice; and lines that
-- count no more, because their parts do or because the bank took them back.

alter table bank_line
    add column bank_account text,                  -- as the bank names it
    add column statement    integer,               -- number of the statement within its file; null where the file has no balances
    add column position     bigint,                -- what the account held after the line, by the file's own word or by its statement
    add column entry        text;                  -- the bank's reference of the booking that the line is, or is a part of
create index bank_line_by_entry on bank_line (program_id, account, entry) where entry is not null;

create table bank_line_withdrawn (                 -- append-only: a line that counts no more
    program_id text        not null,
    account    text        not null,
    key        bytea       not null,
    file_id    text        not null references bank_file,  -- the file that says so
    why        text        not null constraint bank_line_withdrawn_why check (why in ('told in parts', 'deleted', 'corrected')),
    at         timestamptz not null,
    constraint bank_line_is_withdrawn_once primary key (program_id, account, key),
    constraint bank_line_withdrawn_line foreign key (program_id, account, key) references bank_line
);
select make_append_only('bank_line_withdrawn');

create view bank_line_counted as                   -- what moved a bank account, each movement once
select l.* from bank_line l
where not exists (select from bank_line_withdrawn w where w.program_id = l.program_id and w.account = l.account and w.key = l.key);

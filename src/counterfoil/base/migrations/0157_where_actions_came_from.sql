-- Of each action of a person or a key: whose it was, by which key, and from which address. What the machine itself did has none.
create table action_origin (
    action_id    text primary key references action,
    principal_id text not null,
    api_key_id   text,                                -- none: a person's own login
    address      text not null constraint action_origin_address check (length(address) <= 120)
);
select make_append_only('action_origin');
select make_sealed('action_origin');

-- Up to which checkpoint the log has left the database: what has not, its owner could still rewrite.
create table log_left (                             -- one row: the newest checkpoint that lies outside, and when it was put there
    only_row boolean     primary key default true constraint log_left_is_one check (only_row),
    size     bigint      not null constraint log_left_size check (size >= 0),
    at       timestamptz not null
);

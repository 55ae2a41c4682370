-- Accounts are found by how their names begin. Where the database sorts text by a language's rules, or is older than PostgreSQL 17, the
-- unique index of the names cannot be read for that.
create index account_by_beginning on account (book_id, name text_pattern_ops);

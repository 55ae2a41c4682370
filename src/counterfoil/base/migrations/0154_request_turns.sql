-- How often keys, logins and addresses ask, counted for all processes together: each takes a part of what a second allows, and uses it up.

create table request_turn (
    scope  text    primary key,
    second bigint  not null,                        -- by this database's clock
    taken  integer not null
);
create index request_turn_by_second on request_turn (second);
comment on table request_turn is 'app: select, insert, update, delete';

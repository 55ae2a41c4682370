-- A pause that lets end what is in a worker's hands: nothing new is taken up, and what was taken is still called for.
create table queue_drain (                          -- append-only: which turns of the switch are such
    number bigint primary key references queue_pause
);
select make_append_only('queue_drain');

-- A queue that sends money goes on again by two people: the row that ends its pause is refused at the end of its transaction unless exactly
-- that was approved and used in it, whoever writes the row. Pausing stays with one person, and so does resuming what sends no money.

create table money_queue (
    queue text primary key
);
comment on table money_queue is 'app: select';
insert into money_queue (queue) values ('reserve'), ('send');

-- What was approved is the end of one pause, of this part, for this reason, and the person who approved it is named.
select make_paired('queue_pause', 'queue', 'resume', 'not new.paused', 'n.queue', $$
    p ->> 'queue' = n.queue and p ->> 'provider' = n.provider and p ->> 'program_id' = n.program_id
    and (p ->> 'pause')::bigint = (
        select max(q.number) from queue_pause q
        where (q.queue, q.provider, q.program_id) = (n.queue, n.provider, n.program_id) and q.number < n.number)
    and n.reason = a.reason
    and exists (select from approval_decision d where d.proposal_id = a.id and d.decision = 'approved' and d.checker = n.actor)$$,
    $$not exists (select from money_queue m where m.queue = n.queue)$$);

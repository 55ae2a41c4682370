-- What people did and what happened at the door, as one list that is read along the indexes by time of both.
create view audit_record as
select a.id, a.at, 'actions'::text as about, a.actor, a.role, a.verb as what, a.subject_id as subject, 'done'::text as outcome,
       (select o.principal_id from action_origin o where o.action_id = a.id) as principal_id,
       (select o.api_key_id from action_origin o where o.action_id = a.id) as api_key_id,
       coalesce((select o.address from action_origin o where o.action_id = a.id), '') as address,
       a.reason, null::text as needs, a.request_id
from action a
union all
select e.id, e.at, case when e.kind in ('login_failed', 'login_limited', 'key_refused', 'refused') then 'refusals' else 'logins' end,
       e.name, '', e.kind, e.method || ' ' || e.path,
       case when e.kind = 'login_failed' then 'failed'
            when e.kind in ('login_limited', 'key_refused', 'refused') then 'refused' else 'done' end,
       e.principal_id, e.api_key_id, e.address, null::text, e.needs, e.request_id
from access_event e;
comment on view audit_record is 'about: actions, logins or refusals; subject: the thing of an action, or the route that was asked for at the door';

-- What payees and customers owe, as one row for each of their accounts.
create view debt as
select b.program_id || ':' || b.asset || ':' || a.name as id, b.program_id, split_part(a.name, ':', 2) as owed_by,
       substr(a.name, length('receivable::') + length(split_part(a.name, ':', 2)) + 1) as party_id, b.asset,
       (a.debits - a.credits)::bigint as amount, a.id as account_id
from account a join book b on b.id = a.book_id
where a.debits > a.credits and (a.name like 'receivable:payee:%' or a.name like 'receivable:customer:%');
comment on view debt is 'owed_by: payee or customer; amount: minor units';

-- Proposals by when they expire.
create index approval_proposal_by_expiry on approval_proposal (expires_at, id);

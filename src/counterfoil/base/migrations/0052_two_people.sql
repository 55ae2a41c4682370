-- Two people on what has no states. A row that gives somebody power, sends money elsewhere or is posted by hand is refused at the end of
-- its transaction unless an approval of exactly that was used in the same transaction. An approval is: proposed by one person, approved by
-- another, who is logged in and holds the role for it, within a day, and used once. Whoever writes the row, and by whatever way.
--
-- The door through which everything begins: nothing of this holds until an administrator was made by an earlier transaction. Nobody opens
-- it again: grants and keys are never deleted, and one that ended keeps it shut, too.

-- 1. What is approved is the payload that can be read: its hash is of the payload in its one form (keys in order, no spaces).
create function canonical_json(given jsonb) returns text immutable parallel safe language plpgsql as $$
begin
    return case jsonb_typeof(given)
        when 'object' then (select '{' || coalesce(string_agg(to_json(key)::text || ':' || canonical_json(value), ',' order by key collate "C"), '') || '}'
                            from jsonb_each(given))
        when 'array' then (select '[' || coalesce(string_agg(canonical_json(value), ',' order by place), '') || ']'
                           from jsonb_array_elements(given) with ordinality as one (value, place))
        else given::text end;
end $$;
alter table approval_proposal add constraint approval_proposal_hash_is_of_its_payload
    check (payload_sha256 = sha256(convert_to(canonical_json(payload), 'UTF8'))) not valid;

-- 2. Who made a grant, a key, a use: the transaction, told by the database and by nobody else. Null: before this was kept.
alter table role_grant add column written_by xid8;
alter table api_key add column written_by xid8;
alter table approval_use add column written_by xid8;
select make_fixed('role_grant', 'written_by');
select make_fixed('api_key', 'written_by');
select make_fixed('principal', 'program_id');  -- whoever sees one program never sees more

create function note_transaction() returns trigger language plpgsql as $$
begin
    new.written_by := pg_current_xact_id();
    return new;
end $$;
create trigger note_transaction before insert on role_grant for each row execute function note_transaction();
create trigger note_transaction before insert on api_key for each row execute function note_transaction();
create trigger note_transaction before insert on approval_use for each row execute function note_transaction();
alter table role_grant enable always trigger note_transaction;
alter table api_key enable always trigger note_transaction;
alter table approval_use enable always trigger note_transaction;

create function was_administered() returns boolean stable language sql
    return exists (select from role_grant g where g.role = 'administrator' and g.written_by is distinct from pg_current_xact_id())
        or exists (select from api_key k where k.role = 'administrator' and k.written_by is distinct from pg_current_xact_id());

-- 3. A login only gets shorter. (What ended stays ended: see make_once.)
create function a_login_only_gets_shorter() returns trigger language plpgsql as $$
begin
    raise 'a login lasts as long as it was opened for' using errcode = 'CF001';
end $$;
create trigger a_login_only_gets_shorter before update on session for each row when (new.expires_at > old.expires_at)
    execute function a_login_only_gets_shorter();

-- 4. Whoever approves holds the role for it: approver, unless another is named for the noun.
create table approving_role (
    machine text primary key,
    role    text not null
);
comment on table approving_role is 'app: select';
insert into approving_role (machine, role) values ('api_key', 'administrator'), ('principal', 'administrator');

create or replace function a_person_approves() returns trigger language plpgsql security definer as $$
declare
    needed constant text := coalesce((select a.role from approving_role a join approval_proposal p using (machine)
                                      where p.id = new.proposal_id), 'approver');
begin
    perform pg_advisory_xact_lock(4271036, hashtext(new.proposal_id));  -- of a yes and a no at once the later sees the earlier
    if new.decision = 'approved' and not exists (
        select from session s join principal p on p.id = s.principal_id
        where s.id = new.session_id and s.principal_id = new.checker_id and s.api_key_id is null and p.kind = 'person'
          and p.disabled_at is null and new.at >= s.created_at and new.at < s.expires_at) then
        raise 'an approval needs the login of a person' using errcode = 'CF361';
    end if;
    if new.decision = 'approved' and not exists (
        select from role_grant g where g.principal_id = new.checker_id and g.role = needed and g.revoked_at is null) then
        raise 'whoever approves this holds the role %', needed using errcode = 'CF363';
    end if;
    if exists (select from approval_decision d where d.proposal_id = new.proposal_id and d.decision <> 'approved')
       or exists (select from approval_use u where u.proposal_id = new.proposal_id) then
        raise 'proposal % is decided', new.proposal_id using errcode = 'CF362';
    end if;
    return new;
end $$;

-- 5. The guard. A migration calls `make_paired` for each kind of row: `guarded` tells which rows of the table (a condition on NEW),
-- `subject` and `fits` are expressions over the row `n` and, in `fits`, the approved payload `p`: what was approved is what is written.
-- Rows for which `unless` holds need no approval: somebody else vouches for them.
create function two_people() returns trigger language plpgsql security definer as $$
declare
    fitting boolean;
begin
    if not was_administered() then
        return null;
    end if;
    execute format($query$
        select %s or exists (
            select from approval_use u
            join approval_proposal a on a.id = u.proposal_id
            cross join lateral (select a.payload) as said (p)
            where u.machine = %L and u.verb = %L and u.subject_id = %s and u.written_by = pg_current_xact_id() and (%s))
        from (select ($1).*) n $query$, tg_argv[4], tg_argv[0], tg_argv[1], tg_argv[2], tg_argv[3])
    into fitting using new;
    if fitting is not true then
        raise '%: this takes two people: % of % was not approved as it is written', tg_table_name, tg_argv[1], tg_argv[0]
            using errcode = 'CF360';
    end if;
    return null;
end $$;

create function make_paired(
    target regclass, machine text, verb text, guarded text, subject text, fits text, unless text default 'false'
) returns void language plpgsql as $$
declare
    named constant text := format('two_people_%s_%s', machine, verb);
begin
    execute format('create constraint trigger %I after insert on %s deferrable initially deferred for each row when (%s)
                    execute function two_people(%L, %L, %L, %L, %L)', named, target, guarded, machine, verb, subject, fits, unless);
    execute format('alter table %s enable always trigger %I', target, named);
end $$;
revoke execute on function make_paired(regclass, text, text, text, text, text, text) from public;

select make_paired('api_key', 'api_key', 'create', 'true', $$'key:' || n.name$$, $$
    p ->> 'name' = n.name and p ->> 'role' = n.role
    and (p ->> 'expiresAt')::timestamptz is not distinct from n.expires_at
    and p ->> 'programId' is not distinct from n.program_id
    and case when p ->> 'principalId' is null
             then exists (select from principal o where o.id = n.principal_id and o.kind = 'service' and o.name = n.name)
             else p ->> 'principalId' = n.principal_id end$$);
select make_paired('role_grant', 'principal', 'grant', 'true', 'n.principal_id', $$p ->> 'role' = n.role$$);
select make_paired('destination', 'destination', 'set', 'true', $$n.program_id || ':' || n.payee_id$$, $$
    p ->> 'programId' = n.program_id and p ->> 'payeeId' = n.payee_id and p ->> 'provider' = n.provider
    and p ->> 'tokenSha256' = encode(sha256(convert_to(n.token, 'UTF8')), 'hex')$$);
select make_paired('write_off_limit', 'write_off_limit', 'set', 'true', $$n.program_id || ':' || n.asset$$,
                   $$p ->> 'minor' = n.minor::text$$);
select make_paired('period_close', 'period', 'reopen', $$new.verb = 'reopen'$$, 'n.program_id',
                   $$u.proposal_id = n.approval_id and (p ->> 'until')::timestamptz = n.closed_until$$);

-- Journals by hand: those that a person posts under their own name. In a key space of the product the part that it belongs to vouches
-- for them (a break and a payout take steps that need two people); of a hold, what was held is known, and posting it is the act.
select make_paired('journal', 'journal', 'post', $$new.actor like 'person:%' and new.reverses is null$$,
    $$n.program_id || ':' || n.key$$, $$
    p ->> 'program_id' = n.program_id and p ->> 'kind' = n.kind and p ->> 'reason' = n.narrative
    and p ->> 'asset' = (select b.asset from book b where b.id = n.book_id)
    and coalesce((p ->> 'effective_at')::timestamptz, n.effective_at) = n.effective_at
    and p -> 'lines' = (
        select jsonb_agg(jsonb_build_object('debit', d.name, 'credit', c.name, 'amount', l.amount) order by l.line)
        from posting l join account d on d.id = l.debit join account c on c.id = l.credit where l.journal_id = n.id)$$,
    $$(key_word(n.key) like 'PAYOUT@_%' escape '@' or key_word(n.key) in (select word from key_space))$$);
select make_paired('journal', 'hold', 'post', $$new.actor like 'person:%' and new.key like 'hold.post:%'$$,
    $$substr(n.key, length('hold.post:') + 1)$$, $$
    p ->> 'amount' is null or (p ->> 'amount')::bigint = (select sum(l.amount) from posting l where l.journal_id = n.id)$$);

-- Reversals: a person's always, a service's of what the product itself posted.
select make_paired('journal', 'journal', 'reverse', $$new.reverses is not null and (new.actor like 'person:%' or new.actor like 'key:%')$$,
    'n.reverses::text', $$
    (p ->> 'line')::integer is not distinct from n.reverses_line
    and coalesce((p ->> 'effectiveAt')::timestamptz, n.effective_at) = n.effective_at$$,
    $$(n.actor like 'key:%' and exists (
        select from journal o where o.id = n.reverses and (o.actor like 'key:%' or o.actor like 'person:%')))$$);

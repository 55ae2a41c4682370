-- What an attempt is allowed by, and how many people a batch takes, is worked out by the database from the newest policy: a row that says
-- otherwise is refused, whoever writes it.

create function an_attempt_is_allowed_by_what_counts() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare newest payout_policy;
begin
    select q.* into newest from payout p join payout_policy q on (q.program_id, q.asset) = (p.program_id, p.asset)
    where p.id = new.payout_id order by q.version desc limit 1;
    if new.basis = 'before' then
        raise 'attempt % is not older than the approvals', new.provider_payout_id using errcode = 'CF384';
    elsif new.basis = 'none' and newest.version is not null then
        raise 'payouts in % are approved by policy, and nothing approved attempt %', newest.asset, new.provider_payout_id using errcode = 'CF384';
    elsif new.basis = 'rule' and newest.version is distinct from new.policy_version then
        raise 'attempt % was allowed by a policy that is not the newest', new.provider_payout_id using errcode = 'CF384';
    elsif new.basis = 'rule' and new.amount > newest.by_rule_max then
        raise 'attempt % is of more than is paid by rule', new.provider_payout_id using errcode = 'CF384';
    end if;
    return new;
end $$;
create trigger an_attempt_is_allowed_by_what_counts before insert on payout_approval
    for each row execute function an_attempt_is_allowed_by_what_counts();

-- The columns `approvers` and `by_rule` tell people what is asked of them; what is asked is what the newest policy says of the lines' sum.
create or replace function payout_batch_is_approved_rightly() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare newest payout_policy; total bigint; needed integer;
begin
    if new.sha256 is distinct from payout_batch_digest(new.id) then
        raise 'the lines of batch % are not those that were frozen', new.id using errcode = 'CF382';
    end if;
    select coalesce(sum(l.amount), 0)::bigint into total from payout_batch_line l where l.batch_id = new.id and l.removed_at is null;
    select q.* into newest from payout_policy q where (q.program_id, q.asset) = (new.program_id, new.asset) order by q.version desc limit 1;
    if new.by_rule and (newest.version is null or total > newest.by_rule_max) then
        raise 'batch % is not approved by rule', new.id using errcode = 'CF360';
    end if;
    select max(tier.approvers) into needed
    from unnest(newest.tiers_above, newest.tiers_approvers) as tier (above, approvers) where total > tier.above;
    needed := greatest(new.approvers, needed, 1);
    if not new.by_rule and needed > (
        select count(*) from payout_batch_approval a where (a.batch_id, a.round, a.sha256) = (new.id, new.round, new.sha256)) then
        raise 'batch % takes the approval of % people', new.id, needed using errcode = 'CF360';
    end if;
    return new;
end $$;

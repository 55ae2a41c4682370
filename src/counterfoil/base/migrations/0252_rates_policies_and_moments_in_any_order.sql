-- Versions of fee rates, with an id of their own.
create view listed_fee_version as
select v.program_id || ':' || v.version::text as id, v.program_id, v.version, v.platform_bps, v.validator_bps, v.holdback_bps,
       v.effective_at, v.actor, v.recorded_at
from fee_version v;
comment on view listed_fee_version is 'effective_at: the moment from which settlements use it, until the next version''s';

-- Versions of what affiliates get, with an id of their own.
create view listed_commission_rate as
select r.program_id || ':' || r.asset || ':' || r.version::text as id, r.program_id, r.asset, r.version, r.base, r.mode, r.levels,
       r.cap_bps, r.mature_days, r.minimum, r.effective_at, r.actor, r.recorded_at
from commission_rate r;
comment on view listed_commission_rate is 'levels: basis points, the first of who referred; minimum: minor units';

-- The newest payout policy of each program and asset that has one.
create view payout_policy_in_force as
select distinct on (p.program_id, p.asset) p.program_id || ':' || p.asset as id, p.program_id, p.asset, p.version, p.by_rule_max,
       p.tiers_above, p.tiers_approvers, p.cooling_hours, p.reason, p.actor, p.at
from payout_policy p order by p.program_id, p.asset, p.version desc;
comment on view payout_policy_in_force is 'by_rule_max and tiers_above: minor units; cooling_hours: how long a new destination is looked at';

-- Moments of schedules, those that somebody took and those that nobody did, as one list that is read along the indexes of both.
create view schedule_moment as
select t.name || '@' || (extract(epoch from t.slot_at at time zone 'UTC') * 1000000)::bigint::text as id, t.name, t.slot_at,
       t.slot_at as first_at, 0 as missed, t.taken_at, t.taken_by
from reconciliation_slot t
union all
select g.name || '@' || (extract(epoch from g.first_at at time zone 'UTC') * 1000000)::bigint::text || '+', g.name, g.last_at, g.first_at,
       g.missed, g.noticed_at, g.noticed_by
from reconciliation_gap g;
comment on view schedule_moment is 'missed: so many moments in a row that nobody took, from first_at to slot_at; 0 for one that was taken';
create index reconciliation_slot_by_moment on reconciliation_slot
    (slot_at, (name || '@' || (extract(epoch from slot_at at time zone 'UTC') * 1000000)::bigint::text));
create index reconciliation_slot_by_taking on reconciliation_slot
    (taken_at, (name || '@' || (extract(epoch from slot_at at time zone 'UTC') * 1000000)::bigint::text));
create index reconciliation_gap_by_moment on reconciliation_gap
    (last_at, (name || '@' || (extract(epoch from first_at at time zone 'UTC') * 1000000)::bigint::text || '+'));
create index reconciliation_gap_by_taking on reconciliation_gap
    (noticed_at, (name || '@' || (extract(epoch from first_at at time zone 'UTC') * 1000000)::bigint::text || '+'));

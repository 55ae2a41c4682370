-- From when a version of the rates is in force, and in each asset what the platform's fee is at least, at most, and besides its rate.
-- A version without a row is in force from when it was recorded, and its fee is its rate alone.

create table fee_term (
    program_id   text        not null references program,
    version      integer     not null,
    effective_at timestamptz not null,
    primary key (program_id, version),
    foreign key (program_id, version) references fee_rate
);
select make_append_only('fee_term');
select make_sealed('fee_term');

create table fee_limit (
    program_id text    not null references program,
    version    integer not null,
    asset      text    not null references asset,
    fixed      bigint  not null constraint fee_limit_fixed check (fixed >= 0),
    minimum    bigint  not null constraint fee_limit_minimum check (minimum >= 0),
    maximum    bigint  constraint fee_limit_maximum check (maximum >= minimum),   -- null: none
    primary key (program_id, version, asset),
    foreign key (program_id, version) references fee_rate
);
select make_append_only('fee_limit');
select make_sealed('fee_limit');

create function fee_terms_look_ahead() returns trigger language plpgsql as $$
begin
    if new.effective_at < (select recorded_at from fee_rate r where (r.program_id, r.version) = (new.program_id, new.version)) then
        raise 'rates hold from when they are recorded, or later: what was settled keeps its own' using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger fee_terms_look_ahead before insert on fee_term for each row execute function fee_terms_look_ahead();

create view fee_version as
select r.program_id, r.version, r.platform_bps, r.validator_bps, r.holdback_bps, coalesce(t.effective_at, r.recorded_at) as effective_at,
       r.actor, r.recorded_at
from fee_rate r left join fee_term t using (program_id, version);

-- The version in force at a moment: the one that began last; of two that began at once, the one that was recorded later.
create function fee_version_at(program text, moment timestamptz) returns integer stable language sql
    return (select v.version from fee_version v where v.program_id = program and v.effective_at <= moment
            order by v.effective_at desc, v.version desc limit 1);

-- The platform's fee of a gross: its rate rounded down, and the fixed part; then at least, then at most. Of nothing, nothing.
create function fee_platform(base numeric, program text, of_version integer, of_asset text) returns numeric stable language sql
    return (select case when base = 0 then 0 else least(greatest(div(base * r.platform_bps, 10000) + coalesce(l.fixed, 0),
                                                                 coalesce(l.minimum, 0)), coalesce(l.maximum, 9223372036854775807)) end
            from fee_rate r left join fee_limit l on (l.program_id, l.version, l.asset) = (r.program_id, r.version, of_asset)
            where (r.program_id, r.version) = (program, of_version));

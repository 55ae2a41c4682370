-- A sale's commissions follow from who stood above whom, and who was active, at the moment of the sale, however late its event is followed.

create index commission_sale_of_program on commission_sale (program_id, at);

-- An affiliate and those above it at that moment, level 1 first. A circle ends where it began, so that a broken tree can be read.
create function affiliate_path_at(affiliate_asked text, moment timestamptz) returns text[] stable language plpgsql as $$
declare
    path    text[] := '{}';
    current text   := affiliate_asked;
begin
    while current is not null and current <> all (path) loop
        path := path || current;
        current := (select parent_id from affiliate_placement
                    where affiliate_id = current and at <= moment order by number desc limit 1);
    end loop;
    return path;
end $$;

-- Who of a path earns of a sale at that moment: whoever was active then, and is not the customer.
create function commission_earners(path_asked text[], customer text, moment timestamptz) returns boolean[] stable language sql
    return (select array_agg(customer not in (a.id, a.name)
                             and coalesce((select s.to_state = 'active' from step s
                                           where (s.machine, s.subject_id) = ('affiliate', a.id) and s.at <= moment
                                           order by s.step desc limit 1), false) order by n)
            from unnest(path_asked) with ordinality as u (id, n) join affiliate a using (id));

create or replace function commission_sale_is_true() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if not exists (
        select from sale s join commission_rate r on (r.program_id, r.asset, r.version) = (s.program_id, s.asset, new.rate_version)
        join referral f on (f.program_id, f.customer_id) = (s.program_id, s.customer_id)
        where s.id = new.id and f.at <= s.at and r.version = commission_version_at(s.program_id, s.asset, s.at)
          and (s.program_id, s.customer_id, s.asset, s.gross, s.platform_fee, s.at) =
              (new.program_id, new.customer_id, new.asset, new.gross, new.platform_fee, new.at)
          and (r.base, r.mode, r.levels) = (new.base_kind, new.mode, new.levels)
          and new.path = (affiliate_path_at(f.affiliate_id, s.at))[1:cardinality(r.levels)]
          and new.earns = commission_earners(new.path, s.customer_id, s.at)) then
        raise 'sale %: it was not referred so, or other rates were in force', new.id using errcode = 'CF002';
    end if;
    return new;
end $$;

-- Reading an account where its program has many segments.
-- Segments begin one after the other, so what a stretch of time needs is found at its two ends; every row was read for it, and a balance of the past took
-- longer with each segment that there was.
create index program_segment_by_beginning on program_segment (program_id, first_seq, segment);

create or replace function segments_between(account_id bigint, from_seq bigint, end_seq bigint) returns integer[]
    stable parallel safe language sql set search_path = public, pg_temp
    return array(
        select generate_series(
            coalesce((select s.segment from program_segment s
                      where s.program_id = b.program_id and s.first_seq <= from_seq - (86700000::bigint << 20)
                      order by s.first_seq desc, s.segment desc limit 1), 0),
            (select s.segment from program_segment s
             where s.program_id = b.program_id and s.first_seq < end_seq
             order by s.first_seq desc, s.segment desc limit 1))
        from book b where b.id = account_id >> 40);

-- Segments are looked for together, one first and then ever more: one query for each took longer than what it found. An account's own newest posting says
-- beyond which segment nothing of it can be.
create or replace function newest_postings(account_id bigint, before_seq bigint, rows_max integer) returns setof posting
    stable language plpgsql rows 1 set search_path = public, pg_temp as $$
declare
    segments  constant integer[] := segments_between(
        account_id, 0, least(before_seq, (select a.last_seq + 1 from account a where a.id = account_id)));
    last      integer := cardinality(segments);
    many      integer := 1;
    found_now integer;
    wanted    integer := rows_max;
begin
    while last > 0 and wanted > 0 loop
        return query
        select * from (
            select p.* from unnest(segments[greatest(last - many + 1, 1):last]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.debit = account_id and p.seq < before_seq
                order by p.seq desc limit wanted) p
            union all
            select p.* from unnest(segments[greatest(last - many + 1, 1):last]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.credit = account_id and p.seq < before_seq
                order by p.seq desc limit wanted) p
        ) p order by p.seq desc limit wanted;
        get diagnostics found_now = row_count;
        wanted := wanted - found_now;
        last := last - many;
        many := least(4 * many, 256);
    end loop;
end $$;

-- A seq may be up to a day ahead of the clock, so by time alone a page begins a day earlier. Where the account stood before it says better: along an
-- account a later segment has later seqs.
create or replace function postings_between(account_id bigint, from_seq bigint, end_seq bigint, rows_max integer) returns setof posting
    stable language plpgsql set search_path = public, pg_temp as $$
declare
    newest    constant bigint := (select a.last_seq from account a where a.id = account_id);
    segments  constant integer[] := segments_between(account_id, from_seq, least(end_seq, newest + 1));
    first     integer := 1;
    last      integer := least(cardinality(segments), cardinality(segments_between(account_id, from_seq, from_seq + 1)));  -- begun by then
    many      integer := 1;
    stood     integer;
    found_now integer;
    wanted    integer := rows_max;
begin
    while last > 1 and stood is null and newest >= from_seq loop
        select max(s.number) into stood
        from unnest(segments[greatest(last - many + 1, 1):last]) as s (number), lateral (
            (select from posting p where p.segment = s.number and p.debit = account_id and p.seq < from_seq limit 1)
            union all
            (select from posting p where p.segment = s.number and p.credit = account_id and p.seq < from_seq limit 1)) p;
        first := coalesce(stood - segments[1] + 1, first);
        last := last - many;
        many := least(4 * many, 256);
    end loop;
    many := 1;
    while first <= cardinality(segments) and wanted > 0 and newest >= from_seq loop
        return query
        select * from (
            select p.* from unnest(segments[first:first + many - 1]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.debit = account_id and p.seq >= from_seq and p.seq < end_seq
                order by p.seq limit wanted) p
            union all
            select p.* from unnest(segments[first:first + many - 1]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.credit = account_id and p.seq >= from_seq and p.seq < end_seq
                order by p.seq limit wanted) p
        ) p order by p.seq limit wanted;
        get diagnostics found_now = row_count;
        wanted := wanted - found_now;
        first := first + many;
        many := least(4 * many, 256);
    end loop;
end $$;

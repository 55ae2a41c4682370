-- A fingerprint is under a key as its envelope is, and goes under another one with it: an old key that only fingerprints need would be
-- taken away, and then nobody could hold an account against what was agreed on. Only the owner may, and never the fingerprint alone.

create function refuse_fingerprint_alone() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    raise '%: a fingerprint is renewed with its envelope, under the same key', tg_table_name using errcode = 'CF050';
end $$;
create trigger fingerprint_goes_with_envelope before update of fingerprint on destination for each row
    when (new.fingerprint is distinct from old.fingerprint
          and (new.envelope is not distinct from old.envelope
               or substr(new.fingerprint, 1, 4) is distinct from substr(new.envelope, 1, 4)))
    execute function refuse_fingerprint_alone();
create index destination_by_fingerprint_key on destination (substr(fingerprint, 1, 4));

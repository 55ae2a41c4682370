-- What another counterfoil and we owe each other stands in `clearing:PEER`, beside the clearing accounts of providers. It has no statement, pays
-- nobody out and is not set up as a provider: whoever asks for providers leaves it out.
create index two_phase_of_peer on two_phase_participant (program_id, peer) where peer is not null;
create function is_of_a_peer(program text, account text) returns boolean stable language sql set search_path = public, pg_temp return
    starts_with(account, 'clearing:')
    and exists (select from two_phase_participant p where p.peer is not null and (p.program_id, p.peer) = (program, substr(account, 10)));

-- What is retired stays where it is in a replica's session, too: no setting of a session passes over the ledger's rules.
alter table account enable always trigger retired_never_moves;

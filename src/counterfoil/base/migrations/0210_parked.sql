-- What is parked is asked for each minute and on the page of today, among all that was ever told or received.
create index event_parked on event (state_at, id) where state = 'parked';
create index webhook_in_parked on webhook_in (state_at, id) where state = 'parked';

-- What a line of a log names: the search and the auditor's list find what was done, or refused, in a request.
create index action_by_request on action (request_id);
create index access_event_by_request on access_event (request_id);

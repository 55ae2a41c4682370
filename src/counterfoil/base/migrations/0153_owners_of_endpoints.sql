-- Owners of endpoints are written to: a notice may have a recipient of its own, and who owns an endpoint may change.

alter table notice add column recipient text not null default '' constraint notice_recipient_is_short check (length(recipient) <= 254);
select make_fixed('notice', 'recipient');
comment on column webhook_endpoint.owner_email is null;  -- the application may change it, by a verb whose reason is kept

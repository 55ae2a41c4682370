-- How providers do is measured from their calls of a span.
create index call_by_time on call (provider, announced_at);

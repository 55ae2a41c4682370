"""Work and those who do it: queues, the worker, events, webhooks in, access."""

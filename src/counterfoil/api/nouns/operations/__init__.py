"""Routes of the work itself: queues, workers, keys, what was parked, webhooks in."""

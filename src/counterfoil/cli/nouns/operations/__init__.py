"""Commands of queues, jobs, workers, keys and events."""

"""That a journal or a payout is in the log: a file that stands alone, made here, and verified by whoever has the log's key."""

"""What did not match: each difference with its cause, its evidence and the one safe action."""

"""Commands of payouts and destinations."""

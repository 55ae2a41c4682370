"""Routes of payouts and destinations."""

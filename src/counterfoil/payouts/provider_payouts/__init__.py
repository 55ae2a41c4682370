"""One attempt to pay a payout at a provider."""

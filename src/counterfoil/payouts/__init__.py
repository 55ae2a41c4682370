"""From what a payee is owed to money that arrived: payouts, destinations, and provider payouts (one attempt each)."""

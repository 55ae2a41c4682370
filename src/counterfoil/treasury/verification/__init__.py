"""Whether agents' balances are what their transactions say, and what stands behind it when they are not."""

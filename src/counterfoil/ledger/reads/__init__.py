"""What is read from the ledger: balances, books, listings, statements, explanations. Select only."""

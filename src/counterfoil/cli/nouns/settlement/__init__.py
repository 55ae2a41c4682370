"""Commands of usage, invoices, intents and rates."""

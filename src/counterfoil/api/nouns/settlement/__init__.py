"""Routes of usage, invoices, intents and settlements."""

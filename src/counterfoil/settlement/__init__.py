"""From usage to what a payee is owed: usage, invoices, payments, intents, settlements."""

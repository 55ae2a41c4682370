"""Settlement intents: from the request to pay until the invoice is settled."""

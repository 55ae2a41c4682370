"""Where a payee's money goes."""

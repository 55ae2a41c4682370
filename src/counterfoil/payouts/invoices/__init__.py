"""What ends an invoice that is not paid as it was asked: credit notes, expiry, write-off."""

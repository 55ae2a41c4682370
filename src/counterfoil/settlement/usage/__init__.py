"""What customers used of what payees offer."""

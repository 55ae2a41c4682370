"""Payees: what they are told about their money."""

"""Traces that follow a payment."""

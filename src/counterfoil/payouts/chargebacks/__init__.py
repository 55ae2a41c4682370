"""Payments that a customer's bank took back, as the provider tells it."""

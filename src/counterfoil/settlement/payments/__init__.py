"""A customer's money, as the provider tells it."""

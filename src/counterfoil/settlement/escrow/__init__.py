"""Escrow: a customer's money that waits for its conditions, and then goes to the payee or back."""

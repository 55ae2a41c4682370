"""Customers: what stands between each of them and the house."""
